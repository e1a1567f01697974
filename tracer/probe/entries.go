package probe

import (
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"

	"memtrace/tracer/process/target"
)

// entries are the programs that go on the entries of functions, one for each role and shape of
// a function that was met: the shape is a constant in them (ENTRY_SHAPE of bpf/shape.h).
type entries struct {
	mu sync.Mutex
	// sessions see those begin that allocate: they need no programs here, unless they throw.
	sessions bool
	// spec describes them, and shared are the maps that they have in common with all others.
	spec   *ebpf.CollectionSpec
	shared map[string]*ebpf.Map
	loaded map[entryKey]*ebpf.Program
	// focus is nil until it is needed, see returns.go.
	focus *ebpf.Program
}

type entryKey struct {
	role  target.Role
	shape target.Shape
}

func (k entryKey) String() string { return fmt.Sprintf("%s %#x", entryPrograms[k.role], k.shape) }

// entryPrograms are the names of the programs in the BPF object.
var entryPrograms = [target.Roles]string{
	target.Alloc:   "enter_alloc",
	target.Realloc: "enter_realloc",
	target.Free:    "enter_free",
}

// newEntries makes the first programs part of what spec loads, which share its maps.
func newEntries(spec *ebpf.CollectionSpec, sessions bool) *entries {
	return &entries{sessions: sessions, spec: spec.Copy(), loaded: make(map[entryKey]*ebpf.Program)}
}

// wants reports whether a program of that kind is attached.
func (e *entries) wants(k entryKey) bool {
	return !e.sessions || k.role != target.Alloc || k.shape.Throws()
}

// usual are the functions of all allocators. Their programs are loaded with all others.
func (e *entries) usual() map[entryKey][]uint64 {
	keys := make(map[entryKey][]uint64)
	for _, f := range target.Usual() {
		keys[entryKey{f.Role, f.Shape}] = nil
	}
	return keys
}

// add adds to spec what is missing of the programs.
func (e *entries) add(spec *ebpf.CollectionSpec, keys map[entryKey][]uint64) error {
	for key := range keys {
		if e.loaded[key] != nil || !e.wants(key) {
			continue
		}
		program := e.spec.Programs[entryPrograms[key.role]].Copy()
		if err := setShape(program.Instructions, key.shape); err != nil {
			return fmt.Errorf("load %v: %w", key, err)
		}
		spec.Programs[key.String()] = program
	}
	return nil
}

// take takes from a collection those of the programs that are in it.
func (e *entries) take(c *ebpf.Collection, keys map[entryKey][]uint64) {
	for key := range keys {
		if p := c.DetachProgram(key.String()); p != nil {
			e.loaded[key] = p
		}
	}
}

// load loads what is missing of the programs. To load several takes hardly longer than one.
func (e *entries) load(keys map[entryKey][]uint64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	spec := e.spec.Copy()
	clear(spec.Programs)
	if err := e.add(spec, keys); err != nil || len(spec.Programs) == 0 {
		return err
	}
	c, err := ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: e.shared})
	if err != nil {
		return err
	}
	defer c.Close()
	e.take(c, keys)
	return nil
}

// setShape puts a shape in the place of ENTRY_SHAPE.
func setShape(program asm.Instructions, shape target.Shape) error {
	const placeholder = 0x73686170
	found := false
	for i := range program {
		if in := &program[i]; in.Constant == placeholder && in.OpCode.Class().IsALU() {
			in.Constant, found = int64(shape), true
		}
	}
	if !found {
		return errors.New("the program has no place for a shape")
	}
	return nil
}

// of returns a program that was loaded. It stays the entries' own.
func (e *entries) of(key entryKey) *ebpf.Program {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.loaded[key]
}

// Close frees the programs. What is attached stays until it is closed.
func (e *entries) Close() error {
	if e == nil {
		return nil
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	var errs []error
	for _, p := range e.loaded {
		errs = append(errs, p.Close())
	}
	errs = append(errs, e.focus.Close())
	for _, m := range e.shared {
		errs = append(errs, m.Close())
	}
	return errors.Join(errs...)
}

// share keeps the maps of a collection, except for the constants, which each one has of its own.
func (e *entries) share(c *ebpf.Collection) (err error) {
	list := maps.Clone(c.Maps)
	delete(list, ".rodata")
	e.shared, err = cloned(list)
	return err
}

// cloned returns maps with descriptors of their own.
func cloned(list map[string]*ebpf.Map) (map[string]*ebpf.Map, error) {
	own := make(map[string]*ebpf.Map, len(list))
	for name, m := range list {
		clone, err := m.Clone()
		if err != nil {
			for m := range maps.Values(own) {
				_ = m.Close() // the first error is returned
			}
			return nil, err
		}
		own[name] = clone
	}
	return own, nil
}
