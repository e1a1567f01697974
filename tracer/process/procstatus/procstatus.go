// Package procstatus reads the status files of /proc, see proc_pid_status(5).
package procstatus

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Status is the text of a status file.
type Status []byte

// Of reads the status of a process, or of a thread by its id. The error is fs.ErrNotExist, or
// ESRCH, if there is none.
func Of(pid int) (Status, error) { return os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)) }

// Words returns the words of a field, none if there is no such field. Name, the first one, cannot be
// asked for: whatever is in it, nothing of it begins a line.
func (s Status) Words(field string) []string {
	_, rest, _ := bytes.Cut(s, []byte("\n"+field+":"))
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	return strings.Fields(string(line))
}

// Word returns the first word of a field, "" if there is none.
func (s Status) Word(field string) string {
	for _, word := range s.Words(field) {
		return word
	}
	return ""
}

// Number returns the first word of a field as a number, 0 if that is none.
func (s Status) Number(field string) int {
	n, err := strconv.Atoi(s.Word(field))
	if err != nil {
		return 0
	}
	return n
}

// Ended reports whether it is the status of a zombie, or of what is just ending.
func (s Status) Ended() bool {
	state := s.Word("State")
	return state == "Z" || state == "X"
}
