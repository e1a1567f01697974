package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

func TestMain(m *testing.M) { testprog.Main(m) }

// traceRun is memtrace at work.
type traceRun struct {
	t              testing.TB
	cancel         context.CancelFunc
	stdout, stderr lockedBuffer
	done           chan exitCode
}

// startMemtrace runs memtrace and returns when its probes are live. Unless args say otherwise,
// every call is traced, and reports are in JSON with all stacks and blocks of any age.
func startMemtrace(t testing.TB, args ...string) *traceRun {
	t.Helper()
	ready := filepath.Join(t.TempDir(), "ready")
	if !slices.Contains(args, "--max-overhead") {
		args = append([]string{"--exact"}, args...)
	}
	args = append([]string{"-f", "json", "-T", "0", "--older", "0", "--ready-file", ready}, args...)
	return waitReady(launchMemtrace(t, args...), ready)
}

// patience is how long to wait for what must come. An emulated machine whose processors are
// busy with the traced program needs more than a minute.
const patience = 6 * time.Minute

// waitReady waits for the ready file, which says that every probe is live.
func waitReady(r *traceRun, ready string) *traceRun {
	t := r.t
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(ready); err == nil {
			return r
		}
		select {
		case code := <-r.done:
			t.Fatalf("memtrace ended early with %d: %s", code, r.stderr.String())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("memtrace is not ready: %s", r.stderr.String())
		}
	}
}

// waitForFile waits until the ready file of a memtrace that runs as a program of its own
// is there.
func waitForFile(t testing.TB, ready string, stderr fmt.Stringer) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		if _, err := os.Stat(ready); err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("memtrace is not ready: %s", stderr)
		}
	}
}

// setting is the environment variable MEMTRACE_<name>, for longer runs by hand.
func setting(t *testing.T, name string, usual int) int {
	t.Helper()
	text := os.Getenv("MEMTRACE_" + name)
	if text == "" {
		return usual
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// waitFor waits until memtrace has said something.
func waitFor(t testing.TB, m *traceRun, what string) {
	t.Helper()
	for deadline := time.Now().Add(patience); !strings.Contains(m.stderr.String(), what); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not said: %s\n%q", what, m.stderr.String())
		}
	}
}

// launchMemtrace runs memtrace without waiting for anything.
func launchMemtrace(t testing.TB, args ...string) *traceRun {
	ctx, cancel := context.WithCancel(context.Background())
	r := &traceRun{t: t, cancel: cancel, done: make(chan exitCode, 1)}
	t.Cleanup(cancel)
	go func() { r.done <- run(ctx, args, nil, &r.stdout, &r.stderr) }()
	return r
}

// wait returns the exit code of a run that ends by itself.
func (r *traceRun) wait() exitCode {
	r.t.Helper()
	select {
	case code := <-r.done:
		return code
	case <-time.After(patience):
		r.t.Fatalf("memtrace does not end: %s", r.stderr.String())
		panic("unreachable")
	}
}

// stop ends the run as Ctrl-C does and returns its last report.
func (r *traceRun) stop() *report.Report {
	r.t.Helper()
	r.cancel()
	if code := r.wait(); code != exitOK {
		r.t.Fatalf("memtrace ended with %d: %s", code, r.stderr.String())
	}
	all := r.reports()
	return all[len(all)-1]
}

// reports decodes all reports.
func (r *traceRun) reports() (all []*report.Report) {
	r.t.Helper()
	for _, one := range decodeReports[report.Report](r.t, r.stdout.String()) {
		all = append(all, &one)
	}
	if len(all) == 0 {
		r.t.Fatalf("no report: %s", r.stderr.String())
	}
	return all
}

// decodeReports decodes what memtrace writes with -f json: reports, one after the other.
func decodeReports[R any](t testing.TB, text string) (all []R) {
	t.Helper()
	for d := json.NewDecoder(strings.NewReader(text)); ; {
		var r R
		err := d.Decode(&r)
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatalf("decode a report: %v\n%s", err, text)
		}
		all = append(all, r)
	}
}

// siteOf is the site that a stack belongs to, "" for none.
func siteOf(s *report.Stack) string {
	for _, f := range s.Frames {
		if strings.HasPrefix(f.Function, "site_") {
			return f.Function
		}
	}
	return ""
}

// bySite sums what is outstanding by the function that testprog's ledger calls
// the site: the first one, from the innermost outwards, that is named so.
func bySite(r *report.Report) map[string]testprog.Sum {
	sites := make(map[string]testprog.Sum)
	for _, s := range r.Stacks {
		site := siteOf(&s)
		sum := sites[site]
		sum.Bytes += int64(s.Bytes)
		sum.Blocks += int64(s.Blocks)
		sites[site] = sum
	}
	return sites
}

// compare fails the test if the report differs from the program's own ledger, or if something
// was lost.
func compare(t testing.TB, r *report.Report, ledger testprog.Ledger) {
	t.Helper()
	compareSites(t, r, ledger)
	if r.Events.Lost.Any() || r.Events.Evicted != 0 || !r.Complete && !leftOut(r) {
		t.Errorf("lost %+v, complete %v, evicted %d", r.Events.Lost, r.Complete, r.Events.Evicted)
	}
}

// leftOut reports whether the kernel left out system calls, as some do now and then. A report
// that says so need not be complete.
func leftOut(r *report.Report) bool {
	return strings.Contains(strings.Join(r.Notes, " "), "The kernel left out")
}

// compareSites fails the test for every site at which the report and the program's own ledger
// differ.
func compareSites(t testing.TB, r *report.Report, ledger testprog.Ledger) {
	t.Helper()
	sites := bySite(r)
	for site, want := range ledger.Sites {
		if got := sites[site]; got != want {
			t.Errorf("%s: %d bytes in %d blocks are outstanding, the program holds %d in %d",
				site, got.Bytes, got.Blocks, want.Bytes, want.Blocks)
		}
	}
	for site := range sites {
		if _, ok := ledger.Sites[site]; !ok && site != "" {
			t.Errorf("%s is not in the ledger", site)
		}
	}
}

// lockedBuffer is written by one goroutine and read by another.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}
