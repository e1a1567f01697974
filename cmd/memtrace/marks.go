package main

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"memtrace/tracer/diagnose"
	"memtrace/tracer/event"
	"memtrace/tracer/record"
	"memtrace/tracer/report"
)

// marks are the moments that were marked, the last record.MostMarks of them: every report has them.
// Each begins a generation: reports say what was allocated since the last one and is still there.
type marks struct {
	// making is held while a mark is made, so that they come one after the other.
	making  sync.Mutex
	mu      sync.Mutex
	all     []diagnose.Mark
	dropped int
}

// list returns the marks so far.
func (m *marks) list() []diagnose.Mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.all[:len(m.all):len(m.all)]
}

// add makes a mark of this moment. Its name is its number.
func (m *marks) add() (name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	name = strconv.Itoa(m.dropped + len(m.all) + 1)
	if len(m.all) >= record.MostMarks {
		m.all = m.all[1:] // append leaves what is before it when it copies
		m.dropped++
	}
	m.all = append(m.all, diagnose.Mark{Time: event.Now(), Name: name})
	return name
}

// note says how many marks are not in the list, "" if all are.
func (m *marks) note() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.dropped == 0 {
		return ""
	}
	return fmt.Sprintf("Of %s marks the last %s are listed.", report.Count(uint64(m.dropped+len(m.all))), report.Count(uint64(len(m.all))))
}

// markInterval is how often a mark is made.
type markInterval time.Duration

func (d *markInterval) String() string { return (*durationValue)(d).String() }
func (d *markInterval) Type() string   { return "DUR" }

func (d *markInterval) Set(s string) error {
	var v durationValue
	if err := v.Set(s); err != nil {
		return err
	}
	if v != 0 && time.Duration(v) < time.Second {
		return errors.New("give 1s or more")
	}
	*d = markInterval(v)
	return nil
}

// mark makes a mark of this moment, in the record too if there is one.
func (s *session) mark() {
	s.marks.making.Lock()
	defer s.marks.making.Unlock()
	at := time.Now()
	name := s.marks.add()
	if s.recorder != nil {
		s.recorder.mark(at, name)
	}
	s.log.message("mark %s", name)
}
