package redisstore_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia/internal/testenv"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/session"
)

// keyOfAnn is the key of the user "ann". Its format is stable, because operators back up, migrate
// and inspect the database.
const keyOfAnn = "lucia:{YW5u}"

// backends are servers whose contents a test can inspect.
var backends = []struct {
	name string
	open func(*testing.T) redis.UniversalClient
}{
	{"miniredis", func(t *testing.T) redis.UniversalClient { return newMini(t).client(t) }},
	{"redis", func(t *testing.T) redis.UniversalClient { return testenv.Redis(t).Client() }},
}

func create(t *testing.T, s session.Store, id session.ID, policy session.Policy, most int) session.Record {
	t.Helper()
	r, err := s.Create(context.Background(), session.CreateParams{UserID: "ann", ID: id, Policy: policy, Max: most})
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	return r.Record
}

// packed returns a record as it is stored.
func packed(r session.Record) []byte {
	b := binary.BigEndian.AppendUint32([]byte{1}, uint32(r.Generation))
	for _, i := range []session.Instant{r.IssuedAt, r.ConfirmedAt, r.CreatedAt, r.ExpiresAt} {
		b = append(b, binary.BigEndian.AppendUint64(nil, uint64(i))[2:]...)
	}
	return b
}

func TestStoredFormat(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			client := b.open(t)
			id := session.ID{0, '\r', '\n', 255, 4}
			rec := create(t, patient(client), id, long, 5)
			want := packed(rec)
			got, err := client.HGetAll(context.Background(), keyOfAnn).Result()
			if err != nil || len(got) != 1 || got[string(id[:])] != string(want) {
				t.Fatalf("stored %q, %v, want %q", got, err, want)
			}
		})
	}
}

// TestStoredFormatOfDetails fixes the stored form of details. A release that changed it could not
// read the details of earlier sessions.
func TestStoredFormatOfDetails(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		details session.Details
		want    string
	}{
		{session.Details{}, ""},
		{session.Details{Label: "Firefox"}, "\x07Firefox\x00"},
		{session.Details{Address: netip.MustParsePrefix("203.0.113.0/24")}, "\x00\x19\xcb\x00\x71"},
		{session.Details{Address: netip.MustParsePrefix("2001:db8:1::/48")}, "\x00\x52\x20\x01\x0d\xb8\x00\x01"},
		{session.Details{Label: "F", ActorID: "root"}, "\x81F\x00root"},
	} {
		client := backends[0].open(t)
		store, id, ctx := patient(client), session.ID{1}, context.Background()
		p := session.CreateParams{UserID: "ann", ID: id, Policy: long, Max: 5, Details: tt.details}
		r, err := store.Create(ctx, p)
		if err != nil {
			t.Fatal(err)
		}
		if got := client.HGet(ctx, keyOfAnn, string(id[:])).Val(); got != string(packed(r.Record))+tt.want {
			t.Errorf("%+v is stored as %q, want the record and %q", tt.details, got, tt.want)
		}
		for _, broken := range []string{"\x40", "\x05F", "\x00\x21", "\x00\xff\x00", "\x00\xa3"} { // malformed details do not hide the session
			client.HSet(ctx, keyOfAnn, string(id[:]), string(packed(r.Record))+broken)
			if live, err := store.List(ctx, "ann"); err != nil || live[id].Record != r.Record {
				t.Errorf("details %q: %+v, %v", broken, live, err)
			}
		}
	}
}

// TestUnreadableRecordAffectsOnlyItsSession checks that a record of another version or program
// causes an error for its own session and for no other.
func TestUnreadableRecordAffectsOnlyItsSession(t *testing.T) {
	t.Parallel()
	version2 := "\x02" + strings.Repeat("x", 40)
	for _, b := range backends {
		for name, value := range map[string]string{
			"newer": version2, "same length": "\x02" + strings.Repeat("\x00", 28), "short": "\x01\x00", "empty": "",
			"long": "\x02" + strings.Repeat("\x00", 40),
		} {
			t.Run(b.name+"/"+name, func(t *testing.T) {
				t.Parallel()
				client := b.open(t)
				ctx := context.Background()
				store := patient(client)
				create(t, store, session.ID{1}, long, 5)
				odd := session.ID{2}
				if err := client.HSet(ctx, keyOfAnn, string(odd[:]), value).Err(); err != nil {
					t.Fatal(err)
				}

				r := session.RefreshParams{UserID: "ann", ID: odd, Presented: session.Presentation{Generation: 1}, Policy: long, RevokeUser: true}
				_, err := store.Refresh(ctx, r)
				if !errors.Is(err, redisstore.ErrVersion) {
					t.Errorf("Refresh = %v, want %v", err, redisstore.ErrVersion)
				}
				err = store.Confirm(ctx, session.ConfirmParams{UserID: "ann", ID: odd, Generation: 1, HandedAt: 1, Policy: long})
				if !errors.Is(err, redisstore.ErrVersion) {
					t.Errorf("Confirm = %v, want %v", err, redisstore.ErrVersion)
				}
				create(t, store, session.ID{3}, long, 1) // the limit removes session 1 and no other
				live, err := store.List(ctx, "ann")
				if _, ok := live[session.ID{3}]; err != nil || len(live) != 1 || !ok {
					t.Errorf("List = %v, %v, want the readable session", live, err)
				}
				if got, err := client.HGet(ctx, keyOfAnn, string(odd[:])).Result(); err != nil || got != value {
					t.Errorf("the record is now %q, %v, want %q", got, err, value)
				}
				if err := store.Delete(ctx, "ann", odd); err != nil {
					t.Errorf("Delete: %v", err)
				}
				if n := client.HLen(ctx, keyOfAnn).Val(); n != 1 {
					t.Errorf("%d records after Delete, want 1", n)
				}
			})
		}
	}
}

// checkStored stores the record of r's session, one of ann's, and checks that the result of r is
// that of the Go functions.
func checkStored(t *testing.T, client redis.UniversalClient, rec session.Record, r session.RefreshParams) {
	t.Helper()
	ctx := context.Background()
	if err := client.HSet(ctx, keyOfAnn, string(r.ID[:]), packed(rec)).Err(); err != nil {
		t.Fatal(err)
	}
	got, err := patient(client).Refresh(ctx, r)
	outcome, after := session.Refresh(rec, r.Presented, r.Policy, got.Now)
	if want := (session.RefreshResult{Outcome: outcome, Record: after, Now: got.Now}); err != nil || got != want {
		t.Errorf("generation %d, presented %d: %+v, %v, want %+v", rec.Generation, r.Presented.Generation, got, err, want)
	}
}

// TestLastGeneration checks that generations wrap around after 2^32 - 1 in the scripts as in Go.
func TestLastGeneration(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	policy := session.Policy{Idle: long.Idle, Lifetime: long.Lifetime}
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			client := b.open(t)
			store := patient(client)
			rec := create(t, store, session.ID{1}, policy, 5)
			newest := session.Presentation{Generation: math.MaxUint32, IssuedAt: rec.IssuedAt, ExpiresAt: rec.ExpiresAt}
			r := session.RefreshParams{UserID: "ann", ID: session.ID{1}, Presented: newest, Policy: policy}
			adopted, err := store.Refresh(ctx, r)
			if err != nil || adopted.Outcome != session.Adopted {
				t.Fatalf("Refresh = %+v, %v", adopted, err)
			}
			// Confirmed in the past, so that it may rotate at once.
			confirmed := adopted.Record
			confirmed.ConfirmedAt = 1
			checkStored(t, client, confirmed, r)
		})
	}
}

// TestGenerationZero covers generation 0, which no session and no token has. The scripts return the
// same result as the Go functions.
func TestGenerationZero(t *testing.T) {
	t.Parallel()
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			client := b.open(t)
			rec := create(t, patient(client), session.ID{1}, long, 5)
			for stored := range session.Generation(3) {
				for presented := range session.Generation(3) {
					rec.Generation = stored
					checkStored(t, client, rec, session.RefreshParams{
						UserID: "ann", ID: session.ID{1}, Policy: long,
						Presented: session.Presentation{Generation: presented, IssuedAt: rec.IssuedAt, ExpiresAt: rec.ExpiresAt},
					})
				}
			}
		})
	}
}

func TestDeleteUserRemovesUnreadableRecords(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	client := testenv.Redis(t).Client()
	client.HSet(ctx, keyOfAnn, strings.Repeat("i", 16), "\x09")
	if err := patient(client).DeleteUser(ctx, "ann"); err != nil {
		t.Fatal(err)
	}
	if n := client.Exists(ctx, keyOfAnn).Val(); n != 0 {
		t.Error("the user's key is still there")
	}
}

func TestPrefixesKeepStoresApart(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	client := newMini(t).client(t)
	a, b := patient(client, redisstore.WithPrefix("a:")), patient(client, redisstore.WithPrefix(""))
	create(t, a, session.ID{1}, long, 5)
	if live, err := b.List(ctx, "ann"); err != nil || len(live) != 0 {
		t.Fatalf("List with another prefix = %v, %v, want nothing", live, err)
	}
	create(t, b, session.ID{2}, long, 5)
	if n := client.Exists(ctx, "a:{YW5u}", "{YW5u}").Val(); n != 2 {
		t.Fatalf("%d of 2 keys exist: %v", n, client.Keys(ctx, "*").Val())
	}
}

// TestHashStaysPacked checks that with the default limit of sessions a user's hash keeps Redis'
// compact form, as docs/redis.md assumes for its setting of hash-max-listpack-entries.
func TestHashStaysPacked(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	client := testenv.Redis(t).Client()
	store := patient(client)
	for range 101 {
		create(t, store, session.NewID(), long, 100)
	}
	encoding, err := client.ObjectEncoding(ctx, keyOfAnn).Result()
	if n := client.HLen(ctx, keyOfAnn).Val(); err != nil || encoding != "listpack" || n != 100 {
		t.Fatalf("hash of %d sessions has encoding %s, %v, want listpack of 100", n, encoding, err)
	}
}

func TestKeyOutlivesItsSessions(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	policy := func(idle time.Duration) session.Policy {
		return session.Policy{Grace: time.Second, Idle: idle, Lifetime: 400 * day}
	}
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			t.Parallel()
			ctx := context.Background()
			client := b.open(t)
			store := patient(client)
			expiry := func() session.Instant {
				return session.InstantOf(time.UnixMilli(client.PExpireTime(ctx, keyOfAnn).Val().Milliseconds()))
			}
			check := func(what string, last session.Record) {
				t.Helper()
				if at := expiry(); at < last.ExpiresAt || at > last.ExpiresAt.Add(day) {
					t.Errorf("%s: the key expires at %v, its last session at %v", what, at.Time(), last.ExpiresAt.Time())
				}
			}
			rec := create(t, store, session.ID{1}, policy(30*day), 5)
			check("first session", rec)
			create(t, store, session.ID{2}, policy(time.Minute), 5)
			check("a shorter session beside it", rec)
			rec = create(t, store, session.ID{3}, policy(60*day), 5)
			check("a longer session", rec)
			r, err := store.Refresh(ctx, session.RefreshParams{
				UserID: "ann", ID: session.ID{2}, Presented: session.Presentation{Generation: 1}, Policy: policy(90 * day),
			})
			if err != nil || r.Outcome != session.Rotated {
				t.Fatalf("Refresh = %v, %v", r, err)
			}
			check("a rotation into a later day", r.Record)
			r, err = store.Refresh(ctx, session.RefreshParams{
				UserID: "ann", ID: session.ID{1}, Policy: policy(time.Minute),
				Presented: session.Presentation{Generation: 7, IssuedAt: r.Now, ExpiresAt: r.Now.Add(120 * day)},
			})
			if err != nil || r.Outcome != session.Adopted {
				t.Fatalf("Refresh = %v, %v", r, err)
			}
			check("an adopted generation of a later day", r.Record)
			longest := r.Record
			r, err = store.Refresh(ctx, session.RefreshParams{
				UserID: "ann", ID: session.ID{3}, Presented: session.Presentation{Generation: 1}, Policy: policy(70 * day),
			})
			if err != nil || r.Outcome != session.Rotated {
				t.Fatalf("Refresh = %v, %v", r, err)
			}
			check("a rotation into a later day that ends before another session does", longest)
		})
	}
}

// TestOneRoundTrip counts on the server the commands of each operation.
func TestOneRoundTrip(t *testing.T) {
	t.Parallel()
	const each = 20
	ctx := context.Background()
	server := testenv.Redis(t)
	client := server.Client()
	for _, mode := range clientModes {
		store := patient(mode.open(t, options(t, server.URL())))
		for _, op := range operations { // the server learns the scripts
			if err := op.call(ctx, store); err != nil {
				t.Fatal(err)
			}
		}
		for _, op := range operations {
			if err := client.ConfigResetStat(ctx).Err(); err != nil {
				t.Fatal(err)
			}
			for range each {
				if err := op.call(ctx, store); err != nil {
					t.Fatal(err)
				}
			}
			// The statistics include the commands of scripts, so only those of clients are summed.
			top := []string{"evalsha"}
			switch op.name {
			case "Delete":
				top = []string{"hdel"}
			case "DeleteUser":
				top = []string{"del"}
			case "ReadFeed":
				top = []string{"xrange"}
			}
			within := map[string]bool{"time": true, "hget": true, "hgetall": true, "hset": true, "pttl": true, "pexpireat": true,
				"xadd": true, "xrange": true, "pexpire": true}
			calls, others := 0, []string{}
			for name, n := range commandStats(t, client) {
				switch {
				case name == top[0]:
					calls = n
				case strings.HasPrefix(name, "config"), name == "info", top[0] == "evalsha" && within[name]:
				default:
					others = append(others, fmt.Sprintf("%s %d times", name, n))
				}
			}
			if calls != each || len(others) > 0 {
				t.Errorf("%s, %s: %d calls of the store sent %s %d times, and %v", mode.name, op.name, each, top[0], calls, others)
			}
		}
	}
}

func commandStats(t *testing.T, client *redis.Client) map[string]int {
	t.Helper()
	info, err := client.Info(context.Background(), "commandstats").Result()
	if err != nil {
		t.Fatal(err)
	}
	stats := make(map[string]int)
	for line := range strings.Lines(info) {
		name, rest, ok := strings.Cut(strings.TrimPrefix(line, "cmdstat_"), ":calls=")
		var n int
		if _, err := fmt.Sscanf(rest, "%d,", &n); ok && err == nil {
			stats[name] = n
		}
	}
	return stats
}
