// Package otellucia reports the sessions of package lucia to OpenTelemetry, as metrics and traces.
//
//	config, err := otellucia.Instrument(lucia.Config[Profile]{…})
//	…
//	auth, err := lucia.New(config)
//
// The metrics are
//
//   - lucia.requests: requests by lucia.outcome (a counter, {request}).
//   - lucia.refresh.duration: how long requests took that asked the store, by lucia.outcome (a
//     histogram, in seconds).
//   - lucia.store.operation.duration: calls of the store, by lucia.operation and, for refreshes
//     that succeed, lucia.refresh.result, the outcome of the rotation rule (a histogram, in
//     seconds). error.type is set if a call fails.
//   - lucia.load_user.duration: calls of LoadUser (a histogram, in seconds). error.type is set if a
//     call fails.
//   - lucia.events: events by lucia.event.kind and lucia.event.cause (a counter, {event}).
//   - lucia.breaker.open: 1 while the circuit breaker of the store is open, or else 0 (a gauge).
//   - lucia.feed.lost: 1 while the feed of ended sessions is lost, or else 0 (a gauge).
//
// Each call of the store and of LoadUser is an internal span, lucia.store.OPERATION or
// lucia.LoadUser, in the trace of the request that starts it. Spans name the session (session.id)
// and not the user. The request's own span gets the attribute lucia.outcome.
//
// The names error.type and session.id are those of the OpenTelemetry semantic conventions. A
// circuit breaker is not part of them, nor is a session store, so the other names begin with
// "lucia.".
//
// dashboard.json is a Grafana dashboard for these metrics in a Prometheus data source.
package otellucia
