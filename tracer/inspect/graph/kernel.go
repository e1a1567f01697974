package graph

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

const (
	// maxDescriptors bounds the descriptors that are looked at, and maxKernelWords the words that
	// are taken from each.
	maxDescriptors = 1 << 20
	maxKernelWords = 1 << 20
)

// kernel adds what the kernel keeps for the process and gives back to it: the data of descriptors
// that an epoll descriptor watches (epoll_ctl(2), shown as "data" in fdinfo, proc(5)), and the
// values that come with the signals of timers (/proc/PID/timers).
func (p *process) kernel() {
	dir := fmt.Sprintf("/proc/%d/fd", p.pid)
	file, err := os.Open(dir)
	if err != nil {
		p.g.skip(0, 0, "descriptors could not be looked at")
		return
	}
	defer file.Close()
	names, _ := file.Readdirnames(maxDescriptors) // as far as they can be read
	for _, name := range names {
		if link, err := os.Readlink(dir + "/" + name); err != nil || link != "anon_inode:[eventpoll]" {
			continue
		}
		p.kernelWords(fmt.Sprintf("/proc/%d/fdinfo/%s", p.pid, name), "epoll of descriptor "+name, epollData)
	}
	p.kernelWords(fmt.Sprintf("/proc/%d/timers", p.pid), "timers", timerValue)
}

// kernelWords adds the words that a function finds in the lines of a file.
func (p *process) kernelWords(path, name string, find func(line string) (uint64, bool)) {
	file, err := os.Open(path)
	if err != nil {
		return // closed, or a kernel without it
	}
	defer file.Close()
	if words := wordsOf(file, find); len(words) > 0 {
		p.list = append(p.list, area{
			class: Epoll, words: words, name: named(Root{Class: Epoll, Name: name}, 0, uint64(len(words))),
		})
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
