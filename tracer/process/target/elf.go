package target

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"runtime"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"

	"memtrace/symbolize/elffile"
	"memtrace/symbolize/patience"
	"memtrace/tracer/process/refusal"
)

// machines are the ELF machine numbers by GOARCH.
var machines = map[string]elf.Machine{
	"amd64": elf.EM_X86_64,
	"arm64": elf.EM_AARCH64,
}

// openRegular opens a file for reading if it is a regular one. The path must lead only through
// links of /proc, which always answer. Messages call the file name.
func openRegular(path, name string) (*patience.File, error) {
	handle, err := unix.Open(path, unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return patience.OpenHandle(handle, name)
}

// sameFile reports whether an open file is the one that is mapped. On btrfs and overlayfs,
// maps and stat can disagree on the device. So a match is proof, but a mismatch may be false;
// the file is then not used.
func sameFile(file *patience.File, m *procfs.ProcMap) bool {
	return file.Inode == m.Inode && file.Dev == m.Dev
}

// openProgram opens the process's program. It returns an error for a program whose registers
// and structures the probes would misread.
func (t *Target) openProgram() error {
	file, err := openRegular(fmt.Sprintf("/proc/%d/exe", t.PID), t.Exe)
	if err != nil {
		if errors.As(err, new(*patience.NoAnswerError)) {
			return fmt.Errorf("process %d (%s): read its program: %w", t.PID, t.Command, err)
		}
		if errors.Is(err, os.ErrPermission) {
			return fmt.Errorf("look at process %d (%s): %w: %s", t.PID, t.Command, ErrNotPermitted, refusal.Remedy(t.PID))
		}
		return fmt.Errorf("process %d (%s) %w", t.PID, t.Command, ErrExiting)
	}
	t.program = &Object{Path: t.Exe, file: file, ID: FileID{file.Dev, file.Inode}}
	f, err := openELF(file)
	switch {
	case errors.Is(err, elffile.ErrForeign):
		return fmt.Errorf("process %d (%s) %w: it is %w", t.PID, t.Command, ErrForeign, err)
	case err != nil:
		// The process runs anyway, and so do its libraries.
		t.Unread = append(t.Unread, fmt.Sprintf("its program %s: %v", t.Exe, err))
		return nil
	}
	if want := machines[runtime.GOARCH]; f.Machine != want {
		return fmt.Errorf("process %d (%s) %w: it is for %v, memtrace traces 64-bit %v here",
			t.PID, t.Command, ErrForeign, f.Machine, want)
	}
	if f.Damaged != nil {
		t.Unread = append(t.Unread, fmt.Sprintf("the sections of its program %s: %v", t.Exe, f.Damaged))
	}
	t.program.findEntry(f)
	return nil
}

// openELF opens an untrusted ELF file.
func openELF(file *patience.File) (*elffile.File, error) {
	return elffile.Open(file, file.Size, elffile.NewFileBudget())
}

// findEntry makes the place where a program begins its only probe.
func (o *Object) findEntry(f *elffile.File) {
	segment := loaded(f).code(f.Entry)
	if segment == nil {
		return
	}
	o.Probes = []Probe{{
		Function: Function{Name: "the entry point"}, Offset: f.Entry - segment.Vaddr + segment.Off,
		code: probedCode(segment, elf.Symbol{Value: f.Entry}, 0),
	}}
}

// isNamed leaves out symbols that never name a function or a variable.
func isNamed(s *elf.Symbol) bool {
	kind := elf.ST_TYPE(s.Info)
	return kind == elf.STT_FUNC || kind == elf.STT_OBJECT || kind == elf.STT_NOTYPE
}

func isFunction(s elf.Symbol) bool { return elf.ST_TYPE(s.Info) == elf.STT_FUNC }

// hasInterpreterOrIsStatic tells a program from a shared library.
func hasInterpreterOrIsStatic(f *elffile.File) bool {
	dynamic := false
	for i := range f.Segments {
		switch f.Segments[i].Type {
		case elf.PT_INTERP:
			return true
		case elf.PT_DYNAMIC:
			dynamic = true
		}
	}
	if f.Type == elf.ET_EXEC || !dynamic {
		return true
	}
	flags, _ := f.Dynamic(elf.DT_FLAGS_1)
	return elf.DynFlag1(flags)&elf.DF_1_PIE != 0
}
