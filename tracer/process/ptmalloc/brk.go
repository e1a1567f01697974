package ptmalloc

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"memtrace/symbolize/procmaps"
)

// startBrk is the index of the field start_brk in /proc/PID/stat, counted from the state,
// which is the first field after the name (proc_pid_stat(5): start_brk is the 47th, the state
// the 3rd).
const startBrk = 47 - 3

// ReadBrkRange reads the address range that a process's brk has grown to. It needs permission
// to read the process's memory map.
func ReadBrkRange(pid int) (BrkRange, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return BrkRange{}, fmt.Errorf("read the status of process %d: %w", pid, err)
	}
	// The name may contain anything; the rest contains no parenthesis.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	var r BrkRange
	if len(fields) > startBrk {
		r.Start, err = strconv.ParseUint(fields[startBrk], 10, 64)
	}
	if err != nil || r.Start == 0 {
		return BrkRange{}, fmt.Errorf("process %d: no start of brk in its status", pid)
	}
	r.End = r.Start
	// mprotect and madvise split [heap]; the kernel marks every part.
	_, err = new(procmaps.Scanner).ScanProcess(pid, func(m *procmaps.Mapping) {
		if m.Path == "[heap]" {
			r.End = max(r.End, m.End)
		}
	})
	if err != nil && !errors.Is(err, procmaps.ErrLine) {
		return BrkRange{}, fmt.Errorf("read the mappings of process %d: %w", pid, err)
	}
	return r, nil
}
