package lucia_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// explained are the exported functions, methods, constants and variables that no example shows,
// with the reason.
var explained = map[string]string{
	"client.Transport.RoundTrip": "net/http calls it",

	"middleware.Auth.Admit":               "for adapters of frameworks; those of this module show it",
	"middleware.Auth.CheckAnswer":         "for adapters of frameworks; those of this module show it",
	"middleware.Auth.Deny":                "for adapters of frameworks; those of this module show it",
	"middleware.Auth.HandleServerSession": "for adapters of frameworks; those of this module show it",
	"middleware.Auth.Routes":              "for adapters of frameworks; those of this module show it",
	"middleware.Denial.SetHeader":         "for adapters of frameworks; those of this module show it",
	"middleware.DenialOf":                 "for adapters of frameworks; those of this module show it",
	"middleware.Recent":                   "for adapters of frameworks; those of this module show it",

	"redisstore.ErrVersion": "for operators; docs/redis.md says when it occurs",

	"session.CreateResult.Created": "the library calls it on the result of a store",

	"session.BoundGenerations":   "docs/device-bound.md; stores treat all generations alike",
	"session.FeedOf":             "the library calls it",
	"session.FirstGeneration":    "the 1 of the example of Refresh",
	"session.Instant.Sub":        "as time.Time.Sub",
	"session.MaxAttributesBytes": "a limit; SignIn fails beyond it",
	"session.MaxLabelBytes":      "a limit; longer labels are cut",
	"session.ParseNoticeKind":    "the inverse of NoticeKind.String, for feeds",

	"sqlstore.DefaultTable": "the values of options that are not given",
}

// standardMethods are called by fmt, errors, slog and encoding packages, not by apps.
var standardMethods = regexp.MustCompile(`\.(String|GoString|Format|LogValue|Error|Unwrap|(Marshal|Unmarshal)(JSON|Text)|AppendText)$`)

// storeMethods are what the library calls of a store. docs/writing-a-store.md shows them.
var storeMethods = regexp.MustCompile(`^(memstore|redisstore|sqlstore|luciatest)\.(Store|Feed)\.(Create|Refresh|Confirm|Delete|DeleteUser|List|Publish|ReadFeed|Unwrap)$`)

var selector = regexp.MustCompile(`(\w+|\))\.([A-Z]\w*)`)

// TestNamesHaveExamples demands that every exported function, method, constant and variable of a
// public package occurs in an example or in a block of Go code of a document, or is explained
// above. One of a group of constants is enough. Types count through what makes or takes them. A
// name that package lucia exports again counts wherever it is used.
func TestNamesHaveExamples(t *testing.T) {
	t.Parallel()
	shown := map[string]bool{} // "pkg.Name" and ".Name"
	for _, file := range tracked(t, "_test.go") {
		if text := string(read(t, file)); strings.Contains(text, "\nfunc Example") {
			addSelectors(shown, text)
		}
	}
	for _, file := range tracked(t, ".md") {
		list, _ := blocks(t, file)
		for _, b := range list {
			if b.kind == "go" {
				addSelectors(shown, b.text)
			}
		}
	}

	names, needless := 0, maps.Clone(explained)
	for _, file := range tracked(t, ".go") {
		if strings.HasSuffix(file, "_test.go") || regexp.MustCompile(`(^|/)(internal|examples|benchmarks)/`).MatchString(file) {
			continue
		}
		for _, group := range exportedNames(t, file) {
			names++
			if slices.ContainsFunc(group, func(name string) bool { return isShown(shown, name) }) {
				continue
			}
			if slices.ContainsFunc(group, func(name string) bool {
				_, ok := explained[name]
				delete(needless, name)
				return ok
			}) {
				continue
			}
			t.Errorf("%s: no example shows %s", path.Dir(file), strings.Join(group, ", "))
		}
	}
	if names < 200 {
		t.Errorf("%d names, want all", names)
	}
	for name := range needless {
		t.Errorf("%s is explained, and shown or gone", name)
	}
}

func addSelectors(shown map[string]bool, text string) {
	for _, m := range selector.FindAllStringSubmatch(regexp.MustCompile(`//.*`).ReplaceAllString(text, ""), -1) {
		shown[m[1]+"."+m[2]], shown["."+m[2]] = true, true
	}
}

// isShown reports whether a name occurs: "pkg.Name", or a method "pkg.Type.Name" of any value.
func isShown(shown map[string]bool, name string) bool {
	parts := strings.Split(name, ".")
	if len(parts) == 3 {
		return standardMethods.MatchString(name) || storeMethods.MatchString(name) || shown["."+parts[2]]
	}
	again := parts[0] == "middleware" || parts[0] == "session"
	return shown[name] || again && shown["lucia."+parts[1]] || parts[0] == "lucia" && (shown["middleware."+parts[1]] || shown["session."+parts[1]] || explained["middleware."+parts[1]] != "")
}

// exportedNames returns the functions and methods of a file, and its groups of constants and
// variables.
func exportedNames(t *testing.T, file string) (groups [][]string) {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			name := d.Name.Name
			if d.Recv != nil {
				typ := receiver(d.Recv.List[0].Type)
				if !ast.IsExported(typ) {
					continue
				}
				name = typ + "." + name
			}
			if d.Name.IsExported() {
				groups = append(groups, []string{f.Name.Name + "." + name})
			}
		case *ast.GenDecl:
			var group []string
			for _, spec := range d.Specs {
				if v, ok := spec.(*ast.ValueSpec); ok {
					for _, n := range v.Names {
						if n.IsExported() {
							group = append(group, f.Name.Name+"."+n.Name)
						}
					}
				}
			}
			if group != nil {
				groups = append(groups, group)
			}
		}
	}
	return groups
}

func receiver(x ast.Expr) string {
	switch x := x.(type) {
	case *ast.StarExpr:
		return receiver(x.X)
	case *ast.IndexExpr:
		return receiver(x.X)
	case *ast.Ident:
		return x.Name
	}
	return ""
}
