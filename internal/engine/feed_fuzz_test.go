package engine_test

import (
	"crypto/ed25519"
	"encoding/json"
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/lucia-go/lucia/internal/engine"
	"github.com/lucia-go/lucia/session"
)

// FuzzNotice publishes any notice, as a process with a wrong clock or another program may. A notice
// never ends a session that the store has. It concerns its user alone, and its session alone if it
// names one. A minute later the tokens of all other sessions are valid again.
func FuzzNotice(f *testing.F) {
	const now = 946684800 // when a bubble of testing/synctest begins
	for _, until := range []int64{now, now + 1, now + 30, now - 1, now + 3600, 1 << 33, 0, -1, math.MaxInt64, math.MinInt64, math.MaxInt64 - 1} {
		f.Add(true, "u1", false, until)
		f.Add(false, "u1", false, until)
		f.Add(true, "u1", true, until)
		f.Add(false, "u2", true, until)
	}
	f.Add(true, "", false, int64(now))
	f.Add(true, "\xff", true, int64(now))
	f.Fuzz(func(t *testing.T, end bool, userID string, own bool, until int64) {
		synctest.Test(t, func(t *testing.T) {
			fleet := newFleet()
			e, _ := fleet.process(t)
			j, stranger := signIn(t, e, "u1"), signIn(t, e, "u2")
			n := session.Notice{Kind: session.NoticeReload, UserID: userID, IssuedUntil: until}
			if end {
				n.Kind = session.NoticeEnd
			}
			if own {
				n.SessionID = idOf(t, e, j)
			}
			if err := fleet.feed.Publish(t.Context(), n, time.Hour); err != nil {
				t.Fatal(err)
			}
			time.Sleep(aSecond)
			if _, err := e.Verify(stranger.access, stranger.fingerprint); err != nil && (userID != "u2" || own && end) {
				t.Errorf("%+v concerns another user: %v", n, err)
			}
			time.Sleep(time.Minute)
			for _, b := range []*jar{&j, &stranger} {
				if outcome, err := b.refresh(t, e); err != nil {
					t.Fatalf("%+v ends a session that the store has: %v, %v", n, outcome, err)
				}
				ended := b == &j && userID == "u1" && own && end
				if _, err := e.Verify(b.access, b.fingerprint); err != nil && !ended {
					t.Errorf("%+v: a token issued a minute later is refused: %v", n, err)
				}
			}
		})
	})
}

// FuzzTokenFor asks for a token for any audience, user and actor. It is refused, or a service that
// uses golang-jwt and the published keys accepts it with exactly these claims. The app itself never
// accepts it.
func FuzzTokenFor(f *testing.F) {
	f.Add("orders", "u1", "", int64(60))
	for _, audience := range []string{"", "https://orders.example", "urn:orders", "a b", "a\nb", ":", "a:b", "%zz", `"<&>`, "\u2028", "\xff", "é", "https://a.example/\x7f"} {
		f.Add(audience, "u1", "admin", int64(1))
	}
	for _, user := range []string{`"},"sub":"u2`, "\u2028</script>", "\x00", "Zoë"} {
		f.Add("orders", user, user, int64(900))
	}
	f.Add("orders", "u1", "", int64(0))
	f.Add("orders", "u1", "", int64(math.MaxInt64))
	m := newEngine(f, func(c *engine.Config[profile]) { c.Issuer = "https://app.example" })
	var set struct {
		Keys []struct{ Kid, X string }
	}
	if err := json.Unmarshal(m.ServiceKeys(), &set); err != nil || len(set.Keys) != 1 {
		f.Fatalf("%s: %v", m.ServiceKeys(), err)
	}
	key, err := jwt.NewParser().DecodeSegment(set.Keys[0].X)
	if err != nil {
		f.Fatal(err)
	}
	service := func(audience string) *jwt.Parser {
		return jwt.NewParser(jwt.WithValidMethods([]string{"EdDSA"}), jwt.WithIssuer("https://app.example"), jwt.WithAudience(audience), jwt.WithExpirationRequired())
	}
	f.Fuzz(func(t *testing.T, audience, userID, actor string, seconds int64) {
		if session.CheckUserID(userID) != nil || actor != "" && session.CheckUserID(actor) != nil {
			t.Skip("no session has such a user")
		}
		s := session.Session[profile]{
			User: session.User[profile]{ID: userID}, ID: session.NewID(), IssuedAt: time.Now(), ExpiresAt: time.Now().Add(time.Minute),
		}
		if actor != "" {
			s.Actor = &session.Actor{ID: actor}
		}
		token, err := m.TokenFor(s, audience, time.Duration(seconds)*time.Second)
		if (token == "") == (err == nil) {
			t.Fatalf("TokenFor = %q, %v", token, err)
		}
		if err != nil {
			return
		}
		claims := jwt.MapClaims{}
		parsed, err := service(audience).ParseWithClaims(token, claims, func(*jwt.Token) (any, error) { return ed25519.PublicKey(key), nil })
		if err != nil || parsed.Header["typ"] != "at+jwt" || parsed.Header["kid"] != set.Keys[0].Kid {
			t.Fatalf("a service refuses %q: %v", token, err)
		}
		act, _ := claims["act"].(map[string]any)
		if claims["sub"] != userID || claims["aud"] != audience || claims["sid"] != s.ID.String() || (actor != "") != (act != nil) || act != nil && act["sub"] != actor {
			t.Errorf("claims %v of the user %q for %q", claims, userID, audience)
		}
		if life := claims["exp"].(float64) - claims["iat"].(float64); life < 1 || life != float64(seconds) {
			t.Errorf("a token for %d s lives for %v s", seconds, life)
		}
		if _, err := service(audience+"x").Parse(token, func(*jwt.Token) (any, error) { return ed25519.PublicKey(key), nil }); err == nil {
			t.Errorf("a token for %q is accepted by another service", audience)
		}
		if _, err := m.Verify(session.AccessToken(token), ""); session.CodeOf(err) != session.CodeInvalidAccessToken {
			t.Errorf("the app accepts a token for a service: %v", err)
		}
		if _, err := m.ParseRefreshToken(session.RefreshToken(token)); err == nil {
			t.Error("the app accepts a token for a service as a refresh token")
		}
	})
}
