package contend

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	ginjwt "github.com/appleboy/gin-jwt/v3"
	jwtmiddleware "github.com/auth0/go-jwt-middleware/v3"
	"github.com/auth0/go-jwt-middleware/v3/validator"
	"github.com/gin-gonic/gin"
	"github.com/go-chi/jwtauth/v5"
	"github.com/golang-jwt/jwt/v5"
	echojwt "github.com/labstack/echo-jwt/v4"
	"github.com/labstack/echo/v4"
)

// claims are the claims of every library's token: those of lucia's access token, and two more that
// auth0's library requires.
type claims struct {
	Version         int    `json:"ver"`
	User            User   `json:"user"`
	FingerprintHash string `json:"fingerprint_hash"`
	Role            string `json:"role"`
	SessionID       string `json:"sid"`
	Generation      int    `json:"gen"`
	jwt.RegisteredClaims
}

const issuer, audience = "https://example.com/", "app"

var (
	fingerprint     = strings.Repeat("f", 64)
	fingerprintHash = hash(fingerprint)
)

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// token returns the access token of a user. Signing cannot fail, because the claims have a fixed
// form.
func token(u User) string {
	now := time.Now()
	t, _ := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		Version: 2, User: u, FingerprintHash: fingerprintHash, Role: "access_token",
		SessionID: hash(u.ID)[:22], Generation: 1,
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Audience: jwt.ClaimStrings{audience},
			IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(time.Hour)),
		},
	}).SignedString(key)
	return t
}

// AccessToken signs an access token of user i with golang-jwt.
func AccessToken(i int) string { return token(user(i)) }

type userKey struct{}

// byHand is a careful app that uses golang-jwt directly. It fixes the method, has typed claims,
// requires an expiry, and compares the fingerprint with the cookie.
func byHand(env Env) (*App, error) {
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(), jwt.WithLeeway(30*time.Second))
	verify := func(r *http.Request) (User, bool) {
		access, err := r.Cookie("access_token")
		if err != nil {
			return User{}, false
		}
		fp, err := r.Cookie("fingerprint_token")
		if err != nil {
			return User{}, false
		}
		var c claims
		if _, err := parser.ParseWithClaims(access.Value, &c, func(*jwt.Token) (any, error) { return key, nil }); err != nil {
			return User{}, false
		}
		same := subtle.ConstantTimeCompare([]byte(hash(fp.Value)), []byte(c.FingerprintHash)) == 1
		return c.User, same && c.Role == "access_token"
	}
	mux := newMux(func(r *http.Request) string {
		u, _ := r.Context().Value(userKey{}).(User)
		return u.Username
	})
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if u, ok := verify(r); ok {
			r = r.WithContext(context.WithValue(r.Context(), userKey{}, u))
		}
		mux.ServeHTTP(w, r)
	})
	return &App{Handler: handler, Cookies: fillers(env.Users)}, nil
}

func echoJWT(env Env) (*App, error) {
	mw := echojwt.WithConfig(echojwt.Config{
		SigningKey:    key,
		TokenLookup:   "cookie:access_token",
		NewClaimsFunc: func(echo.Context) jwt.Claims { return new(claims) },
	})
	e := newEcho(func(c echo.Context) string {
		return c.Get("user").(*jwt.Token).Claims.(*claims).User.Username
	}, mw)
	return &App{Handler: e, Cookies: fillers(env.Users)}, nil
}

func ginJWT(env Env) (*App, error) {
	mw, err := ginjwt.New(&ginjwt.GinJWTMiddleware{
		Realm:       "app",
		Key:         key,
		TokenLookup: "cookie:access_token",
		IdentityKey: "user",
	})
	if err != nil {
		return nil, err
	}
	e := newGin(func(c *gin.Context) string {
		u, _ := ginjwt.ExtractClaims(c)["user"].(map[string]any)
		name, _ := u["username"].(string)
		return name
	}, mw.MiddlewareFunc())
	return &App{Handler: e, Cookies: fillers(env.Users)}, nil
}

func jwtAuth(env Env) (*App, error) {
	ja := jwtauth.New("HS256", key, nil)
	cookie := func(r *http.Request) string {
		c, err := r.Cookie("access_token")
		if err != nil {
			return ""
		}
		return c.Value
	}
	mux := newMux(func(r *http.Request) string {
		_, claims, _ := jwtauth.FromContext(r.Context())
		u, _ := claims["user"].(map[string]any)
		name, _ := u["username"].(string)
		return name
	})
	return &App{Handler: jwtauth.Verify(ja, cookie)(jwtauth.Authenticator(ja)(mux)), Cookies: fillers(env.Users)}, nil
}

// custom are the additional claims for auth0's validator.
type custom struct {
	User User `json:"user"`
}

// Validate implements [validator.CustomClaims].
func (*custom) Validate(context.Context) error { return nil }

func auth0(env Env) (*App, error) {
	v, err := validator.New(
		validator.WithKeyFunc(func(context.Context) (any, error) { return key, nil }),
		validator.WithAlgorithm(validator.HS256),
		validator.WithIssuer(issuer),
		validator.WithAudience(audience),
		validator.WithCustomClaims(func() *custom { return new(custom) }),
	)
	if err != nil {
		return nil, err
	}
	mw, err := jwtmiddleware.New(
		jwtmiddleware.WithValidator(v),
		jwtmiddleware.WithTokenExtractor(jwtmiddleware.CookieTokenExtractor("access_token")),
	)
	if err != nil {
		return nil, err
	}
	mux := newMux(func(r *http.Request) string {
		c, err := jwtmiddleware.GetClaims[*validator.ValidatedClaims](r.Context())
		if err != nil {
			return ""
		}
		return c.CustomClaims.(*custom).User.Username
	})
	return &App{Handler: mw.CheckJWT(mux), Cookies: fillers(env.Users)}, nil
}
