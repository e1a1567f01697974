package main

import (
	"fmt"
	"strings"
	"time"

	"memtrace/tracer/process/kin"
	"memtrace/tracer/report"
)

// kinInterval is how often memtrace regions looks at child processes. Those that live for
// seconds show only by that how they grow.
const kinInterval = 250 * time.Millisecond

// kinNotes says which child processes grow, and whether the process was stopped.
func kinNotes(s *kin.Snapshot) (notes []string) {
	if n, rate := s.Growing(); n > 0 {
		verb := "grow"
		if n == 1 {
			verb = "grows"
		}
		notes = append(notes, fmt.Sprintf("%s of %s %s, by %s in all: %s; look at one of them with -p",
			report.Count(uint64(n)), plural(s.Living, "child process", "child processes"), verb, report.Rate(rate), growingChildren(s)))
	}
	if held := s.Stopped + s.Traced; held > 0 {
		notes = append(notes, fmt.Sprintf("the process was stopped at %d of %s: nothing happens in it then", held, plural(s.Polls, "look", "looks")))
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
