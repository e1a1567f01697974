//go:build attack

package attack

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// What must hold of a storm's report.
const (
	noLedger    = iota // there is one, with no ledger to compare
	figures            // the sites' figures are the ledger's
	nothingLost        // and nothing was lost
)

// storm returns the attack of a mode of storm.c on a memtrace with more options.
func storm(mode string, want int, options ...string) func(*scene) {
	return func(s *scene) {
		for s.next() {
			cmd := s.stormCommand(mode)
			if mode == "signals-above" {
				// The other attacks' return probes in the same libc would end it: the kernel
				// has them on the calls of every process that has one probe there.
				cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+s.camp.libc)
			}
			s.storm(want, cmd, options...)
		}
	}
}

func (s *scene) stormCommand(mode string) *exec.Cmd {
	return exec.Command(filepath.Join(s.camp.dir, "storm"), mode, s.stormTime(), filepath.Join(s.camp.dir, "plugin.so"))
}

// stormTime is how long a program works, in milliseconds.
func (s *scene) stormTime() string { return strconv.Itoa(300 + s.rng.IntN(1700)) }

// storm traces a program from its start to its end and compares.
func (s *scene) storm(want int, cmd *exec.Cmd, options ...string) {
	p := s.startCommand(cmd)
	if p == nil {
		return
	}
	m := s.startTool(exact(p.pid(), options...)...)
	if !m.waitReady() {
		m.wait()
		if m.code() != 1 || want == nothingLost {
			s.failf("memtrace refuses: %s", m.refusal())
		}
		s.count("refusals", 1)
		return
	}
	l := p.work()
	m.stop()
	if l == nil {
		return
	}
	s.checkText(p.pid())
	r := m.reportOf(p.pid())
	if r == nil || want == noLedger {
		return
	}
	s.compare(r, l)
	if want == nothingLost {
		s.checkComplete(r)
	} else if !r.Complete {
		s.count("reports incomplete", 1)
	}
}

// killFollower ends a memtrace that holds processes by ptrace at their birth. The target waits for
// each of its children, so it ends only if all of them are let go.
func killFollower(s *scene) {
	for s.next() {
		p := s.startCommand(s.stormCommand("fork"))
		if p == nil {
			return
		}
		m := s.startTool(exact(p.pid(), "--follow")...)
		if !m.waitReady() {
			m.wait()
			s.failf("memtrace refuses: %s", m.refusal())
			return
		}
		done := make(chan struct{})
		go func() {
			defer close(done)
			p.work()
		}()
		time.Sleep(s.within(500 * time.Millisecond))
		switch signal := pick(s.rng, syscall.SIGKILL, syscall.SIGKILL, syscall.SIGTERM, syscall.SIGINT); signal {
		case syscall.SIGKILL:
			m.killed = true
			fallthrough
		default:
			m.note()
			m.signal(signal)
		}
		m.wait()
		<-done
		s.count("kills", 1)
		s.checkText(p.pid())
	}
}

func throwExceptions(s *scene) {
	// mimalloc's operators, in C, cannot throw.
	libraries := []string{"", "libjemalloc.so.2", "libtcmalloc_minimal.so.4"}
	for s.next() {
		library := pick(s.rng, libraries...)
		cmd := exec.Command(filepath.Join(s.camp.dir, "throws"), s.stormTime())
		if library != "" {
			path, err := exec.Command("gcc", "-print-file-name="+library).Output()
			if err != nil || !filepath.IsAbs(strings.TrimSpace(string(path))) {
				s.failf("%s is not installed", library)
				return
			}
			cmd.Env = append(os.Environ(), "LD_PRELOAD="+strings.TrimSpace(string(path)))
		}
		if library == "" {
			s.storm(nothingLost, cmd)
		} else {
			s.storm(figures, cmd)
		}
	}
}

// underLimits runs memtrace, or the target, under a small limit.
func underLimits(s *scene) {
	// With less than some 1.5 GB of addresses or 100 MB of data the Go runtime ends before
	// memtrace begins.
	limits := []string{
		"-n 8", "-n 16", "-n 32", "-n 64", "-n 256", "-v 3000000", "-d 1000000", "-l 0", "-l 64",
		"-f 0", "-f 1", "-s 100", "-c 0", "-t 5",
	}
	for s.next() {
		limit := pick(s.rng, limits...)
		onTarget := s.chance(4)
		wrap := func(cmd *exec.Cmd) {
			// Limits of the shell would also be those of this process if set here.
			cmd.Args = append([]string{"sh", "-c", "ulimit " + limit + ` && exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
			cmd.Path = "/bin/sh"
		}
		victim := exec.Command(filepath.Join(s.camp.dir, "victim"))
		if onTarget {
			wrap(victim)
		}
		p := s.tryCommand(victim)
		if p == nil {
			s.count("targets that do not start", 1)
			continue
		}
		p.expendable = onTarget
		alter := wrap
		if onTarget {
			alter = func(*exec.Cmd) {}
		}
		m := s.startToolAs(alter, exact(p.pid())...)
		if m.waitReady() {
			if p.tell("go", "did") && p.tell("leak", "did") {
				time.Sleep(s.within(100 * time.Millisecond))
			}
			m.stop()
		} else {
			m.wait()
		}
		if m.code() == 0 {
			s.count("reports", 1)
		} else {
			s.count("refusals", 1)
			if n := strings.Count(strings.TrimSpace(m.stderr.String()), "\n"); n > 0 {
				s.failf("ulimit %s: %d lines instead of one: %s", limit, n+1, m.stderr.String())
			}
		}
		s.checkText(p.pid())
	}
}
