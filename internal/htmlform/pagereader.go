package htmlform

import (
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"time"

	"golang.org/x/net/html"
	"golang.org/x/net/html/atom"

	"github.com/lucia-go/lucia/internal/wire"
)

// pageReader processes the tokens of a page. It follows the HTML standard for forms: which form a
// field belongs to, and which value it submits.
type pageReader struct {
	z    *html.Tokenizer
	page *Page
	err  error

	open      int            // the open form's index, or none
	ids       map[string]int // forms by their id
	fields    []field        // in page order, because a form's id may come later
	fieldsets []fieldset     // the open ones
	templates int            // how many are open; their content is not part of the page
	base      *string
	textarea  *field        // the open one
	option    *selectReader // the open select
	inData    bool          // the page data's text comes next
	hadData   bool
}

// none is the index that stands for no form.
const none = -1

func newPageReader(z *html.Tokenizer) *pageReader {
	return &pageReader{z: z, page: new(Page), open: none, ids: map[string]int{}}
}

func (p *pageReader) next() {
	switch p.z.Next() {
	case html.ErrorToken:
		p.err = p.z.Err()
		p.endSelect()
		p.handOut()
	case html.StartTagToken, html.SelfClosingTagToken:
		p.start(p.z.Token())
	case html.EndTagToken:
		p.end(p.z.Token().DataAtom)
	case html.TextToken:
		p.text(p.z.Token().Data)
	}
}

func attributes(t html.Token) map[string]string {
	m := make(map[string]string, len(t.Attr))
	for _, a := range t.Attr {
		if _, ok := m[a.Key]; !ok { // the first one counts, as in browsers
			m[a.Key] = a.Val
		}
	}
	return m
}

func has(attr map[string]string, name string) bool {
	_, ok := attr[name]
	return ok
}

func (p *pageReader) start(t html.Token) {
	if t.DataAtom == atom.Template {
		p.templates++
	}
	if p.templates > 0 {
		return
	}
	attr := attributes(t)
	switch t.DataAtom {
	case atom.Base:
		if href, ok := attr["href"]; ok && p.base == nil {
			p.base = &href
		}
	case atom.Script:
		p.startScript(attr)
	case atom.Form:
		if p.open == none { // forms do not nest
			p.startForm(attr)
		}
	case atom.Fieldset:
		p.fieldsets = append(p.fieldsets, fieldset{disabled: has(attr, "disabled")})
	case atom.Legend:
		p.startLegend()
	case atom.Input:
		p.endSelect() // a select cannot contain it
		p.input(attr)
	case atom.Button:
		if p.option == nil { // a button in a select opens it and does not submit
			p.button(attr)
		}
	case atom.Textarea:
		p.endSelect()
		p.textarea = p.declare(attr)
		p.add(p.textarea, "")
	case atom.Select, atom.Optgroup, atom.Option:
		p.startChoice(t.DataAtom, attr)
	}
}

func (p *pageReader) startScript(attr map[string]string) {
	if attr["id"] != wire.PageDataID || p.hadData {
		return
	}
	p.inData, p.hadData = true, true
	p.page.SessionID = attr["data-session"]
	if s, err := strconv.ParseUint(attr["data-expires-in"], 10, 31); err == nil {
		p.page.ExpiresIn = time.Duration(min(s, wire.MaxExpiresIn)) * time.Second
	}
}

func (p *pageReader) end(tag atom.Atom) {
	if tag == atom.Template {
		p.templates = max(0, p.templates-1)
	}
	if p.templates > 0 {
		return
	}
	switch tag {
	case atom.Form:
		p.endSelect()
		p.open, p.textarea = none, nil
	case atom.Fieldset:
		p.fieldsets = p.fieldsets[:max(0, len(p.fieldsets)-1)]
	case atom.Legend:
		if n := len(p.fieldsets); n > 0 {
			p.fieldsets[n-1].inLegend = false
		}
	case atom.Textarea:
		p.textarea = nil
	case atom.Script:
		p.inData = false
	case atom.Optgroup:
		if p.option != nil {
			p.option.groupOff = false
		}
	case atom.Select:
		p.endSelect()
	}
}

func (p *pageReader) text(s string) {
	switch {
	case p.templates > 0:
	case p.inData:
		p.inData = false
		if json.Unmarshal([]byte(s), &p.page.Data) != nil {
			p.page.Data = nil
		}
	case p.option != nil:
		p.option.read(s)
	case p.textarea != nil:
		// HTML drops a newline right after the tag.
		p.textarea.values = []string{crlf(strings.TrimPrefix(s, "\n"))}
	}
}

// handOut resolves the forms' addresses and assigns the fields to their forms.
func (p *pageReader) handOut() {
	for i := range p.page.Forms {
		form := &p.page.Forms[i]
		form.Action = p.address(form.Action)
	}
	for _, f := range p.fields {
		at := f.form
		if f.formID != nil {
			var ok bool
			if at, ok = p.ids[*f.formID]; !ok {
				continue
			}
		}
		form := &p.page.Forms[at]
		if f.button != nil {
			form.addButton(p.buttonOf(form, &f), f.off)
			continue
		}
		form.add(f)
	}
}

// buttonOf returns f as a button of the form.
func (p *pageReader) buttonOf(form *Form, f *field) Button {
	attr := f.button
	b := Button{Name: f.name, Value: attr["value"], Method: form.Method, Action: form.Action, Enctype: form.Enctype, image: f.image}
	if method, ok := attr["formmethod"]; ok {
		b.Method = methodOf(method)
	}
	if action, ok := attr["formaction"]; ok {
		b.Action = p.address(action)
	}
	if enctype, ok := attr["formenctype"]; ok {
		b.Enctype = enctypeOf(enctype)
	}
	return b
}

// address resolves an action against the page's base. "" is the page itself, whatever its base is.
func (p *pageReader) address(action string) string {
	if p.base == nil || action == "" {
		return action
	}
	base, err := url.Parse(*p.base)
	if err != nil {
		return action
	}
	u, err := base.Parse(action)
	if err != nil {
		return action
	}
	return u.String()
}
