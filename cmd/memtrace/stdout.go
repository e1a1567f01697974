package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

var errNoStdout = errors.New("standard output is closed (or the null device, open to read and write): use --output FILE")

// checkStdout rejects a standard output that would discard a report without anyone having
// asked for that. Before any of memtrace's code runs, the Go runtime replaces a closed
// standard file by the null device, open for reading and writing. A null device that is open
// for writing only, or shared with another standard file, was put there by whoever started
// memtrace.
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

// sameDescription reports whether two descriptors refer to the same open file. It is false
// where the kernel cannot tell.
func sameDescription(a, b int) bool {
	const file = 0 // KCMP_FILE, include/uapi/linux/kcmp.h
	pid := uintptr(os.Getpid())
	order, _, errno := unix.Syscall6(unix.SYS_KCMP, pid, pid, file, uintptr(a), uintptr(b), 0)
	return errno == 0 && order == 0
}

// printText writes text other than a report to stdout.
func printText(stdout io.Writer, text ...any) error {
	if err := checkStdout(stdout); err != nil {
		return err
	}
	if _, err := fmt.Fprint(stdout, text...); err != nil {
		return fmt.Errorf("write to standard output: %w", err)
	}
	return nil
}
