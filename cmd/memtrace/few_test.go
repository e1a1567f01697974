package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"memtrace/tracer/process/target"
)

// Of many processes that cannot be traced the first are named, and it is said that there are more.
func TestRefusedAreFew(t *testing.T) {
	var text bytes.Buffer
	s := newSession(&options{}, &text)
	s.refused(nil, "it is not traced")
	s.refused(target.ErrNoProcess, "it is not traced")
	for range 3 * mostNamed {
		s.refused(errors.New("process 7"), "it is not traced")
	}
	want := strings.Repeat("memtrace: process 7; it is not traced\n", mostNamed) + "memtrace: there are more such processes, which are not named\n"
	if got := text.String(); got != want {
		t.Errorf("%s", got)
	}
}
