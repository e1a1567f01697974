package html

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"

	"memtrace/tracer/report"
)

// mostStacks is how many stacks a page has unless another number is asked for.
const mostStacks = 20_000

// Form is the form of reports that this package adds.
var Form = report.Form{
	Name: "html", Media: "text/html; charset=utf-8", Single: true, Top: mostStacks,
	Write: func(w io.Writer, r *report.Report, _ report.TextOptions) error {
		return Write(w, []*report.Report{r})
	},
	WriteSeveral: func(w io.Writer, list []*report.Report, _ report.TextOptions) error {
		return Write(w, list)
	},
}

// What the page is made of. dist is built from web.
var (
	//go:embed page.tmpl
	pageText string
	//go:embed diff.tmpl
	diffText string
	//go:embed heap.tmpl
	heapText string
	//go:embed dist/page.js
	script string
	//go:embed dist/page.css
	style string
)

var page = parsed()

func parsed() *template.Template {
	t := template.Must(template.New("page").Funcs(functions).Parse(pageText))
	template.Must(t.New("diff").Parse(diffText))
	template.Must(t.New("heaps").Parse(heapText))
	return t
}

// policy lets the script and the style of the page run, and nothing else. The data are no script.
var policy = fmt.Sprintf("default-src 'none'; script-src '%s'; style-src '%s'; base-uri 'none'; form-action 'none'",
	hash(script), hash(style))

func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

// Write writes the reports of some processes, at least one, as a page. The worst comes first.
// Errors come from w, or from a figure that is not finite.
func Write(w io.Writer, list []*report.Report) error {
	c := new(content)
	for i, r := range report.WorstFirst(list) {
		v, err := newView(i, r)
		if err != nil {
			return err
		}
		c.Reports = append(c.Reports, v)
	}
	c.Title = c.Reports[0].Title
	if n := len(c.Reports); n > 1 {
		c.Title = fmt.Sprintf("%s and %s", c.Title, report.Counted(uint64(n-1), "other", "others"))
	}
	return c.write(w)
}

// content is what a page has: reports, a difference, or what is in a heap.
type content struct {
	Title   string
	Reports []*view
	Diff    *diffView
	Heap    *heapView
}

// Policy, Style and Script are the same in all pages.
func (*content) Policy() string      { return policy }
func (*content) Style() template.CSS { return template.CSS(style) }
func (*content) Script() template.JS { return template.JS(script) }

func (c *content) write(w io.Writer) error {
	var buf bytes.Buffer
	if err := page.Execute(&buf, c); err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	if _, err := w.Write(buf.Bytes()); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}
