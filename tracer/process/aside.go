package process

import (
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// aside is processor time of memtrace's that does not count as the cost of tracing.
var aside struct {
	mu   sync.Mutex
	done time.Duration
	// running is what threads that are at it had used when they began.
	running map[int]time.Duration
}

// Aside sets aside what the calling goroutine uses until end is called, which must be by the same
// goroutine: making reports is not tracing, and how often that is done is the user's choice.
func Aside() (end func()) {
	runtime.LockOSThread()
	tid := unix.Gettid()
	began := threadTime(tid)
	aside.mu.Lock()
	defer aside.mu.Unlock()
	if aside.running == nil {
		aside.running = make(map[int]time.Duration)
	}
	aside.running[tid] = began
	return func() {
		aside.mu.Lock()
		aside.done += threadTime(tid) - began
		delete(aside.running, tid)
		aside.mu.Unlock()
		runtime.UnlockOSThread()
	}
}

// asideToo returns what a goroutine that works for the calling one calls in place of Aside: what it
// uses is set aside if what the calling one uses is.
func asideToo() (begin func() (end func())) {
	aside.mu.Lock()
	defer aside.mu.Unlock()
	if _, is := aside.running[unix.Gettid()]; is { // it keeps its thread then
		return Aside
	}
	return func() func() { return func() {} }
}

// setAside is the time that was set aside so far.
func setAside() time.Duration {
	aside.mu.Lock()
	defer aside.mu.Unlock()
	all := aside.done
	for tid, began := range aside.running {
		all += threadTime(tid) - began
	}
	return all
}

// threadTime is the processor time that a thread of memtrace has used, 0 if that is not known.
func threadTime(tid int) time.Duration {
	const perThread, scheduled = 4, 2 // the clock of a thread, see CPUCLOCK_SCHED of the kernel
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^tid<<3|perThread|scheduled), &t); err != nil {
		return 0
	}
	return time.Duration(t.Nano())
}
