package cacheotel_test

import (
	"context"
	"fmt"
	"log"

	"github.com/cachewire/cachewire/core"
	_ "github.com/cachewire/cachewire/memory" // opens memory://
	cacheotel "github.com/cachewire/cachewire/observe/otel"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
)

// A program passes its own providers, or nil for the global ones.
func Example() {
	ctx := context.Background()
	reader := sdkmetric.NewManualReader()
	metrics, err := cacheotel.NewMetrics(sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader)))
	if err != nil {
		log.Fatal(err)
	}
	defer metrics.Close()
	exporter := tracetest.NewInMemoryExporter()
	tracing, err := cacheotel.NewTracing(
		sdktrace.NewTracerProvider(sdktrace.WithSyncer(exporter)), nil)
	if err != nil {
		log.Fatal(err)
	}

	cache, err := core.Open(ctx, "memory://?max_items=1000", &core.Options{
		Name:  "users",
		Hooks: []core.Hook{metrics, tracing},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer cache.Close()
	if err := metrics.Add(cache); err != nil {
		log.Fatal(err)
	}

	_ = cache.Set(ctx, "user:1", []byte("Ann"), 0)
	_, _ = cache.Get(ctx, "user:1")
	for _, span := range exporter.GetSpans() {
		fmt.Println("span", span.Name)
	}
	var data metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &data); err != nil {
		log.Fatal(err)
	}
	for _, m := range data.ScopeMetrics[0].Metrics {
		if items, ok := m.Data.(metricdata.Sum[int64]); ok && m.Name == "cachewire.backend.items" {
			fmt.Println(m.Name, items.DataPoints[0].Value)
		}
	}
	// Output:
	// span Set users
	// span Get users
	// cachewire.backend.items 1
}
