package htmlform

import (
	"bytes"
	"maps"
	"mime/multipart"
	"net/url"
	"slices"
)

// Encodings of forms.
const (
	urlencoded = "application/x-www-form-urlencoded"
	multiparts = "multipart/form-data"
)

// MethodDialog is the Method of a form that closes its dialog and is not sent.
const MethodDialog = "DIALOG"

// Form is a form of a page.
type Form struct {
	// Method is "GET", "POST" or [MethodDialog].
	Method string
	// Action is where the form goes, relative to the page; "" is the page itself.
	Action string
	// Enctype is the encoding of a POST form: "multipart/form-data" or
	// "application/x-www-form-urlencoded". The latter also stands for "text/plain", which no
	// program can parse reliably.
	Enctype string
	// Fields are the initial values of the form, including hidden fields.
	Fields url.Values
	// Names are the names of all enabled fields, including those without a value.
	Names map[string]bool
	// Buttons are the enabled submit buttons in order, without images.
	Buttons []Button

	hidden map[string]bool // names of fields that a person cannot change
	files  map[string]bool // names of fields for files

	hasDefault bool // whether there is a submit button at all
	// The default button, which is the first one, also if it is an image; nil if it is disabled.
	implied *Button
}

// Button is a submit button of a [Form].
type Button struct {
	// Name and Value are submitted if the button is pressed and Name is not "".
	Name, Value string
	// Method, Action and Enctype are the button's own (formmethod, formaction, formenctype), or
	// else those of the form.
	Method, Action, Enctype string

	image bool // it submits the coordinates of the click
}

// Form returns the form that a person would fill in with the given values, or nil. It has the given
// method ("GET" or "POST"; "" is any). Every given name is the name of a field or, with its only
// value, of a button. A file field accepts only "", which means no file. If several forms match,
// Form returns the first whose hidden fields have the given values, because a person cannot change
// those. That distinguishes the forms of a list. If there is none, Form returns the first match.
func (p *Page) Form(method string, given url.Values) *Form {
	var first *Form
	for i := range p.Forms {
		f := &p.Forms[i]
		switch {
		case method != "" && method != f.Method || !f.takes(given):
		case f.presets(given):
			return f
		case first == nil:
			first = f
		}
	}
	return first
}

// add adds a field. A name counts as hidden if all fields with that name are hidden, and as a name
// of files if all are fields for files.
func (f *Form) add(next field) {
	isFirst := !f.Names[next.name]
	f.hidden[next.name] = next.hidden && (isFirst || f.hidden[next.name])
	f.files[next.name] = next.file && (isFirst || f.files[next.name])
	f.Names[next.name] = true
	for _, v := range next.values {
		f.Fields.Add(next.name, v)
	}
}

// addButton adds the next submit button in page order.
func (f *Form) addButton(b Button, off bool) {
	if !f.hasDefault && !off {
		f.implied = &b
	}
	f.hasDefault = true
	if !off && !b.image {
		f.Buttons = append(f.Buttons, b)
	}
}

// Button returns the button whose name and value are among the given ones, or nil.
func (f *Form) Button(given url.Values) *Button {
	pressed, _ := f.split(given)
	return pressed
}

// split returns the button whose name and value are among the given ones, or nil, and the given
// fields.
func (f *Form) split(given url.Values) (*Button, url.Values) {
	i := slices.IndexFunc(f.Buttons, func(b Button) bool { return slices.Equal(given[b.Name], []string{b.Value}) })
	if i < 0 {
		return nil, given
	}
	typed := maps.Clone(given)
	delete(typed, f.Buttons[i].Name)
	return &f.Buttons[i], typed
}

// takes reports whether the form has all given fields.
func (f *Form) takes(given url.Values) bool {
	_, typed := f.split(given)
	for name, values := range typed {
		if !f.Names[name] || f.files[name] && slices.ContainsFunc(values, isText) {
			return false
		}
	}
	return true
}

func isText(value string) bool { return value != "" }

// presets reports whether the form's hidden fields already have the given values.
func (f *Form) presets(given url.Values) bool {
	_, typed := f.split(given)
	for name, values := range typed {
		if f.hidden[name] && !slices.Equal(values, f.Fields[name]) {
			return false
		}
	}
	return true
}

// Filled returns a copy of the form as it is submitted with the given values. Its Fields are all
// fields that are sent, including hidden fields that are not given. The button with a given name
// and value is pressed. If there is none, the first button is, as browsers do when a person presses
// Enter in a field. If the first button is disabled, none is pressed, because browsers then do not
// submit the form until a script enables the button. The button's name and value are sent, and
// Method, Action and Enctype are the button's.
func (f *Form) Filled(given url.Values) *Form {
	pressed, typed := f.split(given)
	if pressed == nil {
		pressed = f.implied
	}
	filled := *f
	filled.Fields = url.Values{}
	maps.Copy(filled.Fields, f.Fields)
	for name, values := range typed {
		filled.Fields[name] = nil
		for _, v := range values {
			filled.Fields.Add(name, crlf(v))
		}
	}
	if pressed != nil {
		filled.press(*pressed)
	}
	return &filled
}

func (f *Form) press(b Button) {
	f.Method, f.Action, f.Enctype = b.Method, b.Action, b.Enctype
	switch {
	case b.image: // when pressed with the keyboard, the coordinates are 0
		dot := ""
		if b.Name != "" {
			dot = b.Name + "."
		}
		f.Fields.Add(dot+"x", "0")
		f.Fields.Add(dot+"y", "0")
	case b.Name != "":
		f.Fields[b.Name] = slices.Concat(f.Fields[b.Name], []string{b.Value})
	}
}

// Body returns the fields as the body of a POST, encoded as Enctype says, and its Content-Type.
// File fields are sent as browsers send them without a file.
func (f *Form) Body() (body []byte, contentType string) {
	if f.Enctype != multiparts {
		return []byte(f.Fields.Encode()), urlencoded
	}
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for _, name := range slices.Sorted(maps.Keys(f.Fields)) {
		for _, value := range f.Fields[name] {
			f.writePart(w, name, value)
		}
	}
	w.Close()
	return b.Bytes(), w.FormDataContentType()
}

// writePart writes to memory, which never fails.
func (f *Form) writePart(w *multipart.Writer, name, value string) {
	if f.files[name] {
		_, _ = w.CreateFormFile(name, "")
		return
	}
	_ = w.WriteField(name, value)
}
