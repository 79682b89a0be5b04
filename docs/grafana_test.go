package docs

import (
	"context"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/VictoriaMetrics/metricsql"
	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	cacheprom "github.com/cachewire/cachewire/observe/prometheus"
	"github.com/prometheus/client_golang/prometheus"
)

// A series is the name of a series, such as x_bucket, and its labels.
type series struct {
	name   string
	labels map[string]string
}

// exposition returns the series of caches that have all metrics.
func exposition(t *testing.T) []series {
	t.Helper()
	m, registry := cacheprom.New(), prometheus.NewRegistry()
	registry.MustRegister(m)
	b, err := memory.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := core.New(pooled{b}, &core.Options{Name: "users", Hooks: []core.Hook{m}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := m.Add(c); err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	_, _ = c.Get(ctx, "k")
	_ = c.SetMulti(ctx, map[string][]byte{"k": []byte("v")}, 0)
	_, _ = c.Get(ctx, "k")
	_, _ = c.GetMulti(ctx, []string{"k", "x"})
	_ = c.CompareAndSwap(ctx, core.Item{Key: "k", Token: new(int)})
	_ = c.Set(ctx, "", nil, 0)
	m.Served("users", "hit", 1)
	m.Loaded("users", 1, time.Second, nil)
	m.Loaded("users", 1, time.Second, io.EOF)
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var all []series
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			labels := map[string]string{}
			for _, l := range metric.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			if metric.GetHistogram() == nil {
				all = append(all, series{family.GetName(), labels})
				continue
			}
			for _, suffix := range []string{"_sum", "_count"} {
				all = append(all, series{family.GetName() + suffix, labels})
			}
			bucket := map[string]string{"le": "1"}
			for name, value := range labels {
				bucket[name] = value
			}
			all = append(all, series{family.GetName() + "_bucket", bucket})
		}
	}
	return all
}

// A pooled is a backend with a pool.
type pooled struct{ *memory.Backend }

func (pooled) Stats(context.Context) (core.Stats, error) {
	return core.Stats{Pool: core.PoolStats{Total: 1, Idle: 1}}, nil
}

// matches reports whether s has the name and labels that a selector of a query wants, and all
// of the labels of by.
func (s series) matches(filters []metricsql.LabelFilter, by []string) bool {
	for _, f := range filters {
		value := s.labels[f.Label]
		if f.Label == "__name__" {
			value = s.name
		}
		equal := value == f.Value
		if f.IsRegexp {
			equal = regexp.MustCompile("^(?:" + f.Value + ")$").MatchString(value)
		}
		if equal == f.IsNegative {
			return false
		}
	}
	for _, label := range by {
		if _, ok := s.labels[label]; !ok {
			return false
		}
	}
	return true
}

// Each selector of each query selects a series that the collector has, and the labels by which
// a query groups and which its legend names are labels of it.
func TestTheDashboardAsksForMetricsThatThereAre(t *testing.T) {
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr, LegendFormat string }
		}
		Templating struct {
			List []struct{ Query json.RawMessage }
		}
	}
	text := read(t, "grafana.json")
	if err := json.Unmarshal([]byte(text), &dashboard); err != nil {
		t.Fatal(err)
	}
	all := exposition(t)
	variables := strings.NewReplacer("$__rate_interval", "5m", "$cache", ".*")
	check := func(title, query, legend string) (selectors int) {
		expr, err := metricsql.Parse(variables.Replace(query))
		if err != nil {
			t.Errorf("%s: %s: %v", title, query, err)
			return 0
		}
		var by []string
		metricsql.VisitAll(expr, func(e metricsql.Expr) {
			if a, ok := e.(*metricsql.AggrFuncExpr); ok {
				by = append(by, a.Modifier.Args...)
			}
		})
		for _, match := range regexp.MustCompile(`{{(\w+)}}`).FindAllStringSubmatch(legend, -1) {
			by = append(by, match[1])
		}
		metricsql.VisitAll(expr, func(e metricsql.Expr) {
			m, ok := e.(*metricsql.MetricExpr)
			if !ok {
				return
			}
			for _, filters := range m.LabelFilterss {
				selectors++
				found := false
				for _, s := range all {
					found = found || s.matches(filters, by)
				}
				if !found {
					t.Errorf("%s: no series for %s by %v", title, m.AppendString(nil), by)
				}
			}
		})
		return selectors
	}
	for _, panel := range dashboard.Panels {
		for _, target := range panel.Targets {
			if check(panel.Title, target.Expr, target.LegendFormat) == 0 {
				t.Errorf("%s: the query %s has no selector", panel.Title, target.Expr)
			}
		}
	}
	if len(dashboard.Panels) == 0 {
		t.Error("the dashboard has no panels")
	}
	match := regexp.MustCompile(`label_values\((\w+), (\w+)\)`).FindStringSubmatch(text)
	if match == nil || check("variable", match[1], "{{"+match[2]+"}}") != 1 {
		t.Error("there is no variable for the caches")
	}
	// Whatever the collector has is on the dashboard.
	for _, s := range all {
		name := strings.TrimSuffix(s.name, "_sum")
		if !strings.Contains(text, name) {
			t.Errorf("no panel shows %s", s.name)
		}
	}
}
