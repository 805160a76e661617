package htmlform_test

import (
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lucia-go/lucia/internal/htmlform"
)

func readPage(t *testing.T, html string) *htmlform.Page {
	t.Helper()
	page, err := htmlform.Read(strings.NewReader(html))
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func TestPageForm(t *testing.T) {
	t.Parallel()
	page := readPage(t, `<form action=1><input name=a></form>
		<form action=2 method=post><input name=a><input name=b></form>
		<form action=3><input type=hidden name=id value=3><input name=c><button name=do value=keep><button name=do value=drop></form>
		<form action=4><input type=hidden name=id value=4><input name=c><button name=do value=keep></form>
		<form action=5><input type=hidden name=id value=5><input name=c><button name=id value=9></form>
		<form action=6><input type=hidden name=news value=0><input type=checkbox name=news value=1><button name=go><button name=x value=1></form>
		<form action=7><input type=hidden name=news value=1></form>
		<form action=8><input type=file name=f></form>
		<form action=9><input type=checkbox name=mix value=0><input type=hidden name=mix value=1><input name=g><input type=file name=g></form>
		<form action=10><input type=hidden name=mix value=2></form>`)
	for _, c := range []struct {
		method string
		given  url.Values
		want   string
	}{
		{"", nil, "1"},
		{"", url.Values{"a": {"x"}}, "1"},
		{"POST", url.Values{"a": {"x"}}, "2"},
		{"", url.Values{"b": {"x"}, "a": {"x"}}, "2"},
		{"GET", url.Values{"b": {"x"}}, "none"},
		{"", url.Values{"nowhere": {"x"}}, "none"},
		{"", url.Values{"c": {"x"}}, "3"},
		{"", url.Values{"c": {"x"}, "id": {"4"}}, "4"},
		{"", url.Values{"c": {"x"}, "id": {"5"}}, "5"},
		{"", url.Values{"c": {"x"}, "id": {"forged"}}, "3"},
		{"", url.Values{"c": {"x"}, "id": {"4", "5"}}, "3"},
		{"", url.Values{"do": {"keep"}, "id": {"4"}}, "4"},
		{"", url.Values{"do": {"drop"}}, "3"},
		{"", url.Values{"do": {"drop"}, "id": {"4"}}, "3"},
		{"", url.Values{"do": {"burn"}}, "none"},
		{"", url.Values{"do": {"keep", "drop"}}, "none"},
		{"", url.Values{"do": nil}, "none"},
		{"", url.Values{"id": {"9"}}, "5"},
		{"", url.Values{"go": {""}}, "6"},
		{"", url.Values{"go": {""}, "x": {"1"}}, "none"},
		{"", url.Values{"news": {"1"}}, "6"},
		{"", url.Values{"f": {""}}, "8"},
		{"", url.Values{"f": {"text"}}, "none"},
		{"", url.Values{"mix": {"2"}}, "9"},
		{"", url.Values{"g": {"text"}}, "9"},
	} {
		got := "none"
		if form := page.Form(c.method, c.given); form != nil {
			got = form.Action
		}
		if got != c.want {
			t.Errorf("Form(%q, %v) is %s, want %s", c.method, c.given, got, c.want)
		}
	}
}

func TestFormFilled(t *testing.T) {
	t.Parallel()
	page := readPage(t, `<form action=save><input name=a value=1><input name=b value=2><button name=do value=save><button name=do value=drop>
		<button name=b value=3 formmethod=post formaction=b formenctype=multipart/form-data></form>
		<form action=plain><input name=a value=1><button>Go</button><button name=do value=no></form><form action=bare><input name=a value=1></form>
		<form action=image method=post><input type=image name=at formaction=map><button name=do value=no></form>
		<form action=nameless><input type=image><textarea name=t></textarea></form>
		<form action=off><button name=do value=wait disabled></button><button name=do value=delete formaction=delete></form>
		<form method=dialog><button name=do value=close></button><button name=do value=send formmethod=post formaction=send></form>`)
	for name, c := range map[string]struct {
		form  int
		given url.Values
		want  htmlform.Form
	}{
		"Enter":               {0, nil, htmlform.Form{Method: "GET", Action: "save", Fields: url.Values{"a": {"1"}, "b": {"2"}, "do": {"save"}}}},
		"values":              {0, url.Values{"a": {"x", "y"}}, htmlform.Form{Method: "GET", Action: "save", Fields: url.Values{"a": {"x", "y"}, "b": {"2"}, "do": {"save"}}}},
		"a button":            {0, url.Values{"do": {"drop"}}, htmlform.Form{Method: "GET", Action: "save", Fields: url.Values{"a": {"1"}, "b": {"2"}, "do": {"drop"}}}},
		"with its own":        {0, url.Values{"b": {"3"}}, htmlform.Form{Method: "POST", Action: "b", Fields: url.Values{"a": {"1"}, "b": {"2", "3"}}}},
		"button without name": {1, nil, htmlform.Form{Method: "GET", Action: "plain", Fields: url.Values{"a": {"1"}}}},
		"an image":            {3, nil, htmlform.Form{Method: "POST", Action: "map", Fields: url.Values{"at.x": {"0"}, "at.y": {"0"}}}},
		"beside an image":     {3, url.Values{"do": {"no"}}, htmlform.Form{Method: "POST", Action: "image", Fields: url.Values{"do": {"no"}}}},
		"an image, no name":   {4, nil, htmlform.Form{Method: "GET", Action: "nameless", Fields: url.Values{"t": {""}, "x": {"0"}, "y": {"0"}}}},
		"lines":               {4, url.Values{"t": {"a\nb\r\nc"}}, htmlform.Form{Method: "GET", Action: "nameless", Fields: url.Values{"t": {"a\r\nb\r\nc"}, "x": {"0"}, "y": {"0"}}}},
		"the first disabled":  {5, nil, htmlform.Form{Method: "GET", Action: "off", Fields: url.Values{}}},
		"beside a disabled":   {5, url.Values{"do": {"delete"}}, htmlform.Form{Method: "GET", Action: "delete", Fields: url.Values{"do": {"delete"}}}},
		"a dialog":            {6, nil, htmlform.Form{Method: "DIALOG", Fields: url.Values{"do": {"close"}}}},
		"out of a dialog":     {6, url.Values{"do": {"send"}}, htmlform.Form{Method: "POST", Action: "send", Fields: url.Values{"do": {"send"}}}},
		"no button":           {2, url.Values{"a": nil}, htmlform.Form{Method: "GET", Action: "bare", Fields: url.Values{"a": nil}}},
	} {
		before := page.Forms[c.form].Fields.Encode()
		got := page.Forms[c.form].Filled(c.given)
		if got.Method != c.want.Method || got.Action != c.want.Action || !cmp.Equal(got.Fields, c.want.Fields) {
			t.Errorf("%s: %s %s %v, want %s %s %v", name, got.Method, got.Action, got.Fields, c.want.Method, c.want.Action, c.want.Fields)
		}
		if after := page.Forms[c.form].Fields.Encode(); after != before {
			t.Errorf("%s: Filled changed the form to %s from %s", name, after, before)
		}
	}
	if form := page.Forms[0].Filled(url.Values{"b": {"3"}}); form.Enctype != "multipart/form-data" {
		t.Errorf("Enctype %q, want the button's", form.Enctype)
	}
}

// Two copies of a form, each with a button pressed, share nothing.
func TestFormsFilledAreApart(t *testing.T) {
	t.Parallel()
	form := readPage(t, `<form><input name=a value=1><input name=a value=2><input name=a value=3>
		<button name=a value=4></button><button name=a value=5></button></form>`).Forms[0]
	four, five := form.Filled(url.Values{"a": {"4"}}), form.Filled(url.Values{"a": {"5"}})
	for last, filled := range map[string]*htmlform.Form{"4": four, "5": five} {
		if diff := cmp.Diff(url.Values{"a": {"1", "2", "3", last}}, filled.Fields); diff != "" {
			t.Errorf("with the button %s (-want +got):\n%s", last, diff)
		}
	}
}

func TestFormBody(t *testing.T) {
	t.Parallel()
	page := readPage(t, `<form><input name=b value="1 2"><input type=file name=f><input name=a value="&"></form>
		<form enctype=multipart/form-data><input name='a"b' value="1 2"><input type=file name=f></form>`)
	if body, kind := page.Forms[0].Body(); string(body) != "a=%26&b=1+2&f=" || kind != "application/x-www-form-urlencoded" {
		t.Errorf("urlencoded: %s, %s", body, kind)
	}
	body, kind := page.Forms[1].Body()
	media, params, err := mime.ParseMediaType(kind)
	if err != nil || media != "multipart/form-data" {
		t.Fatalf("%s, %v", kind, err)
	}
	var got []string
	r := multipart.NewReader(strings.NewReader(string(body)), params["boundary"])
	for part, err := r.NextPart(); err == nil; part, err = r.NextPart() {
		text, err := io.ReadAll(part)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, part.FormName()+"|"+part.Header.Get("Content-Type")+"|"+part.Header.Get("Content-Disposition")+"|"+string(text))
	}
	want := []string{`a"b||form-data; name="a\"b"|1 2`, `f|application/octet-stream|form-data; name="f"; filename=""|`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("parts (-want +got):\n%s", diff)
	}
}
