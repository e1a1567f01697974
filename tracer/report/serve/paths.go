package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"memtrace/tracer/report"
)

// patience is how long a request waits for its turn.
const patience = time.Minute

// paths are what is served.
func (s *Server) paths() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/{$}", s.root)
	mux.HandleFunc("/processes", s.processes)
	mux.HandleFunc("/report", func(w http.ResponseWriter, r *http.Request) { s.report(w, r, r.URL.Query().Get("f")) })
	mux.HandleFunc("/report.json", func(w http.ResponseWriter, r *http.Request) { s.report(w, r, "json") })
	mux.HandleFunc("/report.txt", func(w http.ResponseWriter, r *http.Request) { s.report(w, r, "text") })
	mux.HandleFunc("/metrics", s.metrics)
	mux.HandleFunc("/debug/pprof/heap", s.heap)
	return mux
}

// badRequest is a request that makes no sense, or asks for what is not there. Its text says why.
type badRequest struct {
	status int
	text   string
}

func (e badRequest) Error() string { return e.text }

func badf(format string, args ...any) error {
	return badRequest{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// asked is what a request asks for.
type asked struct {
	// pid is the process, 0 for all.
	pid int
	// top is how many stacks, -1 for as many as usual.
	top int
	// refresh is after how many seconds a browser should ask again, 0 for never.
	refresh int
}

func ask(q url.Values) (a asked, err error) {
	const longest = 24 * 3600
	a.top = -1
	for _, p := range []struct {
		name      string
		to        *int
		low, high int
	}{{"pid", &a.pid, 1, 1 << 30}, {"top", &a.top, 0, 1 << 30}, {"refresh", &a.refresh, 1, longest}} {
		if !q.Has(p.name) {
			continue
		}
		n, err := strconv.Atoi(q.Get(p.name))
		if err != nil || n < p.low || n > p.high {
			return a, badf("%s=%s: give a number, %d to %d", p.name, report.Escape(q.Get(p.name)), p.low, p.high)
		}
		*p.to = n
	}
	return a, nil
}

// answer sends what write makes of the reports of the processes that are asked for.
func (s *Server) answer(w http.ResponseWriter, r *http.Request, looks *looks, name, media string, write func(io.Writer, []*report.Report, asked) error) {
	a, err := ask(r.URL.Query())
	if err != nil {
		refuse(w, err)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), patience)
	defer cancel()
	key := fmt.Sprintf("%s %d %d", name, a.pid, a.top)
	text, err := looks.form(ctx, key, a.top < 0, func(w io.Writer, list []*report.Report) error {
		list, err := ofProcess(list, a.pid)
		if err != nil {
			return err
		}
		return write(w, list, a)
	})
	if err != nil {
		refuse(w, err)
		return
	}
	h := w.Header()
	h.Set("Content-Type", media)
	h.Set("Content-Length", strconv.Itoa(len(text)))
	if strings.HasPrefix(media, "text/html") {
		h.Set("Content-Security-Policy", framed)
	}
	if a.refresh > 0 {
		h.Set("Refresh", strconv.Itoa(a.refresh))
	}
	_, _ = w.Write(text) // whoever asked has gone if this fails
}

// refuse says why a request has no answer.
func refuse(w http.ResponseWriter, err error) {
	w.Header().Del("Content-Disposition") // of a form
	var bad badRequest
	var spent spentError
	switch {
	case errors.As(err, &bad):
		http.Error(w, bad.text, bad.status)
	case errors.Is(err, errClosed), errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		busy(w, err.Error(), 1)
	case errors.As(err, &spent):
		busy(w, err.Error(), spent.seconds())
	default:
		http.Error(w, report.Escape(err.Error()), http.StatusInternalServerError)
	}
}

// ofProcess returns the reports of a process, or all for 0.
func ofProcess(list []*report.Report, pid int) ([]*report.Report, error) {
	if pid != 0 {
		list = slices.DeleteFunc(slices.Clone(list), func(r *report.Report) bool { return r.Target.PID != pid })
		if len(list) == 0 {
			return nil, badRequest{http.StatusNotFound, fmt.Sprintf("process %d is not traced: /processes lists those that are", pid)}
		}
	}
	return list, nil
}

// report sends reports in a form.
func (s *Server) report(w http.ResponseWriter, r *http.Request, name string) {
	form, ok := report.FindForm(name)
	if !ok {
		refuse(w, badf("f=%s: give %s", report.Escape(name), report.FormNames(", ", " or ")))
		return
	}
	if form.Binary {
		w.Header().Set("Content-Disposition", `attachment; filename="`+name+`.gz"`)
	}
	looks := s.looks
	if form.Totals {
		looks = s.totals
	}
	s.answer(w, r, looks, name, form.MediaType(), func(w io.Writer, list []*report.Report, a asked) error {
		return s.write(w, form, list, a)
	})
}

// write writes reports in a form, with as many stacks as are asked for or as the form usually has.
// Those that people read in whole have few.
func (s *Server) write(w io.Writer, form report.Form, list []*report.Report, a asked) error {
	if len(list) == 0 {
		return badRequest{http.StatusServiceUnavailable, "no process is traced at the moment"}
	}
	top := a.top
	if top < 0 {
		top = 0
		if form.Separated || form.Name == "json" {
			top = s.cfg.Top
		}
	}
	opt := s.cfg.Text
	opt.Top = top
	few := make([]*report.Report, len(list))
	for i, r := range list {
		few[i] = r.WithTop(top)
	}
	return form.WriteAll(w, few, opt)
}

// root sends the page of the process or, of several, the list of them.
func (s *Server) root(w http.ResponseWriter, r *http.Request) {
	form, _ := report.FindForm("html")
	token := s.tokenOf(r)
	s.answer(w, r, s.looks, "/ "+token, form.MediaType(), func(w io.Writer, list []*report.Report, a asked) error {
		if len(list) > 1 {
			return writeIndex(w, list, token)
		}
		return s.write(w, form, list, a)
	})
}

// tokenOf is the token that links of a page need, since the page was asked for by it.
func (s *Server) tokenOf(r *http.Request) string {
	if s.cfg.Token == "" {
		return ""
	}
	return r.URL.Query().Get("token")
}

// processes sends the list of all processes.
func (s *Server) processes(w http.ResponseWriter, r *http.Request) {
	token := s.tokenOf(r)
	s.answer(w, r, s.looks, "/processes "+token, "text/html; charset=utf-8", func(w io.Writer, list []*report.Report, _ asked) error {
		return writeIndex(w, list, token)
	})
}

func (s *Server) metrics(w http.ResponseWriter, r *http.Request) {
	s.answer(w, r, s.looks, "/metrics", metricsType, func(w io.Writer, list []*report.Report, a asked) error {
		top := a.top
		if top < 0 {
			top = s.cfg.Top
		}
		return writeMetrics(w, list, top, s.cfg.Ended)
	})
}

// heap is what net/http/pprof has at this path.
func (s *Server) heap(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("seconds") {
		refuse(w, badf("there is no profile of a time: take two and compare them, go tool pprof -diff_base"))
		return
	}
	s.report(w, r, "pprof")
}
