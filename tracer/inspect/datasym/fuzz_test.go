package datasym

import (
	"bytes"
	"os"
	"testing"

	"memtrace/symbolize/elffile"
	"memtrace/tracer/testsupport/testprog"
)

// No file makes a module panic or take much memory.
func FuzzModule(f *testing.F) {
	image, err := os.ReadFile(testprog.PathIn(f, "testdata", "variables"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(image, uint64(0x555555554000), uint64(0x4010))
	f.Fuzz(func(t *testing.T, image []byte, bias, at uint64) {
		budget := elffile.NewFileBudget()
		file, err := elffile.Open(bytes.NewReader(image), int64(len(image)), budget)
		if err != nil {
			return
		}
		m := &Module{Bias: bias}
		m.take(file)
		_ = m.symbols.read(file, nil, budget)
		for _, addr := range []uint64{at, bias + at, m.Start, m.End} {
			if v, ok := m.Variable(addr); ok && addr-v.Addr >= v.Size {
				t.Errorf("%#x is not in %+v", addr, v)
			}
			m.Section(addr)
			m.ThreadVariable(addr)
		}
	})
}
