package ptmalloc

import (
	"bytes"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// confirmLinks is how many chunks are read again together.
	confirmLinks = 16
	// confirmTries is how often, as long as the arena's mutex is held.
	confirmTries = 8
)

// confirm reads the headers of the chunks that the walk has passed last again,
// forwards and backwards at once, and reports whether all are as they were,
// while no thread had the arena's mutex, which is its first word.
func (c *Checker) confirm(h *chunkHeap) bool {
	w := &c.walk
	n := min(w.passed, confirmLinks)
	last := func(i int) *passedChunk { return &w.recent[(w.passed-n+i)%confirmLinks] }
	for range confirmTries {
		c.rd.reset()
		c.askMutex(h)
		for i := range n {
			c.rd.ask(last(i).chunk+chunkSize, 8)
		}
		for i := range n {
			c.rd.ask(last(n-1-i).chunk+chunkSize, 8)
		}
		c.askMutex(h)
		c.rd.read()
		spans := c.rd.spans
		for i := range n {
			// PREV_INUSE goes with the chunk before.
			forth, back, want := &spans[1+i], &spans[2*n-i], last(i).header|PrevInUse
			if !forth.OK || !back.OK || Header(forth.Word(0))|PrevInUse != want || Header(back.Word(0))|PrevInUse != want {
				w.count.Unconfirmed++
				return false
			}
		}
		if first, second := &spans[0], &spans[2*n+1]; first.OK && second.OK && uint32(first.Word(0)) == 0 && uint32(second.Word(0)) == 0 {
			return true
		}
	}
	w.count.Unconfirmed++
	return false
}

func (c *Checker) askMutex(h *chunkHeap) {
	if h.main {
		c.rd.askOwn(h.arena, 8)
	} else {
		c.rd.ask(h.arena, 8)
	}
}

// movedOn waits some milliseconds, and reports whether a process of one thread
// has left the instruction at which it stood: it was at work, or it is in a
// system call, which it does not make while it splits a chunk. Of other
// processes the arenas' mutexes tell that.
func movedOn(pid int) bool {
	const tries, wait, enough = 4, 5 * time.Millisecond, 20 * time.Microsecond
	before := processTime(pid)
	for range tries {
		time.Sleep(wait)
		var task unix.Stat_t
		if err := unix.Stat(fmt.Sprintf("/proc/%d/task", pid), &task); err != nil {
			return false
		}
		const self = 3 // links to a directory with one in it
		if task.Nlink > self || processTime(pid)-before > enough || inCall(pid) {
			return true
		}
	}
	return false
}

// processTime is what the process has had of processors so far.
func processTime(pid int) time.Duration {
	const scheduled = 2 // CPUCLOCK_SCHED of all threads (posix-timers.h)
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// inCall reports whether the first thread waits in a system call. The file has
// the call's number then, else "running" or -1 (proc_pid_syscall(5)).
func inCall(pid int) bool {
	call, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
	return err == nil && len(call) > 0 && call[0] != '-' && !bytes.HasPrefix(call, []byte("running"))
}
