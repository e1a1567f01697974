package main

import (
	"errors"
	"sync"

	"memtrace/tracer/launch"
	"memtrace/tracer/process/target"
)

// prepareFollow arranges for children to be followed, if they are. They are held from now on
// until release is called, when the tracer is there or has failed.
func (s *session) prepareFollow(pids []int) (release func(), err error) {
	if !s.follow {
		return func() {}, nil
	}
	ready := make(chan struct{})
	refused := 0
	var mu sync.Mutex
	hooks := launch.Hooks{
		Born: func(pid int) {
			<-ready
			if s.tracer == nil {
				return
			}
			err := s.tracer.Adopt(pid, true)
			mu.Lock()
			defer mu.Unlock()
			if err == nil || errors.Is(err, target.ErrNoProcess) || refused == mostRefused {
				return
			}
			refused++
			s.log.message("%v; it is not traced", err)
		},
		Executed: func(pid int, byThread bool) {
			<-ready
			if s.tracer != nil {
				s.tracer.Executed(pid, byThread)
			}
		},
	}
	if s.command != nil {
		s.command.Follow(hooks)
	} else if s.tree, err = launch.Seize(pids, hooks); err != nil {
		return nil, err
	}
	return func() { close(ready) }, nil
}

// unfollow lets the processes go that were followed.
func (s *session) unfollow() {
	s.tree.Close()
	if s.command != nil {
		s.command.Unfollow()
	}
}
