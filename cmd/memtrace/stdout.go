package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

var errNoStdout = errors.New("standard output is closed (or the null device, open to read and write): use --output FILE")

// checkStdout refuses a standard output that takes a report nowhere without anyone
// having asked for that. The Go runtime opens the null device, to read and write, in
// the place of a standard file that is closed, before any code of memtrace's runs. A
// null device that is open to be written alone, or that another standard file shares,
// was put there by who started memtrace.
func checkStdout(stdout io.Writer) error {
	file, ok := stdout.(*os.File)
	if !ok {
		return nil
	}
	fd := int(file.Fd())
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return errNoStdout
	}
	null := unix.Mkdev(1, 3) // Documentation/admin-guide/devices.txt
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFL, 0)
	if err != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || st.Rdev != null || flags&unix.O_ACCMODE != unix.O_RDWR {
		return nil
	}
	for _, other := range []*os.File{os.Stdin, os.Stderr} {
		if sameDescription(fd, int(other.Fd())) {
			return nil
		}
	}
	return errNoStdout
}

// sameDescription reports whether two descriptors are of one open file. It is false
// where the kernel does not tell.
func sameDescription(a, b int) bool {
	const file = 0 // KCMP_FILE, include/uapi/linux/kcmp.h
	pid := uintptr(os.Getpid())
	order, _, errno := unix.Syscall6(unix.SYS_KCMP, pid, pid, file, uintptr(a), uintptr(b), 0)
	return errno == 0 && order == 0
}

// printText writes what is no report to stdout.
func printText(stdout io.Writer, text ...any) error {
	if err := checkStdout(stdout); err != nil {
		return err
	}
	if _, err := fmt.Fprint(stdout, text...); err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}
