package debpkg

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// origin is the Debian archive as the machine's apt knows it.
type origin struct {
	// URI is the archive's root, the directory that has dists/.
	URI string
	// SignedBy is the option of that name: a file, or an inline key with its line breaks. It
	// is empty for apt's default keys.
	SignedBy string
	// Trusted is set if the entry says that signatures do not matter.
	Trusted bool
}

// ErrNoOrigin says that apt knows no Debian mirror to take packages from.
var ErrNoOrigin = errors.New("no entry for the Debian archive in /etc/apt/sources.list or " +
	"/etc/apt/sources.list.d: packages of its releases need a machine with a Debian mirror")

// machineOrigin finds the Debian archive in the machine's apt sources.
func machineOrigin() (origin, error) {
	names := []string{"/etc/apt/sources.list"}
	for _, pattern := range []string{"*.sources", "*.list"} {
		more, err := filepath.Glob(filepath.Join("/etc/apt/sources.list.d", pattern))
		if err != nil {
			return origin{}, err
		}
		names = append(names, more...)
	}
	for _, name := range names {
		text, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return origin{}, fmt.Errorf("read apt sources: %w", err)
		}
		parse := parseOneLine
		if strings.HasSuffix(name, ".sources") {
			parse = parseDeb822
		}
		if o, ok := parse(text); ok {
			return o, nil
		}
	}
	return origin{}, ErrNoOrigin
}

// parseOneLine finds the Debian archive in the traditional format of sources.list(5): type,
// options in brackets, URI, suite, components.
func parseOneLine(text []byte) (origin, bool) {
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		rest, ok := strings.CutPrefix(strings.TrimSpace(line), "deb")
		if !ok || strings.TrimLeft(rest, " \t") == rest {
			continue // deb-src, or no entry at all
		}
		rest = strings.TrimSpace(rest)
		var o origin
		if options, after, ok := strings.Cut(rest, "]"); ok && strings.HasPrefix(options, "[") {
			rest = after
			for _, option := range strings.Fields(options[1:]) {
				switch name, value, _ := strings.Cut(option, "="); strings.ToLower(name) {
				case "signed-by":
					o.SignedBy = value
				case "trusted":
					o.Trusted = isYes(value)
				}
			}
		}
		fields := strings.Fields(rest)
		if len(fields) < 3 || !isDebian(fields[0], fields[1:2]) {
			continue
		}
		o.URI = fields[0]
		return o, true
	}
	return origin{}, false
}

// parseDeb822 finds the Debian archive in the paragraphs of a .sources file.
func parseDeb822(text []byte) (origin, bool) {
	for _, paragraph := range paragraphs(text) {
		if !slices.Contains(strings.Fields(Field(paragraph, "Types")), "deb") ||
			strings.EqualFold(Field(paragraph, "Enabled"), "no") {
			continue
		}
		suites := strings.Fields(Field(paragraph, "Suites"))
		for _, uri := range strings.Fields(Field(paragraph, "URIs")) {
			if isDebian(uri, suites) {
				return origin{
					URI:      uri,
					SignedBy: Field(paragraph, "Signed-By"),
					Trusted:  isYes(Field(paragraph, "Trusted")),
				}, true
			}
		}
	}
	return origin{}, false
}

// isDebian tells the main archive from others by its path, or by a suite of a Debian release
// if the mirror has a path of its own. The security archive has the same suites under other
// names and paths, but only the packages that were fixed.
func isDebian(uri string, suites []string) bool {
	u, err := url.Parse(uri)
	if err != nil {
		return false
	}
	dir := strings.TrimRight(u.Path, "/")
	if u.Opaque != "" { // mirror+file:/etc/apt/mirrors.list and its like
		dir = u.Opaque
	}
	if strings.Contains(dir, "security") {
		return false
	}
	if strings.HasSuffix(dir, "/debian") {
		return true
	}
	return slices.ContainsFunc(suites, func(s string) bool {
		return slices.Contains([]string{
			"bullseye", "bookworm", "trixie", "forky", "sid", "stable", "testing", "unstable",
		}, s)
	})
}

func isYes(value string) bool { return strings.EqualFold(value, "yes") }

// paragraphs splits control data at its empty lines and drops its comments.
func paragraphs(text []byte) []string {
	var all []string
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			all = append(all, b.String())
			b.Reset()
		}
	}
	for line := range bytes.Lines(text) {
		switch {
		case bytes.HasPrefix(line, []byte("#")):
		case len(bytes.TrimSpace(line)) == 0:
			flush()
		default:
			b.Write(line)
		}
	}
	flush()
	return all
}

// Field returns the value of a field of a control paragraph, its continuation lines joined by
// newlines.
func Field(paragraph, name string) string {
	var value []string
	inside := false
	for line := range strings.Lines(paragraph) {
		line = strings.TrimRight(line, "\r\n")
		if line != "" && (line[0] == ' ' || line[0] == '\t') {
			if inside {
				value = append(value, line)
			}
			continue
		}
		key, first, ok := strings.Cut(line, ":")
		inside = ok && strings.EqualFold(key, name)
		if inside {
			value = []string{strings.TrimSpace(first)}
		}
	}
	return strings.TrimSpace(strings.Join(value, "\n"))
}
