package probe

import (
	"bytes"
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/cilium/ebpf"

	"memtrace/tracer/process/target"
	"memtrace/tracer/testsupport/testprog"
)

// options are those of a usual trace.
var options = Options{StackDepth: 127, MaxSize: math.MaxUint64, RingSize: 1 << 20, Logf: func(string, ...any) {}}

// A program that another can preempt must not have a per-CPU stack (own_stack in bpf/ownstack.h):
// the kernel would crash.
func TestUprobesKeepTheKernelStack(t *testing.T) {
	testprog.NeedRoot(t)
	for _, sessions := range []bool{false, true} {
		o := options
		o.Older.SeparateReturns = !sessions
		k, err := FindFeatures(o)
		if err != nil {
			t.Fatal(err)
		}
		if k.sessions != sessions {
			continue // this kernel has none
		}
		p, err := Load(k, o, new(Attached))
		if err != nil {
			t.Fatal(err)
		}
		checked := 0
		for _, group := range []any{p.objs.allocPrograms, p.objs.separatePrograms, p.objs.sessionProgram} {
			for _, prog := range fieldsOf(reflect.ValueOf(group)) {
				checked += checkStack(t, prog)
			}
		}
		for _, prog := range p.entries.loaded {
			checked += checkStack(t, prog)
		}
		if want := map[bool]int{false: 8, true: 4}[sessions]; checked != want {
			t.Errorf("%d programs checked, want %d (sessions: %v)", checked, want, sessions)
		}
		if err := p.Close(); err != nil {
			t.Error(err)
		}
	}
}

// As many processes as are promised can be traced, and one more is refused with what to do.
func TestTraceManyProcesses(t *testing.T) {
	for _, follow := range []bool{false, true} {
		o := options
		o.Follow = follow
		s := loadSet(t, o)
		const first = 1 << 22 // above all pids
		room := s.objs.Targets.MaxEntries()
		for i := range room {
			if err := s.Trace(first + i); err != nil {
				t.Fatalf("process %d of %d, following %v: %v", i+1, room, follow, err)
			}
		}
		want := fmt.Sprintf("(%d at a time): trace fewer of them", room)
		if err := s.Trace(first + room); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("one more: %v, want an error with %q", err, want)
		}
	}
}

// Where a session sees allocation functions begin, no program is loaded that would not be attached.
func TestSessionsNeedNoEntries(t *testing.T) {
	s := loadSet(t, options)
	if !s.sessions {
		testprog.Missing(t, "this kernel has no uprobe sessions")
	}
	const throws = 1 << 17 // SHAPE_THROWS of the BPF programs
	before := len(s.entries.loaded)
	plain := entryKey{target.Alloc, target.Malloc.Shape}
	throwing := entryKey{target.Alloc, target.Malloc.Shape | throws}
	if err := s.entries.load(map[entryKey][]uint64{plain: nil, throwing: nil}); err != nil {
		t.Fatal(err)
	}
	if s.entries.of(plain) != nil || s.entries.of(throwing) == nil || len(s.entries.loaded) != before+1 {
		t.Errorf("%v are loaded, want %v and not %v", s.entries.loaded, throwing, plain)
	}
}

func fieldsOf(group reflect.Value) (programs []*ebpf.Program) {
	for i := range group.NumField() {
		if prog, _ := group.Field(i).Interface().(*ebpf.Program); prog != nil {
			programs = append(programs, prog)
		}
	}
	return programs
}

// checkStack fails the test if a program runs on a per-CPU stack. It returns how many programs
// it checked.
func checkStack(t *testing.T, prog *ebpf.Program) int {
	t.Helper()
	if prog.Type() != ebpf.Kprobe {
		return 0
	}
	// The compiler for x86-64 finds the stack with add %gs:this_cpu_off, %r9.
	private := []byte{0x65, 0x4c, 0x03, 0x0c, 0x25}
	info, err := prog.Info()
	if err != nil {
		t.Fatal(err)
	}
	code, ok := info.JitedInsns()
	if !ok || len(code) == 0 {
		t.Fatalf("%s: no machine code to look at", info.Name)
	}
	if bytes.Contains(code, private) {
		t.Errorf("%s runs on a stack of its CPU", info.Name)
	}
	return 1
}
