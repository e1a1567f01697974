package kin

import (
	"bytes"
	"os"
	"strconv"

	"golang.org/x/sys/unix"

	"memtrace/tracer/process/procstatus"
)

// maxFile is the most that is read of a file, in bytes: the pids of some 100,000 children.
const maxFile = 1 << 20

// procFiles reads files of /proc. The content of one is valid until the next is read.
type procFiles struct{ buf []byte }

// read reads a file of a process. name begins with a slash.
func (f *procFiles) read(pid int, name string) ([]byte, error) {
	fd, err := unix.Open("/proc/"+strconv.Itoa(pid)+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	if f.buf == nil {
		f.buf = make([]byte, 4<<10)
	}
	n := 0
	for n < maxFile {
		if n == len(f.buf) {
			f.buf = append(f.buf, make([]byte, len(f.buf))...)
		}
		got, err := unix.Read(fd, f.buf[n:])
		switch {
		case err == unix.EINTR:
		case err != nil:
			return nil, err
		case got == 0:
			return f.buf[:n], nil
		default:
			n += got
		}
	}
	return f.buf[:n], nil
}

// numbers calls f with the numbers among the names of a directory.
func numbers(dir string, f func(n int)) error {
	fd, err := unix.Open(dir, unix.O_RDONLY|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	buf := make([]byte, 8<<10)
	var names []string
	for {
		n, err := unix.Getdents(fd, buf)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return err
		case n == 0:
			return nil
		}
		_, _, names = unix.ParseDirent(buf[:n], -1, names[:0])
		for _, name := range names {
			if n, err := strconv.Atoi(name); err == nil {
				f(n)
			}
		}
	}
}

// stat is what /proc/PID/stat says of a process, see proc_pid_stat(5).
type stat struct {
	command         string
	state           byte
	parent, threads int
	// start is when the process began, in clock ticks since the machine did. A pid that is used
	// again has another.
	start uint64
	// stack is where the kernel put the stack at the last exec, 0 if that may not be read. A
	// fork has that of its parent.
	stack uint64
}

// ended reports whether nothing is left of the process but its exit status.
func (s *stat) ended() bool { return isEnded(s.state) }

func isEnded(state byte) bool { return state == 'Z' || state == 'X' }

func (f *procFiles) stat(pid int) (s stat, ok bool) {
	text, err := f.read(pid, "/stat")
	if err != nil {
		return s, false
	}
	return parseStat(text)
}

// parseStat reads a stat file. The second field, the command, may contain anything, but ends
// with the last parenthesis.
func parseStat(text []byte) (s stat, ok bool) {
	open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
	if open < 0 || end < open {
		return s, false
	}
	s.command = string(text[open+1 : end])
	field := 3
	for word := range bytes.FieldsSeq(text[end+1:]) {
		n, _ := strconv.ParseUint(string(word), 10, 64) // the fields in question have no sign
		switch field {
		case 3:
			s.state = word[0]
		case 4:
			s.parent = int(n)
		case 20:
			s.threads = int(n)
		case 22:
			s.start = n
		case 28:
			s.stack = n
			return s, true
		}
		field++
	}
	return s, false
}

// private returns how many bytes of anonymous memory a process has in memory: all that is
// resident, without files and shared memory. A page that is shared with the parent since a fork
// counts for both from the start, so that a write that makes a copy of it adds nothing. What is
// swapped out does not count. ok is false for a process that is ending and has no memory any
// more.
//
// From Linux 6.2 to 6.16 the figure may be behind by some 32 pages for each processor (more on
// machines with more than 16 processors), before 6.2 by 64 pages for each thread: the kernel
// adds up its counters from time to time.
func (f *procFiles) private(pid int) (resident uint64, ok bool) {
	text, err := f.read(pid, "/statm")
	if err != nil {
		return 0, false
	}
	return parseStatm(text)
}

func parseStatm(text []byte) (resident uint64, ok bool) {
	words := bytes.Fields(text)
	if len(words) < 3 {
		return 0, false
	}
	var pages [3]uint64
	for i := range pages {
		if pages[i], _ = strconv.ParseUint(string(words[i]), 10, 64); i == 0 && pages[0] == 0 {
			return 0, false
		}
	}
	return (pages[1] - min(pages[1], pages[2])) * uint64(os.Getpagesize()), true
}

// status returns the letter of a process's state and the number of its threads.
func (f *procFiles) status(pid int) (state byte, threads int, ok bool) {
	text, err := f.read(pid, "/status")
	if err != nil {
		return 0, 0, false
	}
	s := procstatus.Status(text)
	if word := s.Word("State"); word != "" {
		state = word[0]
	}
	return state, s.Number("Threads"), state != 0
}
