package probe

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Idle returns a set whose programs do nothing: what its probes cost is the least that any
// uprobes cost at these places. It takes benchmarks to ask for that.
func Idle(k Features) (*Set, error) {
	spec := &ebpf.ProgramSpec{
		Type:         ebpf.Kprobe,
		License:      "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	}
	if k.uprobeMulti {
		spec.AttachType = ebpf.AttachTraceUprobeMulti
	}
	prog, err := ebpf.NewProgram(spec)
	if err != nil {
		return nil, fmt.Errorf("load an idle program: %w", err)
	}
	k.Sessions = false // what others are compared with are the usual probes
	s := &Set{Features: k, attached: new(Attached)}
	for role := range s.enter {
		s.enter[role] = prog
	}
	s.objs.LeaveAlloc = prog
	return s, nil
}
