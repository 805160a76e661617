package middleware

import (
	"context"
	"html"
	"html/template"
	"net/http"
)

// ReturnField renders the hidden field with which the login form carries the return path of r,
// the request for the login page or the submitted form that is shown again. In templ it is
// {@middleware.ReturnField(r)}, in html/template {{ luciaReturn .Request }}. It renders nothing
// if r has no return path or one that leads to another site. ReturnField parses r's form. The
// form's handler calls [ReturnPath] to read the field.
//
// A form without an action is submitted to the URL of its page, including the return path, and
// needs no field.
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
