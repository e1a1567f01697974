package tracer

import (
	"os/exec"
	"slices"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"

	"memtrace/tracer/process/target"
	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// probeReturns puts another tool's return probes on functions of a file.
func probeReturns(t *testing.T, path string, pid int, functions ...string) {
	t.Helper()
	idle, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.Kprobe, License: "GPL", Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = idle.Close() })
	exe, err := link.OpenExecutable(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range functions {
		probe, err := exe.Uretprobe(name, idle, &link.UprobeOptions{PID: pid})
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		t.Cleanup(func() { _ = probe.Close() })
	}
}

// Stacks are whole where functions on them have return probes, whose trampoline stands in the place
// of the return address. Two callers of such a function are two stacks.
func TestGrowthBesideReturnProbes(t *testing.T) {
	testprog.NeedRoot(t)
	path := testprog.BuildProgram(t, "gcc -O1 -g -fno-builtin -fno-optimize-sibling-calls", `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
__attribute__((noinline)) void *get_memory(size_t n) { return memset(malloc(n), 1, n); }
__attribute__((noinline)) void *grow_first(void) { return get_memory(2 << 20); }
__attribute__((noinline)) void *grow_second(void) { return get_memory(2 << 20); }
int main(void)
{
	char line[16];
	puts("ready 1");
	while (fflush(stdout) == 0 && fgets(line, sizeof line, stdin)) {
		grow_first();
		grow_second();
		puts("ok");
	}
}
`)
	p := testprog.Command(t, exec.Command(path))
	found, err := target.Find(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	probeReturns(t, found.Objects[0].OpenPath(), p.PID(), "malloc")
	probeReturns(t, path, p.PID(), "get_memory", "main")
	const steps = 5
	r := watchGrowth(t, Config{}, p, steps, func(*Tracer) {})
	blocks := map[string]uint64{}
	for _, s := range r.Stacks {
		named := func(name string) bool {
			return slices.ContainsFunc(s.Frames, func(f report.Frame) bool { return f.Function == name })
		}
		for _, caller := range []string{"grow_first", "grow_second"} {
			if named(caller) && named("main") && !s.Truncated {
				blocks[caller] += s.Blocks
			}
		}
	}
	if blocks["grow_first"] != steps || blocks["grow_second"] != steps {
		t.Errorf("whole stacks with %v blocks, want %d each: %+v", blocks, steps, r.Stacks)
	}
}
