package symbolize

import (
	"bufio"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// procStatus is what is used of /proc/PID/status.
type procStatus struct {
	// nsPID is the process's number in its own PID namespace, in decimal.
	nsPID string
	// uid is the effective user, as seen from here.
	uid string
}

// read replaces s, or leaves it where the process has ended.
func (s *procStatus) read(proc *os.File) {
	fd, err := unix.Openat(int(proc.Fd()), "status", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return
	}
	f := os.NewFile(uintptr(fd), "status")
	defer f.Close()
	s.parse(f)
}

func (s *procStatus) parse(r io.Reader) {
	const maxStatus = 64 << 10
	for in := bufio.NewScanner(io.LimitReader(r, maxStatus)); in.Scan(); {
		fields := strings.Fields(in.Text())
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "NSpid:":
			s.nsPID = fields[len(fields)-1]
		case "Uid:": // real, effective, saved, file system
			s.uid = fields[min(2, len(fields)-1)]
		}
	}
}
