package cacheotel

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"

	"github.com/cachewire/cachewire/core"
	"github.com/cachewire/cachewire/observe"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// Keys says what spans have of keys, in the attribute cachewire.keys.
type Keys uint8

const (
	NoKeys     Keys = iota // nothing
	HashedKeys             // the first 16 hexadecimal digits of their SHA-256
	WholeKeys              // the keys, and with them the texts of errors
)

// maxKeys is how many keys of a verb a span has, and maxKeyLen how many bytes of each.
const (
	maxKeys   = 10
	maxKeyLen = 256
)

// TracingOptions are the settings of a Tracing.
type TracingOptions struct {
	// Keys says what spans have of keys. Whoever can guess a key can recognize it by its hash.
	Keys Keys
}

// Tracing is a core.Hook that makes a span of each verb. It is a child of the span in the
// context of the caller, has the kind client, and is named by the verb and the cache, as in
// "Get users".
//
// A verb that failed has the status Error, and its outcome as error.type. A miss, a key that
// exists and a conflict are no failures.
type Tracing struct {
	tracer trace.Tracer
	keys   Keys
	caches *observe.Caches[names]
}

// names are what the spans of a cache have in common.
type names struct {
	spans  [observe.NumVerbs]string
	starts [observe.NumVerbs][]trace.SpanStartOption
}

// NewTracing returns a Tracing of provider, or of the global TracerProvider if that is nil. A
// nil opts is the zero TracingOptions. The error is core.ErrConfig: opts.Keys is none of the
// constants.
func NewTracing(provider trace.TracerProvider, opts *TracingOptions) (*Tracing, error) {
	if provider == nil {
		provider = otel.GetTracerProvider()
	}
	if opts == nil {
		opts = &TracingOptions{}
	}
	if opts.Keys > WholeKeys {
		return nil, fmt.Errorf("%w: cacheotel: TracingOptions.Keys is %d; want NoKeys, HashedKeys "+
			"or WholeKeys", core.ErrConfig, opts.Keys)
	}
	tracer := provider.Tracer(scope, trace.WithSchemaURL(semconv.SchemaURL))
	return &Tracing{tracer, opts.Keys, observe.NewCaches(newNames)}, nil
}

// ended are the attributes of a span that has ended, by its outcome. All spans share them. Each
// is just one attribute: a provider that sorts what it gets, as attribute.NewSet does, changes
// nothing.
var ended = func() (all [observe.NumOutcomes][]attribute.KeyValue) {
	for i := range all {
		all[i] = []attribute.KeyValue{outcomeKey.String(observe.Outcome(i).String())}
	}
	return all
}()

func newNames(name, driver string) *names {
	n := new(names)
	for i := range n.spans {
		verb := observe.Verb(i).String()
		n.spans[i] = verb + " " + name
		n.starts[i] = []trace.SpanStartOption{
			trace.WithSpanKind(trace.SpanKindClient),
			trace.WithAttributes(
				systemOf(driver), cacheNameKey.String(name), semconv.DBOperationName(verb)),
		}
	}
	return n
}

// Add adds a cache, so that its spans have its driver; see Metrics.Add.
func (t *Tracing) Add(c *core.Cache) error { return t.caches.Add(c) }

// Remove removes a cache; see Metrics.Remove.
func (t *Tracing) Remove(c *core.Cache) { t.caches.Remove(c) }

// A spanContext is the context of a verb with its span. After finds the span by op, and not
// by its place in the context, where other hooks may have put spans of their own.
type spanContext struct {
	context.Context
	tracing *Tracing // the key of the context's value
	op      *core.Op
	span    trace.Span
}

func (s *spanContext) Value(key any) any {
	if key == s.tracing {
		return s
	}
	return s.Context.Value(key)
}

// Before starts the span of a verb; see core.BeforeHook.
func (t *Tracing) Before(ctx context.Context, op *core.Op) context.Context {
	n, v := t.caches.Of(op.Cache), observe.VerbOf(op.Verb)
	ctx, span := t.tracer.Start(ctx, n.spans[v], n.starts[v]...)
	if !span.IsRecording() {
		return ctx // with the span, so that those under it are not recorded either
	}
	return &spanContext{ctx, t, op, span}
}

// After ends the span of a verb; see core.Hook.
func (t *Tracing) After(ctx context.Context, op *core.Op) {
	own, ok := ctx.Value(t).(*spanContext)
	if !ok || own.op != op {
		return // the span is not recorded, or another hook has replaced the context
	}
	t.describe(own.span, op)
	own.span.End()
}

// describe sets what is known of a verb that has ended.
func (t *Tracing) describe(span trace.Span, op *core.Op) {
	o := observe.OutcomeOf(op.Verb, op.Hits, op.Misses, op.Err)
	attributes := ended[o]
	if op.Keys != nil || o.IsError() || t.keys != NoKeys {
		attributes = append(make([]attribute.KeyValue, 0, 6), attributes...)
	}
	if len(op.Keys) > 1 { // the conventions want no size of 1
		attributes = append(attributes, semconv.DBOperationBatchSize(len(op.Keys)))
	}
	if op.Keys != nil && op.Hits+op.Misses > 0 {
		attributes = append(attributes,
			attribute.Int("cachewire.hits", op.Hits), attribute.Int("cachewire.misses", op.Misses))
	}
	if keys := t.keysOf(op); keys != nil {
		attributes = append(attributes, attribute.StringSlice("cachewire.keys", keys))
	}
	if o.IsError() {
		attributes = append(attributes, semconv.ErrorTypeKey.String(o.String()))
		text := o.String()
		if t.keys == WholeKeys { // errors have keys in their texts
			text = op.Err.Error()
		}
		span.SetStatus(codes.Error, text)
	}
	span.SetAttributes(attributes...)
}

// keysOf returns what the span has of the keys of op.
func (t *Tracing) keysOf(op *core.Op) []string {
	if t.keys == NoKeys || op.Key == "" && len(op.Keys) == 0 {
		return nil
	}
	keys := []string{op.Key}
	if op.Key == "" {
		keys = append([]string(nil), op.Keys[:min(len(op.Keys), maxKeys)]...)
	}
	for i, key := range keys {
		if t.keys == HashedKeys {
			sum := sha256.Sum256([]byte(key))
			keys[i] = hex.EncodeToString(sum[:8])
		} else {
			keys[i] = key[:min(len(key), maxKeyLen)]
		}
	}
	return keys
}
