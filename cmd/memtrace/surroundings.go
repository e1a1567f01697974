package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// These are the open files that memtrace needs, for one process with few libraries, and the
// address space. With less, the Go runtime aborts memtrace and dumps its stacks.
const (
	fewFiles   = 32  // for commands that do not trace
	traceFiles = 256 // a trace has about 80, and more for a moment
	leastSpace = 4 << 30
)

// checkSurroundings refuses to start where the limits on memtrace or the mounted file systems
// would make it fail half-way. files is how many files it will have open. Commands that only read
// files need no /proc.
func checkSurroundings(files uint64, needsProc bool) error {
	open, err := limit(unix.RLIMIT_NOFILE)
	if err != nil {
		return err
	}
	if open < files {
		return fmt.Errorf("needs %d open files: the limit is %d, raise it (ulimit -n)", files, open)
	}
	space, err := limit(unix.RLIMIT_AS)
	if err != nil {
		return err
	}
	if space < leastSpace {
		return fmt.Errorf("needs %d MiB of address space: the limit is %d MiB, raise it (ulimit -v)", leastSpace>>20, space>>20)
	}
	var st unix.Statfs_t
	if err := unix.Statfs("/proc", &st); needsProc && (err != nil || st.Type != unix.PROC_SUPER_MAGIC) {
		return errors.New("needs /proc: mount it (mount -t proc proc /proc)")
	}
	return nil
}

// limit returns the limit in force on a resource, math.MaxUint64 if there is none.
func limit(resource int) (uint64, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(resource, &l); err != nil {
		return 0, fmt.Errorf("read own limits: %w", err)
	}
	return l.Cur, nil
}

// explainLimit adds which of memtrace's own limits an error comes from, if any.
func explainLimit(err error) error {
	if !errors.Is(err, unix.EMFILE) {
		return err
	}
	open, limitErr := limit(unix.RLIMIT_NOFILE)
	if limitErr != nil {
		return err
	}
	return fmt.Errorf("%w: the limit is %d, raise it (ulimit -n)", err, open)
}
