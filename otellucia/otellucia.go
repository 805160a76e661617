package otellucia

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/session"
)

// scope is the name of the instrumentation scope.
const scope = "github.com/lucia-go/lucia/otellucia"

// Option modifies [Instrument].
type Option func(*options)

type options struct {
	meters  metric.MeterProvider
	tracers trace.TracerProvider
}

// WithMeterProvider sets the provider of meters. The default is otel.GetMeterProvider().
func WithMeterProvider(p metric.MeterProvider) Option { return func(o *options) { o.meters = p } }

// WithTracerProvider sets the provider of tracers. The default is otel.GetTracerProvider().
func WithTracerProvider(p trace.TracerProvider) Option { return func(o *options) { o.tracers = p } }

// Instrument returns config with its Store, LoadUser, OnEvent, OnRequest and CallContext wrapped,
// so that they report to OpenTelemetry. It still calls the functions that config has. A nil Store
// or LoadUser stays nil, so that lucia.New refuses it. The optional parts of the store, such as its
// feed, remain available. Instrument returns an error if the meter cannot create an instrument.
func Instrument[U any](config lucia.Config[U], opts ...Option) (lucia.Config[U], error) {
	o := options{otel.GetMeterProvider(), otel.GetTracerProvider()}
	for _, opt := range opts {
		opt(&o)
	}
	t, err := newTelemetry(o)
	if err != nil {
		return lucia.Config[U]{}, fmt.Errorf("otellucia: %w", err)
	}
	if config.Store != nil {
		config.Store = store{config.Store, t}
	}
	if load := config.LoadUser; load != nil {
		config.LoadUser = func(ctx context.Context, userID string) (U, error) {
			o := observation{name: "lucia.LoadUser", duration: t.loads}
			return observe(ctx, t, o, func(ctx context.Context) (U, []attribute.KeyValue, error) {
				user, err := load(ctx, userID)
				return user, nil, err
			})
		}
	}
	config.OnEvent = both(t.event, config.OnEvent)
	if next := config.OnRequest; next == nil {
		config.OnRequest = t.request
	} else {
		config.OnRequest = func(r *http.Request, o lucia.Outcome, took time.Duration) {
			t.request(r, o, took)
			next(r, o, took)
		}
	}
	next := config.CallContext
	config.CallContext = func(call, request context.Context) context.Context {
		if next != nil {
			call = next(call, request)
		}
		return trace.ContextWithSpanContext(call, trace.SpanContextFromContext(request))
	}
	return config, nil
}

// both returns a function that calls first and then next, if there is one.
func both(first, next func(lucia.Event)) func(lucia.Event) {
	if next == nil {
		return first
	}
	return func(e lucia.Event) {
		first(e)
		next(e)
	}
}

// telemetry holds the instruments of one Auth.
type telemetry struct {
	tracer    trace.Tracer
	requests  metric.Int64Counter
	events    metric.Int64Counter
	refreshes metric.Float64Histogram
	calls     metric.Float64Histogram
	loads     metric.Float64Histogram
	open      metric.Int64Gauge
	lost      metric.Int64Gauge
}

// seconds are the bounds of the histograms: a store in memory takes microseconds, and Timeout is
// 3 s by default.
var seconds = []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5}

func newTelemetry(o options) (t *telemetry, err error) {
	meter := o.meters.Meter(scope)
	keep := func(e error) {
		if err == nil {
			err = e
		}
	}
	histogram := func(name, description string) metric.Float64Histogram {
		h, e := meter.Float64Histogram(name, metric.WithUnit("s"), metric.WithDescription(description), metric.WithExplicitBucketBoundaries(seconds...))
		keep(e)
		return h
	}
	counter := func(name, unit, description string) metric.Int64Counter {
		c, e := meter.Int64Counter(name, metric.WithUnit(unit), metric.WithDescription(description))
		keep(e)
		return c
	}
	gauge := func(name, description string) metric.Int64Gauge {
		g, e := meter.Int64Gauge(name, metric.WithDescription(description))
		keep(e)
		if e == nil {
			g.Record(context.Background(), 0)
		}
		return g
	}
	return &telemetry{
		tracer:    o.tracers.Tracer(scope),
		requests:  counter("lucia.requests", "{request}", "Requests by the outcome of looking for their session."),
		events:    counter("lucia.events", "{event}", "Events of sessions, of the session store and of the feed."),
		refreshes: histogram("lucia.refresh.duration", "Duration of requests that waited for a refresh."),
		calls:     histogram("lucia.store.operation.duration", "Duration of calls of the session store."),
		loads:     histogram("lucia.load_user.duration", "Duration of calls of LoadUser."),
		open:      gauge("lucia.breaker.open", "Whether the circuit breaker of the session store is open."),
		lost:      gauge("lucia.feed.lost", "Whether the feed of ended sessions is lost."),
	}, err
}

// asksStore reports whether a request with this outcome has waited for a refresh. A request whose
// session has expired may need no store call, so it does not count.
func asksStore(o lucia.Outcome) bool {
	switch o {
	case lucia.OutcomeRefreshed, lucia.OutcomeCurrent, lucia.OutcomeRepeated, lucia.OutcomeAdopted, lucia.OutcomeReused, lucia.OutcomeUnavailable:
		return true
	}
	return false
}

func (t *telemetry) request(r *http.Request, o lucia.Outcome, took time.Duration) {
	outcome := attribute.String("lucia.outcome", o.String())
	set := metric.WithAttributeSet(attribute.NewSet(outcome))
	ctx := r.Context()
	t.requests.Add(ctx, 1, set)
	if asksStore(o) {
		t.refreshes.Record(ctx, took.Seconds(), set)
	}
	trace.SpanFromContext(ctx).SetAttributes(outcome)
}

func (t *telemetry) event(e lucia.Event) {
	ctx := context.Background()
	attrs := []attribute.KeyValue{attribute.String("lucia.event.kind", string(e.Kind))}
	if e.Cause != "" {
		attrs = append(attrs, attribute.String("lucia.event.cause", string(e.Cause)))
	}
	t.events.Add(ctx, 1, metric.WithAttributes(attrs...))
	switch e.Kind {
	case session.EventBreakerOpened:
		t.open.Record(ctx, 1)
	case session.EventBreakerClosed:
		t.open.Record(ctx, 0)
	case session.EventFeedLost:
		t.lost.Record(ctx, 1)
	case session.EventFeedRestored:
		t.lost.Record(ctx, 0)
	}
}

// observation describes how to report a call.
type observation struct {
	name      string     // of the span
	operation string     // of the store, or empty
	id        session.ID // of the session, for the span alone, or the zero ID
	duration  metric.Float64Histogram
}

// observe makes a call in a span and records its duration. The span and the duration get the
// attributes that the call returns.
func observe[T any](ctx context.Context, t *telemetry, o observation, call func(context.Context) (T, []attribute.KeyValue, error)) (value T, err error) {
	var attrs []attribute.KeyValue
	if o.operation != "" {
		attrs = append(attrs, attribute.String("lucia.operation", o.operation))
	}
	ctx, span := t.tracer.Start(ctx, o.name, trace.WithAttributes(attrs...))
	if o.id != (session.ID{}) {
		span.SetAttributes(attribute.String("session.id", o.id.String()))
	}
	begin := time.Now()
	failure := "panic" // a panic or runtime.Goexit, unless the call returns
	defer func() {
		if failure != "" {
			attrs = append(attrs, attribute.String("error.type", failure))
			span.SetStatus(codes.Error, failure)
		}
		span.SetAttributes(attrs...)
		span.End()
		o.duration.Record(ctx, time.Since(begin).Seconds(), metric.WithAttributes(attrs...))
	}()
	value, more, err := call(ctx)
	attrs = append(attrs, more...)
	failure = ""
	if err != nil {
		failure = errorType(err)
		span.RecordError(err)
	}
	return value, err
}
