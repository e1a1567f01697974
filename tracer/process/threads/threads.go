// Package threads keeps the names of a process's threads, as /proc shows them while they run.
package threads

import (
	"bytes"
	"fmt"
	"os"
	"sync"
)

// mostKept is how many names are kept of a process. A name has 15 bytes at most.
const mostKept = 1 << 16

// Names are the names of the threads of one process, as they were last seen. The zero Names has
// none. It may be used by several goroutines.
type Names struct {
	mu    sync.Mutex
	byTID map[uint32]string
}

// Look reads the name of a thread of the process pid, if it runs. ours is asked afterwards whether
// the pid has been that process's all the time.
func (n *Names) Look(pid int, tid uint32, ours func() bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/comm", pid, tid))
	name := string(bytes.TrimSuffix(text, []byte("\n")))
	if err != nil || name == "" || !ours() {
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.byTID == nil {
		n.byTID = make(map[uint32]string)
	}
	if _, known := n.byTID[tid]; known || len(n.byTID) < mostKept {
		n.byTID[tid] = name
	}
}

// Of returns the name of a thread, "" if it was never seen.
func (n *Names) Of(tid uint32) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.byTID[tid]
}
