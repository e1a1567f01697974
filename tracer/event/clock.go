package event

import "golang.org/x/sys/unix"

// Now is the time by the clock of events (ns of CLOCK_MONOTONIC).
func Now() uint64 {
	var ts unix.Timespec
	// This cannot fail: the clock always exists.
	_ = unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts)
	return uint64(ts.Nano())
}
