package symbolize

import (
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// BenchmarkNode opens a process that runs a program of 100 MB, and names 200 addresses spread
// over its code.
func BenchmarkNode(b *testing.B) {
	testprog.NeedTool(b, "node")
	child := start(b, "node", "-e", `console.log("ready"); process.stdin.on("data", () => {})`)
	child.line()
	for b.Loop() {
		p, err := NewProcess(child.pid, Options{})
		if err != nil {
			b.Fatal(err)
		}
		var program Mapping // the largest
		for _, m := range p.Mappings() {
			if m.End-m.Start > program.End-program.Start {
				program = m
			}
		}
		named := 0
		for i := range uint64(200) {
			frames := p.Resolve(program.Start+(program.End-program.Start)/200*i, true)
			if frames[len(frames)-1].Function != "" {
				named++
			}
		}
		if named < 150 {
			b.Fatalf("only %d addresses have names; problems %q", named, p.Problems())
		}
		if err := p.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
