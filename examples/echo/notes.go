package main

import (
	"net/http"

	"github.com/a-h/templ"
	"github.com/labstack/echo/v4"

	luciaecho "github.com/lucia-go/lucia/adapters/echo"
	"github.com/lucia-go/lucia/examples/echo/views"
	"github.com/lucia-go/lucia/examples/internal/demo"
)

// addNotes adds the routes of a user's notes behind Require. Requests of htmx have the session's
// cookies and need no token in the page; requests from another site are refused. Forms without
// scripts support only POST, so each change has a second route.
func (a *app) addNotes(g *echo.Group) {
	g.GET("", a.listNotes)
	g.POST("", a.putNote)
	g.GET("/:id", a.showNote)
	g.GET("/:id/edit", a.editNote)
	g.PUT("/:id", a.putNote)
	g.POST("/:id", a.putNote)
	g.DELETE("/:id", a.deleteNote)
	g.POST("/:id/delete", a.deleteNote)
}

// userID returns the user of the request. Require guarantees that there is one.
func (a *app) userID(c echo.Context) string { return luciaecho.Session(c, a.auth).User.ID }

// isHTMX reports whether the answer should be a part of the page.
func isHTMX(c echo.Context) bool { return c.Request().Header.Get("HX-Request") == "true" }

func (a *app) listNotes(c echo.Context) error { return a.notes(c, "", nil) }

// notes renders the whole page.
func (a *app) notes(c echo.Context, editing string, problem error) error {
	list, err := a.site.Notes().List(c.Request().Context(), a.userID(c))
	if err != nil {
		return a.page(c, views.Error, err)
	}
	notes := func(v *demo.View) templ.Component { return views.Notes(v, list, editing) }
	return a.page(c, notes, problem)
}

// refuse reports an error: on the page or, for htmx, by the status, which leaves the page
// unchanged.
func (a *app) refuse(c echo.Context, err error) error {
	if !isHTMX(c) {
		return a.notes(c, "", err)
	}
	status, text := demo.Explain(err)
	return c.String(status, text)
}

// find returns the note in the path.
func (a *app) find(c echo.Context) (demo.Note, error) {
	list, err := a.site.Notes().List(c.Request().Context(), a.userID(c))
	if err != nil {
		return demo.Note{}, err
	}
	for _, n := range list {
		if n.ID == c.Param("id") {
			return n, nil
		}
	}
	return demo.Note{}, demo.ErrNotFound
}

func (a *app) showNote(c echo.Context) error {
	n, err := a.find(c)
	switch {
	case err != nil:
		return a.refuse(c, err)
	case !isHTMX(c):
		return c.Redirect(http.StatusSeeOther, "/notes")
	}
	return render(c, http.StatusOK, views.Note(n))
}

func (a *app) editNote(c echo.Context) error {
	n, err := a.find(c)
	switch {
	case err != nil:
		return a.refuse(c, err)
	case !isHTMX(c):
		return a.notes(c, n.ID, nil)
	}
	return render(c, http.StatusOK, views.NoteForm(n))
}

// putNote adds a note or changes the one in the path.
func (a *app) putNote(c echo.Context) error {
	note := demo.Note{ID: c.Param("id"), Text: c.FormValue("text")}
	n, err := a.site.Notes().Put(c.Request().Context(), a.userID(c), note)
	switch {
	case err != nil:
		return a.refuse(c, err)
	case !isHTMX(c):
		return c.Redirect(http.StatusSeeOther, "/notes")
	}
	return render(c, http.StatusOK, views.Note(n))
}

func (a *app) deleteNote(c echo.Context) error {
	err := a.site.Notes().Delete(c.Request().Context(), a.userID(c), c.Param("id"))
	switch {
	case err != nil:
		return a.refuse(c, err)
	case !isHTMX(c):
		return c.Redirect(http.StatusSeeOther, "/notes")
	}
	return c.NoContent(http.StatusOK) // htmx replaces the note by it
}
