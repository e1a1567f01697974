package main

import (
	"errors"
	"sync"

	"memtrace/tracer/process/target"
)

// fewMessages writes the first messages of a kind, of which there may be thousands.
type fewMessages struct {
	mu sync.Mutex
	n  int
}

// mostNamed is how many processes are named in messages of one kind.
const mostNamed = 5

// message writes a message about a process, or says that more such processes are not named.
func (f *fewMessages) message(log logger, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch f.n++; {
	case f.n <= mostNamed:
		log.message(format, args...)
	case f.n == mostNamed+1:
		log.message("there are more such processes, which are not named")
	}
}

// refused says that a process came later and cannot be traced, unless err is nil or the process
// has ended.
func (s *session) refused(err error, what string) {
	if err != nil && !errors.Is(err, target.ErrNoProcess) {
		s.unnamed.message(s.log, "%v; %s", err, what)
	}
}
