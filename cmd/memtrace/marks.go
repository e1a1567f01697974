package main

import (
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/diagnose"
)

// marks are the moments that were marked. Each begins a generation: reports say what was allocated
// since the last one and is still there.
type marks struct {
	// making is held while a mark is made, so that they come one after the other.
	making sync.Mutex
	mu     sync.Mutex
	all    []diagnose.Mark
}

// list returns the marks so far.
func (m *marks) list() []diagnose.Mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all[:len(m.all):len(m.all)]
}

// add makes a mark of this moment. Without a name it has its number.
func (m *marks) add(name string) (named string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	var now unix.Timespec
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &now) // this clock is always there
	if name == "" {
		name = strconv.Itoa(len(m.all) + 1)
	}
	m.all = append(m.all, diagnose.Mark{Time: uint64(now.Nano()), Name: name})
	return name
}

// mark makes a mark of this moment, in the record too if there is one.
func (s *session) mark(name string) {
	s.marks.making.Lock()
	defer s.marks.making.Unlock()
	at := time.Now()
	name = s.marks.add(name)
	if s.recorder != nil {
		s.recorder.mark(at, name)
	}
	s.log.message("mark %s", name)
}
