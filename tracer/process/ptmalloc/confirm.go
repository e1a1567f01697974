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
	// confirmTries is how often to try while the arena is at work.
	confirmTries = 8
	// maxConfirms bounds the chunks that are confirmed in all; that many take about 0.1 s.
	maxConfirms = 1 << 13
	// waitTime is the wait before another try. maxWaits bounds the waits in a walk over all
	// heaps.
	waitTime = 200 * time.Microsecond
	maxWaits = 100
)

// confirm reads the headers of the chunks that the walk passed last again, forwards and
// backwards at once. It reports whether all are unchanged and no thread held the arena's
// mutex, which is its first word.
func (c *Checker) confirm(h *chunkHeap) bool {
	w := &c.walk
	n := min(w.passed, confirmLinks)
	if w.confirms++; w.confirms <= maxConfirms {
		for range confirmTries {
			c.rd.reset()
			c.askMutex(h)
			for i := range n {
				c.rd.ask(w.last(n, i).chunk+chunkSize, 8)
			}
			for i := range n {
				c.rd.ask(w.last(n, n-1-i).chunk+chunkSize, 8)
			}
			c.askMutex(h)
			c.rd.read()
			if w.asBefore(c.rd.spans, n) {
				return true
			}
			if w.waits++; w.waits < maxWaits {
				time.Sleep(waitTime) // a thread may have lost its processor in malloc
				w.pages = nil        // outdated by then
			}
		}
	}
	w.count.Unconfirmed++
	return false
}

// asBefore reports whether what confirm has read of the last n chunks is what the walk saw,
// with the mutex free before and after.
func (w *chunkWalk) asBefore(spans []span, n int) bool {
	first, second := &spans[0], &spans[2*n+1]
	if !first.OK || !second.OK || uint32(first.Word(0)) != 0 || uint32(second.Word(0)) != 0 {
		return false
	}
	for i := range n {
		last, forth, back := w.last(n, i), &spans[1+i], &spans[2*n-i]
		if !forth.OK || !back.OK || !last.same(Header(forth.Word(0))) || !last.same(Header(back.Word(0))) {
			return false
		}
	}
	return true
}

// last returns number i of the last n chunks passed.
func (w *chunkWalk) last(n, i int) *passedChunk {
	return &w.recent[(w.passed-n+i)%confirmLinks]
}

func (c *Checker) askMutex(h *chunkHeap) {
	if h.main {
		c.rd.askOwn(h.arena, 8)
	} else {
		c.rd.ask(h.arena, 8)
	}
}

// movedOn waits a few milliseconds and reports whether a process of one thread has left the
// instruction at which it stood: it was at work, or it is in a system call, which it does not
// make while it splits a chunk. For processes with more threads it returns true, because their
// arenas' mutexes tell.
func movedOn(pid int) bool {
	const tries, wait, enough = 4, 5 * time.Millisecond, 20 * time.Microsecond
	before := processTime(pid)
	for range tries {
		time.Sleep(wait)
		var task unix.Stat_t
		if err := unix.Stat(fmt.Sprintf("/proc/%d/task", pid), &task); err != nil {
			return false
		}
		const self = 3 // the number of links to a directory with one directory in it
		if task.Nlink > self || processTime(pid)-before > enough || inCall(pid) {
			return true
		}
	}
	return false
}

// processTime returns the processor time that the process has used so far.
func processTime(pid int) time.Duration {
	const scheduled = 2 // CPUCLOCK_SCHED of all threads (posix-timers.h)
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|scheduled), &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}

// inCall reports whether the first thread waits in a system call. The file then starts with
// the call's number, and otherwise with "running" or -1 (proc_pid_syscall(5)).
func inCall(pid int) bool {
	call, err := os.ReadFile(fmt.Sprintf("/proc/%d/syscall", pid))
	return err == nil && len(call) > 0 && call[0] != '-' && !bytes.HasPrefix(call, []byte("running"))
}
