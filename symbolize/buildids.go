package symbolize

import (
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	"memtrace/symbolize/elffile"
)

// Builds names the code of files by their build IDs, without a process: on another machine perhaps,
// and long after. It looks for a file where the process had it, and in the DebugDirs under .build-id:
// the file itself (ab/cdef) or its debug file (ab/cdef.debug). A file of another build is not used.
// It is not safe for concurrent use.
type Builds struct {
	p       *Process
	modules map[build]*module
	failed  map[build]error
}

// build is a file that a process had mapped.
type build struct{ path, id string }

// NewBuilds returns a Builds that looks in some directories, by default in DefaultDebugDir.
func NewBuilds(debugDirs []string) *Builds {
	if len(debugDirs) == 0 {
		debugDirs = []string{DefaultDebugDir}
	}
	return &Builds{
		p:       &Process{opt: Options{DebugDirs: debugDirs}, budget: elffile.NewBudget()},
		modules: make(map[build]*module), failed: make(map[build]error),
	}
}

// Resolve returns the calls in progress at a return address, as Process.Resolve does: only the fields
// that are about the source are set. offset is Frame.Offset. The error says why the file was not
// found.
func (b *Builds) Resolve(path, id string, offset uint64) ([]Frame, error) {
	m, err := b.module(build{path, id})
	if err != nil {
		return nil, err
	}
	known := m.lookup(b.p, max(offset, 1)-1)
	frames := make([]Frame, len(known))
	for i, k := range known {
		frames[i] = Frame{Function: k.function, File: k.file, Line: k.line, Inline: k.inline}
	}
	return frames, nil
}

// Defines is as Process.Defines.
func (b *Builds) Defines(path, id string, names ...string) string {
	m, err := b.module(build{path, id})
	if err != nil {
		return ""
	}
	m.loadSymbols(b.p)
	return m.symbols.defines(names)
}

// Retry has files looked for again that were not found.
func (b *Builds) Retry() { clear(b.failed) }

// DebugPlace is where a debug file of a build is looked for first.
func (b *Builds) DebugPlace(id string) string { return DebugPlace(b.p.opt.DebugDirs[0], id) }

// Problems lists what could not be used, as Process.Problems does.
func (b *Builds) Problems() []string { return b.p.Problems() }

// Close closes the files.
func (b *Builds) Close() {
	for _, m := range b.modules {
		m.close(b.p)
	}
}

// ErrNoBuild means that no file of a build was found.
var ErrNoBuild = errors.New("no such file was found")

// module returns the file of a build, which is looked for once.
func (b *Builds) module(of build) (*module, error) {
	m, err := b.modules[of], b.failed[of]
	if m != nil || err != nil {
		return m, err
	}
	if m, err = b.find(of); err != nil {
		b.failed[of] = err
		return nil, err
	}
	b.modules[of] = m
	return m, nil
}

// find looks for a file, and for its debug file if there is nothing else. Both may come from anywhere,
// so the build ID decides. A file without a symbol table is taken if no other one has one.
func (b *Builds) find(of build) (stripped *module, err error) {
	if !isBuildID(of.id) {
		return nil, fmt.Errorf("it has no build ID: %w", ErrNoBuild)
	}
	var names []string
	if path.IsAbs(of.path) {
		names = append(names, of.path)
	}
	for _, dir := range b.p.opt.DebugDirs {
		names = append(names, strings.TrimSuffix(DebugPlace(dir, of.id), ".debug"))
	}
	for _, name := range names {
		switch m := b.open(name, of); {
		case m == nil:
		case len(m.elf.SymbolTables(elf.SHT_SYMTAB)) > 0:
			if stripped != nil {
				stripped.close(b.p)
			}
			return m, nil
		case stripped == nil:
			stripped = m
		default:
			m.close(b.p)
		}
	}
	if stripped != nil {
		return stripped, nil // it has its debug file itself
	}
	for _, dir := range b.p.opt.DebugDirs {
		if m := b.open(DebugPlace(dir, of.id), of); m != nil {
			return m, nil
		}
	}
	return nil, ErrNoBuild
}

// open opens a file if it is of the build.
func (b *Builds) open(name string, of build) *module {
	if b.p.open >= maxOpenFiles {
		b.p.problem(name, errors.New("not looked at: too many open files"))
		return nil
	}
	file, err := openHost(name)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			b.p.problem(name, err)
		}
		return nil
	}
	m := &module{entry: mapsEntry{path: of.path}, cache: make(map[uint64][]level)}
	m.parse(b.p, file, file.id.size)
	if m.elf == nil || m.gnuID != of.id {
		file.Close()
		if m.elf != nil {
			b.p.problem(name, fmt.Errorf("it is of another build: its build ID is %q, not %s", m.gnuID, of.id))
		}
		return nil
	}
	m.file, m.id, m.seen = file, file.id, true
	b.p.open++
	return m
}

// DebugPlace is where a debug file of a build belongs in a directory, "" if that is no build ID: records
// may say anything.
func DebugPlace(dir, id string) string {
	if !isBuildID(id) {
		return ""
	}
	return path.Join(dir, ".build-id", id[:2], id[2:]+".debug")
}

func isBuildID(id string) bool {
	_, err := hex.DecodeString(id)
	return err == nil && len(id) >= minBuildID && len(id) <= 2*64
}

// Bare reports whether the names of code in files are left out (Options.Bare).
func (p *Process) Bare() bool { return p.opt.Bare }

// leavesOut reports whether the names of a module are left out. The vDSO is in no file, so nobody could
// look it up later.
func (p *Process) leavesOut(m *module) bool { return p.opt.Bare && m != p.vdso }
