package target

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"os"

	"github.com/prometheus/procfs"

	"memtrace/symbolize/elffile"
)

// The kernel takes the instruction below a probe from the file. If another tool has replaced
// it in a process's memory, for example to hook malloc, that copy would run in the middle of
// the replacement, and the process would crash.

// probedCode returns the code that a function's file has from the entry to the end of the
// probed instruction.
func probedCode(segment *elffile.Segment, sym elf.Symbol, inside uint64) string {
	code := read(segment, sym.Value, inside+longest)
	if uint64(len(code)) <= inside {
		return ""
	}
	if length, _, err := decode(code[inside:]); err == nil {
		code = code[:inside+length]
	}
	return string(code)
}

// dropPatched leaves out the objects that must not be probed, and returns an error for them.
func (t *Target) dropPatched(objects []*Object, maps []*procfs.ProcMap) (kept []*Object, err error) {
	var errs []error
	for _, o := range objects {
		if err := t.checkPatched(o, maps); err != nil {
			errs = append(errs, err)
			o.file.Close()
			continue
		}
		kept = append(kept, o)
	}
	return kept, errors.Join(errs...)
}

// checkPatched returns an error that wraps ErrPatched if a process's memory has other code
// than the object's file.
func (t *Target) checkPatched(o *Object, maps []*procfs.ProcMap) error {
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", t.PID))
	if err != nil {
		return nil // who may not read it may not probe it either
	}
	defer memory.Close()
	for _, probe := range o.Probes {
		entry := probe.Offset - probe.Inside
		for _, m := range maps {
			start, size := uint64(m.Offset), uint64(m.EndAddr-m.StartAddr)
			if !m.Perms.Execute || o.ID != (FileID{m.Dev, m.Inode}) || entry < start || entry-start >= size {
				continue
			}
			now := make([]byte, len(probe.code))
			if _, err := memory.ReadAt(now, int64(uint64(m.StartAddr)+entry-start)); err != nil {
				continue // unmapped since
			}
			if !sameCode([]byte(probe.code), now) && t.stillMaps(m) {
				return fmt.Errorf("process %d (%s): %s of %s %w", t.PID, t.Command, probe.Name, o.Path, ErrPatched)
			}
		}
	}
	return nil
}

// stillMaps reports whether a mapping that was read earlier is still in place.
func (t *Target) stillMaps(m *procfs.ProcMap) bool {
	maps, err := readMaps(t.PID)
	if err != nil {
		return false
	}
	for _, now := range maps {
		if now.StartAddr == m.StartAddr && now.Dev == m.Dev && now.Inode == m.Inode && now.Offset == m.Offset {
			return true
		}
	}
	return false
}

// sameCode compares code in memory with that of a file, apart from breakpoints: those of
// debuggers and the kernel's own probes. From Linux 6.18 on, a probe is a call where the code
// has a NOP of five bytes.
func sameCode(file, memory []byte) bool {
	const breakpoint, call = 0xcc, 0xe8
	for i := 0; i < len(file); i++ {
		switch {
		case file[i] == memory[i], memory[i] == breakpoint:
		case memory[i] == call && bytes.HasPrefix(file[i:], nop):
			i += len(nop) - 1
		default:
			return false
		}
	}
	return true
}
