package htmlform

import (
	"net/url"
	"strings"

	"golang.org/x/net/html/atom"
)

// field is a field of a form, or a submit button. It belongs to the form around it, unless it names
// another form by its id.
type field struct {
	form   int
	formID *string
	name   string
	values []string
	hidden bool
	file   bool
	button map[string]string // a submit button's attributes; nil for a field
	image  bool              // the button is an image
	off    bool              // the button is disabled
}

// fieldset is an open fieldset. A disabled one disables its content, except in its first legend.
type fieldset struct {
	disabled, hadLegend, inLegend bool
}

func (p *pageReader) startForm(attr map[string]string) {
	p.open = len(p.page.Forms)
	p.page.Forms = append(p.page.Forms, Form{
		Method:  methodOf(attr["method"]),
		Action:  attr["action"],
		Enctype: enctypeOf(attr["enctype"]),
		Fields:  url.Values{},
		Names:   map[string]bool{},
		hidden:  map[string]bool{},
		files:   map[string]bool{},
	})
	if id := attr["id"]; id != "" {
		if _, taken := p.ids[id]; !taken {
			p.ids[id] = p.open
		}
	}
}

func methodOf(attr string) string {
	switch strings.ToLower(attr) {
	case "post":
		return "POST"
	case "dialog":
		return MethodDialog
	}
	return "GET"
}

func enctypeOf(attr string) string {
	if strings.EqualFold(attr, multiparts) {
		return multiparts
	}
	return urlencoded
}

func (p *pageReader) startLegend() {
	if n := len(p.fieldsets); n > 0 && !p.fieldsets[n-1].hadLegend {
		p.fieldsets[n-1].hadLegend, p.fieldsets[n-1].inLegend = true, true
	}
}

func (p *pageReader) disabled(attr map[string]string) bool {
	for _, f := range p.fieldsets {
		if f.disabled && !f.inLegend {
			return true
		}
	}
	return has(attr, "disabled")
}

// declare records a field and returns it, or nil if the field is not submitted. The result may be
// modified until the next call.
func (p *pageReader) declare(attr map[string]string) *field {
	if attr["name"] == "" || p.disabled(attr) {
		return nil
	}
	return p.place(attr)
}

// place records an element of a form, whether or not it has a name and is enabled.
func (p *pageReader) place(attr map[string]string) *field {
	f := field{form: p.open, name: attr["name"]}
	if id, ok := attr["form"]; ok {
		f.formID = &id
	}
	if f.form == none && f.formID == nil {
		return nil
	}
	p.fields = append(p.fields, f)
	return &p.fields[len(p.fields)-1]
}

// add adds a value, with its newlines as in a submission.
func (p *pageReader) add(f *field, value string) {
	if f != nil {
		f.values = append(f.values, crlf(value))
	}
}

func crlf(s string) string {
	s = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(s)
	return strings.ReplaceAll(s, "\n", "\r\n")
}

func (p *pageReader) input(attr map[string]string) {
	switch kind := strings.ToLower(attr["type"]); kind {
	case "button", "image", "reset", "submit":
		p.button(attr)
	case "file":
		if f := p.declare(attr); f != nil {
			f.file = true
			p.add(f, "")
		}
	case "checkbox", "radio":
		f := p.declare(attr)
		value, ok := attr["value"]
		if !ok {
			value = "on"
		}
		if has(attr, "checked") {
			p.add(f, value)
		}
	default:
		if f := p.declare(attr); f != nil {
			f.hidden = kind == "hidden"
			p.add(f, attr["value"])
		}
	}
}

// button records a submit button. A button submits unless it has another type.
func (p *pageReader) button(attr map[string]string) {
	kind := strings.ToLower(attr["type"])
	if kind == "button" || kind == "reset" {
		return
	}
	if f := p.place(attr); f != nil {
		f.button, f.off, f.image = attr, p.disabled(attr), kind == "image"
	}
}

// selectReader is a select element that is being read.
type selectReader struct {
	field    *field
	several  bool // any number may be chosen
	listed   bool // it shows its options, so none is chosen by default
	groupOff bool // the open group of options is disabled
	options  []option
}

type option struct {
	value    string
	isText   bool // the option has no value, so its text is the value
	disabled bool
	chosen   bool
}

func (p *pageReader) startChoice(tag atom.Atom, attr map[string]string) {
	if tag == atom.Select {
		p.endSelect()
		size := strings.TrimLeft(attr["size"], " 0")
		p.option = &selectReader{
			field:   p.declare(attr),
			several: has(attr, "multiple"),
			listed:  size != "" && size != "1",
		}
	}
	s := p.option
	switch {
	case s == nil:
	case tag == atom.Optgroup:
		s.groupOff = has(attr, "disabled")
	case tag == atom.Option:
		s.options = append(s.options, option{
			value:    attr["value"],
			isText:   !has(attr, "value"),
			disabled: s.groupOff || has(attr, "disabled"),
			chosen:   has(attr, "selected"),
		})
	}
}

// read adds text to the open option.
func (s *selectReader) read(text string) {
	if n := len(s.options); n > 0 && s.options[n-1].isText {
		o := &s.options[n-1]
		o.value = strings.Join(strings.Fields(o.value+text), " ")
	}
}

// endSelect adds the chosen values. A select for one value has the last chosen option or, if none
// is chosen, the first enabled one. Disabled options are not submitted, even if they are chosen.
func (p *pageReader) endSelect() {
	s := p.option
	p.option = nil
	if s == nil {
		return
	}
	var one *option
	for i := range s.options {
		o := &s.options[i]
		if o.chosen {
			one = o
		}
		if s.several && o.chosen && !o.disabled {
			p.add(s.field, o.value)
		}
	}
	if s.several {
		return
	}
	for i := 0; one == nil && !s.listed && i < len(s.options); i++ {
		if !s.options[i].disabled {
			one = &s.options[i]
		}
	}
	if one != nil && !one.disabled {
		p.add(s.field, one.value)
	}
}
