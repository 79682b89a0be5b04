package cacheotel_test

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	cacheotel "github.com/cachewire/cachewire/observe/otel"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func newCache(t testing.TB, b core.Backend, name string, hooks ...core.Hook) *core.Cache {
	t.Helper()
	if b == nil {
		b = must(memory.New(nil))
	}
	c, err := core.New(b, &core.Options{Name: name, Hooks: hooks})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// newMetrics returns a Metrics whose metrics are in the reader.
func newMetrics(t testing.TB) (*cacheotel.Metrics, *sdkmetric.ManualReader) {
	t.Helper()
	reader := sdkmetric.NewManualReader()
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader))
	m, err := cacheotel.NewMetrics(provider)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m, reader
}

// A point is a data point of a metric: its value, or how many values a histogram has.
type point struct {
	value float64
	sum   float64 // of a histogram
	unit  string
}

// collect returns the data points by the metric and its attributes, as in "name{a=b,c=d}".
func collect(t testing.TB, reader *sdkmetric.ManualReader) map[string]point {
	t.Helper()
	var data metricdata.ResourceMetrics
	if err := reader.Collect(context.Background(), &data); err != nil {
		t.Fatal(err)
	}
	points := map[string]point{}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			add := func(set attribute.Set, value, sum float64) {
				points[m.Name+"{"+labels(set.ToSlice())+"}"] = point{value, sum, m.Unit}
			}
			switch d := m.Data.(type) {
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					add(p.Attributes, float64(p.Count), p.Sum)
				}
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					add(p.Attributes, float64(p.Value), 0)
				}
			case metricdata.Sum[float64]:
				for _, p := range d.DataPoints {
					add(p.Attributes, p.Value, 0)
				}
			case metricdata.Gauge[int64]:
				for _, p := range d.DataPoints {
					add(p.Attributes, float64(p.Value), 0)
				}
			default:
				t.Errorf("%s has data of type %T", m.Name, d)
			}
		}
	}
	return points
}

func labels(attributes []attribute.KeyValue) string {
	var texts []string
	for _, a := range attributes {
		texts = append(texts, string(a.Key)+"="+a.Value.String())
	}
	slices.Sort(texts)
	return strings.Join(texts, ",")
}

// wantPoints checks the value of each point.
func wantPoints(t *testing.T, got map[string]point, want map[string]float64) {
	t.Helper()
	for name, value := range want {
		if p, ok := got[name]; !ok || p.value != value {
			t.Errorf("%s is %v (present: %v), want %v", name, p.value, ok, value)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(slices.Sorted(maps.Keys(got)), "\n"))
	}
}

// A faulty is a backend with methods that fail.
type faulty struct {
	*memory.Backend
	err   error
	stats core.Stats
}

func (f *faulty) Get(ctx context.Context, key string) ([]byte, error) {
	if f.err != nil {
		return nil, f.err
	}
	return f.Backend.Get(ctx, key)
}

func (f *faulty) Stats(ctx context.Context) (core.Stats, error) { return f.stats, f.err }
