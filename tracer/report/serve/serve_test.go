package serve

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"memtrace/tracer/report"
)

// hostile is a name that nothing may be taken in by.
const hostile = "x\"} 1\nfake{a=\"\\</script><img src=x>\u202e\xff"

// leaking is a report of a process that leaks.
func leaking(pid int, rate float64) *report.Report {
	frames := []report.Frame{{Function: "malloc_wrapper", Library: true}, {Function: hostile, Module: "/x"}}
	return &report.Report{
		Schema: report.Schema, Target: report.Target{PID: pid, Command: hostile, Allocator: "glibc"},
		Mode: report.ModeExact, Complete: true, DurationSeconds: 10, Outstanding: report.Sum{Bytes: 1000, Blocks: 10},
		Stacks: []report.Stack{
			{ID: "ab", Kind: report.Heap, Class: report.ClassLeak, LeakBytesPerSecond: rate / 8, Frames: frames, OwnFrame: 1, Allocator: "glibc"},
			{ID: "ab", Kind: report.Heap, Class: report.ClassLeak, LeakBytesPerSecond: rate / 8, Frames: frames, OwnFrame: 1, Allocator: "jemalloc"},
			{ID: "cd", Kind: report.Heap, Class: report.ClassLeak, LeakBytesPerSecond: rate, Frames: frames, OwnFrame: 1},
			{ID: "ef", Kind: report.Heap, Class: report.ClassFilled, Frames: frames},
		},
		Diagnosis: &report.Diagnosis{Answer: hostile + " leaks", Findings: []report.Finding{
			{Kind: report.Leak, Confidence: "certain", BytesPerSecond: report.Bounds{Value: rate, Low: rate, High: rate}},
		}},
	}
}

// start serves reports at an address until the test ends.
func start(t *testing.T, address, token string, look func(bool) ([]*report.Report, error)) *Server {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	s := Start(l.(*net.TCPListener), Config{Look: look, Top: 10, Text: report.TextOptions{Width: 100}, Token: token, Logf: t.Logf})
	t.Cleanup(s.Close)
	return s
}

// get asks for a path, with changes to the request.
func get(t *testing.T, s *Server, path string, change func(*http.Request)) (status int, header http.Header, body string) {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://"+s.addr.String()+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer.StatusCode, answer.Header, string(text)
}

func fixed(list ...*report.Report) func(bool) ([]*report.Report, error) {
	return func(bool) ([]*report.Report, error) { return list, nil }
}

// Of a loopback address only its names are served: a page that has another name point there gets
// nothing.
func TestHost(t *testing.T) {
	s := start(t, "127.0.0.1:0", "", fixed(leaking(1, 8)))
	_, port, _ := net.SplitHostPort(s.addr.String())
	for host, want := range map[string]int{
		"localhost:" + port: 200, "LOCALHOST:" + port: 200, "127.0.0.1:" + port: 200, "[::1]:" + port: 200,
		"localhost": 403, "localhost:1": 403, "evil.example:" + port: 403, "127.0.0.1.evil.example:" + port: 403, "127.0.0.2:" + port: 403,
	} {
		status, _, body := get(t, s, "/report.json", func(r *http.Request) { r.Host = host })
		if status != want || (want == 403) == strings.Contains(body, report.Schema) {
			t.Errorf("%s: %d, want %d: %s", host, status, want, body)
		}
	}
}

// With a token nothing is served without it, whatever the path, and the links of the list have it.
func TestToken(t *testing.T) {
	const token = "0123456789abcdef"
	s := start(t, "127.0.0.1:0", token, fixed(leaking(1, 8), leaking(2, 9)))
	if !strings.HasSuffix(s.URL(), "/?token="+token) {
		t.Errorf("the address is %s", s.URL())
	}
	for _, tc := range []struct {
		path, header string
		want         int
	}{
		{"/", "", 401},
		{"/metrics", "", 401},
		{"/none", "", 401},
		{"/?token=", "", 401},
		{"/?token=0123456789abcde", "", 401},
		{"/?token=0123456789abcdef0", "", 401},
		{"/?token=0123456789abcdef", "", 200},
		{"/", "Bearer 0123456789abcdef", 200},
		{"/", "bearer 0123456789abcdef", 200},
		{"/", "Basic 0123456789abcdef", 401},
		{"/?token=0123456789abcdef", "Bearer no", 401},
	} {
		status, header, body := get(t, s, tc.path, func(r *http.Request) {
			if tc.header != "" {
				r.Header.Set("Authorization", tc.header)
			}
		})
		if status != tc.want || status == 401 && (strings.Contains(body, "leaks") || header.Get("WWW-Authenticate") == "") {
			t.Errorf("%s with %q: %d, want %d: %s", tc.path, tc.header, status, tc.want, body)
		}
		inLinks := strings.Contains(body, "/?pid=1&amp;token="+token)
		if status == 200 && inLinks != (tc.header == "") {
			t.Errorf("%s with %q: the token is in links: %v", tc.path, tc.header, inLinks)
		}
	}
}

// An address beyond loopback has no names to check.
func TestNamesBeyondLoopback(t *testing.T) {
	g := newGuard(&net.TCPAddr{IP: net.IPv4zero, Port: 1}, "x", nil)
	if g.hosts != nil {
		t.Errorf("only %v are served", g.hosts)
	}
}

// What makes no sense is refused in a line, and names in pages stay text.
func TestRequests(t *testing.T) {
	s := start(t, "127.0.0.1:0", "", fixed(leaking(1, 8), leaking(2, 80)))
	for path, want := range map[string]string{
		"/none":                         "404 404 page not found",
		"/report?f=none":                "400 f=none: give text, json",
		"/report":                       "400 f=: give text",
		"/report.txt?pid=3":             "404 process 3 is not traced",
		"/report.txt?pid=x":             "400 pid=x: give a number",
		"/report.txt?top=-1":            "400 top=-1: give a number",
		"/report.txt?refresh=0":         "400 refresh=0: give a number",
		"/debug/pprof/heap?seconds=5":   "400 there is no profile of a time",
		"/debug/pprof/profile":          "404 ",
		"/debug/pprof/heap?pid=9":       "404 process 9",
		"/processes/../../etc/passwd":   "404 ",
		"/report.txt?pid=%0d%0aX-Y:%20": "400 pid=",
	} {
		status, header, body := get(t, s, path, nil)
		if line := fmt.Sprint(status, " ", body); !strings.HasPrefix(line, want) || strings.Count(line, "\n") != 1 {
			t.Errorf("%s: %q, want %s", path, line, want)
		}
		if header.Get("X-Content-Type-Options") != "nosniff" || header.Get("Content-Security-Policy") == "" || header.Get("Content-Disposition") != "" {
			t.Errorf("%s: %v", path, header)
		}
	}
	for _, method := range []string{http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodOptions} {
		if status, header, _ := get(t, s, "/report.json", func(r *http.Request) { r.Method = method }); status != http.StatusMethodNotAllowed || header.Get("Allow") != "GET, HEAD" {
			t.Errorf("%s: %d", method, status)
		}
	}
	if status, header, body := get(t, s, "/report.txt", func(r *http.Request) { r.Method = http.MethodHead }); status != 200 || body != "" || header.Get("Content-Length") == "0" {
		t.Errorf("HEAD: %d %v %q", status, header, body)
	}
	_, header, page := get(t, s, "/?refresh=7", nil)
	if header.Get("Refresh") != "7" || strings.Contains(page, "<img") || strings.Index(page, "pid=2") > strings.Index(page, "pid=1") {
		t.Errorf("the list is %v\n%s", header, page)
	}
	if _, header, _ := get(t, s, "/report.json", func(r *http.Request) { r.Header.Set("Origin", "http://evil.example") }); header.Get("Access-Control-Allow-Origin") != "" {
		t.Error("others may read it")
	}
}

// Many requests in a row are one look, and looks that are slow come seldom.
func TestLooksAreSpaced(t *testing.T) {
	var made atomic.Int32
	s := start(t, "127.0.0.1:0", "", func(bool) ([]*report.Report, error) {
		made.Add(1)
		return []*report.Report{leaking(1, 8)}, nil
	})
	began := time.Now()
	for range 20 {
		get(t, s, "/report.txt", nil)
		get(t, s, "/metrics", nil)
	}
	if n, most := int(made.Load()), 1+int(time.Since(began)/leastAge); n < 1 || n > most {
		t.Errorf("%d looks, want at most %d", n, most)
	}
	for _, tc := range []struct{ before, cost, want time.Duration }{
		{0, 5 * time.Second, time.Second}, // the first reads names
		{time.Millisecond, time.Millisecond, time.Second},
		{100 * time.Millisecond, 200 * time.Millisecond, 5 * time.Second},
		{time.Minute, time.Minute, time.Minute},
	} {
		now := time.Now()
		l := &looks{reports: []*report.Report{}, at: now, before: tc.before, cost: tc.cost, budget: &budget{left: mostSaved, at: now}}
		if l.old(now.Add(tc.want-time.Millisecond)) || !l.old(now.Add(tc.want)) {
			t.Errorf("after %v and %v it does not last %v", tc.before, tc.cost, tc.want)
		}
	}
}

// Forms that show what was allocated in all have looks of their own, with stacks that hold nothing.
func TestTotals(t *testing.T) {
	s := start(t, "127.0.0.1:0", "", func(totals bool) ([]*report.Report, error) {
		pid := 1
		if totals {
			pid = 2
		}
		return []*report.Report{leaking(pid, 8)}, nil
	})
	for path, want := range map[string]int{
		"/debug/pprof/heap?pid=1": 404, "/debug/pprof/heap?pid=2": 200, "/report?f=pprof&pid=2": 200,
		"/report.txt?pid=1": 200, "/report.txt?pid=2": 404, "/metrics?pid=1": 200,
	} {
		if status, _, body := get(t, s, path, nil); status != want {
			t.Errorf("%s: %d, want %d: %.100s", path, status, want, body)
		}
	}
}

// A look that fails is told, and the next one may succeed. After Close none is made.
func TestLookFails(t *testing.T) {
	fail := true
	l := newLooks(func() ([]*report.Report, error) {
		if fail {
			return nil, errors.New("no such file")
		}
		return []*report.Report{leaking(1, 8)}, nil
	}, newBudget(time.Now()))
	write := func(w io.Writer, list []*report.Report) error { return writeMetrics(w, list, 1, false) }
	if _, err := l.form(t.Context(), "x", true, write); err == nil || err.Error() != "no such file" {
		t.Errorf("it says %v", err)
	}
	fail = false
	if text, err := l.form(t.Context(), "x", true, write); err != nil || len(text) == 0 {
		t.Errorf("%q, %v", text, err)
	}
	l.close()
	if _, err := l.form(t.Context(), "x", true, write); !errors.Is(err, errClosed) {
		t.Errorf("after the end: %v", err)
	}
}
