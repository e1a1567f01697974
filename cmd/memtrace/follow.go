package main

import "memtrace/tracer/launch"

// prepareFollow arranges for children to be followed, if they are. They are held from now on
// until release is called, when the tracer is there or has failed.
func (s *session) prepareFollow(pids []int) (release func(), err error) {
	if !s.follow {
		return func() {}, nil
	}
	ready := make(chan struct{})
	hooks := launch.Hooks{
		Born: func(pid int) {
			<-ready
			if s.tracer != nil {
				s.refused(s.tracer.Adopt(pid, true), "it is not traced")
			}
		},
		Executed: func(pid int, byThread bool) {
			<-ready
			if s.tracer != nil {
				s.refused(s.tracer.Executed(pid, byThread), "it is not traced")
			}
		},
		Overdue: func(pid int, returned <-chan struct{}) {
			s.overdue.message(s.log, "process %d was held for %v, and runs on before its probes are in place", pid, launch.HoldLimit)
			<-returned
			if s.tracer != nil {
				s.tracer.Overdue(pid)
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
