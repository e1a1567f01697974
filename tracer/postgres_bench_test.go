package tracer

import (
	"bufio"
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

	"memtrace/tracer/testsupport/testprog"

	"golang.org/x/sys/unix"
)

// postgres is a running server in a folder of its own.
type postgres struct {
	bin, dir string
	as       *syscall.Credential
}

// startPostgres starts a server until the benchmark ends. It runs as another user, because
// PostgreSQL refuses to run as root.
func startPostgres(b *testing.B) *postgres {
	b.Helper()
	found, err := filepath.Glob("/usr/lib/postgresql/*/bin")
	if err != nil || len(found) == 0 {
		testprog.Missing(b, "needs PostgreSQL")
	}
	u, err := user.Lookup("postgres")
	if err != nil {
		testprog.Missing(b, fmt.Sprintf("needs PostgreSQL: %v", err))
	}
	uid, _ := strconv.Atoi(u.Uid) // numbers on every Unix
	gid, _ := strconv.Atoi(u.Gid)
	// This is not in b.TempDir, whose parents are closed to other users.
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
	// ends returns the transactions, in the order of their ends, once pgbench is over.
	ends func() []transaction
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
	// Its first connection only looks at the tables.
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

// transaction is when one ended and how long it took, in microseconds.
type transaction struct {
	end     time.Time
	latency float64
}

// reading is the processor time of a process at a moment.
type reading struct {
	at   time.Time
	used time.Duration
}

// read makes sure that both belong together, whatever else runs on the machine.
func (l *pgbenchLoad) read() reading {
	for {
		before := time.Now()
		d := testprog.ProcessorTime(l.b, l.backend)
		if time.Since(before) < 50*time.Microsecond {
			return reading{before, d}
		}
	}
}

// cost returns the backend's processor time for a transaction, in microseconds.
func (l *pgbenchLoad) cost() func() float64 {
	readings := []reading{l.read()}
	for range windows {
		time.Sleep(span)
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
		return testprog.Quartile(costs, 1)
	}
}

// transactions returns how many ended until a moment.
func (l *pgbenchLoad) transactions(at time.Time) int {
	ends := l.ends()
	return sort.Search(len(ends), func(i int) bool { return ends[i].end.After(at) })
}

// percentile returns the latency, in microseconds, that the given percentage of transactions
// in a time did not exceed.
func (l *pgbenchLoad) percentile(from, to time.Time, percent int) float64 {
	var latencies []float64
	for _, t := range l.ends()[l.transactions(from):l.transactions(to)] {
		latencies = append(latencies, t.latency)
	}
	slices.Sort(latencies)
	return latencies[(len(latencies)-1)*percent/100]
}

// finish ends pgbench when it has written what is asked for, and reads its log: lines of
// client, transaction, latency, script, and the end in seconds and microseconds.
func (l *pgbenchLoad) finish() (ends []transaction) {
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
		latency, _ := strconv.ParseFloat(words[2], 64)
		ends = append(ends, transaction{time.Unix(seconds, micros*1000), latency})
	}
	return ends
}
