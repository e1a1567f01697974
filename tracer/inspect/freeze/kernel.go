package freeze

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Kernel is what the kernel keeps for a process and gives back to it: the data of descriptors that an
// epoll descriptor watches (epoll_ctl(2), shown as "data" in fdinfo, proc(5)), and the values that
// come with the signals of timers (/proc/PID/timers).
type Kernel struct {
	Kept []Kept
	// Unseen says what else it keeps, or may keep, and does not show.
	Unseen []string
}

// Kept are words that it keeps in one place.
type Kept struct {
	Name  string
	Words []uint64
}

const (
	// maxDescriptors bounds the descriptors that are looked at, and maxKernelWords the words that
	// are taken from each.
	maxDescriptors = 1 << 20
	maxKernelWords = 1 << 20
)

// A request of io_uring or of io_submit(2) has a word that comes back when it is done. Until then only
// the kernel has that.
const (
	UnseenRing = "what requests of io_uring hold only the kernel knows"
	UnseenAIO  = "what requests of libaio hold only the kernel knows"
)

// ReadKernel reads what the kernel keeps for a process. It ends early if on, which is called again and
// again, returns an error, and returns that.
func ReadKernel(pid int, on func() error) (k Kernel, err error) {
	dir, err := os.Open(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		k.Unseen = append(k.Unseen, "descriptors could not be looked at")
		return k, nil
	}
	defer dir.Close()
	names, _ := dir.Readdirnames(maxDescriptors) // as far as they can be read
	var link [64]byte
	for _, name := range names {
		if err := on(); err != nil {
			return k, err
		}
		n, err := unix.Readlinkat(int(dir.Fd()), name, link[:])
		if err != nil {
			continue // closed
		}
		switch string(link[:n]) {
		case "anon_inode:[eventpoll]":
			k.read(fmt.Sprintf("/proc/%d/fdinfo/%s", pid, name), "epoll of descriptor "+name, epollData)
		case "anon_inode:[io_uring]":
			if !slices.Contains(k.Unseen, UnseenRing) {
				k.Unseen = append(k.Unseen, UnseenRing)
			}
		}
	}
	k.read(fmt.Sprintf("/proc/%d/timers", pid), "timers", timerValue)
	return k, on()
}

// read takes the words that a function finds in the lines of a file.
func (k *Kernel) read(path, name string, find func(line string) (uint64, bool)) {
	file, err := os.Open(path)
	if err != nil {
		return // closed, or a kernel without it
	}
	defer file.Close()
	if words := wordsOf(file, find); len(words) > 0 {
		k.Kept = append(k.Kept, Kept{name, words})
	}
}

func wordsOf(r io.Reader, find func(line string) (uint64, bool)) (words []uint64) {
	lines := bufio.NewScanner(r)
	for lines.Scan() && len(words) < maxKernelWords {
		if word, ok := find(lines.Text()); ok {
			words = append(words, word)
		}
	}
	return words
}

// epollData takes "tfd:        5 events:       19 data:     560d23f5a2a0  pos:0 ino:61af sdev:7".
func epollData(line string) (uint64, bool) {
	if !strings.HasPrefix(line, "tfd:") {
		return 0, false
	}
	_, rest, _ := strings.Cut(line, "data:")
	return hexField(strings.TrimLeft(rest, " "), " ")
}

// timerValue takes "signal: 10/000055d1c0a0d2a0".
func timerValue(line string) (uint64, bool) {
	rest, ok := strings.CutPrefix(line, "signal:")
	if !ok {
		return 0, false
	}
	_, rest, _ = strings.Cut(rest, "/")
	return hexField(rest, " ")
}

func hexField(text, end string) (uint64, bool) {
	text, _, _ = strings.Cut(text, end)
	word, err := strconv.ParseUint(text, 16, 64)
	return word, err == nil
}
