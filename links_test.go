package lucia_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// linkedHosts are the hosts that documents and comments link to. The tests request none of them:
// whoever adds a link opens it, and adds its host here.
var linkedHosts = []string{
	"auth0.com", "developer.okta.com", "docs.airlock.com", "docs.aws.amazon.com", // sources of docs/rotation.md
	"github.com",
	"keepachangelog.com", "semver.org", // the form of CHANGELOG.md
	"w3c.github.io", // the specification of device-bound sessions
	"www.npmjs.com", // where htmx is from
}

var (
	externalURL = regexp.MustCompile("\\bhttps?://[^\\s\"'`<>)\\]}|,;]+")
	textLink    = regexp.MustCompile(`\[([^\]]+)\]\((https?://[^)\s]+)\)`)
	// reserved are the names that RFC 2606 reserves for examples, and this machine's own.
	reserved = regexp.MustCompile(`(^|\.)(example|example\.(com|net|org)|localhost|127\.0\.0\.1|test|invalid)$`)
	// pinned is a file or folder at GitHub under a version or a commit. A branch changes.
	pinned = regexp.MustCompile(`^/[\w.-]+/[\w.-]+/(?:blob|tree)/(v?\d+\.\d+[\w.-]*|[0-9a-f]{40})/`)
	inTree = regexp.MustCompile(`^/[\w.-]+/[\w.-]+/(?:blob|tree)/`)
)

// TestExternalLinks checks what can be checked of a link without requesting it: its scheme and
// host, that a link into a repository names a version, that a page has one spelling and one version
// in all documents, that a text leads to one page in a document, and that a link to this module's
// documentation names a package and symbol that exist.
func TestExternalLinks(t *testing.T) {
	t.Parallel()
	spellings := map[string]string{} // of a page, without what does not matter
	versions := map[string]string{}  // of a file in a repository
	hosts := map[string]bool{}
	check := func(file, link string) {
		u, err := url.Parse(strings.TrimRight(link, ".:"))
		if err != nil || u.Host == "" {
			t.Errorf("%s: %s is no URL: %v", file, link, err)
			return
		}
		if reserved.MatchString(u.Hostname()) {
			return
		}
		hosts[u.Host] = true
		if u.Scheme != "https" || u.User != nil || u.Port() != "" {
			t.Errorf("%s: %s, want https and only a host", file, link)
		}
		if !slices.Contains(linkedHosts, u.Host) {
			t.Errorf("%s: %s: open the link, and add its host to linkedHosts", file, link)
		}
		page := strings.TrimPrefix(u.Host, "www.") + strings.TrimSuffix(strings.ToLower(u.Path), "/") + "?" + u.RawQuery
		spelling := u.Scheme + "://" + u.Host + u.RequestURI()
		if other, ok := spellings[page]; ok && other != spelling {
			t.Errorf("%s: %s is linked as %s elsewhere", file, spelling, other)
		}
		spellings[page] = spelling
		switch {
		case u.Host == "github.com" && inTree.MatchString(u.Path):
			at := pinned.FindStringSubmatchIndex(u.Path)
			if at == nil {
				t.Errorf("%s: %s names no version", file, link)
				return
			}
			version := u.Path[at[2]:at[3]]
			name := u.Path[:at[2]] + u.Path[at[3]:]
			if other, ok := versions[name]; ok && other != version {
				t.Errorf("%s: %s is linked at version %s elsewhere", file, link, other)
			}
			versions[name] = version
		case u.Host == "pkg.go.dev":
			if problem := missingDoc(u.Path, u.Fragment); problem != "" {
				t.Errorf("%s: %s: %s", file, link, problem)
			}
		}
	}
	for _, file := range tracked(t, ".md") {
		text := string(read(t, file))
		for _, link := range externalURL.FindAllString(text, -1) {
			check(file, link)
		}
		targets := map[string]string{}
		for _, m := range textLink.FindAllStringSubmatch(text, -1) {
			if other, ok := targets[m[1]]; ok && other != m[2] {
				t.Errorf("%s: %q leads to %s and to %s", file, m[1], m[2], other)
			}
			targets[m[1]] = m[2]
		}
	}
	for _, file := range tracked(t, ".go") {
		for line := range strings.Lines(string(read(t, file))) {
			if comment, ok := strings.CutPrefix(strings.TrimSpace(line), "// "); ok {
				for _, link := range externalURL.FindAllString(comment, -1) {
					check(file, link)
				}
			}
		}
	}
	for _, host := range linkedHosts {
		if !hosts[host] {
			t.Errorf("linkedHosts has %s, which nothing links to", host)
		}
	}
}

// missingDoc returns what a page of pkg.go.dev lacks, or "" if it exists: a package of this module
// with an exported symbol. Other modules are not checked.
func missingDoc(path, symbol string) string {
	const module = "/github.com/lucia-go/lucia"
	dir, ok := strings.CutPrefix(path, module)
	if !ok {
		return ""
	}
	dir = filepath.Join(".", filepath.FromSlash(dir))
	names, err := exported(dir)
	if err != nil || len(names) == 0 {
		return "there is no package in " + dir
	}
	if symbol != "" && !names[symbol] {
		return "package " + dir + " has no " + symbol
	}
	return ""
}

// exported returns the anchors that pkg.go.dev gives a package: Name, and Type.Method.
func exported(dir string) (map[string]bool, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			return nil, err
		}
		for _, decl := range parsed.Decls {
			switch d := decl.(type) {
			case *ast.FuncDecl:
				name := d.Name.Name
				if d.Recv != nil {
					name = receiver(d.Recv.List[0].Type) + "." + name
				}
				names[name] = true
			case *ast.GenDecl:
				for _, spec := range d.Specs {
					switch s := spec.(type) {
					case *ast.TypeSpec:
						names[s.Name.Name] = true
					case *ast.ValueSpec:
						for _, n := range s.Names {
							names[n.Name] = true
						}
					}
				}
			}
		}
	}
	maps.DeleteFunc(names, func(name string, _ bool) bool {
		return !ast.IsExported(name) || strings.Contains(name, ".") && !ast.IsExported(name[strings.IndexByte(name, '.')+1:])
	})
	return names, nil
}

// TestMissingDoc checks the check of links to pkg.go.dev.
func TestMissingDoc(t *testing.T) {
	t.Parallel()
	const module = "/github.com/lucia-go/lucia"
	for link, exists := range map[[2]string]bool{
		{module, ""}:                                true,
		{module, "New"}:                             true,
		{module + "/middleware", "Auth.SignIn"}:     true,
		{module + "/middleware", "Auth.signIn"}:     false,
		{module + "/middleware", "Nothing"}:         false,
		{module + "/nowhere", ""}:                   false,
		{"/github.com/redis/go-redis/v9", "Client"}: true,
	} {
		if problem := missingDoc(link[0], link[1]); (problem == "") != exists {
			t.Errorf("%s#%s: %q", link[0], link[1], problem)
		}
	}
}
