package patience

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"golang.org/x/sys/unix"
)

// A busy or emulated machine can leave the child without a processor for longer than a file
// system may take to answer. So the child is given up only if it is waiting for a file system,
// or after mostLimits limits.
const mostLimits = 15

// fileCalls are the system calls in which the child may wait for a file system.
var fileCalls = []int{
	unix.SYS_OPENAT, unix.SYS_OPENAT2, unix.SYS_PREAD64, unix.SYS_FSTAT, unix.SYS_FSTATFS, unix.SYS_CLOSE,
}

// hangs reports whether a thread of the child is waiting for a file system, or that cannot be
// determined.
func hangs(pid int) bool {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	if err != nil || len(threads) == 0 {
		return true
	}
	for _, path := range threads {
		// The file has "running", or the call's number and arguments
		// (Documentation/filesystems/proc.rst).
		text, err := os.ReadFile(path)
		if err != nil {
			return true
		}
		var call int
		if n, _ := fmt.Sscanf(string(text), "%d", &call); n == 1 && slices.Contains(fileCalls, call) {
			return true
		}
	}
	return false
}
