package main

import (
	"fmt"
	"strings"
	"time"

	"memtrace/tracer/process/kin"
	"memtrace/tracer/region"
	"memtrace/tracer/report"
)

// kinInterval is how often memtrace regions looks at child processes. Those that live for
// seconds show only by that how they grow.
const kinInterval = 250 * time.Millisecond

// around is what is known of a process beside its own memory: which child processes grow, and
// whether it was stopped. Either is a clause, empty if there is nothing to say.
type around struct {
	children, held string
	// isHeld: the process was stopped most of the time, or is now.
	isHeld bool
	// saidChildren and saidHeld: the answer has the clause.
	saidChildren, saidHeld bool
	pid                    int
}

func aroundOf(s *kin.Snapshot, pid int) *around {
	a := &around{pid: pid}
	if n, rate := s.Growing(); n > 0 {
		verb := "grow"
		if n == 1 {
			verb = "grows"
		}
		a.children = fmt.Sprintf("%s of %s %s, by %s in all: %s", report.Count(uint64(n)),
			plural(s.Living, "child process", "child processes"), verb, report.Rate(rate), growingChildren(s))
	}
	if held := s.Stopped + s.Traced; held > 0 {
		a.held = fmt.Sprintf("was stopped at %d of %s: nothing happens in it then", held, plural(s.Polls, "look", "looks"))
		a.isHeld = s.Held() || 2*held > s.Polls
	}
	return a
}

// answer says whether the process grows. If it does not, that its children do or that it was
// stopped is the answer.
func (a *around) answer(s *region.Snapshot, t *report.Target) string {
	predicate := s.Answer()
	switch {
	case s.Grows():
	case a.isHeld && !t.Exited:
		predicate, a.saidHeld = a.held, true
	case a.children != "" && s.TooShort():
		predicate, a.saidChildren = predicate+"; "+a.children, true
	case a.children != "":
		predicate, a.saidChildren = "does not grow; "+a.children, true
	}
	return fmt.Sprintf("%s (pid %d) %s", t.Command, t.PID, predicate)
}

// notes returns what the answer does not say.
func (a *around) notes() (notes []string) {
	switch {
	case a.children != "" && a.saidChildren:
		notes = append(notes, "Look at one of the children with -p.")
	case a.children != "":
		notes = append(notes, a.children+"; look at one of them with -p")
	}
	switch {
	case a.held != "" && a.saidHeld:
		notes = append(notes, fmt.Sprintf("Continue the process (kill -CONT %d, or in its debugger), and look again.", a.pid))
	case a.held != "":
		notes = append(notes, "the process "+a.held)
	}
	return notes
}

// growingChildren names the children that grow, those that grew most first.
func growingChildren(s *kin.Snapshot) string {
	const most = 3
	var names []string
	n := 0
	for i := range s.Children {
		c := &s.Children[i]
		if c.Exited || !c.Grows() {
			continue
		}
		if n++; n <= most {
			names = append(names, fmt.Sprintf("%s (pid %d)", c.Command, c.PID))
		}
	}
	if n > most {
		names = append(names, fmt.Sprintf("and %d more", n-most))
	}
	return strings.Join(names, ", ")
}

func plural(n int, one, many string) string {
	if n != 1 {
		one = many
	}
	return report.Count(uint64(n)) + " " + one
}
