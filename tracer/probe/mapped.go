package probe

import "memtrace/symbolize/unwind"

// Mapped is a mapping that has a table.
type Mapped struct {
	Start, End uint64
	bias       uint64 // address of the table's page 0 in the process
	table      *unwind.Table
}

// Mappings returns what the kernel was last told of a process, in order of address.
func (t *Tables) Mappings(pid uint32) (list []Mapped) {
	t.updating.Lock()
	defer t.updating.Unlock()
	for _, m := range t.processes[pid].list[min(1, len(t.processes[pid].list)):] {
		list = append(list, Mapped{m.Start, m.End, m.Bias, t.sentTables[m.Table]})
	}
	return list
}

// Rule returns the rule of an address in a mapping, the zero Rule if it has none.
func (t *Tables) Rule(m *Mapped, pc uint64) unwind.Rule {
	rules := t.rules.Rules()
	return rules[m.table.Lookup(pc-m.bias+m.table.Base, rules)]
}
