package client

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

// pageReader goes through a page's tokens.
type pageReader struct {
	z    *html.Tokenizer
	page *Page
	err  error

	form     *Form         // the open form
	textarea string        // the name of the open textarea
	option   *selectReader // the open select
	inData   bool          // the page data's text comes next
	hadData  bool
}

// selectReader is a select element as far as it was read.
type selectReader struct {
	name          string
	first, chosen *string
	text          *string // the value of an option that has none is its text
}

func (p *pageReader) next() {
	switch p.z.Next() {
	case html.ErrorToken:
		p.err = p.z.Err()
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
		if _, ok := m[a.Key]; !ok { // as browsers do, the first counts
			m[a.Key] = a.Val
		}
	}
	return m
}

func (p *pageReader) start(t html.Token) {
	attr := attributes(t)
	switch t.DataAtom {
	case atom.Script:
		p.startScript(attr)
	case atom.Form:
		if p.form == nil { // forms do not nest
			p.startForm(attr)
		}
	case atom.Input:
		p.input(attr)
	case atom.Textarea:
		p.textarea = p.declare(attr)
		p.add(p.textarea, "")
	case atom.Select:
		p.option = &selectReader{name: p.declare(attr)}
	case atom.Option:
		p.startOption(attr)
	}
}

func (p *pageReader) startScript(attr map[string]string) {
	if attr["id"] != wire.PageDataID || p.hadData {
		return
	}
	p.inData, p.hadData = true, true
	p.page.SessionID = attr["data-session"]
	if s, err := strconv.ParseUint(attr["data-expires-in"], 10, 31); err == nil {
		p.page.ExpiresIn = time.Duration(min(s, maxExpiresIn)) * time.Second
	}
}

func (p *pageReader) startForm(attr map[string]string) {
	method := "GET"
	if strings.EqualFold(attr["method"], "post") {
		method = "POST"
	}
	p.page.Forms = append(p.page.Forms, Form{
		Method: method,
		Action: attr["action"],
		Fields: url.Values{},
		Names:  map[string]bool{},
	})
	p.form = &p.page.Forms[len(p.page.Forms)-1]
}

// declare notes a field of the open form and returns its name, "" where it is
// none that is submitted.
func (p *pageReader) declare(attr map[string]string) string {
	if _, disabled := attr["disabled"]; p.form == nil || disabled || attr["name"] == "" {
		return ""
	}
	p.form.Names[attr["name"]] = true
	return attr["name"]
}

func (p *pageReader) add(name, value string) {
	if name != "" && p.form != nil {
		p.form.Fields.Add(name, value)
	}
}

func (p *pageReader) input(attr map[string]string) {
	_, checked := attr["checked"]
	switch strings.ToLower(attr["type"]) {
	case "submit", "button", "image", "reset", "file":
	case "checkbox", "radio":
		name := p.declare(attr)
		value, ok := attr["value"]
		if !ok {
			value = "on"
		}
		if checked {
			p.add(name, value)
		}
	default:
		p.add(p.declare(attr), attr["value"])
	}
}

func (p *pageReader) startOption(attr map[string]string) {
	if p.option == nil || p.option.name == "" {
		return
	}
	value, ok := attr["value"]
	p.option.text = nil
	if !ok {
		p.option.text = &value // which comes next
	}
	if p.option.first == nil {
		p.option.first = &value
	}
	if _, selected := attr["selected"]; selected {
		p.option.chosen = &value
	}
}

func (p *pageReader) end(tag atom.Atom) {
	switch tag {
	case atom.Form:
		p.endSelect()
		p.form, p.textarea = nil, ""
	case atom.Textarea:
		p.textarea = ""
	case atom.Script:
		p.inData = false
	case atom.Select:
		p.endSelect()
	}
}

func (p *pageReader) endSelect() {
	if p.option == nil {
		return
	}
	switch {
	case p.option.chosen != nil:
		p.add(p.option.name, *p.option.chosen)
	case p.option.first != nil:
		p.add(p.option.name, *p.option.first)
	}
	p.option = nil
}

func (p *pageReader) text(s string) {
	switch {
	case p.inData:
		p.inData = false
		if json.Unmarshal([]byte(s), &p.page.Data) != nil {
			p.page.Data = nil
		}
	case p.option != nil && p.option.text != nil:
		*p.option.text = strings.Join(strings.Fields(*p.option.text+s), " ")
	case p.textarea != "" && p.form != nil:
		// HTML drops a newline right after the tag.
		p.form.Fields.Set(p.textarea, strings.TrimPrefix(s, "\n"))
	}
}
