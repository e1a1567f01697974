package tracer

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/testprog"
)

// growthRounds is in how many rounds the untraced and the traced cost are measured.
const growthRounds = 41

// attachGrowth has a process watched for growth.
func attachGrowth(b *testing.B, pid int) (detach func()) {
	t, err := Open(Config{PIDs: []int{pid}, GrowthOnly: true})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- t.Run(ctx) }()
	return func() {
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		t.Close()
	}
}

// alternate measures the cost of a process's unit of work in rounds: each ratio is of
// a traced measurement to the mean of the untraced ones before and after it, so that
// what drifts does not count. It reports the medians.
func alternate(b *testing.B, unit string, pid int, measure func() float64) {
	b.Helper()
	var bare, traced, ratios []float64
	for range b.N {
		before := measure()
		for range growthRounds {
			detach := attachGrowth(b, pid)
			with := measure()
			detach()
			after := measure()
			bare, traced = append(bare, after), append(traced, with)
			ratios = append(ratios, 2*with/(before+after))
			before = after
		}
	}
	b.ReportMetric(quartile(bare, 2), "untraced-"+unit)
	b.ReportMetric(quartile(traced, 2), "traced-"+unit)
	b.ReportMetric(quartile(ratios, 2), "traced/untraced")
	b.ReportMetric(quartile(ratios, 1), "first-quartile")
	b.ReportMetric(quartile(ratios, 3), "third-quartile")
	b.ReportMetric(0, "ns/op")
}

// quartile is the n-th of values, the median if n is 2.
func quartile(values []float64, n int) float64 {
	slices.Sort(values)
	return values[(len(values)-1)*n/4]
}

// BenchmarkGrowBusy reports what a malloc and its free cost while the process is
// watched for growth.
func BenchmarkGrowBusy(b *testing.B) {
	testprog.NeedRoot(b)
	p := testprog.Start(b, "busy")
	p.Say("go")
	pairs := func() (n int64) {
		p.Say("count")
		if line := p.Line(); !strings.HasPrefix(line, "pairs ") {
			b.Fatalf("busy says %q", line)
		} else if _, err := fmt.Sscanf(line, "pairs %d", &n); err != nil {
			b.Fatal(err)
		}
		return n
	}
	alternate(b, "ns/pair", p.PID(), func() float64 {
		n, used := pairs(), p.ProcessorTime()
		time.Sleep(time.Second)
		n, used = pairs()-n, p.ProcessorTime()-used
		return float64(used.Nanoseconds()) / float64(n)
	})
	p.Kill()
}

// BenchmarkGrowPostgres reports the processor time that a PostgreSQL backend takes
// for a transaction of pgbench, one that only reads and the one that writes.
func BenchmarkGrowPostgres(b *testing.B) {
	testprog.NeedRoot(b)
	server := startPostgres(b)
	for _, c := range []struct {
		name string
		args []string
	}{{"select", []string{"-S"}}, {"tpcb", nil}} {
		b.Run(c.name, func(b *testing.B) {
			load := server.pgbench(b, c.args...)
			alternate(b, "us/transaction", load.backend, load.cost)
		})
	}
}

// postgres is a running server in a folder of its own.
type postgres struct {
	bin, dir string
	as       *syscall.Credential
}

// startPostgres starts a server until the benchmark ends. It refuses to run as root.
func startPostgres(b *testing.B) *postgres {
	b.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		b.Skip("needs PostgreSQL")
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		b.Skipf("needs PostgreSQL: %v", err)
	}
	uid, _ := strconv.Atoi(u.Uid) // numbers on every Unix
	gid, _ := strconv.Atoi(u.Gid)
	// Not in b.TempDir, whose parents are closed to others.
	dir, err := os.MkdirTemp("", "memtrace-postgres-")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chown(dir, uid, gid); err != nil {
		b.Fatal(err)
	}
	s := &postgres{bin: found[len(found)-1], dir: dir, as: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	s.run(b, "initdb", "-D", dir+"/data", "-A", "trust", "--no-sync")
	server := s.command("postgres", "-D", dir+"/data", "-k", dir, "-h", "", "-F")
	if err := server.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		_ = server.Process.Signal(unix.SIGINT) // fast shutdown
		_ = server.Wait()
	})
	for deadline := time.Now().Add(time.Minute); s.command("pg_isready", "-q", "-h", dir).Run() != nil; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.Fatal("PostgreSQL does not start")
		}
	}
	s.run(b, "pgbench", "-h", dir, "-i", "-q", "-s", "5", "postgres")
	return s
}

func (s *postgres) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.bin, name), args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: s.as}
	cmd.Dir = s.dir
	return cmd
}

func (s *postgres) run(b *testing.B, name string, args ...string) {
	b.Helper()
	if out, err := s.command(name, args...).CombinedOutput(); err != nil {
		b.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// pgbenchLoad is pgbench at work on one connection.
type pgbenchLoad struct {
	b       *testing.B
	backend int
	marks   chan pgbenchMark
}

// pgbenchMark is what is known when a second of pgbench's is over: its transactions a
// second since the last, the time of pgbench's clock in seconds, and what the backend
// has taken of all processors.
type pgbenchMark struct {
	rate, at float64
	used     time.Duration
}

// pgbench starts pgbench, until the benchmark ends.
func (s *postgres) pgbench(b *testing.B, args ...string) *pgbenchLoad {
	b.Helper()
	cmd := s.command("pgbench", append(args, "-h", s.dir, "-n", "-c", "1", "-T", "3600", "-P", "1", "postgres")...)
	progress, err := cmd.StderrPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	lines := bufio.NewScanner(progress)
	lines.Scan() // the first tells that it has begun
	out, err := s.command("psql", "-h", s.dir, "-At", "-c", "select pid from pg_stat_activity where application_name = 'pgbench'", "postgres").Output()
	l := &pgbenchLoad{b: b, marks: make(chan pgbenchMark)}
	if err == nil {
		l.backend, err = strconv.Atoi(strings.TrimSpace(string(out)))
	}
	if err != nil {
		b.Fatalf("find the backend: %v: %s", err, out)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		l.read(lines)
	}()
	b.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-done
		_ = cmd.Wait()
	})
	return l
}

// read marks every second, whether somebody waits for it or not.
func (l *pgbenchLoad) read(lines *bufio.Scanner) {
	defer close(l.marks)
	for lines.Scan() {
		var m pgbenchMark
		var ts unix.Timespec
		if n, _ := fmt.Sscanf(lines.Text(), "progress: %f s, %f tps", &m.at, &m.rate); n != 2 {
			continue
		}
		if unix.ClockGettime(int32(^l.backend<<3|2), &ts) != nil {
			return
		}
		m.used = time.Duration(ts.Nano())
		select {
		case l.marks <- m:
		default:
		}
	}
}

// cost is the backend's processor time for a transaction in microseconds, over the
// next whole second of pgbench's, so that what attaching costs is left out.
func (l *pgbenchLoad) cost() float64 {
	l.b.Helper()
	for {
		first, second := <-l.marks, <-l.marks
		if second == (pgbenchMark{}) {
			l.b.Fatal("pgbench has ended")
		}
		// A second that was missed is one whose transactions are not known.
		if seconds := second.at - first.at; seconds < 1.5 {
			return float64((second.used - first.used).Nanoseconds()) / 1e3 / (second.rate * seconds)
		}
	}
}
