package tracer

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"

	"memtrace/tracer/testprog"
)

const (
	// overheadRounds is in how many rounds a process is measured traced and not.
	overheadRounds = 10
	// overheadTime is how long a measurement takes: some windows long.
	overheadTime = 9 * time.Second
)

// attachBudget traces a process in the default mode.
func attachBudget(b *testing.B, pid int) (detach func()) {
	return startTrace(b, Config{PIDs: []int{pid}, MaxOverhead: 0.03}, func(t *Tracer) {
		for _, r := range t.Snapshot(SnapshotOptions{}) {
			if s := r.Sampling; s != nil {
				b.Logf("%d windows, traced %.2f %%, estimated overhead %.2f %%, pace %.2f", s.Windows, 100*r.TracedFraction, 100*s.Overhead, s.Pace)
			}
		}
	})
}

// alternateRates measures how much of a process's throughput is left while it is
// traced: each ratio is of a traced measurement to the mean of the untraced ones
// before and after it, so that what drifts does not count. work does something for a
// while and returns how much; it is taken by the time on the clock, and by the
// process's own processor time, which other work on the machine does not disturb.
func alternateRates(b *testing.B, pid int, work func() float64) {
	b.Helper()
	measure := func() (r rates) {
		start, before := time.Now(), used(b, pid)
		n := work()
		return rates{n / time.Since(start).Seconds(), n / (used(b, pid) - before).Seconds()}
	}
	var clock, own, bare []float64
	for range b.N {
		before := measure()
		for range overheadRounds {
			detach := attachBudget(b, pid)
			traced := measure()
			detach()
			after := measure()
			clock = append(clock, 2*traced.clock/(before.clock+after.clock))
			own = append(own, 2*traced.own/(before.own+after.own))
			bare = append(bare, after.clock)
			before = after
		}
	}
	b.ReportMetric(quartile(bare, 2), "untraced/s")
	b.ReportMetric(quartile(clock, 2), "traced/untraced")
	b.ReportMetric(quartile(own, 2), "by-processor-time")
	b.ReportMetric(quartile(own, 1), "first-quartile")
	b.ReportMetric(quartile(own, 3), "third-quartile")
	b.ReportMetric(0, "ns/op")
}

// rates are how much a process does in a second, and in one of its processor time.
type rates struct{ clock, own float64 }

// used is what a process took of all processors until now.
func used(b *testing.B, pid int) time.Duration {
	b.Helper()
	d, err := processorTime(pid)
	if err != nil {
		b.Fatal(err)
	}
	return d
}

// BenchmarkOverheadBusy is of two threads that do nothing but malloc and free.
func BenchmarkOverheadBusy(b *testing.B) {
	testprog.NeedRoot(b)
	p := testprog.Start(b, "busy", "--threads", "2")
	p.Say("go")
	pairs := func() (n int64) {
		p.Say("count")
		if _, err := fmt.Sscanf(p.Line(), "pairs %d", &n); err != nil {
			b.Fatal(err)
		}
		return n
	}
	alternateRates(b, p.PID(), func() float64 {
		n := pairs()
		time.Sleep(overheadTime)
		return float64(pairs() - n)
	})
	p.Kill()
}

// BenchmarkOverheadPython is of python3, every object of which comes from malloc,
// parsing JSON.
func BenchmarkOverheadPython(b *testing.B) {
	testprog.NeedRoot(b)
	cmd := exec.Command("/usr/bin/python3", "testdata/parse.py")
	cmd.Env = append(os.Environ(), "PYTHONMALLOC=malloc")
	p := testprog.Command(b, cmd)
	alternateRates(b, p.PID(), func() (sum float64) {
		for start := time.Now(); time.Since(start) < overheadTime; {
			p.Say("go")
			var n float64
			if _, err := fmt.Sscanf(p.Line(), "rounds %f", &n); err != nil {
				b.Fatal(err)
			}
			sum += n
		}
		return sum
	})
	p.End()
}

// BenchmarkOverheadNginx is of nginx serving a small file to wrk.
func BenchmarkOverheadNginx(b *testing.B) {
	testprog.NeedRoot(b)
	worker, url := startNginx(b)
	alternateRates(b, worker, func() float64 {
		out, err := exec.Command("wrk", "-t1", "-c16", "-d", strconv.Itoa(int(overheadTime.Seconds())), url).CombinedOutput()
		if err != nil {
			b.Fatalf("wrk: %v: %s", err, out)
		}
		i := strings.Index(string(out), " requests in ")
		words := strings.Fields(string(out)[:max(i, 0)])
		if len(words) == 0 {
			b.Fatalf("wrk says %s", out)
		}
		n, err := strconv.ParseFloat(words[len(words)-1], 64)
		if err != nil {
			b.Fatalf("wrk says %s", out)
		}
		return n
	})
}

// startNginx starts nginx with one worker until the benchmark ends.
func startNginx(b *testing.B) (worker int, url string) {
	b.Helper()
	for _, program := range []string{"nginx", "wrk"} {
		if _, err := exec.LookPath(program); err != nil {
			b.Skipf("needs %s", program)
		}
	}
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "index.html"), []byte(strings.Repeat("memory ", 100)), 0o644); err != nil {
		b.Fatal(err)
	}
	const address = "127.0.0.1:18481"
	conf := filepath.Join(dir, "nginx.conf")
	text := fmt.Sprintf(`user root; worker_processes 1; daemon off; pid %[1]s/pid; error_log %[1]s/error.log;
		events {}
		http { access_log off; server { listen %[2]s; root %[1]s; gzip on; gzip_min_length 1; gzip_types *; } }`, dir, address)
	if err := os.WriteFile(conf, []byte(text), 0o644); err != nil {
		b.Fatal(err)
	}
	master := exec.Command("nginx", "-c", conf, "-p", dir)
	if err := master.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = master.Process.Signal(os.Interrupt)
		_ = master.Wait()
	})
	for range 100 {
		time.Sleep(50 * time.Millisecond)
		all, err := procfs.AllProcs()
		if err != nil {
			b.Fatal(err)
		}
		for _, p := range all {
			if s, err := p.Stat(); err == nil && s.PPID == master.Process.Pid {
				return p.PID, "http://" + address + "/"
			}
		}
	}
	b.Fatal("nginx has no worker")
	return 0, ""
}

// BenchmarkOverheadPostgres is of a PostgreSQL backend that pgbench keeps busy. It
// also reports what becomes of the 99th percentile of its latency.
func BenchmarkOverheadPostgres(b *testing.B) {
	testprog.NeedRoot(b)
	load := startPostgres(b).pgbench(b, "-S")
	type span struct {
		from, to time.Time
		used     time.Duration
	}
	var traced, bare []span
	measure := func() (s span) {
		s.from, s.used = time.Now(), used(b, load.backend)
		time.Sleep(overheadTime)
		s.to, s.used = time.Now(), used(b, load.backend)-s.used
		return s
	}
	for range b.N {
		bare = append(bare, measure())
		for range overheadRounds {
			detach := attachBudget(b, load.backend)
			traced = append(traced, measure())
			detach()
			bare = append(bare, measure())
		}
	}
	var clock, own, tails []float64
	for i, s := range traced {
		ratio := func(f func(span) float64) float64 { return 2 * f(s) / (f(bare[i]) + f(bare[i+1])) }
		n := func(s span) float64 { return float64(load.transactions(s.to) - load.transactions(s.from)) }
		clock = append(clock, ratio(func(s span) float64 { return n(s) / s.to.Sub(s.from).Seconds() }))
		own = append(own, ratio(func(s span) float64 { return n(s) / s.used.Seconds() }))
		tails = append(tails, ratio(func(s span) float64 { return load.percentile(s.from, s.to, 99) }))
	}
	b.ReportMetric(quartile(clock, 2), "traced/untraced")
	b.ReportMetric(quartile(own, 2), "by-processor-time")
	b.ReportMetric(quartile(own, 1), "first-quartile")
	b.ReportMetric(quartile(own, 3), "third-quartile")
	b.ReportMetric(quartile(tails, 2), "p99-traced/untraced")
	b.ReportMetric(0, "ns/op")
}
