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

	"memtrace/tracer/testsupport/testprog"
)

const (
	// overheadRounds is how many times a process is measured traced and untraced.
	overheadRounds = 10
	// overheadTime is how long a measurement takes, several windows.
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

// alternateRates measures how much of a process's throughput is left while it is traced. Each
// ratio is of a traced measurement to the mean of the untraced ones before and after it, so
// that drift does not count. work does something for a while and returns how much. It is
// related to wall-clock time and to the process's own processor time, which other work on the
// machine does not disturb.
func alternateRates(b *testing.B, pid int, work func() float64) {
	b.Helper()
	measure := func() (r rates) {
		start, before := time.Now(), testprog.ProcessorTime(b, pid)
		n := work()
		return rates{n / time.Since(start).Seconds(), n / (testprog.ProcessorTime(b, pid) - before).Seconds()}
	}
	traced, bare := alternateTraced(b, pid, measure)
	var perSecond []float64
	for _, r := range bare {
		perSecond = append(perSecond, r.clock)
	}
	b.ReportMetric(testprog.Quartile(perSecond, 2), "untraced/s")
	reportRatios(b, traced, bare)
}

// alternateTraced measures a process untraced, then in each round traced and untraced again.
func alternateTraced[T any](b *testing.B, pid int, measure func() T) (traced, bare []T) {
	b.Helper()
	bare = append(bare, measure())
	for range b.N * overheadRounds {
		detach := attachBudget(b, pid)
		traced = append(traced, measure())
		detach()
		bare = append(bare, measure())
	}
	return traced, bare
}

// reportRatios reports the median ratio of each traced rate to the untraced ones around it,
// and the machine's own noise: half of the distance between the quartiles of the same ratio
// over untraced rates only.
func reportRatios(b *testing.B, traced, bare []rates) {
	b.Helper()
	var byClock, byOwn, noise []float64
	for i, r := range traced {
		byClock = append(byClock, 2*r.clock/(bare[i].clock+bare[i+1].clock))
		byOwn = append(byOwn, 2*r.own/(bare[i].own+bare[i+1].own))
		if i > 0 {
			noise = append(noise, 2*bare[i].own/(bare[i-1].own+bare[i+1].own))
		}
	}
	b.ReportMetric(testprog.Quartile(byClock, 2), "traced/untraced")
	b.ReportMetric(testprog.Quartile(byOwn, 2), "by-processor-time")
	b.ReportMetric(testprog.Quartile(byOwn, 1), "first-quartile")
	b.ReportMetric(testprog.Quartile(byOwn, 3), "third-quartile")
	b.ReportMetric((testprog.Quartile(noise, 3)-testprog.Quartile(noise, 1))/2, "noise")
	b.ReportMetric(0, "ns/op")
}

// rates are how much a process does in a second, and in one second of its processor time.
type rates struct{ clock, own float64 }

// BenchmarkOverheadBusy traces two threads that do nothing but malloc and free.
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

// BenchmarkOverheadPython traces python3 parsing JSON. Every object of it comes from malloc.
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

// BenchmarkOverheadNginx traces nginx serving a small file to wrk.
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
			testprog.Missing(b, fmt.Sprintf("needs %s", program))
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

// BenchmarkOverheadPostgres traces a PostgreSQL backend that pgbench keeps busy. It also
// reports what becomes of the 99th percentile of its latency.
func BenchmarkOverheadPostgres(b *testing.B) {
	testprog.NeedRoot(b)
	load := startPostgres(b).pgbench(b, "-S")
	type span struct {
		from, to time.Time
		used     time.Duration
	}
	traced, bare := alternateTraced(b, load.backend, func() (s span) {
		s.from, s.used = time.Now(), testprog.ProcessorTime(b, load.backend)
		time.Sleep(overheadTime)
		s.to, s.used = time.Now(), testprog.ProcessorTime(b, load.backend)-s.used
		return s
	})
	p99 := func(s span) float64 { return load.percentile(s.from, s.to, 99) }
	var tails []float64
	for i, s := range traced {
		tails = append(tails, 2*p99(s)/(p99(bare[i])+p99(bare[i+1])))
	}
	b.ReportMetric(testprog.Quartile(tails, 2), "p99-traced/untraced")
	all := func(spans []span) (all []rates) {
		for _, s := range spans {
			n := float64(load.transactions(s.to) - load.transactions(s.from))
			all = append(all, rates{n / s.to.Sub(s.from).Seconds(), n / s.used.Seconds()})
		}
		return all
	}
	reportRatios(b, all(traced), all(bare))
}
