// Command otel counts and traces the verbs of a cache by OpenTelemetry. It writes what the SDK
// exports to standard output; a service uses exporters of OTLP in their place. See
// docs/observe.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"os"

	"github.com/cachewire/cachewire/core"
	_ "github.com/cachewire/cachewire/memory" // opens memory://
	cacheotel "github.com/cachewire/cachewire/observe/otel"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutmetric"
	"go.opentelemetry.io/otel/exporters/stdout/stdouttrace"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

func main() {
	if err := run(context.Background(), os.Stdout); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, w io.Writer) (err error) {
	metricExporter, err := stdoutmetric.New(stdoutmetric.WithWriter(w))
	if err != nil {
		return err
	}
	meters := sdkmetric.NewMeterProvider(
		sdkmetric.WithReader(sdkmetric.NewPeriodicReader(metricExporter)))
	spanExporter, err := stdouttrace.New(stdouttrace.WithWriter(w))
	if err != nil {
		return err
	}
	traces := sdktrace.NewTracerProvider(sdktrace.WithBatcher(spanExporter))

	metrics, err := cacheotel.NewMetrics(meters)
	if err != nil {
		return err
	}
	tracing, err := cacheotel.NewTracing(traces, nil)
	if err != nil {
		return err
	}
	cache, err := core.Open(ctx, "memory://?max_items=10000", &core.Options{
		Name:  "users",
		Hooks: []core.Hook{metrics, tracing},
	})
	if err != nil {
		return err
	}
	defer cache.Close()
	if err := errors.Join(metrics.Add(cache), tracing.Add(cache)); err != nil {
		return err
	}

	if err := cache.Set(ctx, "user:1", []byte("Ann"), 0); err != nil {
		return err
	}
	value, err := cache.Get(ctx, "user:1")
	fmt.Fprintf(w, "%s\n", value)
	// The last metrics are collected by Shutdown, before the cache is closed.
	return errors.Join(err, meters.Shutdown(ctx), metrics.Close(), traces.Shutdown(ctx))
}
