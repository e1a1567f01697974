package datasym

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"sort"

	"memtrace/symbolize/elffile"
	"memtrace/symbolize/procmaps"
	"memtrace/tracer/process/target"
)

const (
	// maxMappings bounds the listing: the kernel's default limit is 65,530 mappings.
	maxMappings = 4 << 20
	// maxModules bounds the modules that are looked into. A large browser has 300.
	maxModules = 4096
)

// Table are the mappings and modules of one process. It is not safe for concurrent use.
type Table struct {
	// Maps are the mappings as they were at the last Refresh, by address.
	Maps []procmaps.Mapping
	// Problems are the modules that could not be read, and why.
	Problems []string

	pid       int
	debugDirs []string
	// copied is a text of /proc/PID/maps that is read in place of that, unless it is nil.
	copied  []byte
	modules []*Module // by address
	known   map[key]*Module
	budget  *elffile.Budget
}

// key tells a module from others. A file that is replaced has another inode.
type key struct{ dev, inode, start uint64 }

// Open lists the mappings and modules of a process. It needs the permissions of ptrace. Debug files are
// looked for in these directories, or if there are none where distributions install them.
func Open(pid int, debugDirs ...string) (*Table, error) {
	if len(debugDirs) == 0 {
		debugDirs = []string{elffile.DebugDir}
	}
	t := &Table{pid: pid, debugDirs: debugDirs, known: make(map[key]*Module), budget: elffile.NewBudget()}
	return t, t.Refresh()
}

// Refresh looks again. What is known of modules that are still there is kept.
func (t *Table) Refresh() error {
	maps, err := t.readMaps()
	if err != nil {
		return fmt.Errorf("list the mappings of process %d: %w", t.pid, err)
	}
	t.Maps = maps
	process := target.Target{PID: t.pid}
	list := target.ModulesIn(slices.DeleteFunc(slices.Clone(maps), func(m procmaps.Mapping) bool { return m.Perms&procmaps.Exec == 0 }))
	known := make(map[key]*Module)
	t.modules = t.modules[:0]
	for i := range list {
		m := &list[i]
		k := key{m.File.Dev, m.File.Inode, m.Start}
		if known[k] != nil || len(known) >= maxModules {
			continue
		}
		found := t.known[k]
		if found == nil {
			found = t.open(&process, m)
		}
		known[k] = found
		if found.End > found.Start && !slices.ContainsFunc(t.modules, found.same) {
			t.modules = append(t.modules, found)
		}
	}
	for k, m := range t.known {
		if known[k] == nil {
			t.budget.Release(m.symbols.kept)
			m.load = nil
		}
	}
	t.known = known
	slices.SortFunc(t.modules, func(a, b *Module) int {
		if a.Start < b.Start {
			return -1
		}
		return 1
	})
	return nil
}

// At returns the module that an address belongs to, nil if there is none.
func (t *Table) At(addr uint64) *Module {
	i := sort.Search(len(t.modules), func(i int) bool { return t.modules[i].End > addr })
	if i < len(t.modules) && t.modules[i].Start <= addr {
		return t.modules[i]
	}
	return nil
}

// Modules returns all modules, by address.
func (t *Table) Modules() []*Module { return t.modules }

// Mapping returns the mapping that an address belongs to, nil if there is none.
func (t *Table) Mapping(addr uint64) *procmaps.Mapping {
	i := sort.Search(len(t.Maps), func(i int) bool { return t.Maps[i].End > addr })
	if i < len(t.Maps) && t.Maps[i].Start <= addr {
		return &t.Maps[i]
	}
	return nil
}

// Use has Refresh take the mappings, and so the modules, from a text as that of /proc/PID/maps, or from
// there if it is nil.
func (t *Table) Use(maps []byte) { t.copied = maps }

func (t *Table) readMaps() (maps []procmaps.Mapping, err error) {
	var scanner procmaps.Scanner
	add := func(m *procmaps.Mapping) {
		if len(maps) < maxMappings {
			maps = append(maps, *m)
		}
	}
	if t.copied != nil {
		_, err = scanner.Scan(bytes.NewReader(t.copied), add)
	} else {
		_, err = scanner.ScanProcess(t.pid, add)
	}
	if err == nil && len(maps) == 0 {
		err = os.ErrProcessDone
	}
	slices.SortFunc(maps, func(a, b procmaps.Mapping) int {
		if a.Start < b.Start {
			return -1
		}
		return 1
	})
	return maps, err
}
