package htmlform_test

import (
	"cmp"
	"net/url"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/lucia-go/lucia/internal/htmlform"
)

func TestReadReadsForms(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		html string
		want []htmlform.Form
	}{
		"none": {`<p>plain`, nil},
		"defaults": {`<form></form>`, []htmlform.Form{
			{Method: "GET", Fields: url.Values{}, Names: map[string]bool{}},
		}},
		"inputs": {
			`<form method=POST action="/go?x=1&amp;y=2"><input name=a value="1 &lt; 2"><input name=b>
			<input name=c type=hidden value=h><input name=d disabled value=no><input value=nameless>
			<input name=f type=file value=no><input name=g type=image value=no></form>`,
			[]htmlform.Form{{
				Method: "POST", Action: "/go?x=1&y=2",
				Fields: url.Values{"a": {"1 < 2"}, "b": {""}, "c": {"h"}, "f": {""}},
				Names:  map[string]bool{"a": true, "b": true, "c": true, "f": true},
			}},
		},
		"submit buttons": {
			`<form id=x action=go enctype=MULTIPART/form-data><input name=a type=submit value=1><button name=b value=2>B</button>
			<button name=c type=reset value=no></button><button name=d type=button value=no></button><button name=e disabled value=no></button>
			<input name=f type=button value=no><button type=other>Go</button><button name=g><select name=s><button name=h value=no></select></form>
			<button name=i form=x formmethod=POST formaction formenctype=multipart/form-data></button><button name=j value=no></button>
			<button name=k form=x formmethod=put formaction=/k formenctype=text/plain></button>`,
			[]htmlform.Form{{
				Action: "go", Method: "GET", Enctype: "multipart/form-data", Names: map[string]bool{"s": true},
				Buttons: []htmlform.Button{
					{Name: "a", Value: "1", Method: "GET", Action: "go", Enctype: "multipart/form-data"},
					{Name: "b", Value: "2", Method: "GET", Action: "go", Enctype: "multipart/form-data"},
					{Method: "GET", Action: "go", Enctype: "multipart/form-data"},
					{Name: "g", Method: "GET", Action: "go", Enctype: "multipart/form-data"},
					{Name: "i", Method: "POST", Enctype: "multipart/form-data"},
					{Name: "k", Method: "GET", Action: "/k", Enctype: "application/x-www-form-urlencoded"},
				},
			}},
		},
		"encodings": {
			`<form enctype=multipart/form-data></form><form enctype=text/plain></form><form enctype="multipart/form-data "></form><form enctype></form>`,
			[]htmlform.Form{{Method: "GET", Enctype: "multipart/form-data"}, {Method: "GET"}, {Method: "GET"}, {Method: "GET"}},
		},
		"boxes and buttons": {
			`<form><input type=checkbox name=a checked><input type=checkbox name=b value=x checked>
			<input type=CHECKBOX name=c><input type=radio name=r value=1><input type=RADIO name=r value=2 checked></form>`,
			[]htmlform.Form{{
				Method: "GET", Fields: url.Values{"a": {"on"}, "b": {"x"}, "r": {"2"}},
				Names: map[string]bool{"a": true, "b": true, "c": true, "r": true},
			}},
		},
		"select and textarea": {
			`<form><select name=a><option value=1>one<option value=2>two</select>
			<select name=b><option value=1><option value=2 selected></select><select name=c></select>
			<select name=d><option>One</option><option selected> Number
			two </option></select>
			<textarea name=t>` + "\n" + `two
lines &amp; <b>more</b></textarea><textarea name=u></textarea></form>`,
			[]htmlform.Form{{
				Method: "GET",
				Fields: url.Values{"a": {"1"}, "b": {"2"}, "d": {"Number two"}, "t": {"two\r\nlines & <b>more</b>"}, "u": {""}},
				Names:  map[string]bool{"a": true, "b": true, "c": true, "d": true, "t": true, "u": true},
			}},
		},
		"several, and fields outside": {
			`<input name=out><form><input name=a></form><textarea name=out>x</textarea><select name=o><option></select><form method=post><input name=b>`,
			[]htmlform.Form{
				{Method: "GET", Fields: url.Values{"a": {""}}, Names: map[string]bool{"a": true}},
				{Method: "POST", Fields: url.Values{"b": {""}}, Names: map[string]bool{"b": true}},
			},
		},
		"nothing chosen, several chosen, all disabled": {
			`<form><select name=a multiple><option value=1><option value=2></select>
			<select name=b multiple><option value=1 selected><option value=2><option value=3 selected></select>
			<select name=c><option value=1 selected><option value=2 selected></select>
			<select name=d size=3><option value=1></select><select name=e size=1><option value=1><input type=reset></form>`,
			[]htmlform.Form{{
				Method: "GET", Fields: url.Values{"b": {"1", "3"}, "c": {"2"}, "e": {"1"}},
				Names: map[string]bool{"a": true, "b": true, "c": true, "d": true, "e": true},
			}},
		},
		"disabled options and fieldsets": {
			`<form><select name=a><option disabled selected value=0>Choose<option value=1></select>
			<select name=b><option disabled value=0><optgroup disabled><option value=1></optgroup><option value=2></select>
			<fieldset disabled><legend><input name=c value=1></legend><input name=d><legend><input name=e></legend>
			<fieldset><select name=f><option></select></fieldset></fieldset><fieldset><input name=g></fieldset></form>`,
			[]htmlform.Form{{
				Method: "GET", Fields: url.Values{"b": {"2"}, "c": {"1"}, "g": {""}},
				Names: map[string]bool{"a": true, "b": true, "c": true, "g": true},
			}},
		},
		"fields of a form elsewhere": {
			`<input form=x name=a value=1><form id=y><input name=b form=x value=2><input name=c form=nowhere></form>
			<form id=x><input name=a value=3></form><form id=x></form><textarea form=y name=t>z</textarea>`,
			[]htmlform.Form{
				{Method: "GET", Fields: url.Values{"t": {"z"}}, Names: map[string]bool{"t": true}},
				{Method: "GET", Fields: url.Values{"a": {"1", "3"}, "b": {"2"}}, Names: map[string]bool{"a": true, "b": true}},
				{Method: "GET", Fields: url.Values{}, Names: map[string]bool{}},
			},
		},
		"a base, the first": {
			`<base target=_top><base href="/b/x"><base href="/c/"><form action=go></form><form action="/go"></form><form></form>
			<form action="https://other.example/"><button></button><button formaction=delete></button></form>`,
			[]htmlform.Form{
				{Method: "GET", Action: "/b/go", Fields: url.Values{}, Names: map[string]bool{}},
				{Method: "GET", Action: "/go", Fields: url.Values{}, Names: map[string]bool{}},
				{Method: "GET", Fields: url.Values{}, Names: map[string]bool{}},
				{Method: "GET", Action: "https://other.example/", Buttons: []htmlform.Button{
					{Method: "GET", Action: "https://other.example/", Enctype: "application/x-www-form-urlencoded"},
					{Method: "GET", Action: "/b/delete", Enctype: "application/x-www-form-urlencoded"},
				}},
			},
		},
		"invalid addresses": {
			`<base href="/b/"><form action=":x"><button formaction=":y"></button></form>`,
			[]htmlform.Form{{Method: "GET", Action: ":x", Buttons: []htmlform.Button{
				{Method: "GET", Action: ":y", Enctype: "application/x-www-form-urlencoded"},
			}}},
		},
		"an invalid base": {`<base href=":"><form action=go></form>`, []htmlform.Form{{Method: "GET", Action: "go"}}},
		"templates are ignored": {
			`<template><form><input name=a></form><template></template><form></form></template><form><template><input name=b></template><input name=c></form>`,
			[]htmlform.Form{{Method: "GET", Fields: url.Values{"c": {""}}, Names: map[string]bool{"c": true}}},
		},
		"in comments and scripts": {`<!-- <form><input name=a></form> --><script>"<form>"</script><title><form></title>`, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			page, err := htmlform.Read(strings.NewReader(c.html))
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range c.want {
				c.want[i].Enctype = cmp.Or(want.Enctype, "application/x-www-form-urlencoded")
			}
			if diff := gocmp.Diff(c.want, page.Forms, cmpopts.EquateEmpty(), cmpopts.IgnoreUnexported(htmlform.Form{}, htmlform.Button{})); diff != "" {
				t.Errorf("forms (-want +got):\n%s", diff)
			}
		})
	}
}

// endless is a page that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func TestReadRefusesWhatHasNoEnd(t *testing.T) {
	t.Parallel()
	if _, err := htmlform.Read(endless{}); err == nil {
		t.Error("no error")
	}
}

// FuzzRead checks that no page makes Read panic or fail, and that a form is submitted only with
// fields that it has.
func FuzzRead(f *testing.F) {
	f.Add(`<!doctype html><form method="get"><input name="q"></form>
<form method="post" action="/login"><input type="hidden" name="csrf" value="c1"><input name="username"><input name="password"></form>`)
	f.Add(`<script type="application/json" id="lucia-page-data" data-expires-in="9" data-session="s">{"_lucia":null}</script>`)
	f.Add(`<form><select name=a><option selected></form></select><textarea name=b>`)
	f.Add(`<form><select name=a><option></form></select><form><select name=b><form>`)
	f.Add(`<input form=x name=a><fieldset disabled><legend><form id=x></fieldset></fieldset><template></legend></template></template><base href=":"><textarea form=x name=b>`)
	f.Add(`<form enctype=multipart/form-data><input type=file name=a><button name=a formaction=":" form=x><form id=x><button formmethod=post>`)
	f.Add(`</form></select><option><input name=x><form method=post><form><textarea name=t></form>x`)
	f.Fuzz(func(t *testing.T, html string) {
		page, err := htmlform.Read(strings.NewReader(html))
		if err != nil {
			t.Fatal(err)
		}
		for _, form := range page.Forms {
			if form.Method != "GET" && form.Method != "POST" {
				t.Errorf("method %q", form.Method)
			}
			for name := range form.Fields {
				if !form.Names[name] {
					t.Errorf("the form is submitted with %q, which it does not have", name)
				}
			}
			if page.Form(form.Method, form.Fields) == nil {
				t.Errorf("no form matches the submitted fields %v", form.Fields)
			}
			form.Filled(nil).Body()
		}
		if page.ExpiresIn < 0 {
			t.Errorf("expires in %v", page.ExpiresIn)
		}
	})
}
