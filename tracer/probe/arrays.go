package probe

import (
	"fmt"

	"github.com/cilium/ebpf"

	"memtrace/bpf"
	"memtrace/symbolize/unwind"
)

const (
	blockWords   = len(bpf.MemtraceUnwindBlock{}.Words)
	innerMapFlag = 0x1000 // BPF_F_INNER_MAP
)

// blocksOf lays a table out as bpf/tables.h wants it.
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

// newArray makes and fills an array map for the inside of another map. It follows the template
// except in size, and includes its type information: Linux before about 6.2 takes a map
// without it for a different kind.
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
