package process

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/book/sample"
)

// These bound how many threads are looked at for a moment: of one process, and of all. What they
// say stands for the others, too.
const (
	maxThreads    = 16
	maxAllThreads = 64
)

// Efforts returns how much each process has done so far. Processes of which that cannot be told,
// or that are too many to be looked at, are missing.
func (g *Group) Efforts() map[uint32]sample.Effort {
	efforts := make(map[uint32]sample.Effort)
	most := g.threadsEach()
	for _, p := range g.procs.all() {
		cpu, err := processorTime(p.pid)
		if err != nil || most == 0 {
			continue
		}
		p.cpu.Store(int64(cpu))
		_, sleeps := p.scheduled(most)
		efforts[uint32(p.pid)] = sample.Effort{CPU: uint64(cpu), Sleeps: sleeps}
	}
	return efforts
}

// Waited returns how long threads of all processes were ready to run, but had no processor.
func (g *Group) Waited() (sum time.Duration) {
	if most := g.threadsEach(); most > 0 {
		for _, p := range g.procs.all() {
			waited, _ := p.scheduled(most)
			sum += waited
		}
	}
	return sum
}

func (g *Group) threadsEach() int { return min(maxAllThreads/max(len(g.procs.all()), 1), maxThreads) }

// threadUse is what the kernel's scheduler says of a thread so far.
type threadUse struct {
	waited time.Duration
	sleeps uint64
}

// scheduled returns what the scheduler says of the process's threads since it was asked first. Of
// more than most threads the first ones stand for all. Neither result ever falls, whatever threads
// end.
func (p *Process) scheduled(most int) (waited time.Duration, sleeps uint64) {
	dir, err := os.Open(fmt.Sprintf("/proc/%d/task", p.pid))
	if err != nil {
		return p.waited, p.sleeps
	}
	defer func() { _ = dir.Close() }() // only read
	ids, _ := dir.Readdirnames(-1)     // fewer threads say less
	share := float64(len(ids)) / float64(max(min(len(ids), most), 1))
	seen := make(map[string]threadUse)
	for _, id := range ids[:min(len(ids), most)] {
		use := threadUse{threadWaited(p.pid, id), threadSleeps(p.pid, id)}
		if before, ok := p.threads[id]; ok && use.waited >= before.waited && use.sleeps >= before.sleeps {
			p.waited += time.Duration(share * float64(use.waited-before.waited))
			p.sleeps += uint64(math.Round(share * float64(use.sleeps-before.sleeps)))
		}
		seen[id] = use
	}
	p.threads = seen
	return p.waited, p.sleeps
}

// threadWaited returns how long a thread was ready to run, but had no processor: the second
// figure of its schedstat, see Documentation/scheduler/sched-stats.rst. It is 0 where the kernel
// does not count it.
func threadWaited(pid int, thread string) time.Duration {
	var buf [128]byte
	fields := bytes.Fields(readSmall(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, thread), buf[:]))
	if len(fields) < 2 {
		return 0
	}
	ns, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return time.Duration(ns)
}

// threadSleeps returns how often a thread gave up its processor to wait for something.
func threadSleeps(pid int, thread string) uint64 {
	var buf [4096]byte
	status := readSmall(fmt.Sprintf("/proc/%d/task/%s/status", pid, thread), buf[:])
	_, rest, _ := bytes.Cut(status, []byte("\nvoluntary_ctxt_switches:"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	n, _ := strconv.ParseUint(string(bytes.TrimSpace(line)), 10, 64)
	return n
}

// readSmall reads a file of /proc that fits into a buffer.
func readSmall(path string, buf []byte) []byte {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer func() { _ = unix.Close(fd) }() // only read
	n, _ := unix.Read(fd, buf)
	return buf[:max(n, 0)]
}
