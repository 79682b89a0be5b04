package cacheotel_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/memory"
	cacheotel "github.com/cachewire/cachewire/observe/otel"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"
)

// newTracing returns a Tracing whose spans are in the exporter, and its provider.
func newTracing(t testing.TB, keys cacheotel.Keys) (
	*cacheotel.Tracing, *tracetest.InMemoryExporter, *sdktrace.TracerProvider,
) {
	t.Helper()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter))
	tracing, err := cacheotel.NewTracing(provider, &cacheotel.TracingOptions{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return tracing, exporter, provider
}

func TestEachVerbIsASpanUnderThatOfTheCaller(t *testing.T) {
	tracing, exporter, provider := newTracing(t, cacheotel.NoKeys)
	b := &faulty{Backend: must(memory.New(nil))}
	c := newCache(t, b, "users", tracing)
	if err := tracing.Add(c); err != nil {
		t.Fatal(err)
	}
	ctx, caller := provider.Tracer("test").Start(t.Context(), "caller")
	_, _ = c.Get(ctx, "k")
	_ = c.SetMulti(ctx, map[string][]byte{"a": nil, "b": nil}, 0)
	_, _ = c.GetMulti(ctx, []string{"a", "b", "x"})
	b.err = fmt.Errorf("%w: %w", core.ErrUnavailable, io.EOF)
	_, _ = c.Get(ctx, "secret-key")
	caller.End()
	spans := exporter.GetSpans()
	const base = ",db.system.name=cacheotel_test"
	want := []struct {
		name, attributes string
		status           codes.Code
		text             string
	}{
		{"Get users", "cachewire.cache.name=users,cachewire.outcome=miss," +
			"db.operation.name=Get" + base,
			codes.Unset, ""},
		{"SetMulti users", "cachewire.cache.name=users,cachewire.outcome=stored," +
			"db.operation.batch.size=2,db.operation.name=SetMulti" + base, codes.Unset, ""},
		{"GetMulti users", "cachewire.cache.name=users,cachewire.hits=2,cachewire.misses=1," +
			"cachewire.outcome=partial,db.operation.batch.size=3,db.operation.name=GetMulti" + base,
			codes.Unset, ""},
		{"Get users", "cachewire.cache.name=users,cachewire.outcome=unavailable," +
			"db.operation.name=Get" + base + ",error.type=unavailable", codes.Error, "unavailable"},
	}
	if len(spans) != len(want)+1 {
		t.Fatalf("%d spans, want %d and the caller's", len(spans), len(want))
	}
	for i, want := range want {
		span := spans[i]
		if got := labels(span.Attributes); span.Name != want.name || got != want.attributes {
			t.Errorf("span %d is %s {%s}\nwant %s {%s}",
				i, span.Name, got, want.name, want.attributes)
		}
		if span.Status.Code != want.status || span.Status.Description != want.text {
			t.Errorf("span %d has the status %v", i, span.Status)
		}
		if span.Parent.SpanID() != caller.SpanContext().SpanID() ||
			span.SpanKind != trace.SpanKindClient || !span.EndTime.After(span.StartTime) {
			t.Errorf("span %d: parent %v, kind %v, from %v to %v", i, span.Parent.SpanID(),
				span.SpanKind, span.StartTime, span.EndTime)
		}
	}
}

func TestSpansHaveKeysOnlyIfAskedFor(t *testing.T) {
	// printf %s secret-key | sha256sum | cut -c1-16
	const hash = "85dbe15d75ef9308"
	long := strings.Repeat("k", 1000)
	for keys, want := range map[cacheotel.Keys][]string{
		cacheotel.NoKeys:     nil,
		cacheotel.HashedKeys: {"cachewire.keys=[\"" + hash + "\"]"},
		cacheotel.WholeKeys: {
			"cachewire.keys=[\"secret-key\"]", "secret-key", long[:256],
		},
	} {
		tracing, exporter, _ := newTracing(t, keys)
		c := newCache(t, &faulty{Backend: must(memory.New(nil)), err: io.EOF}, "users", tracing)
		_, _ = c.Get(t.Context(), "secret-key")
		_, _ = c.GetMulti(t.Context(), strings.Fields(strings.Repeat(long+" ", 20)))
		all := ""
		for _, span := range exporter.GetSpans() {
			all += fmt.Sprintln(span.Name, labels(span.Attributes), span.Status.Description)
		}
		for _, text := range want {
			if !strings.Contains(all, text) {
				t.Errorf("keys %d: no %q in %s", keys, text, all)
			}
		}
		if keys != cacheotel.WholeKeys && strings.Contains(all, "secret") {
			t.Errorf("keys %d: a key is in %s", keys, all)
		}
		if strings.Contains(all, long[:257]) || strings.Count(all, long[:256]) > 10 {
			t.Errorf("keys %d: keys are not cut", keys)
		}
	}
	_, err := cacheotel.NewTracing(nil, &cacheotel.TracingOptions{Keys: 3})
	if !errors.Is(err, core.ErrConfig) {
		t.Errorf("error is %v, want ErrConfig", err)
	}
}

// Each of two hooks ends its own span, although both keep it in the context.
func TestTwoTracingsAndVerbsInsideOfVerbsEndTheirOwnSpans(t *testing.T) {
	one, exporter, _ := newTracing(t, cacheotel.NoKeys)
	two, exporter2, _ := newTracing(t, cacheotel.NoKeys)
	inner := newCache(t, nil, "inner", one)
	outer := newCache(t, &nested{must(memory.New(nil)), inner}, "outer", one, two)
	_, _ = outer.Get(t.Context(), "k")
	spans := exporter.GetSpans()
	if len(spans) != 2 || len(exporter2.GetSpans()) != 1 {
		t.Fatalf("%d and %d spans, want 2 and 1", len(spans), len(exporter2.GetSpans()))
	}
	if spans[0].Name != "Get inner" || spans[1].Name != "Get outer" {
		t.Errorf("the spans are %s and %s", spans[0].Name, spans[1].Name)
	}
}

// A nested is a backend that reads another cache first.
type nested struct {
	*memory.Backend
	near *core.Cache
}

func (n *nested) Get(ctx context.Context, key string) ([]byte, error) {
	_, _ = n.near.Get(ctx, key)
	return n.Backend.Get(ctx, key)
}

// A dropping samples all spans but those with its name.
type dropping string

func (d dropping) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	decision := sdktrace.RecordAndSample
	if p.Name == string(d) {
		decision = sdktrace.Drop
	}
	return sdktrace.SamplingResult{Decision: decision}
}

func (d dropping) Description() string { return "drops " + string(d) }

func TestAVerbThatIsNotSampledDoesNotEndTheSpanOfTheVerbAroundIt(t *testing.T) {
	exporter := tracetest.NewInMemoryExporter()
	tracing := must(cacheotel.NewTracing(sdktrace.NewTracerProvider(
		sdktrace.WithSyncer(exporter), sdktrace.WithSampler(dropping("Get inner"))), nil))
	inner := newCache(t, nil, "inner", tracing)
	b := must(memory.New(nil))
	outer := newCache(t, &nested{b, inner}, "outer", tracing)
	if err := b.Store(t.Context(), core.Set, core.Item{Key: "k"}); err != nil {
		t.Fatal(err)
	}
	if _, err := outer.Get(t.Context(), "k"); err != nil { // a miss of inner, a hit of outer
		t.Fatal(err)
	}
	spans := exporter.GetSpans()
	if len(spans) != 1 || !strings.Contains(labels(spans[0].Attributes), "outcome=hit") {
		t.Errorf("the spans are %v, want a hit of outer", spans)
	}
}

// A replacing is a hook that replaces the context.
type replacing struct{}

func (replacing) Before(context.Context, *core.Op) context.Context { return context.Background() }
func (replacing) After(context.Context, *core.Op)                  {}

func TestAHookThatLosesTheContextLosesTheSpanOnly(t *testing.T) {
	tracing, exporter, _ := newTracing(t, cacheotel.NoKeys)
	c := newCache(t, nil, "users", tracing, replacing{})
	if err := c.Set(t.Context(), "k", nil, 0); err != nil || len(exporter.GetSpans()) != 0 {
		t.Errorf("Set = %v, and %d spans", err, len(exporter.GetSpans()))
	}
}

// An unsampled verb under a sampled one ends its own span only.
func TestSpansThatAreNotRecordedKeepTheSpanOfTheCaller(t *testing.T) {
	tracing, exporter, provider := newTracing(t, cacheotel.NoKeys)
	never, err := cacheotel.NewTracing(
		sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())), nil)
	if err != nil {
		t.Fatal(err)
	}
	c := newCache(t, nil, "users", tracing, never)
	ctx, caller := provider.Tracer("test").Start(t.Context(), "caller")
	_, _ = c.Get(ctx, "k")
	spans := exporter.GetSpans()
	if len(spans) != 1 || !caller.IsRecording() {
		t.Errorf("%d spans have ended, want that of Get alone", len(spans))
	}
	caller.End()
}

func TestTracingRefusesNilAndASecondCacheWithTheName(t *testing.T) {
	tracing, _, _ := newTracing(t, cacheotel.NoKeys)
	c := newCache(t, nil, "users")
	if err := tracing.Add(c); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{tracing.Add(nil), tracing.Add(c)} {
		if !errors.Is(err, core.ErrConfig) {
			t.Errorf("error is %v, want ErrConfig", err)
		}
	}
	tracing.Remove(c)
	if err := tracing.Add(c); err != nil {
		t.Error(err)
	}
}
