package event

import "golang.org/x/sys/unix"

// Now is the time by the clock of events.
func Now() uint64 {
	var ts unix.Timespec
	// The clock always exists; its number is valid.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return uint64(ts.Nano())
}
