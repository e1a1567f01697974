package unwind

import "testing"

func TestCaller(t *testing.T) {
	// A stack at 0x1000, of words that hold their own index, with a ucontext at 0x1000.
	read := func(addr uint64) (uint64, bool) {
		return (addr - 0x1000) / 8, addr >= 0x1000 && addr < 0x2000 && addr%8 == 0
	}
	for _, test := range []struct {
		name string
		rule Rule
		want Registers
		end  End
	}{
		{"rsp", Rule{CFA: CFARSP, CFAOffset: 16}, Registers{1, 0x1010, 0x1100}, More},
		{"saved rbp", Rule{CFA: CFARSP, CFAOffset: 32, RBP: RBPAtCFA, RBPOffset: -16}, Registers{3, 0x1020, 2}, More},
		{"rbp", Rule{CFA: CFARBP, CFAOffset: 16, RBP: RBPAtCFA, RBPOffset: -16}, Registers{0x21, 0x1110, 0x20}, More},
		{"lost rbp", Rule{CFA: CFARSP, CFAOffset: 16, RBP: RBPUndefined}, Registers{1, 0x1010, 0}, More},
		{"signal", Rule{CFA: CFASignal}, Registers{SignalRIP/8 + 1, SignalRSP / 8, SignalRBP / 8}, More},
		{"end", Rule{CFA: CFAEnd}, Registers{0x400001, 0x1000, 0x1100}, Outermost},
		{"return address 0", Rule{CFA: CFARSP, CFAOffset: 8}, Registers{0, 0x1008, 0x1100}, Outermost},
		{"below the stack", Rule{CFA: CFARSP, CFAOffset: -8}, Registers{0x400001, 0x1000, 0x1100}, BadStack},
		{"beyond what is known", Rule{CFA: CFARSP, CFAOffset: 0x2000}, Registers{0x400001, 0x1000, 0x1100}, BadStack},
		{"unknown", Rule{}, Registers{0x400001, 0x1000, 0x1100}, NoRule},
	} {
		regs := Registers{0x400001, 0x1000, 0x1100}
		if end := test.rule.Caller(&regs, read); end != test.end || regs != test.want {
			t.Errorf("%s: %+v, %d, want %+v, %d", test.name, regs, end, test.want, test.end)
		}
	}
}
