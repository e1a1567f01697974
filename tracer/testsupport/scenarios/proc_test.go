//go:build scenarios

package scenarios

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// children returns the children of a process.
func children(pid int) []int {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	var pids []int
	for _, path := range lists {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		for _, word := range strings.Fields(string(text)) {
			if child, err := strconv.Atoi(word); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}

// descendants returns the children of a process, theirs and so on.
func descendants(pid int) []int {
	pids := children(pid)
	for i := 0; i < len(pids); i++ {
		pids = append(pids, children(pids[i])...)
	}
	return pids
}

// commandLine returns the words of a process's command line, or nothing if it has ended.
func commandLine(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
	return string(bytes.TrimSpace(bytes.ReplaceAll(text, []byte{0}, []byte{' '})))
}

// statusField returns a field of a process's status, or nothing.
func statusField(pid int, field string) string {
	return fieldOf(fmt.Sprintf("/proc/%d/status", pid), field)
}

// anonymous returns how many bytes of a process's memory are not those of a file.
func anonymous(pid int) (float64, error) {
	words := strings.Fields(fieldOf(fmt.Sprintf("/proc/%d/smaps_rollup", pid), "Anonymous"))
	if len(words) == 0 {
		return 0, os.ErrNotExist
	}
	kib, err := strconv.ParseFloat(words[0], 64)
	return kib * 1024, err
}

func fieldOf(path, field string) string {
	text, _ := os.ReadFile(path)
	for line := range strings.Lines(string(text)) {
		if value, ok := strings.CutPrefix(line, field+":"); ok {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
