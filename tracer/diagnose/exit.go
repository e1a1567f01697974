package diagnose

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// describeEnd returns how a process ended: the name of the signal, or the status that it gave
// to exit.
func describeEnd(s unix.WaitStatus) (signal string, status int) {
	if !s.Signaled() {
		return "", s.ExitStatus()
	}
	if name := unix.SignalName(s.Signal()); name != "" {
		return name, 0
	}
	return fmt.Sprintf("signal %d", int(s.Signal())), 0
}

func trapped(s unix.WaitStatus) bool { return s.Signaled() && s.Signal() == unix.SIGTRAP }

// whyTrapped explains the end of a process by SIGTRAP: it met a breakpoint, as probes are, at
// a place where the kernel knows of no probe.
const whyTrapped = "SIGTRAP ends a process that runs into a breakpoint of nobody's. Tracing can be behind it: " +
	"a debugger that leaves writes back what it found, which may have been a probe, " +
	"and code that the program copies while it is probed is copied with the probes."
