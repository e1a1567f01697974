package live

import (
	"runtime"
	"time"

	tea "charm.land/bubbletea/v2"
	"golang.org/x/sys/unix"
)

const (
	// leastInterval and mostInterval bound the time between looks.
	leastInterval = time.Second
	mostInterval  = time.Minute
	// lookShare is the most of a processor that looks may take, garbage collection aside, which
	// takes about as much again.
	lookShare = 0.01
)

// interval returns how long to wait after a look that took so much processor time.
func interval(cost time.Duration) time.Duration {
	return min(max(time.Duration(float64(cost)/lookShare), leastInterval), mostInterval)
}

// look starts a look, unless one is under way: then another one follows.
func (m *model) look() tea.Cmd {
	m.due++ // what was due before no longer is
	if m.looking {
		m.again = true
		return nil
	}
	m.looking = true
	m.begun++
	number, sort, look := m.begun, m.sort(), m.cfg.Look
	return m.work(func() tea.Msg {
		// A thread of its own has a clock of its own.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		before := ThreadTime()
		reports := look(sort)
		return lookMsg{number: number, reports: reports, cost: ThreadTime() - before}
	})
}

// ThreadTime is the processor time that the calling thread has used.
func ThreadTime() time.Duration { return clock(unix.CLOCK_THREAD_CPUTIME_ID) }

// ownTime is the processor time that memtrace has used.
func ownTime() time.Duration { return clock(unix.CLOCK_PROCESS_CPUTIME_ID) }

// clock is what a clock shows, 0 if it cannot be read.
func clock(id int32) time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(id, &now); err != nil {
		return 0
	}
	return time.Duration(now.Nano())
}

// looked takes up what a look has shown, and has the next one come.
func (m *model) looked(msg lookMsg) tea.Cmd {
	m.looking = false
	if msg.number > m.missed {
		m.take(msg)
	}
	if m.again {
		m.again = false
		return m.look()
	}
	if m.paused {
		return nil
	}
	m.due++
	// The first look reads the files that name frames, and so does a later one now and then.
	m.every = interval(min(msg.cost, m.lastCost))
	m.lastCost = msg.cost
	due := dueMsg(m.due)
	return tea.Tick(m.every, func(time.Time) tea.Msg { return due })
}
