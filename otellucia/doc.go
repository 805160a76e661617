// Package otellucia reports the sessions of package lucia to OpenTelemetry, as metrics and traces.
//
//	config, err := otellucia.Instrument(lucia.Config[Profile]{…})
//	…
//	auth, err := lucia.New(config)
//
// The metrics are
//
//   - lucia.requests: requests by lucia.outcome (a counter, {request}).
//   - lucia.refresh.duration: the duration of requests that waited for a refresh, by lucia.outcome
//     (a histogram, in seconds).
//   - lucia.store.operation.duration: the duration of store calls, by lucia.operation (a histogram,
//     in seconds). Successful refreshes have lucia.refresh.result, the outcome of the rotation
//     rule. Failed calls have error.type.
//   - lucia.load_user.duration: the duration of LoadUser (a histogram, in seconds). Failed calls
//     have error.type.
//   - lucia.events: events by lucia.event.kind and lucia.event.cause (a counter, {event}).
//   - lucia.breaker.open: 1 while the circuit breaker of the store is open, otherwise 0 (a gauge).
//   - lucia.feed.lost: 1 while the feed of ended sessions is lost, otherwise 0 (a gauge).
//
// Each call of the store and of LoadUser is an internal span, lucia.store.OPERATION or
// lucia.LoadUser, in the trace of the request that starts it. Spans name the session (session.id)
// and not the user. The request's own span gets the attribute lucia.outcome.
// The names error.type and session.id come from the OpenTelemetry semantic conventions. The
// conventions have no names for session stores and circuit breakers, so the other names begin with
// "lucia.".
//
// dashboard.json is a Grafana dashboard for these metrics in a Prometheus data source.
package otellucia
