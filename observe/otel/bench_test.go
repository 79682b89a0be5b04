package cacheotel_test

import (
	"context"
	"testing"

	"github.com/cachewire/cachewire/core"
	cacheotel "github.com/cachewire/cachewire/observe/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// A nothing is a hook that does nothing: its cost is that of package core, for any hook.
type nothing struct{}

func (nothing) Before(context.Context, *core.Op) context.Context { return nil }
func (nothing) After(context.Context, *core.Op)                  {}
func (nothing) Add(*core.Cache) error                            { return nil }
func (nothing) Remove(*core.Cache)                               {}

// Beside each hook is a Get around which the same is done by hand, with all that can be
// prepared. Compare the lines of one run.
func BenchmarkGet(b *testing.B) {
	ctx := context.Background()
	run := func(name string, get func(*core.Cache), hooks ...core.Hook) {
		b.Run(name, func(b *testing.B) {
			c := newCache(b, nil, "users", hooks...)
			if err := c.Set(ctx, "k", []byte("v"), 0); err != nil {
				b.Fatal(err)
			}
			for _, hook := range hooks {
				set := hook.(interface {
					Add(*core.Cache) error
					Remove(*core.Cache)
				})
				if err := set.Add(c); err != nil {
					b.Fatal(err)
				}
				defer set.Remove(c)
			}
			b.ReportAllocs()
			for b.Loop() {
				get(c)
			}
		})
	}
	get := func(c *core.Cache) { _, _ = c.Get(ctx, "k") }
	run("none", get)
	run("nothing", get, nothing{})
	m, _ := newMetrics(b)
	run("metrics", get, m)
	meters := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	h, err := meters.Meter("m").Float64Histogram("h")
	if err != nil {
		b.Fatal(err)
	}
	options := []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(
		attribute.String("a", "1"), attribute.String("b", "2"), attribute.String("c", "3"),
		attribute.String("d", "4")))}
	run("metrics/by-hand", func(c *core.Cache) {
		_, _ = c.Get(ctx, "k")
		h.Record(ctx, 1e-7, options...)
	})
	for _, sampling := range []struct {
		name    string
		sampler sdktrace.Sampler
	}{{"sampled", sdktrace.AlwaysSample()}, {"unsampled", sdktrace.NeverSample()}} {
		provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampling.sampler))
		tracing, err := cacheotel.NewTracing(provider, nil)
		if err != nil {
			b.Fatal(err)
		}
		run("spans/"+sampling.name, get, tracing)
		run("spans/"+sampling.name+"/by-hand", spanByHand(ctx, provider))
	}
}

// spanByHand returns a Get in a span that has as many attributes as those of Tracing.
func spanByHand(ctx context.Context, provider trace.TracerProvider) func(*core.Cache) {
	tracer := provider.Tracer("t")
	start := []trace.SpanStartOption{
		trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(attribute.String("a", "1"), attribute.String("b", "2"),
			attribute.String("c", "3")),
	}
	end := []attribute.KeyValue{attribute.String("d", "4")}
	return func(c *core.Cache) {
		ctx, span := tracer.Start(ctx, "Get users", start...)
		_, _ = c.Get(ctx, "k")
		if span.IsRecording() {
			span.SetAttributes(end...)
		}
		span.End()
	}
}

// What remains is the context by which After finds its span.
func TestASpanAllocatesOnceMoreThanOneByHandAndNotMoreIfItIsNotRecorded(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	ctx := context.Background()
	for sampler, want := range map[sdktrace.Sampler]float64{
		sdktrace.AlwaysSample(): 1, sdktrace.NeverSample(): 0,
	} {
		provider := sdktrace.NewTracerProvider(sdktrace.WithSampler(sampler))
		tracing := must(cacheotel.NewTracing(provider, nil))
		bare, traced := newCache(t, nil, "users"), newCache(t, nil, "users", tracing)
		byHand := spanByHand(ctx, provider)
		hand := testing.AllocsPerRun(1000, func() { byHand(bare) })
		n := testing.AllocsPerRun(1000, func() { _, _ = traced.Get(ctx, "k") })
		if hand < 1 || n > hand+want {
			t.Errorf("%s: a span allocates %v times, one by hand %v times; want at most %v more",
				sampler.Description(), n, hand, want)
		}
	}
}

func TestMetricsAllocateNothing(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector allocates")
	}
	m, _ := newMetrics(t)
	c := newCache(t, nil, "users", m)
	if err := m.Add(c); err != nil {
		t.Fatal(err)
	}
	if err := c.Set(t.Context(), "k", []byte("v"), 0); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	if n := testing.AllocsPerRun(1000, func() { _, _ = c.Get(ctx, "k") }); n != 0 {
		t.Errorf("a hit allocates %v times", n)
	}
	if n := testing.AllocsPerRun(1000, func() { _, _ = c.Get(ctx, "absent") }); n != 0 {
		t.Errorf("a miss allocates %v times", n)
	}
	if n := testing.AllocsPerRun(1000, func() { m.Served("users", "hit", 1) }); n != 0 {
		t.Errorf("Served allocates %v times", n)
	}
}
