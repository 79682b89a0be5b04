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

// The SDK alone is beside what the hooks make of it. Compare the lines of one run.
func BenchmarkGet(b *testing.B) {
	ctx := context.Background()
	get := func(hooks ...core.Hook) func(*testing.B) {
		return func(b *testing.B) {
			c := newCache(b, nil, "users", hooks...)
			if err := c.Set(ctx, "k", []byte("v"), 0); err != nil {
				b.Fatal(err)
			}
			for _, hook := range hooks {
				if err := hook.(interface{ Add(*core.Cache) error }).Add(c); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			for b.Loop() {
				_, _ = c.Get(ctx, "k")
			}
		}
	}
	m, _ := newMetrics(b)
	b.Run("none", get())
	b.Run("metrics", get(m))
	b.Run("metrics/sdk-alone", func(b *testing.B) {
		provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
		h, err := provider.Meter("m").Float64Histogram("h")
		if err != nil {
			b.Fatal(err)
		}
		options := []metric.RecordOption{metric.WithAttributeSet(attribute.NewSet(
			attribute.String("a", "1"), attribute.String("b", "2"), attribute.String("c", "3"),
			attribute.String("d", "4")))}
		b.ReportAllocs()
		for b.Loop() {
			h.Record(ctx, 1e-7, options...)
		}
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
		b.Run("spans/"+sampling.name, get(tracing))
		b.Run("spans/"+sampling.name+"/sdk-alone", func(b *testing.B) {
			tracer := provider.Tracer("t")
			start := []trace.SpanStartOption{
				trace.WithSpanKind(trace.SpanKindClient),
				trace.WithAttributes(attribute.String("a", "1"), attribute.String("b", "2"),
					attribute.String("c", "3")),
			}
			b.ReportAllocs()
			for b.Loop() {
				_, span := tracer.Start(ctx, "Get users", start...)
				if span.IsRecording() {
					span.SetAttributes(attribute.String("d", "4"))
				}
				span.End()
			}
		})
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
