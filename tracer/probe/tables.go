package probe

import (
	"debug/elf"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cilium/ebpf"

	"memtrace/bpf"
	"memtrace/symbolize/elffile"
	"memtrace/symbolize/unwind"
	"memtrace/tracer/target"
)

// Tables keeps the unwind tables in the kernel (bpf/tables.h) equal to what the
// processes have mapped. A file's table is built once, whoever maps it.
type Tables struct {
	set   *Set
	rules unwind.Dictionary
	files map[target.FileID]*fileTable
	// sent is how many rules the kernel has.
	sent int
	// next is the number of the next table, slot the last slot given out.
	next, slot uint32
	// announcing guards version, see Announce.
	announcing sync.Mutex
	version    uint32
	// processes are the lists and slots in force.
	processes map[uint32]processMappings
	// vdso is the table of the vDSO, which all processes share.
	vdso *fileTable
}

// processMappings is what the kernel has been told of a process.
type processMappings struct {
	list []bpf.MemtraceMapping
	slot uint32
}

// fileTable is a table in the kernel. A file without one has a nil headers.
type fileTable struct {
	id      uint32
	base    uint64 // ELF address of page 0
	headers []elf.ProgHeader
}

// NewTables is for a kernel that has Features.UnwindTables.
func NewTables(s *Set) *Tables {
	return &Tables{set: s, files: make(map[target.FileID]*fileTable), processes: make(map[uint32]processMappings)}
}

// Update gives the kernel what a process maps now. Modules whose tables cannot
// be built are left out: walks through them go by frame pointers.
func (t *Tables) Update(p *target.Target, modules []target.Module) error {
	t.build(p, modules)
	if err := t.sendRules(); err != nil {
		return err
	}
	list := []bpf.MemtraceMapping{{}}
	for i := range modules {
		m := &modules[i]
		file := t.known(m)
		if file == nil || file.headers == nil {
			continue
		}
		bias, ok := m.Bias(file.headers)
		if !ok {
			continue
		}
		list = append(list, bpf.MemtraceMapping{Start: m.Start, End: m.End, Bias: bias + file.base, Table: file.id})
	}
	const most = 8191 // rounds of find_mapping in bpf/tables.h
	list = list[:min(len(list), most+1)]
	list[0].Start = uint64(len(list) - 1)
	return t.sendList(uint32(p.PID), list)
}

func (t *Tables) known(m *target.Module) *fileTable {
	if m.File.Inode == 0 {
		return t.vdso
	}
	return t.files[m.File]
}

// build makes the tables that are missing, of several files at a time: parsing
// takes longest.
func (t *Tables) build(p *target.Target, modules []target.Module) {
	type result struct {
		module  *target.Module
		table   *unwind.Table
		headers []elf.ProgHeader
		err     error
	}
	asked := make(map[target.FileID]bool)
	results := make(chan result)
	var wg sync.WaitGroup
	parallel := make(chan struct{}, 4)
	for i := range modules {
		m := &modules[i]
		if t.known(m) != nil || asked[m.File] {
			continue
		}
		asked[m.File] = true
		wg.Go(func() {
			parallel <- struct{}{}
			table, headers, err := t.parse(p, m)
			<-parallel
			results <- result{m, table, headers, err}
		})
	}
	go func() { wg.Wait(); close(results) }()
	for r := range results {
		// A module that has gone, or a lack of memory, may be another matter the
		// next time; a file without tables stays one.
		if r.err != nil {
			continue
		}
		file := new(fileTable)
		if r.table != nil {
			id, err := t.send(r.table)
			if err != nil {
				continue
			}
			*file = fileTable{id: id, base: r.table.Base, headers: r.headers}
		}
		if r.module.File.Inode == 0 {
			t.vdso = file
		} else {
			t.files[r.module.File] = file
		}
	}
}

// parse returns nil where the module has no usable call frame information, an
// error where it cannot be opened.
func (t *Tables) parse(p *target.Target, m *target.Module) (*unwind.Table, []elf.ProgHeader, error) {
	image, err := p.OpenModule(m)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = image.Close() }()
	table, _, err := unwind.Build(image, image.Size, &t.rules)
	if err != nil {
		return nil, nil, nil
	}
	f, err := elffile.Open(image, image.Size, elffile.NewFileBudget())
	if err != nil {
		return nil, nil, nil
	}
	return table, f.Segments, nil
}

var errTooManyTables = errors.New("too many unwind tables")

// send loads a table and returns its number.
func (t *Tables) send(table *unwind.Table) (uint32, error) {
	if t.next >= t.set.objs.UnwindTables.MaxEntries() {
		return 0, errTooManyTables
	}
	blocks := blocksOf(table)
	inner, err := newArray(t.set.tableSpec, blocks)
	if err != nil {
		return 0, err
	}
	defer inner.Close() // the outer map keeps it
	if err := t.set.objs.UnwindTables.Put(t.next, inner); err != nil {
		return 0, fmt.Errorf("load an unwind table: %w", err)
	}
	t.next++
	return t.next - 1, nil
}

const (
	blockWords   = len(bpf.MemtraceUnwindBlock{}.Words)
	innerMapFlag = 0x1000 // BPF_F_INNER_MAP
)

// blocksOf lays a table out as bpf/tables.h says.
func blocksOf(table *unwind.Table) []bpf.MemtraceUnwindBlock {
	header := 1 + len(table.Pages)
	words := header + len(table.Rows)
	blocks := make([]bpf.MemtraceUnwindBlock, (words+blockWords-1)/blockWords)
	put := func(i int, word uint32) { blocks[i/blockWords].Words[i%blockWords] = word }
	put(0, uint32(len(table.Pages)-1))
	for i, first := range table.Pages {
		put(1+i, uint32(header)+first)
	}
	for i, row := range table.Rows {
		put(header+i, row)
	}
	return blocks
}

// newArray makes an array map for the inside of another one, as the template
// says but for its size, and fills it. It has the template's type information
// too: Linux before 6.2 or so takes a map without for another kind.
func newArray[T any](template *ebpf.MapSpec, values []T) (*ebpf.Map, error) {
	spec := template.Copy()
	spec.MaxEntries = uint32(len(values))
	m, err := ebpf.NewMap(spec)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", spec.Name, err)
	}
	if err := putAll(m, 0, values); err != nil {
		m.Close()
		return nil, fmt.Errorf("fill %s: %w", spec.Name, err)
	}
	return m, nil
}

// putAll writes values to the elements from first on.
func putAll[T any](m *ebpf.Map, first int, values []T) error {
	keys := make([]uint32, len(values))
	for i := range keys {
		keys[i] = uint32(first + i)
	}
	_, err := m.BatchUpdate(keys, values, nil)
	return err
}

// sendRules adds the rules that the kernel has not got.
func (t *Tables) sendRules() error {
	rules := t.rules.Rules()
	if len(rules) == t.sent {
		return nil
	}
	var added []bpf.MemtraceUnwindRule
	for _, r := range rules[t.sent:] {
		added = append(added, bpf.MemtraceUnwindRule{Cfa: uint8(r.CFA), Rbp: uint8(r.RBP), RbpOffset: r.RBPOffset, CfaOffset: r.CFAOffset})
	}
	if err := putAll(t.set.objs.UnwindRules, t.sent, added); err != nil {
		return fmt.Errorf("load unwind rules: %w", err)
	}
	t.sent = len(rules)
	return nil
}

// sendList replaces a process's mappings. The new slot keeps cached rules of
// the old ones from being used; it comes last.
func (t *Tables) sendList(pid uint32, list []bpf.MemtraceMapping) error {
	if slices.Equal(t.processes[pid].list, list) && !t.slotLost(pid) {
		return nil
	}
	inner, err := newArray(t.set.listSpec, list)
	if err != nil {
		return err
	}
	defer inner.Close() // the outer map keeps it
	if err := t.set.objs.Mappings.Put(pid, inner); err != nil {
		return fmt.Errorf("load the mappings of process %d: %w", pid, err)
	}
	if err := t.nextSlot(); err != nil {
		return err
	}
	t.processes[pid] = processMappings{list, t.slot}
	// A process that is gone must not become a target again.
	err = t.set.objs.Targets.Update(pid, t.slot, ebpf.UpdateExist)
	if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		return fmt.Errorf("renew the slot of process %d: %w", pid, err)
	}
	return t.Announce()
}

// Announce has all threads look up their slots anew, and forget which walks were made
// before: a walk is remembered by the version, too.
func (t *Tables) Announce() error {
	t.announcing.Lock()
	defer t.announcing.Unlock()
	t.version++
	if err := t.set.objs.SlotsVersion.Set(t.version); err != nil {
		return fmt.Errorf("announce new mappings: %w", err)
	}
	return nil
}

// slotLost reports whether the kernel has forgotten a process's slot: its
// program has changed (on_exec of bpf/process.h).
func (t *Tables) slotLost(pid uint32) bool {
	var slot uint32
	err := t.set.objs.Targets.Lookup(pid, &slot)
	return err == nil && slot != t.processes[pid].slot
}

// nextSlot chooses a slot that no process has. Where they start anew, cached
// rules of the first ones could still be there and pass for new ones.
func (t *Tables) nextSlot() error {
	for {
		if t.slot++; t.slot >= 1<<16 {
			t.slot = 1
			if err := t.clearCache(); err != nil {
				return err
			}
		}
		taken := false
		for _, p := range t.processes {
			taken = taken || p.slot == t.slot
		}
		if !taken {
			return nil
		}
	}
}

func (t *Tables) clearCache() error {
	if err := putAll(t.set.objs.RuleCache, 0, make([]uint64, t.set.objs.RuleCache.MaxEntries())); err != nil {
		return fmt.Errorf("clear the rule cache: %w", err)
	}
	return nil
}
