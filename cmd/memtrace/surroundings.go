package main

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// What memtrace needs of open files, with one process of few libraries, and of address
// space: less, and the Go runtime, which tells of that by a dump of its stacks, ends it.
const (
	fewFiles   = 32  // of what does not trace
	traceFiles = 256 // a trace has some 80, and more for a moment
	leastSpace = 4 << 30
)

// checkSurroundings refuses to begin where the limits on memtrace or its file systems
// would have it fail half-way. files is how many it will have open.
func checkSurroundings(files uint64) error {
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
	if err := unix.Statfs("/proc", &st); err != nil || st.Type != unix.PROC_SUPER_MAGIC {
		return errors.New("needs /proc: mount it (mount -t proc proc /proc)")
	}
	return nil
}

// limit is the one in force on a resource, math.MaxUint64 where there is none.
func limit(resource int) (uint64, error) {
	var l unix.Rlimit
	if err := unix.Getrlimit(resource, &l); err != nil {
		return 0, fmt.Errorf("read own limits: %w", err)
	}
	return l.Cur, nil
}

// explainLimit says which limit of memtrace's own an error comes from, if one does.
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
