package threads

import (
	"os"
	"runtime"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A name is that of the last look at a thread that ran, and of the process that was meant.
func TestNames(t *testing.T) {
	var n Names
	tids, done := make(chan uint32), make(chan struct{})
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		name := [16]byte{'w', 'o', 'r', 'k', ' ', 0xff}
		if err := unix.Prctl(unix.PR_SET_NAME, uintptr(unsafe.Pointer(&name)), 0, 0, 0); err != nil {
			t.Error(err)
		}
		tids <- uint32(unix.Gettid())
		<-done
		close(tids)
	}()
	tid := <-tids
	yes, no := func() bool { return true }, func() bool { return false }
	n.Look(os.Getpid(), tid, no)
	if name := n.Of(tid); name != "" {
		t.Errorf("of a process that has ended: %q", name)
	}
	n.Look(os.Getpid(), tid, yes)
	n.Look(os.Getpid(), 1<<22, yes) // there is none
	close(done)
	<-tids
	if name := n.Of(tid); name != "work \xff" || n.Of(1<<22) != "" {
		t.Errorf("%q, and of no thread %q", name, n.Of(1<<22))
	}
}
