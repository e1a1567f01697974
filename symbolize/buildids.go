package symbolize

import (
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path"

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
// so the build ID decides.
func (b *Builds) find(of build) (*module, error) {
	if raw, err := hex.DecodeString(of.id); err != nil || len(of.id) < minBuildID || len(raw) > 64 {
		return nil, fmt.Errorf("it has no build ID: %w", ErrNoBuild)
	}
	var names []string
	if path.IsAbs(of.path) {
		names = append(names, of.path)
	}
	for _, dir := range b.p.opt.DebugDirs {
		at := path.Join(dir, ".build-id", of.id[:2], of.id[2:])
		names = append(names, at, at+".debug")
	}
	for _, name := range names {
		if m := b.open(name, of); m != nil {
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

// DebugPlace is where a debug file of a build belongs in a directory, "" if it has no build ID.
func DebugPlace(dir, id string) string {
	if len(id) < minBuildID {
		return ""
	}
	return path.Join(dir, ".build-id", id[:2], id[2:]+".debug")
}

// Bare reports whether the names of code in files are left out (Options.Bare).
func (p *Process) Bare() bool { return p.opt.Bare }

// leavesOut reports whether the names of a module are left out. The vDSO is in no file, so nobody could
// look it up later.
func (p *Process) leavesOut(m *module) bool { return p.opt.Bare && m != p.vdso }
