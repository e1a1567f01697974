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
	//go:embed dist/page.js
	script string
	//go:embed dist/page.css
	style string
)

var page = template.Must(template.New("page").Funcs(functions).Parse(pageText))

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
	all := struct {
		Title, Policy string
		Style         template.CSS
		Script        template.JS
		Reports       []*view
	}{Policy: policy, Style: template.CSS(style), Script: template.JS(script)}
	for i, r := range report.WorstFirst(list) {
		v, err := newView(i, r)
		if err != nil {
			return err
		}
		all.Reports = append(all.Reports, v)
	}
	all.Title = all.Reports[0].Title
	if n := len(all.Reports); n > 1 {
		all.Title = fmt.Sprintf("%s and %s", all.Title, report.Counted(uint64(n-1), "other", "others"))
	}
	var buf bytes.Buffer
	if err := page.Execute(&buf, &all); err != nil {
		return fmt.Errorf("make the page: %w", err)
	}
	if _, err := w.Write(buf.Bytes()); err != nil {
		return fmt.Errorf("write the page: %w", err)
	}
	return nil
}
