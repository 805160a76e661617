package lucia_test

import (
	"context"
	"database/sql"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gin-gonic/gin"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/labstack/echo/v4"
	"github.com/redis/go-redis/v9"

	"github.com/lucia-go/lucia"
	luciaecho "github.com/lucia-go/lucia/adapters/echo"
	luciagin "github.com/lucia-go/lucia/adapters/gin"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/client"
	"github.com/lucia-go/lucia/memstore"
	"github.com/lucia-go/lucia/redisstore"
	"github.com/lucia-go/lucia/sqlstore"
)

// This is the code of the README, so that it is compiled. TestReadmeCodeCompiles compares the
// two.

type Profile struct {
	Username string `json:"username"`
}

type profile = Profile

type userTable struct{}

func (userTable) Profile(context.Context, string) (Profile, error) { return Profile{}, nil }

var (
	users  userTable
	userID = "u1"
)

func readmeNew() (*lucia.Auth[Profile], error) {
	auth, err := lucia.New(lucia.Config[Profile]{
		Secret: []byte(os.Getenv("LUCIA_SECRET")), // openssl rand -base64 32
		Store:  memstore.New(),                    // or redisstore.New(client)
		LoadUser: func(ctx context.Context, id string) (Profile, error) {
			profile, err := users.Profile(ctx, id)
			if errors.Is(err, sql.ErrNoRows) {
				err = lucia.ErrUserNotFound // the user is gone: their sessions end; any other error ends none
			}
			return profile, err
		},
		LoginPath: "/login",                      // where people without a session are sent
		Dev:       os.Getenv("APP_ENV") == "dev", // over plain http browsers drop the cookies of production
	})
	return auth, err
}

func readmeNetHTTP(auth *lucia.Auth[Profile], mux *http.ServeMux, profile http.HandlerFunc) http.Handler {
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		// … check the password …
		if _, err := auth.SignIn(w, r, userID); err != nil {
			lucia.WriteError(w, err)
			return
		}
		http.Redirect(w, r, lucia.ReturnPath(r, "/profile"), http.StatusSeeOther)
	})
	mux.Handle("GET /profile", auth.Require(http.HandlerFunc(profile))) // auth.Session(r.Context()) inside
	app := nethttp.Wrap(auth, mux)
	return app
}

func readmeEcho(auth *lucia.Auth[Profile], e *echo.Echo, profile echo.HandlerFunc) {
	e.Use(luciaecho.Middleware(auth))
	e.POST("/login", func(c echo.Context) error {
		// … check the password …
		if _, err := auth.SignIn(c.Response(), c.Request(), userID); err != nil {
			return luciaecho.Error(c, err)
		}
		return c.Redirect(http.StatusSeeOther, lucia.ReturnPath(c.Request(), "/profile"))
	})
	e.GET("/profile", profile, luciaecho.Require(auth)) // luciaecho.Session(c, auth) inside
}

func readmeGin(auth *lucia.Auth[Profile], g *gin.Engine, profile gin.HandlerFunc) {
	g.Use(luciagin.Middleware(auth))
	g.POST("/login", func(c *gin.Context) {
		// … check the password …
		if _, err := auth.SignIn(c.Writer, c.Request, userID); luciagin.Error(c, err) {
			return
		}
		c.Redirect(http.StatusSeeOther, lucia.ReturnPath(c.Request, "/profile"))
	})
	g.GET("/profile", luciagin.Require(auth), profile) // luciagin.Session(c, auth) inside
}

func readmeRedis() error {
	opts, err := redisstore.ParseURL(os.Getenv("REDIS_URL"))
	if err != nil {
		return err
	}
	store := redisstore.New(redis.NewUniversalClient(opts))
	_ = store
	return nil
}

func readmeSQL(ctx context.Context) error {
	db, err := sql.Open("pgx", os.Getenv("DATABASE_URL"))
	if err != nil {
		return err
	}
	store := sqlstore.New(db, sqlstore.Postgres) // or sqlstore.SQLite
	if err := store.Migrate(ctx); err != nil {
		return err
	}
	return db.Close()
}

func readmeClient(ctx context.Context, path string) (*client.Client[profile], error) {
	c, err := client.New[profile](ctx, client.Config{
		BaseURL:    "https://app.example",
		TokenStore: client.NewFileStore(path), // stay signed in between runs
	})
	return c, err
}

// TestReadmeCodeRuns runs each function above as far as possible without a network.
func TestReadmeCodeRuns(t *testing.T) {
	t.Setenv("LUCIA_SECRET", strings.Repeat("s", 32))
	t.Setenv("REDIS_URL", "redis://127.0.0.1:6379")
	t.Setenv("DATABASE_URL", "postgres://127.0.0.1:1/app") // no server listens there
	auth, err := readmeNew()
	if err != nil {
		t.Fatal(err)
	}
	readmeNetHTTP(auth, http.NewServeMux(), func(http.ResponseWriter, *http.Request) {})
	readmeEcho(auth, echo.New(), func(echo.Context) error { return nil })
	gin.SetMode(gin.TestMode)
	readmeGin(auth, gin.New(), func(*gin.Context) {})
	if err := readmeRedis(); err != nil {
		t.Error(err)
	}
	if err := readmeSQL(t.Context()); err == nil || !strings.Contains(err.Error(), "no connection") {
		t.Errorf("without a database: %v", err)
	}
	if _, err := readmeClient(t.Context(), filepath.Join(t.TempDir(), "session")); err != nil {
		t.Error(err)
	}
}

// TestReadmeCodeCompiles finds every block of Go code of the README, line for line, in a compiled
// file.
func TestReadmeCodeCompiles(t *testing.T) {
	t.Parallel()
	compiled := lines(t, "readme_test.go") + lines(t, "luciatest/readme_test.go")
	blocks := strings.Split(string(read(t, "README.md")), "```go\n")[1:]
	if len(blocks) < 5 {
		t.Fatalf("%d blocks of Go code in the README", len(blocks))
	}
	for _, block := range blocks {
		code, _, _ := strings.Cut(block, "```")
		if !strings.Contains(compiled, trimmed(code)) {
			t.Errorf("not in a compiled file:\n%s", code)
		}
		if n := strings.Count(code, "\n"); n > 15 {
			t.Errorf("%d lines are more than a newcomer reads:\n%s", n, code)
		}
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func lines(t *testing.T, name string) string {
	t.Helper()
	return trimmed(string(read(t, name)))
}

// trimmed returns the lines of code without their indentation.
func trimmed(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		b.WriteString(strings.TrimSpace(line) + "\n")
	}
	return b.String()
}
