package unwind

import (
	"bytes"
	"testing"
)

// TestRestoreRT finds glibc's return trampoline for signal handlers by its code
// (sysdeps/unix/sysv/linux/x86_64/libc_sigaction.c) and checks its rule. The trampoline's FDE
// starts one byte early, so that a lookup of the return address minus 1 finds it.
func TestRestoreRT(t *testing.T) {
	path := systemFile(t, libcFiles)
	d := new(Dictionary)
	table, _ := buildFile(t, path, d)
	text := elfSection(t, path, ".text")
	code := readFile(t, path)[text.Offset : text.Offset+text.Size]
	sigreturn := []byte{
		0x48, 0xc7, 0xc0, 15, 0, 0, 0, // mov $__NR_rt_sigreturn,%rax
		0x0f, 0x05, // syscall
	}
	at := bytes.Index(code, sigreturn)
	if at < 0 {
		t.Fatal("__restore_rt not found")
	}
	pc := text.Addr + uint64(at)
	for _, pc := range []uint64{pc - 1, pc, pc + 8} {
		if got := d.Rules()[table.Lookup(pc, d.Rules())]; got != (Rule{CFA: CFASignal}) {
			t.Errorf("%#x: rule %v, want signal", pc, got)
		}
	}
}

// TestSignalRule checks what is recognised as a signal trampoline: the three registers at
// their places in one ucontext.
func TestSignalRule(t *testing.T) {
	at := func(reg, low, high byte) []byte {
		return []byte{cfaExpression, reg, 3, opBreg0 + regRSP, low, high}
	}
	rip, rsp, rbp := at(regRIP, 0xa8, 0x01), at(regRSP, 0xa0, 0x01), at(regRBP, 0xf8, 0x00)
	cfa := []byte{cfaDefCFAExpr, 4, opBreg0 + regRSP, 0xa0, 0x01, opDeref}
	for _, test := range []struct {
		name string
		code [][]byte
		want Rule
	}{
		{"all", [][]byte{cfa, rip, rsp, rbp}, Rule{CFA: CFASignal}},
		{"rsp as the CFA", [][]byte{cfa, rip, rbp}, Rule{CFA: CFASignal}},
		{"rsp not given", [][]byte{rip, rbp}, Rule{}},
		{"rbp not given", [][]byte{cfa, rip, rsp}, Rule{}},
		{"rip elsewhere", [][]byte{cfa, at(regRIP, 0xb0, 0x01), rsp, rbp}, Rule{}},
		{"context higher", [][]byte{at(regRIP, 0xb8, 0x01), at(regRSP, 0xb0, 0x01), at(regRBP, 0x88, 0x01)}, Rule{CFA: CFASignal, CFAOffset: 16}},
	} {
		var s ehFrame
		s.fde(s.cie(cieSpec{}), textAddress, 16, bytes.Join(test.code, nil)...)
		d := new(Dictionary)
		table, _ := s.build(d)
		if got := d.Rules()[table.Lookup(textAddress, d.Rules())]; got != test.want {
			t.Errorf("%s: rule %v, want %v", test.name, got, test.want)
		}
	}
}
