package otellucia_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/otellucia"
	"github.com/lucia-go/lucia/session"
)

type profile struct{}

var errDown = errors.New("connection refused")

// faultyStore is a store that fails, hangs or panics on demand, and has a feed.
type faultyStore struct {
	session.Store
	fault atomic.Pointer[func(context.Context) error]
}

func (s *faultyStore) set(fault func(context.Context) error) { s.fault.Store(&fault) }

func (s *faultyStore) fail(ctx context.Context) error {
	if fault := s.fault.Load(); fault != nil && *fault != nil {
		return (*fault)(ctx)
	}
	return nil
}

func (s *faultyStore) Refresh(ctx context.Context, r session.RefreshParams) (session.RefreshResult, error) {
	if err := s.fail(ctx); err != nil {
		return session.RefreshResult{}, err
	}
	return s.Store.Refresh(ctx, r)
}

func (s *faultyStore) List(ctx context.Context, userID string) (map[session.ID]session.Entry, error) {
	if err := s.fail(ctx); err != nil {
		return nil, err
	}
	return s.Store.List(ctx, userID)
}

func (*faultyStore) Publish(context.Context, session.Notice, time.Duration) error { return nil }

func (s *faultyStore) ReadFeed(ctx context.Context, at session.FeedPosition) ([]session.Notice, session.FeedPosition, error) {
	return nil, at, s.fail(ctx)
}

// world is an instrumented app with one browser.
type world struct {
	t       *testing.T
	store   *faultyStore
	auth    *lucia.Auth[profile]
	server  http.Handler
	reader  *sdkmetric.ManualReader
	spans   *tracetest.InMemoryExporter
	tracer  trace.Tracer
	cookies map[string]string
	seen    []string // events that the app's own OnEvent has got
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{
		t: t, store: &faultyStore{Store: memstore.New()}, reader: sdkmetric.NewManualReader(),
		spans: tracetest.NewInMemoryExporter(), cookies: map[string]string{},
	}
	tracers := sdktrace.NewTracerProvider(sdktrace.WithSyncer(w.spans))
	w.tracer = tracers.Tracer("test")
	config, err := otellucia.Instrument(lucia.Config[profile]{
		Secret: bytes.Repeat([]byte("s"), 32), Store: w.store, Dev: true, AccessTTL: time.Second, Timeout: 200 * time.Millisecond,
		LoadUser:  func(_ context.Context, id string) (profile, error) { return profile{}, nil },
		OnEvent:   func(e lucia.Event) { w.seen = append(w.seen, string(e.Kind)) },
		OnRequest: func(_ *http.Request, o lucia.Outcome, _ time.Duration) {},
	}, otellucia.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(w.reader))), otellucia.WithTracerProvider(tracers))
	if err != nil {
		t.Fatal(err)
	}
	if w.auth, err = lucia.New(config); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /login", func(rw http.ResponseWriter, r *http.Request) {
		if _, err := w.auth.SignIn(rw, r, r.FormValue("user")); err != nil {
			lucia.WriteError(rw, err)
		}
	})
	mux.HandleFunc("GET /{$}", func(http.ResponseWriter, *http.Request) {})
	w.server = nethttp.Wrap(w.auth, mux)
	return w
}

// do sends a request in a span of its own, and keeps the cookies.
func (w *world) do(method, target string) {
	w.t.Helper()
	ctx, span := w.tracer.Start(w.t.Context(), method+" "+target)
	defer span.End()
	r := httptest.NewRequestWithContext(ctx, method, target, nil)
	for name, value := range w.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	rec := httptest.NewRecorder()
	w.server.ServeHTTP(rec, r)
	for _, c := range rec.Result().Cookies() {
		w.cookies[c.Name] = c.Value
	}
}

// refresh makes a request that needs a refresh.
func (w *world) refresh() {
	w.t.Helper()
	for name := range w.cookies {
		if strings.HasSuffix(name, "access_token") {
			delete(w.cookies, name)
		}
	}
	w.do("GET", "/")
}

// points returns the series of every metric, as "name{attributes}": its value or its count.
func (w *world) points() map[string]float64 {
	w.t.Helper()
	if err := w.auth.Flush(w.t.Context()); err != nil {
		w.t.Error(err)
	}
	var data metricdata.ResourceMetrics
	if err := w.reader.Collect(w.t.Context(), &data); err != nil {
		w.t.Fatal(err)
	}
	points := map[string]float64{}
	for _, scope := range data.ScopeMetrics {
		for _, m := range scope.Metrics {
			switch d := m.Data.(type) {
			case metricdata.Sum[int64]:
				for _, p := range d.DataPoints {
					points[m.Name+"{"+p.Attributes.Encoded(attribute.DefaultEncoder())+"}"] = float64(p.Value)
				}
			case metricdata.Gauge[int64]:
				for _, p := range d.DataPoints {
					points[m.Name+"{"+p.Attributes.Encoded(attribute.DefaultEncoder())+"}"] = float64(p.Value)
				}
			case metricdata.Histogram[float64]:
				for _, p := range d.DataPoints {
					points[m.Name+"{"+p.Attributes.Encoded(attribute.DefaultEncoder())+"}"] = float64(p.Count)
				}
			default:
				w.t.Errorf("metric %s is a %T", m.Name, d)
			}
		}
	}
	return points
}

func TestMetricsAndSpans(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.do("GET", "/")
	w.do("POST", "/login?user=u1")
	w.do("GET", "/")
	w.refresh()
	w.store.set(func(context.Context) error { return errDown })
	w.refresh()
	w.store.set(func(context.Context) error { panic("boom") })
	w.refresh()
	w.store.set(func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() })
	w.refresh()
	w.store.set(nil)
	if err := w.auth.RevokeUser(t.Context(), "u1"); err != nil {
		t.Fatal(err)
	}
	points := w.points()
	want := map[string]float64{
		"lucia.requests{lucia.outcome=anonymous}":                                                2, // one is the sign-in
		"lucia.requests{lucia.outcome=fresh}":                                                    1,
		"lucia.requests{lucia.outcome=refreshed}":                                                1,
		"lucia.requests{lucia.outcome=unavailable}":                                              3,
		"lucia.refresh.duration{lucia.outcome=refreshed}":                                        1,
		"lucia.refresh.duration{lucia.outcome=unavailable}":                                      3,
		"lucia.store.operation.duration{lucia.operation=create}":                                 1,
		"lucia.store.operation.duration{lucia.operation=refresh,lucia.refresh.result=rotated}":   1,
		"lucia.store.operation.duration{error.type=*errors.errorString,lucia.operation=refresh}": 1,
		"lucia.store.operation.duration{error.type=panic,lucia.operation=refresh}":               1,
		"lucia.store.operation.duration{error.type=timeout,lucia.operation=refresh}":             1,
		"lucia.store.operation.duration{lucia.operation=delete_user}":                            1,
		"lucia.load_user.duration{}":                                                             5,
		"lucia.events{lucia.event.kind=session began}":                                           1,
		"lucia.events{lucia.event.kind=session state unavailable}":                               3,
		"lucia.events{lucia.event.cause=app,lucia.event.kind=session ended}":                     1,
		"lucia.breaker.open{}":                                                                   0,
	}
	for series, n := range want {
		if got, ok := points[series]; !ok || got != n {
			t.Errorf("%s = %v, %t; want %v", series, got, ok, n)
		}
	}
	if !slices.Contains(w.seen, string(session.EventEnded)) {
		t.Errorf("the app's OnEvent got %q", w.seen)
	}
	w.checkSpans()
}

// checkSpans checks that calls are in the trace of the request that started them, and that spans
// name the session and not the user.
func (w *world) checkSpans() {
	w.t.Helper()
	requests, calls, failed := map[trace.SpanID]string{}, map[string]int{}, 0
	for _, s := range w.spans.GetSpans() {
		if strings.Contains(s.Name, " /") {
			requests[s.SpanContext.SpanID()] = s.Name
			if len(s.Attributes) != 1 || s.Attributes[0].Key != "lucia.outcome" {
				w.t.Errorf("attributes of the request's span: %v", s.Attributes)
			}
		}
	}
	for _, s := range w.spans.GetSpans() {
		if !strings.HasPrefix(s.Name, "lucia.") {
			continue
		}
		calls[requests[s.Parent.SpanID()]+" > "+s.Name]++
		if s.Status.Code == codes.Error {
			failed++
		}
		if text := fmt.Sprint(s.Attributes); strings.Contains(text, "u1") {
			w.t.Errorf("%s names the user: %s", s.Name, text)
		}
	}
	want := map[string]int{
		"POST /login?user=u1 > lucia.LoadUser": 1, "POST /login?user=u1 > lucia.store.create": 1,
		"GET / > lucia.LoadUser": 4, "GET / > lucia.store.refresh": 4,
		" > lucia.store.delete_user": 1,
	}
	if diff := cmp.Diff(want, calls); diff != "" || failed != 3 {
		w.t.Errorf("%d spans failed, want 3; calls (-want +got):\n%s", failed, diff)
	}
}

func TestBreakerAndFeedAreGauges(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.await("lucia.feed.lost{}", 0)
	w.store.set(func(context.Context) error { return errDown })
	for n := range 1 << 20 { // the breaker opens when no call has succeeded for a second
		_, _ = w.auth.Sessions(t.Context(), fmt.Sprint("user", n%5))
		if w.points()["lucia.breaker.open{}"] == 1 {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	w.await("lucia.breaker.open{}", 1)
	w.await("lucia.feed.lost{}", 1)
	w.store.set(nil)
	if err := w.auth.RevokeUser(t.Context(), "u1"); err != nil { // an open breaker lets revocations through
		t.Fatal(err)
	}
	w.await("lucia.breaker.open{}", 0)
	w.await("lucia.feed.lost{}", 0)
	if err := w.auth.Ready(t.Context()); err != nil {
		t.Error(err)
	}
}

// await waits until a series has the value.
func (w *world) await(series string, value float64) {
	w.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		points := w.points()
		if got, ok := points[series]; ok && got == value {
			return
		}
		if time.Now().After(deadline) {
			w.t.Fatalf("timed out: %s = %v; %v", series, value, points)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestDashboardUsesWhatIsReported checks that the app reports each metric, label and value that the
// dashboard uses, and that the dashboard shows each metric that the app reports.
func TestDashboardUsesWhatIsReported(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.do("POST", "/login?user=u1")
	w.store.set(func(context.Context) error { return errDown })
	w.refresh()
	reported := map[string]bool{}
	for series := range w.points() {
		name, _, _ := strings.Cut(series, "{")
		for _, prometheus := range inPrometheus(name) {
			reported[prometheus] = true
		}
	}
	data, err := os.ReadFile("dashboard.json")
	if err != nil {
		t.Fatal(err)
	}
	var board struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal(data, &board); err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	documented := strings.NewReplacer(".", "_").Replace(string(source)) + " le error_type "
	used := map[string]bool{}
	for _, p := range board.Panels {
		if len(p.Targets) == 0 {
			t.Errorf("panel %q shows nothing", p.Title)
		}
		for _, target := range p.Targets {
			for _, name := range regexp.MustCompile(`\blucia_\w+(?:_total|_bucket|_count|_open|_lost)\b`).FindAllString(target.Expr, -1) {
				if used[base(name)] = true; !reported[name] {
					t.Errorf("panel %q uses %s, which is not reported; reported are %q", p.Title, name, slices.Sorted(maps.Keys(reported)))
				}
			}
			for _, label := range regexp.MustCompile(`(\w+)(?:=|!=|!~)"([^"]*)"`).FindAllStringSubmatch(target.Expr, -1) {
				if !strings.Contains(documented, label[1]) {
					t.Errorf("panel %q uses the label %s, which is not documented", p.Title, label[1])
				}
				if label[1] == "lucia_event_kind" && !isKinds(label[2]) {
					t.Errorf("panel %q names the unknown event %q", p.Title, label[2])
				}
			}
		}
	}
	for name := range reported {
		if !used[base(name)] {
			t.Errorf("%s is not on the dashboard", name)
		}
	}
}

// isKinds reports whether s names kinds of events, separated as in a regular expression.
func isKinds(s string) bool {
	for kind := range strings.SplitSeq(s, "|") {
		switch session.EventKind(kind) {
		case session.EventBegan, session.EventEnded, session.EventReuse:
		default:
			return false
		}
	}
	return true
}

// inPrometheus returns the names that a metric has in Prometheus (OpenTelemetry, "Prometheus and
// OpenMetrics compatibility"): dots become underscores, and the unit and the kind become suffixes.
func inPrometheus(name string) []string {
	p := strings.ReplaceAll(name, ".", "_")
	switch {
	case strings.HasSuffix(name, ".duration"):
		return []string{p + "_seconds_bucket", p + "_seconds_count"}
	case strings.HasSuffix(name, ".open"), strings.HasSuffix(name, ".lost"):
		return []string{p}
	}
	return []string{p + "_total"}
}

// base returns the name of a metric without the suffixes of a histogram.
func base(name string) string {
	return strings.TrimSuffix(strings.TrimSuffix(name, "_bucket"), "_count")
}

func TestInstrumentKeepsTheStoresParts(t *testing.T) {
	t.Parallel()
	inner := &faultyStore{Store: memstore.New()}
	config, err := otellucia.Instrument(lucia.Config[profile]{Store: inner})
	if err != nil {
		t.Fatal(err)
	}
	if got := session.FeedOf(config.Store); got != session.Feed(inner) {
		t.Errorf("the feed of the instrumented store is %T", got)
	}
	if config.LoadUser != nil {
		t.Error("Instrument adds a LoadUser to a config without one")
	}
	if empty, err := otellucia.Instrument(lucia.Config[profile]{}); err != nil || empty.Store != nil {
		t.Errorf("Instrument of no store = %v, %v", empty.Store, err)
	}
}
