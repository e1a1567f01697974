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

	"memtrace/tracer/process/procstatus"
)

// These bound how many threads are looked at for a moment: of one process, and of all. What they
// say stands for the others, too.
const (
	maxThreads    = 16
	maxAllThreads = 64
)

// lookedAt returns the processes that are looked at, and how many threads of each are.
func (g *Group) lookedAt() (some []*Process, threads int) {
	all := g.procs.all()
	some = all[:min(len(all), maxAllThreads)]
	return some, min(maxAllThreads/max(len(some), 1), maxThreads)
}

// Efforts returns how much each process has done so far. Processes of which that cannot be told,
// or that are too many to be looked at, are missing.
func (g *Group) Efforts() map[uint32]sample.Effort {
	efforts := make(map[uint32]sample.Effort)
	some, threads := g.lookedAt()
	for _, p := range some {
		cpu, err := processorTime(p.pid)
		if err != nil {
			continue
		}
		p.cpu.Store(int64(cpu))
		p.sleeps.look(p.pid, threads, threadSleeps)
		efforts[uint32(p.pid)] = sample.Effort{CPU: uint64(cpu), Sleeps: p.sleeps.sum}
	}
	return efforts
}

// Waited returns how long threads of all processes were ready to run, but had no processor.
func (g *Group) Waited() time.Duration {
	some, threads := g.lookedAt()
	grown := uint64(0)
	for _, p := range some {
		grown += p.waits.look(p.pid, threads, threadWaited)
	}
	share := float64(len(g.procs.all())) / float64(max(len(some), 1))
	g.waited += time.Duration(share * float64(grown))
	return g.waited
}

// threadSum adds up a figure that the kernel's scheduler has for each thread.
type threadSum struct {
	last map[string]uint64
	sum  uint64
}

// look reads the figure of a process's threads, and returns what it adds to the sum: by how much it
// has grown since the last look, for the threads that both have met. Of more than most threads the
// first ones stand for all.
func (s *threadSum) look(pid, most int, read func(pid int, thread string) uint64) (grown uint64) {
	dir, err := os.Open(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return 0
	}
	defer func() { _ = dir.Close() }() // only read
	ids, _ := dir.Readdirnames(-1)     // fewer threads say less
	some := ids[:min(len(ids), most)]
	seen := make(map[string]uint64, len(some))
	for _, id := range some {
		seen[id] = read(pid, id)
		if before, ok := s.last[id]; ok && seen[id] > before {
			grown += seen[id] - before
		}
	}
	s.last = seen
	grown = uint64(math.Round(float64(grown) * float64(len(ids)) / float64(max(len(some), 1))))
	s.sum += grown
	return grown
}

// threadWaited returns how long (ns) a thread was ready to run, but had no processor: the second
// figure of its schedstat, see Documentation/scheduler/sched-stats.rst. It is 0 where the kernel
// does not count it.
func threadWaited(pid int, thread string) uint64 {
	var buf [128]byte
	fields := bytes.Fields(readSmall(fmt.Sprintf("/proc/%d/task/%s/schedstat", pid, thread), buf[:]))
	if len(fields) < 2 {
		return 0
	}
	ns, _ := strconv.ParseUint(string(fields[1]), 10, 64)
	return ns
}

// threadSleeps returns how often a thread gave up its processor to wait for something.
func threadSleeps(pid int, thread string) uint64 {
	var buf [4096]byte
	status := procstatus.Status(readSmall(fmt.Sprintf("/proc/%d/task/%s/status", pid, thread), buf[:]))
	return uint64(status.Number("voluntary_ctxt_switches"))
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
