// Package notes is the handlers of a user's notes, which the examples on echo share.
// They know no framework.
package notes

import (
	"io"
	"net/http"

	"github.com/a-h/templ"

	"github.com/lucia-go/lucia"
	"github.com/lucia-go/lucia/examples/internal/demo"
	"github.com/lucia-go/lucia/examples/internal/views"
)

// Handler answers a request for the note that has this id. The id is empty where the
// path names no note.
type Handler func(w http.ResponseWriter, r *http.Request, id string) error

// Route is a method, a path below /notes in the form of echo, and its handler.
type Route struct {
	Method, Path string
	Handler      Handler
}

// pages are the handlers and what they need.
type pages struct {
	auth *lucia.Auth[demo.Profile]
	site *demo.Site
}

// Routes returns the routes of the notes. Require is in front of all of them:
// what htmx sends comes with the session's cookies and needs no token in the page,
// and from another site it is refused. Forms of pages without scripting know only
// POST, so each change has a second route.
func Routes(auth *lucia.Auth[demo.Profile], site *demo.Site) []Route {
	p := &pages{auth, site}
	return []Route{
		{"GET", "", p.list},
		{"POST", "", p.put},
		{"GET", "/:id", p.show},
		{"GET", "/:id/edit", p.edit},
		{"PUT", "/:id", p.put},
		{"POST", "/:id", p.put},
		{"DELETE", "/:id", p.delete},
		{"POST", "/:id/delete", p.delete},
	}
}

// userID returns whose request it is. Require has let it through, so there is a session.
func (p *pages) userID(r *http.Request) string { return p.auth.Session(r.Context()).User.ID }

// isHTMX reports whether the answer is to be a part of the page.
func isHTMX(r *http.Request) bool { return r.Header.Get("HX-Request") == "true" }

func (p *pages) list(w http.ResponseWriter, r *http.Request, _ string) error {
	return p.page(w, r, "", nil)
}

// page renders the whole page, the note with the id editing as a form.
func (p *pages) page(w http.ResponseWriter, r *http.Request, editing string, problem error) error {
	list, err := p.site.Notes().List(r.Context(), p.userID(r))
	if err != nil {
		v := p.site.View(w, r, p.auth, err)
		return views.Write(w, r, v.Status, views.Error(v))
	}
	v := p.site.View(w, r, p.auth, problem)
	return views.Write(w, r, v.Status, views.Notes(v, list, editing))
}

// part answers htmx with a component, and a form of a page without scripting with the
// way back to the list. It reports err instead, if there is one.
func (p *pages) part(w http.ResponseWriter, r *http.Request, component templ.Component, err error) error {
	switch {
	case err != nil:
		return p.refuse(w, r, err)
	case !isHTMX(r):
		http.Redirect(w, r, "/notes", http.StatusSeeOther)
		return nil
	}
	return views.Write(w, r, http.StatusOK, component)
}

// refuse reports an error: on the page, or to htmx by the status, which leaves the
// page as it is.
func (p *pages) refuse(w http.ResponseWriter, r *http.Request, err error) error {
	if !isHTMX(r) {
		return p.page(w, r, "", err)
	}
	status, text := demo.Explain(err)
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, err = io.WriteString(w, text)
	return err
}

// find returns the note that has this id.
func (p *pages) find(r *http.Request, id string) (demo.Note, error) {
	list, err := p.site.Notes().List(r.Context(), p.userID(r))
	if err != nil {
		return demo.Note{}, err
	}
	for _, n := range list {
		if n.ID == id {
			return n, nil
		}
	}
	return demo.Note{}, demo.ErrNotFound
}

func (p *pages) show(w http.ResponseWriter, r *http.Request, id string) error {
	n, err := p.find(r, id)
	return p.part(w, r, views.Note(n), err)
}

func (p *pages) edit(w http.ResponseWriter, r *http.Request, id string) error {
	n, err := p.find(r, id)
	if err == nil && !isHTMX(r) {
		return p.page(w, r, n.ID, nil)
	}
	return p.part(w, r, views.NoteForm(n), err)
}

// put adds a note, or changes the one that has this id.
func (p *pages) put(w http.ResponseWriter, r *http.Request, id string) error {
	note := demo.Note{ID: id, Text: r.FormValue("text")}
	n, err := p.site.Notes().Put(r.Context(), p.userID(r), note)
	return p.part(w, r, views.Note(n), err)
}

// delete answers htmx with nothing, which it puts where the note was.
func (p *pages) delete(w http.ResponseWriter, r *http.Request, id string) error {
	err := p.site.Notes().Delete(r.Context(), p.userID(r), id)
	return p.part(w, r, templ.NopComponent, err)
}
