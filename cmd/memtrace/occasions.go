package main

import (
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
)

// occasions are what a trace reacts to while it goes on: a second that has passed, the time of the
// next report and of the next mark, and the signals for either.
type occasions struct {
	tick, interval, markTick <-chan time.Time
	demand, mark             <-chan os.Signal
}

// occasions come until end is called.
func (s *session) occasions() (on occasions, end func()) {
	var ends []func()
	on.tick = every(time.Second, &ends)
	on.interval, on.markTick = every(s.interval, &ends), every(s.markEvery, &ends)
	on.demand, on.mark = notified(unix.SIGUSR1, &ends), notified(unix.SIGUSR2, &ends)
	return on, func() {
		for _, end := range ends {
			end()
		}
	}
}

// every ticks in an interval, never for 0.
func every(interval time.Duration, ends *[]func()) <-chan time.Time {
	if interval == 0 {
		return nil
	}
	t := time.NewTicker(interval)
	*ends = append(*ends, t.Stop)
	return t.C
}

// notified gets a signal.
func notified(s os.Signal, ends *[]func()) <-chan os.Signal {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, s)
	*ends = append(*ends, func() { signal.Stop(signals) })
	return signals
}
