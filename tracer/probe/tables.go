package probe

import (
	"debug/elf"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cilium/ebpf"

	"memtrace/bpf"
	"memtrace/symbolize/elffile"
	"memtrace/symbolize/unwind"
	"memtrace/tracer/process/target"
)

// Tables keeps the unwind tables in the kernel (bpf/tables.h) in step with what the processes
// have mapped. A file's table is built once, whoever maps it.
type Tables struct {
	set *Set
	// updating guards what is sent, announcing and version aside.
	updating sync.Mutex
	rules    unwind.Dictionary
	files    map[target.FileID]*fileTable
	// sent is how many rules the kernel has.
	sent int
	// sentTables are the tables in the kernel, by number.
	sentTables []*unwind.Table
	// slot is the last slot given out.
	slot uint32
	// announcing guards version, see Announce.
	announcing sync.Mutex
	version    uint32
	// processes holds the mapping lists and slots in force, by pid.
	processes map[uint32]processMappings
	// vdso is the table of the vDSO, which all processes share.
	vdso *fileTable
}

// processMappings is what the kernel was last told about a process.
type processMappings struct {
	// list begins with an element that is only their number, its Start.
	list []bpf.MemtraceMapping
	slot uint32
}

// fileTable is a table in the kernel. Its headers are nil if the file has no table.
type fileTable struct {
	id      uint32
	base    uint64 // ELF address of page 0
	headers []elf.ProgHeader
}

// NewTables returns empty Tables. The kernel must have Features.UnwindTables.
func NewTables(s *Set) *Tables {
	return &Tables{set: s, files: make(map[target.FileID]*fileTable), processes: make(map[uint32]processMappings)}
}

// Update tells the kernel what a process maps now. Modules whose tables cannot be built are
// left out: walks through them go by frame pointers.
func (t *Tables) Update(p *target.Target, modules []target.Module) error {
	t.updating.Lock()
	defer t.updating.Unlock()
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

// Forget drops what was sent of a process that has ended. The files' tables stay.
func (t *Tables) Forget(pid uint32) {
	t.updating.Lock()
	defer t.updating.Unlock()
	delete(t.processes, pid)
}

func (t *Tables) known(m *target.Module) *fileTable {
	if m.File.Inode == 0 {
		return t.vdso
	}
	return t.files[m.File]
}

// build makes the missing tables, of several files at a time, because parsing takes longest.
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
		// A module that is gone, or a lack of memory, may be different next time. A file
		// without tables stays one.
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

// parse returns nil if the module has no usable call frame information, and an error if the
// module cannot be opened.
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
	number := uint32(len(t.sentTables))
	if number >= t.set.objs.UnwindTables.MaxEntries() {
		return 0, errTooManyTables
	}
	blocks := blocksOf(table)
	inner, err := newArray(t.set.tableSpec, blocks)
	if err != nil {
		return 0, err
	}
	defer inner.Close() // the outer map keeps it
	if err := t.set.objs.UnwindTables.Put(number, inner); err != nil {
		return 0, fmt.Errorf("load an unwind table: %w", err)
	}
	t.sentTables = append(t.sentTables, table)
	return number, nil
}

// sendRules adds the rules that the kernel does not have yet.
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

// sendList replaces a process's mappings. The new slot keeps cached rules of the old mappings
// from being used, so it is set last.
func (t *Tables) sendList(pid uint32, list []bpf.MemtraceMapping) error {
	if slices.Equal(t.processes[pid].list, list) && !t.slotLost(pid) {
		return nil
	}
	inner, err := newArray(t.set.listSpec, list)
	if err != nil {
		return err
	}
	if err := t.putList(pid, inner); err != nil {
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

// putList puts a list of mappings in force, and closes it: the outer map keeps it. The kernel
// makes its caller wait for a grace period of some 10 ms then, but the list is in force at once,
// and a process may be held meanwhile. So the wait goes on beside.
func (t *Tables) putList(pid uint32, inner *ebpf.Map) error {
	info, err := inner.Info()
	if err != nil {
		return errors.Join(err, inner.Close())
	}
	want, known := info.ID()
	put := make(chan error, 1)
	t.set.waiting.Go(func() { put <- errors.Join(t.set.objs.Mappings.Put(pid, inner), inner.Close()) })
	for known {
		select {
		case err := <-put:
			return err
		case <-time.After(50 * time.Microsecond):
		}
		var id uint32
		if err := t.set.objs.Mappings.Lookup(pid, &id); err == nil && ebpf.MapID(id) == want {
			return nil
		}
	}
	return <-put
}

// Announce makes all threads look up their slots again and forget earlier walks: a walk is
// remembered by the version, too.
func (t *Tables) Announce() error {
	t.announcing.Lock()
	defer t.announcing.Unlock()
	t.version++
	if err := t.set.objs.SlotsVersion.Set(t.version); err != nil {
		return fmt.Errorf("announce new mappings: %w", err)
	}
	return nil
}

// slotLost reports whether the kernel has forgotten a process's slot, because the process runs
// a new program (on_exec of bpf/process.h).
func (t *Tables) slotLost(pid uint32) bool {
	var slot uint32
	err := t.set.objs.Targets.Lookup(pid, &slot)
	return err == nil && slot != t.processes[pid].slot
}

// nextSlot chooses a slot that no process has. When numbering wraps, it clears the cache:
// rules cached for earlier holders of a slot could pass for those of new ones.
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
