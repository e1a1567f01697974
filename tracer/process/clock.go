package process

import (
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// processorTime returns the processor time that a process has used so far, on all processors.
func processorTime(pid int) (time.Duration, error) {
	// MAKE_PROCESS_CPUCLOCK of include/linux/posix-timers_types.h.
	const scheduled = 2 // CPUCLOCK_SCHED
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^uint32(pid)<<3|scheduled), &ts); err != nil {
		return 0, fmt.Errorf("read the processor time of process %d: %w", pid, err)
	}
	return time.Duration(ts.Nano()), nil
}

// OwnTime returns memtrace's processor time, without what was set aside.
func OwnTime() time.Duration { return allTime() - setAside() }

// allTime is all of memtrace's processor time.
func allTime() time.Duration {
	var r unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &r); err != nil {
		return 0
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}
