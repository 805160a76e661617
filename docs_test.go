package lucia_test

import (
	"os"
	"os/exec"
	"path"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/lucia-go/lucia/internal/testenv"
)

// tracked returns the files of the repository with a suffix. It skips the test if there is no git
// checkout.
func tracked(t *testing.T, suffix string) (files []string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "git", "ls-files", "*"+suffix).Output()
	if err != nil {
		t.Skipf("needs a git checkout: %v", err)
	}
	for _, name := range strings.Fields(string(out)) {
		if _, err := os.Stat(name); err == nil {
			files = append(files, name)
		}
	}
	if len(files) == 0 {
		t.Fatalf("git ls-files lists no file that ends with %s", suffix)
	}
	return files
}

// block is a block of code in a document.
type block struct {
	file string
	kind string // the language of a fence, "" for none, "indented" without a fence
	text string
}

// blocks returns the blocks of code of a document, and its text without them.
func blocks(t *testing.T, file string) (list []block, prose string) {
	t.Helper()
	var text strings.Builder
	var open *block
	for line := range strings.Lines(string(read(t, file))) {
		fence := strings.HasPrefix(strings.TrimSpace(line), "```")
		indented := strings.HasPrefix(line, "    ") && strings.TrimSpace(line) != ""
		switch {
		case open != nil && open.kind == "indented" && indented:
			open.text += strings.TrimPrefix(line, "    ")
			continue
		case open != nil && open.kind != "indented" && !fence:
			open.text += line
			continue
		case open != nil:
			list = append(list, *open)
			open = nil
			if fence {
				continue
			}
		}
		switch {
		case fence:
			open = &block{file, strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(line), "`")), ""}
		case indented:
			open = &block{file, "indented", strings.TrimPrefix(line, "    ")}
		default:
			text.WriteString(line)
		}
	}
	if open != nil {
		list = append(list, *open)
	}
	return list, text.String()
}

// TestDocumentedCodeCompiles checks that each block of Go code in each document occurs, line for
// line, in a file that is compiled. Blocks that begin with a file's name are a package of their
// own, which TestWritingAStore compiles and runs.
func TestDocumentedCodeCompiles(t *testing.T) {
	t.Parallel()
	var compiled []string
	for _, file := range tracked(t, ".go") {
		compiled = append(compiled, lines(t, file))
	}
	found := 0
	for _, file := range tracked(t, ".md") {
		list, _ := blocks(t, file)
		for _, b := range list {
			if b.kind != "go" || file == "docs/writing-a-store.md" && strings.HasPrefix(b.text, "// File: ") {
				continue
			}
			found++
			code, ok := trimmed(b.text), false
			for _, file := range compiled {
				ok = ok || strings.Contains(file, code)
			}
			if !ok {
				t.Errorf("%s: not in a compiled file:\n%s", file, b.text)
			}
		}
	}
	if found < 20 {
		t.Errorf("found %d blocks of Go code, want more", found)
	}
}

// TestDocumentedSecret runs the command that makes a secret and checks that the secret is long
// enough.
func TestDocumentedSecret(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("openssl is not installed")
	}
	list, _ := blocks(t, "docs/going-live.md")
	words := strings.Fields(list[0].text)
	out, err := exec.CommandContext(t.Context(), words[0], words[1:]...).Output()
	if secret := strings.TrimSpace(string(out)); err != nil || len(secret) < 32 {
		t.Errorf("%v makes a secret of %d bytes: %v", words, len(secret), err)
	}
}

// TestDocumentedRedisSettings starts Redis with the settings of docs/redis.md. The lines for
// Sentinel are those of the tests' own Sentinels, with other values.
func TestDocumentedRedisSettings(t *testing.T) {
	t.Parallel()
	list, _ := blocks(t, "docs/redis.md")
	for _, b := range list {
		if b.kind != "" || strings.HasPrefix(b.text, "ACL ") {
			continue
		}
		var args []string
		for line := range strings.Lines(b.text) {
			line, _, _ = strings.Cut(line, "#")
			words := strings.Fields(line)
			if words[0] != "sentinel" {
				args = append(append(args, "--"+words[0]), words[1:]...)
			}
		}
		if len(args) == 0 {
			t.Errorf("no settings in\n%s", b.text)
		}
		testenv.Redis(t, args...)
	}
}

var (
	inlineCode = regexp.MustCompile("`[^`]*`")
	mdLink     = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	htmlLink   = regexp.MustCompile(`\b(?:src|srcset|href)="([^"]+)"`)
	heading    = regexp.MustCompile(`(?m)^#{1,6} +(.+?) *$`)
)

// TestLinksResolve checks every relative link and every anchor of every document.
func TestLinksResolve(t *testing.T) {
	t.Parallel()
	found := 0
	for _, file := range tracked(t, ".md") {
		_, prose := blocks(t, file)
		prose = inlineCode.ReplaceAllStringFunc(prose, func(code string) string {
			return strings.NewReplacer("[", "", "]", "", "(", "", ")", "", "<", "").Replace(code)
		})
		for _, link := range append(mdLink.FindAllStringSubmatch(prose, -1), htmlLink.FindAllStringSubmatch(prose, -1)...) {
			target, anchor, _ := strings.Cut(link[1], "#")
			if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
				continue
			}
			found++
			name := file
			if target != "" {
				name = path.Join(path.Dir(file), target)
			}
			info, err := os.Stat(name)
			if err != nil {
				t.Errorf("%s: link to %s: there is no %s", file, link[1], name)
				continue
			}
			if anchor == "" {
				continue
			}
			if info.IsDir() || !anchors(t, name)[anchor] {
				t.Errorf("%s: link to %s: %s has no heading for #%s", file, link[1], name, anchor)
			}
		}
	}
	if found < 80 {
		t.Errorf("found %d links, want more", found)
	}
}

// anchors returns the anchors that GitHub derives from a document's headings.
func anchors(t *testing.T, file string) map[string]bool {
	t.Helper()
	list := map[string]bool{}
	_, prose := blocks(t, file)
	for _, h := range heading.FindAllStringSubmatch(prose, -1) {
		title := regexp.MustCompile(`\[([^\]]*)\]\([^)]*\)`).ReplaceAllString(h[1], "$1")
		var anchor strings.Builder
		for _, c := range strings.ToLower(title) {
			switch {
			case unicode.IsLetter(c), unicode.IsDigit(c), c == '-', c == '_':
				anchor.WriteRune(c)
			case c == ' ':
				anchor.WriteByte('-')
			}
		}
		list[anchor.String()] = true
	}
	return list
}
