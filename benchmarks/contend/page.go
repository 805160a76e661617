package contend

import (
	"context"
	"html/template"
	"io"
	"net/http"

	"github.com/a-h/templ"
	"github.com/gin-gonic/gin"
	"github.com/labstack/echo/v4"
	echov5 "github.com/labstack/echo/v5"

	"github.com/lucia-go/lucia"
	luciaecho "github.com/lucia-go/lucia/adapters/echo"
	luciaechov5 "github.com/lucia-go/lucia/adapters/echov5"
	luciagin "github.com/lucia-go/lucia/adapters/gin"
	"github.com/lucia-go/lucia/adapters/nethttp"
	"github.com/lucia-go/lucia/memstore"
)

// Pages returns apps with an HTML page that shows the user's name and has a script tag and a form
// with a hidden field. The tag and the field are lucia's page data and form field or, in the bare
// pages, which are subtracted, two constants.
func Pages() []Contender {
	var list []Contender
	for _, framework := range []string{"net/http", "echo", "echo v5", "gin"} {
		for _, engine := range []string{"html/template", "templ"} {
			bare := framework + ", " + engine
			list = append(list,
				Contender{Name: bare, New: barePage(framework, engine)},
				Contender{Name: "**lucia** on " + bare, Base: bare, New: luciaPage(framework, engine, false)},
				Contender{Name: "**lucia** on " + bare + ", hardened", Base: bare, New: luciaPage(framework, engine, true)})
		}
	}
	return list
}

// pieces are the parts of a page that differ.
type pieces struct{ script, field templ.Component }

// html is a constant piece.
type html string

// Render implements [templ.Component].
func (h html) Render(_ context.Context, w io.Writer) error {
	_, err := io.WriteString(w, string(h))
	return err
}

var constants = pieces{
	html(`<script type="module" src="/app.js"></script>`),
	html(`<input type="hidden" name="csrf" value="0123456789abcdef">`),
}

// document is a page in html/template. Two functions render its pieces.
const document = `<!doctype html><title>Page</title>{{lucia .Ctx}}<form method="post">{{luciaField .Ctx}}<button>Save</button></form><p>{{.Name}}</p>`

type data struct {
	Ctx  context.Context
	Name string
}

// newPage returns a function that renders the page of a name.
func newPage(engine string, p pieces) func(w io.Writer, ctx context.Context, name string) {
	if engine == "html/template" {
		funcs := lucia.FuncMap()
		if _, constants := p.script.(html); constants {
			constant := func(h html) func(context.Context) template.HTML {
				return func(context.Context) template.HTML { return template.HTML(h) }
			}
			funcs = template.FuncMap{"lucia": constant(p.script.(html)), "luciaField": constant(p.field.(html))}
		}
		t := template.Must(template.New("").Funcs(funcs).Parse(document))
		return func(w io.Writer, ctx context.Context, name string) { t.Execute(w, data{ctx, name}) }
	}
	// A short form of the code that templ generates for the document.
	return func(w io.Writer, ctx context.Context, name string) {
		buffer := templ.GetBuffer()
		defer templ.ReleaseBuffer(buffer)
		buffer.WriteString("<!doctype html><title>Page</title>")
		p.script.Render(ctx, buffer)
		buffer.WriteString(`<form method="post">`)
		p.field.Render(ctx, buffer)
		buffer.WriteString("<button>Save</button></form><p>")
		buffer.WriteString(templ.EscapeString(name))
		buffer.WriteString("</p>")
		w.Write(buffer.Bytes())
	}
}

func barePage(framework, engine string) func(Env) (*App, error) {
	return func(env Env) (*App, error) {
		page, name := newPage(engine, constants), Name(0)
		show := func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			page(w, r.Context(), name)
		}
		return &App{Handler: mount(framework, show, nil), Cookies: fillers(env.Users)}, nil
	}
}

func luciaPage(framework, engine string, hardened bool) func(Env) (*App, error) {
	return func(env Env) (*App, error) {
		auth, err := newInUse(memstore.New(), func(c *lucia.Config[Profile]) { c.Hardened = hardened })
		if err != nil {
			return nil, err
		}
		page := newPage(engine, pieces{lucia.PageData, lucia.FormField})
		show := func(w http.ResponseWriter, r *http.Request) {
			s := auth.Session(r.Context())
			if s == nil {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			page(w, r.Context(), s.User.Data.Username)
		}
		return signedIn(env, auth, mount(framework, show, auth))
	}
}

// mount returns an app on the framework with show as its page, behind auth unless that is nil.
func mount(framework string, show http.HandlerFunc, auth *lucia.Auth[Profile]) http.Handler {
	switch framework {
	case "echo":
		e := echo.New()
		if auth != nil {
			e.Use(luciaecho.Middleware(auth))
		}
		e.GET(Path, func(c echo.Context) error {
			show(c.Response(), c.Request())
			return nil
		})
		return e
	case "echo v5":
		e := echov5.New()
		if auth != nil {
			e.Use(luciaechov5.Middleware(auth))
		}
		e.GET(Path, func(c *echov5.Context) error {
			show(c.Response(), c.Request())
			return nil
		})
		return e
	case "gin":
		gin.SetMode(gin.ReleaseMode)
		e := gin.New()
		if auth != nil {
			e.Use(luciagin.Middleware(auth))
		}
		e.GET(Path, func(c *gin.Context) { show(c.Writer, c.Request) })
		return e
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+Path, show)
	if auth == nil {
		return mux
	}
	return nethttp.Wrap(auth, mux)
}
