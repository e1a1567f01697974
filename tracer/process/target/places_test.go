package target

import (
	"testing"

	"github.com/prometheus/procfs"
)

func TestProbed(t *testing.T) {
	needAMD64(t)
	trampolines := []*procfs.ProcMap{{StartAddr: 0x10000, EndAddr: 0x11000}}
	for _, tc := range []struct {
		name, file, memory string
		addr               uint64
		want               bool
	}{
		{"breakpoint", "55", "cc", 0x4000, true},
		{"the file's code", "55", "55", 0x4000, false},
		{"other code", "55", "e9", 0x4000, false},
		{"nothing", "55", "", 0x4000, false},
		{"call of a trampoline", "0f 1f 44 00 00", "e8 fb bf 00 00", 0x4000, true},
		{"call behind it", "0f 1f 44 00 00", "e8 fb cf 00 00", 0x4000, false},
		{"call backwards", "0f 1f 44 00 00", "e8 fb ff fe ff", 0x20000, true},
		{"call for another instruction", "0f 1f 40 00 90", "e8", 0x4000, false},
		{"breakpoint in a NOP", "0f 1f 44 00 00", "cc 1f 44 00 00", 0x4000, true},
		{"NOP across pages", "0f 1f 44 00 00", "cc", 0x4ffc, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			p := Place{Probe: &Probe{code: string(assemble(t, tc.file))}, Addr: tc.addr, trampolines: trampolines}
			code := assemble(t, tc.memory)
			if tc.memory != "" && p.Width() != len(code) {
				t.Errorf("%d bytes tell, want %d", p.Width(), len(code))
			}
			if got := p.Probed(code); got != tc.want {
				t.Errorf("probed %v, want %v", got, tc.want)
			}
		})
	}
}
