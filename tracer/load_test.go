package tracer

import (
	"bytes"
	"reflect"
	"testing"

	"github.com/cilium/ebpf"

	"memtrace/tracer/testprog"
)

// No program that another can preempt has a stack for each CPU (own_stack in
// bpf/state.h): the kernel would crash.
func TestUprobesKeepTheKernelStack(t *testing.T) {
	testprog.NeedRoot(t)
	k, err := checkKernel()
	if err != nil {
		t.Fatal(err)
	}
	p, err := load(Config{PIDs: []int{1}}.withDefaults(), k)
	if err != nil {
		t.Fatal(err)
	}
	defer p.objs.Close()
	// add %gs:this_cpu_off, %r9 is how the compiler for x86-64 finds the stack.
	private := []byte{0x65, 0x4c, 0x03, 0x0c, 0x25}
	checked := 0
	all := reflect.ValueOf(p.objs.allocPrograms)
	for i := range all.NumField() {
		prog, _ := all.Field(i).Interface().(*ebpf.Program)
		if prog == nil || prog.Type() != ebpf.Kprobe {
			continue
		}
		info, err := prog.Info()
		if err != nil {
			t.Fatal(err)
		}
		code, ok := info.JitedInsns()
		if !ok || len(code) == 0 {
			t.Fatalf("%s: no machine code to look at", info.Name)
		}
		checked++
		if bytes.Contains(code, private) {
			t.Errorf("%s runs on a stack of its CPU", info.Name)
		}
	}
	if checked < 7 {
		t.Errorf("%d programs checked", checked)
	}
}
