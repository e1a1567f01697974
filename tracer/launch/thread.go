package launch

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// inThread runs f in a thread of its own, which ends with f: then the kernel lets go all that
// the thread has under ptrace. The function it returns waits for that.
func inThread(f func()) (wait func()) {
	tid := make(chan int, 1)
	done := make(chan struct{})
	go func() {
		runtime.LockOSThread() // and never unlocked, so that the runtime ends the thread
		if unix.Gettid() == unix.Getpid() {
			// The runtime does not end the first thread, but parks it for good. While this
			// goroutine has it, another one gets another thread.
			defer runtime.UnlockOSThread()
			inner := inThread(f)
			tid <- 0
			inner()
			close(done)
			return
		}
		tid <- unix.Gettid()
		defer close(done)
		f()
	}()
	return func() {
		<-done
		id := <-tid
		tid <- id // for whoever waits again
		const most = time.Second
		for end := time.Now().Add(most); id != 0 && time.Now().Before(end); time.Sleep(time.Millisecond) {
			if _, err := os.Stat(fmt.Sprintf("/proc/self/task/%d", id)); err != nil {
				return
			}
		}
	}
}
