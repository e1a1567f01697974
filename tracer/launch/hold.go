package launch

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"

	"memtrace/symbolize/elffile"
)

// runToLibrary runs a process that its exec has just stopped, until the dynamic loader has
// mapped all libraries and is about to relocate them. That is when it sets up the thread
// pointer (see libraryReady). A static program stays where it is.
func runToLibrary(pid int) error {
	if _, err := waitStop(pid); err != nil {
		return err
	}
	dynamic, err := hasInterpreter(pid)
	if err != nil || !dynamic {
		return err
	}
	// If memtrace dies, the held command must not be left behind.
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_EXITKILL
	if err := unix.PtraceSetOptions(pid, options); err != nil {
		return fmt.Errorf("set ptrace options: %w", err)
	}
	entry := true // the next system call stop is at an entry, not at an exit
	signal := 0
	for {
		if err := unix.PtraceSyscall(pid, signal); err != nil {
			return fmt.Errorf("run to the next system call: %w", err)
		}
		stop, err := waitStop(pid)
		if err != nil {
			return err
		}
		const syscallStop = unix.SIGTRAP | 0x80 // PTRACE_O_TRACESYSGOOD
		if stop != syscallStop {
			signal = int(stop)
			if stop == unix.SIGTRAP {
				signal = 0
			}
			continue
		}
		signal = 0
		if !entry {
			ready, err := libraryReady(pid)
			if err != nil || ready {
				return err
			}
		}
		entry = !entry
	}
}

// waitStop waits for the next stop and returns its signal.
func waitStop(pid int) (unix.Signal, error) {
	for {
		var status unix.WaitStatus
		_, err := unix.Wait4(pid, &status, unix.WALL, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil:
			return 0, fmt.Errorf("wait for a stop: %w", err)
		case status.Stopped():
			return status.StopSignal(), nil
		}
		return 0, ErrEndedEarly
	}
}

// errForeign: the registers at the program's system calls would be misread.
var errForeign = errors.New("is not a 64-bit program")

func hasInterpreter(pid int) (bool, error) {
	file, err := os.Open(fmt.Sprintf("/proc/%d/exe", pid))
	if err != nil {
		return false, fmt.Errorf("read the program: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return false, fmt.Errorf("read the program: %w", err)
	}
	f, err := elffile.Open(file, info.Size(), elffile.NewFileBudget())
	if errors.Is(err, elffile.ErrForeign) {
		return false, errForeign
	}
	if err != nil {
		return false, fmt.Errorf("read the program: %w", err)
	}
	for _, p := range f.Segments {
		if p.Type == elf.PT_INTERP {
			return true, nil
		}
	}
	return false, nil
}
