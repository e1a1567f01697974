package symbolize

import (
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// procStatus is the part of /proc/PID/status and stat that is used here.
type procStatus struct {
	// nsPID is the process's PID in its own PID namespace, in decimal.
	nsPID string
	// uid is the effective user, as seen from here.
	uid string
	// fsuid is the user as which the process opens files, as seen from here. It is valid if
	// hasFSUID.
	fsuid    uint64
	hasFSUID bool
	// parent is its parent's PID, 0 if that is not known.
	parent int
	// started is when the process was created, or zero if unknown.
	started time.Time
}

// maxStatus is the most that is read of status and of stat, in bytes.
const maxStatus = 64 << 10

// read replaces s, or leaves it unchanged if the process has ended.
func (s *procStatus) read(proc *os.File) {
	if text, err := readSmall(proc, "status"); err == nil {
		s.parse(text)
	}
	if text, err := readSmall(proc, "stat"); err == nil {
		s.parseStart(text)
	}
}

func readSmall(proc *os.File, name string) (string, error) {
	fd, err := unix.Openat(int(proc.Fd()), name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return "", err
	}
	f := os.NewFile(uintptr(fd), name)
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxStatus))
	return string(text), err
}

func (s *procStatus) parse(text string) {
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		if len(fields) < 2 {
			continue
		}
		switch fields[0] {
		case "NSpid:":
			s.nsPID = fields[len(fields)-1]
		case "PPid:":
			s.parent, _ = strconv.Atoi(fields[1]) // 0 if it is no number
		case "Uid:": // real, effective, saved, file system
			s.uid = fields[min(2, len(fields)-1)]
			if id, err := strconv.ParseUint(fields[len(fields)-1], 10, 32); err == nil {
				s.fsuid, s.hasFSUID = id, true
			}
		}
	}
}

// parseStart reads the start time from stat: the 22nd field, in ticks since boot. The second
// field, the command, may contain anything but ends with the last parenthesis.
func (s *procStatus) parseStart(text string) {
	const ticksPerSecond, field = 100, 22 - 3 // USER_HZ is 100 on both machines
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) <= field {
		return
	}
	ticks, err := strconv.ParseUint(fields[field], 10, 63)
	var now unix.Timespec
	if err != nil || unix.ClockGettime(unix.CLOCK_BOOTTIME, &now) != nil {
		return
	}
	age := time.Duration(now.Nano()) - time.Duration(ticks)*(time.Second/ticksPerSecond)
	s.started = time.Now().Add(-age)
}
