package tracer

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"memtrace/symbolize/procmaps"
	"memtrace/tracer/probe"
	"memtrace/tracer/region/proc"
	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// watchGrowth watches p for growth while it makes some steps.
func watchGrowth(t *testing.T, cfg Config, p *testprog.Program, steps int, meanwhile func(*Tracer)) *report.Report {
	t.Helper()
	cfg.PIDs, cfg.GrowthOnly = []int{p.PID()}, true
	tr, err := Open(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	}()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	for range steps {
		p.Say("")
		p.Line()
	}
	meanwhile(tr)
	cancel()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	return tr.Snapshot(SnapshotOptions{})[0]
}

// The growth found does not depend on how the kernel shows system calls and stacks.
func TestGrowthOnOlderKernels(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	const steps, segment = 11, 2 << 20
	for name, cfg := range map[string]Config{
		"as this kernel allows": {}, "exit of all calls": {older: probe.Older{ExitTracepoint: true}}, "entry of all calls": {older: probe.Older{EntryTracepoint: true}},
		"frame pointers": {older: probe.Older{FramePointers: true}},
	} {
		for mode, want := range map[string]uint64{"mremap": steps * segment, "malloc": steps * (segment + 4096), "churn": 0} {
			t.Run(name+"/"+mode, func(t *testing.T) {
				r := watchGrowth(t, cfg, testprog.Grow(t, mode), steps, func(*Tracer) {})
				if r.Outstanding.Bytes != want || !r.Complete {
					t.Errorf("grown by %d bytes, want %d; complete %v, events %+v", r.Outstanding.Bytes, want, r.Complete, r.Events)
				}
				if cfg.older.FramePointers && r.Growth.Faults.Sampled {
					t.Error("page faults are sampled without a way to walk their stacks")
				}
			})
		}
	}
}

// code reads the code of a process and its libc from memory.
func code(t *testing.T, pid int) map[string][]byte {
	t.Helper()
	source, err := proc.Open(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer source.Close()
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	if err != nil {
		t.Fatal(err)
	}
	defer memory.Close()
	all := make(map[string][]byte)
	err = source.Maps(func(m *procmaps.Mapping) {
		if m.Perms&procmaps.Exec == 0 || m.Path == "[vsyscall]" {
			return
		}
		b := make([]byte, m.Bytes())
		if _, err := memory.ReadAt(b, int64(m.Start)); err != nil {
			t.Fatal(err)
		}
		all[fmt.Sprintf("%s at %x", m.Path, m.Start)] = b
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// No probe is put into the process, and none stays anywhere.
func TestGrowthTouchesNothing(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Grow(t, "brk")
	before := code(t, p.PID())
	already := ownObjects(t, "prog_id")
	var ids []ebpf.ProgramID
	watchGrowth(t, Config{}, p, 5, func(*Tracer) {
		now := code(t, p.PID())
		if len(now) != len(before) {
			t.Errorf("%d mappings of code, before there were %d", len(now), len(before))
		}
		for name, b := range now {
			if !bytes.Equal(b, before[name]) {
				t.Errorf("%s has changed", name)
			}
		}
		for id := range ownObjects(t, "prog_id") {
			if already[id] {
				continue
			}
			prog, err := ebpf.NewProgramFromID(ebpf.ProgramID(id))
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, ebpf.ProgramID(id))
			// Programs of uprobes have another type.
			if prog.Type() != ebpf.Tracing {
				t.Errorf("%v is loaded", prog)
			}
			_ = prog.Close()
		}
	})
	if len(ids) == 0 {
		t.Fatal("no program was attached")
	}
	for _, id := range ids {
		// The kernel frees a program some time after its last user is gone.
		deadline := time.Now().Add(20 * time.Second)
		for isLoaded(id) {
			if time.Now().After(deadline) {
				t.Fatalf("program %v is still there", id)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

func isLoaded(id ebpf.ProgramID) bool {
	prog, err := ebpf.NewProgramFromID(id)
	if errors.Is(err, os.ErrNotExist) {
		return false
	}
	if err == nil {
		prog.Close()
	}
	return true
}

// A program without a known allocator can be watched, here one without libc.
func TestGrowthWithoutAllocator(t *testing.T) {
	testprog.NeedRoot(t)
	dir := testprog.BuildText(t, map[string]string{"bare.c": `// build: gcc -O1 -g -static -nostdlib -fno-stack-protector
static long call(long n, long a, long b, long c, long d, long e)
{
	register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = 0;
	__asm__ volatile("syscall" : "+a"(n) : "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
	return n;
}
__attribute__((noinline)) void grow_bare(void)
{
	*(volatile char *)call(9, 0, 3 * 4096, 3, 0x22, -1) = 1;
}
__attribute__((force_align_arg_pointer)) void _start(void)
{
	char c;
	call(1, 1, (long)"ready 1\n", 8, 0, 0);
	while (call(0, 0, (long)&c, 1, 0, 0) == 1) {
		grow_bare();
		call(1, 1, (long)"ok\n", 3, 0, 0);
	}
	call(231, 0, 0, 0, 0, 0);
}
`})
	f, err := elf.Open(dir + "/bare")
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if f.Machine != elf.EM_X86_64 {
		testprog.Missing(t, "written for x86-64")
	}
	p := testprog.Command(t, exec.Command(dir+"/bare"))
	r := watchGrowth(t, Config{}, p, 7, func(*Tracer) {})
	if r.Outstanding.Bytes != 7*3*4096 || len(r.Stacks) != 1 || r.Target.Allocator != "" {
		t.Fatalf("%+v", r)
	}
	named := false
	for _, f := range r.Stacks[0].Frames {
		named = named || f.Function == "grow_bare"
	}
	if !named || r.Stacks[0].InAllocator {
		t.Errorf("stack %+v", r.Stacks[0])
	}
}
