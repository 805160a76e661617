package middleware

import (
	"context"
	"html"
	"html/template"
	"net/http"
)

// ReturnField is the hidden field by which the login form carries the return path of
// r, the request for the login page or the form that is shown again: {@middleware.ReturnField(r)}
// in templ, {{ luciaReturn .Request }} in html/template. Where r has no return path, or
// one that leads to another site, it is empty. It parses r's form, as [ReturnPath]
// does, which the handler of the form calls.
//
// A form without an action goes to the address of its page, the return path
// included, and needs no field.
func ReturnField(r *http.Request) Component {
	path := ReturnPath(r, "")
	if path == "" {
		return Component{}
	}
	return Component{render: func(_ context.Context, b []byte, _ page, _ any) ([]byte, error) {
		b = append(b, `<input type="hidden" name="`+nextField+`" value="`...)
		b = append(b, html.EscapeString(path)...)
		return append(b, `">`...), nil
	}}
}

// returnFieldHTML is ReturnField for html/template.
func returnFieldHTML(r *http.Request) template.HTML { return ReturnField(r).HTML(r.Context()) }
