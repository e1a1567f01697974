package serve

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"html/template"
	"io"
	"net/url"
	"strconv"
	"strings"

	"memtrace/tracer/report"
)

//go:embed index.tmpl
var indexText string

//go:embed index.css
var indexStyle string

var index = template.Must(template.New("index").Parse(indexText))

// listed is a process of the list.
type listed struct {
	Answer, Page string
	Forms        []link
}

type link struct{ Name, URL string }

// writeIndex writes a page that lists the processes, the worst first, with links to all that is
// served of each. Links have the token that the list was asked for with.
func writeIndex(w io.Writer, list []*report.Report, token string) error {
	to := func(path string, values url.Values) string {
		if token != "" {
			values.Set("token", token)
		}
		if len(values) == 0 {
			return path
		}
		return path + "?" + values.Encode()
	}
	sum := sha256.Sum256([]byte(indexStyle))
	page := struct {
		Policy    string
		Style     template.CSS
		Processes []listed
		All       []link
	}{
		Policy: "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'",
		Style:  template.CSS(indexStyle),
		All:    append(forms(to, nil), link{"metrics", to("/metrics", url.Values{})}),
	}
	for _, r := range report.WorstFirst(list) {
		pid := url.Values{"pid": {strconv.Itoa(r.Target.PID)}}
		l := listed{Answer: report.Escape(r.Target.Command) + " (pid " + pid.Get("pid") + ")"}
		l.Forms = forms(to, pid)
		l.Page = to("/", pid)
		if r.Diagnosis != nil {
			l.Answer = report.Escape(r.Diagnosis.Answer)
		}
		page.Processes = append(page.Processes, l)
	}
	var b bytes.Buffer
	if err := index.Execute(&b, &page); err != nil {
		return err
	}
	_, err := w.Write(b.Bytes())
	return err
}

// forms links to every form of what more selects.
func forms(to func(string, url.Values) string, more url.Values) (links []link) {
	for name := range strings.SplitSeq(report.FormNames(" ", " "), " ") {
		values := url.Values{"f": {name}}
		for key, value := range more {
			values[key] = value
		}
		links = append(links, link{name, to("/report", values)})
	}
	return links
}
