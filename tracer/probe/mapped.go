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
	sent := t.processes[pid].list
	if len(sent) == 0 {
		return nil
	}
	for _, m := range sent[1:] { // the first one is how many there are
		list = append(list, Mapped{m.Start, m.End, m.Bias, t.sentTables[m.Table]})
	}
	return list
}

// Rule returns the rule of an address in a mapping, the zero Rule if it has none.
func (t *Tables) Rule(m *Mapped, pc uint64) unwind.Rule {
	rules := t.rules.Rules()
	return rules[m.table.Lookup(pc-m.bias+m.table.Base, rules)]
}
