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
	"sort"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/testprog"
)

const (
	// growthRounds is in how many rounds the untraced and the traced cost are
	// measured.
	growthRounds = 25
	// A measurement is the first quartile of so many windows of time: what other
	// programs disturb on a shared machine costs more, never less.
	windows = 25
	window  = 40 * time.Millisecond
)

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
// what drifts does not count. It reports the medians. What measure returns tells the
// cost when all is over.
func alternate(b *testing.B, unit string, pid int, measure func() (cost func() float64)) {
	b.Helper()
	var bare, traced, ratios []float64
	for range b.N {
		costs := []func() float64{measure()}
		for range growthRounds {
			detach := attachGrowth(b, pid)
			costs = append(costs, measure())
			detach()
			costs = append(costs, measure())
		}
		for i := 1; i < len(costs); i += 2 {
			before, with, after := costs[i-1](), costs[i](), costs[i+1]()
			bare, traced = append(bare, after), append(traced, with)
			ratios = append(ratios, 2*with/(before+after))
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
	alternate(b, "ns/pair", p.PID(), func() func() float64 {
		var costs []float64
		for range windows {
			n, used := pairs(), p.ProcessorTime()
			time.Sleep(window)
			n, used = pairs()-n, p.ProcessorTime()-used
			costs = append(costs, float64(used.Nanoseconds())/float64(n))
		}
		return func() float64 { return quartile(costs, 1) }
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
	cmd     *exec.Cmd
	log     string
	// ends is the moments at which transactions ended, once pgbench is over.
	ends func() []time.Time
}

// pgbench starts pgbench, until the benchmark ends. Its log has every transaction.
func (s *postgres) pgbench(b *testing.B, args ...string) *pgbenchLoad {
	b.Helper()
	prefix := filepath.Join(s.dir, "log"+strings.Join(args, ""))
	name := filepath.Base(prefix)
	cmd := s.command("pgbench", append(args, "-h", s.dir, "-n", "-c", "1", "-T", "3600", "-l", "--log-prefix", prefix, "postgres")...)
	cmd.Env = append(os.Environ(), "PGAPPNAME="+name)
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	l := &pgbenchLoad{b: b, cmd: cmd, log: fmt.Sprintf("%s.%d", prefix, cmd.Process.Pid)}
	l.ends = sync.OnceValue(l.finish)
	b.Cleanup(func() {
		if cmd.ProcessState == nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
		}
	})
	// Its first connection is there to look at the tables alone.
	for last, deadline := -1, time.Now().Add(time.Minute); l.backend == 0 || l.backend != last; time.Sleep(300 * time.Millisecond) {
		last, l.backend = l.backend, 0
		out, err := s.command("psql", "-h", s.dir, "-At", "-c",
			"select pid from pg_stat_activity where application_name = '"+name+"'", "postgres").Output()
		if err == nil {
			l.backend, _ = strconv.Atoi(strings.TrimSpace(string(out))) // it may not be there yet
		}
		if time.Now().After(deadline) {
			b.Fatalf("pgbench does not connect: %v: %s", err, out)
		}
	}
	return l
}

// reading is the processor time of a process at a moment.
type reading struct {
	at   time.Time
	used time.Duration
}

// read makes sure that both belong together, whatever else runs on the machine.
func (l *pgbenchLoad) read() reading {
	for {
		var ts unix.Timespec
		before := time.Now()
		if err := unix.ClockGettime(int32(^l.backend<<3|2), &ts); err != nil {
			l.b.Fatalf("read the processor time of the backend: %v", err)
		}
		if time.Since(before) < 50*time.Microsecond {
			return reading{before, time.Duration(ts.Nano())}
		}
	}
}

// cost is the backend's processor time for a transaction in microseconds.
func (l *pgbenchLoad) cost() func() float64 {
	readings := []reading{l.read()}
	for range windows {
		time.Sleep(window)
		readings = append(readings, l.read())
	}
	return func() float64 {
		var costs []float64
		for i := 1; i < len(readings); i++ {
			from, to := readings[i-1], readings[i]
			if n := l.transactions(to.at) - l.transactions(from.at); n > 0 {
				costs = append(costs, float64((to.used-from.used).Nanoseconds())/1e3/float64(n))
			}
		}
		if len(costs) == 0 {
			l.b.Fatal("no transaction ended")
		}
		return quartile(costs, 1)
	}
}

// transactions is how many ended until a moment.
func (l *pgbenchLoad) transactions(at time.Time) int {
	ends := l.ends()
	return sort.Search(len(ends), func(i int) bool { return ends[i].After(at) })
}

// finish ends pgbench when it has written what is asked for, and reads its log: lines
// of client, transaction, latency, script, and the end in seconds and microseconds.
func (l *pgbenchLoad) finish() (ends []time.Time) {
	time.Sleep(2 * time.Second)
	_ = l.cmd.Process.Kill()
	_ = l.cmd.Wait()
	file, err := os.Open(l.log)
	if err != nil {
		l.b.Fatal(err)
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		words := strings.Fields(lines.Text())
		if len(words) < 6 {
			break // cut off in the middle
		}
		seconds, _ := strconv.ParseInt(words[4], 10, 64)
		micros, _ := strconv.ParseInt(words[5], 10, 64) // pgbench's own numbers
		ends = append(ends, time.Unix(seconds, micros*1000))
	}
	return ends
}
