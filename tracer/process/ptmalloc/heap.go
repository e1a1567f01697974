package ptmalloc

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"memtrace/symbolize/elffile"
	"memtrace/tracer/process/procmem"
	"memtrace/tracer/process/target"
)

// Heap is the malloc of a process. It is not safe for concurrent use.
type Heap struct {
	PID int
	// Path is the file that contains malloc, as the process sees it.
	Path   string
	Layout *Layout
	// Instances is how many copies of the file's data the process has: more than one if
	// dlmopen loaded the file again. The Heap is the copy that uses brk.
	Instances int

	bias uint64
	mem  memory
	// use has a copy read.
	use    func(*procmem.Copy)
	close  func() error
	alive  func() error
	freeze func(*Params) error
}

// Open finds glibc's malloc in a process. It needs the permissions of ptrace. If there is no
// malloc that can be read, the error wraps ErrNotGlibc, ErrVersion or ErrNotFound. After an
// execve the Heap is useless.
func Open(t *target.Target) (*Heap, error) {
	modules, err := t.Modules()
	if err != nil {
		return nil, err
	}
	mem, err := procmem.Open(t.PID)
	if err != nil {
		return nil, err
	}
	h := &Heap{PID: t.PID, mem: mem, use: mem.Use, close: mem.Close, alive: mem.Alive}
	h.freeze = func(p *Params) error { return frozenBy(p, t.PID) }
	if err := h.find(t, modules); err != nil {
		return nil, errors.Join(err, mem.Close())
	}
	return h, nil
}

// Use has a copy of the process's memory read in place of that, or that itself if it is nil. Checkers
// of the Heap do so too.
func (h *Heap) Use(c *procmem.Copy) { h.use(c) }

// Close releases what Open acquired.
func (h *Heap) Close() error { return h.close() }

func (h *Heap) find(t *target.Target, modules []target.Module) error {
	var errs []error
	var others []target.Family
	for _, o := range t.Objects {
		if !slices.Contains(o.Families, target.Glibc) {
			others = append(others, o.Family)
			continue
		}
		err := h.look(t, modules, o.ID, o.Path)
		if err == nil {
			return nil
		}
		errs = append(errs, fmt.Errorf("%s of process %d: %w", o.Path, t.PID, err))
	}
	if len(errs) == 0 && len(others) == 0 && h.findUnnamed(t, modules) {
		return nil
	}
	if len(errs) == 0 && len(others) == 0 {
		return fmt.Errorf("process %d: %w: none of its files has one that is known", t.PID, ErrNotGlibc)
	}
	if len(errs) == 0 {
		return fmt.Errorf("process %d: %w: it has %v", t.PID, ErrNotGlibc, others)
	}
	return errors.Join(errs...)
}

// findUnnamed looks for malloc in files whose functions tell nothing: a program without symbols that
// has libc linked in, or a libc that another tool hooks. It reports whether it found it.
func (h *Heap) findUnnamed(t *target.Target, modules []target.Module) bool {
	for i := range modules {
		m := &modules[i]
		name := filepath.Base(m.Path)
		if m.Path != t.Exe && !strings.HasPrefix(name, "libc.so") && !strings.HasPrefix(name, "libc-2.") {
			continue
		}
		if err := h.look(t, modules, m.File, m.Path); err == nil {
			return true
		}
	}
	return false
}

// look finds malloc in a file, and where that is mapped.
func (h *Heap) look(t *target.Target, modules []target.Module, file target.FileID, path string) error {
	var layout *Layout
	var biases []uint64
	for i := range modules {
		m := &modules[i]
		if m.File != file {
			continue
		}
		image, err := t.OpenModule(m)
		if err != nil {
			return err
		}
		if layout == nil {
			layout, err = layoutIn(image)
		}
		var bias uint64
		if err == nil {
			bias, err = biasOf(m, image)
		}
		_ = image.Close() // it was only read
		if err != nil {
			return err
		}
		if !slices.Contains(biases, bias) {
			biases = append(biases, bias)
		}
	}
	if len(biases) == 0 {
		return fmt.Errorf("%w: not mapped any more", ErrNotFound)
	}
	h.Path, h.Layout, h.Instances, h.bias = path, layout, len(biases), biases[0]
	if len(biases) > 1 {
		h.bias = h.ofBrk(biases)
	}
	return nil
}

// ofBrk returns the instance that got its first memory by brk, or else the first instance.
func (h *Heap) ofBrk(biases []uint64) uint64 {
	brk, err := ReadBrkRange(h.PID)
	if err != nil {
		return biases[0]
	}
	for _, b := range biases {
		h.bias = b
		if p, err := h.readParams(); err == nil && brk.Contains(p.SbrkBase) {
			return b
		}
	}
	return biases[0]
}

// biasOf returns what to add to an address in the module's file to get the address in the
// process.
func biasOf(m *target.Module, file *target.Image) (uint64, error) {
	f, err := elffile.Open(file, file.Size, elffile.NewFileBudget())
	if err != nil {
		return 0, fmt.Errorf("parse ELF file: %w", err)
	}
	bias, ok := m.Bias(f.Segments)
	if !ok {
		return 0, fmt.Errorf("%w: the mapping at %#x is of no segment of the file", ErrNotFound, m.Start)
	}
	return bias, nil
}
