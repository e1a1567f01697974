package flow

import (
	"bytes"
	"slices"
	"testing"

	"memtrace/symbolize/internal/x86"
)

// analyse analyses code at address 0x1000, which is where functions say that they are.
func analyse(code []byte, starts ...uint64) []Row {
	in := Input{Parts: []Part{{Start: 0x1000, Code: code}}, Read: func(uint64, int) []byte { return nil }}
	for _, s := range starts {
		in.Functions = append(in.Functions, Function{Start: s})
	}
	return Analyse(&in)
}

// at returns the frame at an address.
func at(rows []Row, pc uint64) (f Frame) {
	for _, r := range rows {
		if r.PC <= pc {
			f = r.Frame
		}
	}
	return f
}

// touchPages returns code that touches two pages of a frame, with a branch back until it has: lea
// -0x2000(%rsp),%r11; sub $0x1000,%rsp; orl $0,(%rsp); cmp %r11,%rsp; branch; nop; ret.
func touchPages(branch ...byte) []byte {
	return slices.Concat([]byte{
		0x4c, 0x8d, 0x9c, 0x24, 0, 0xe0, 0xff, 0xff, 0x48, 0x81, 0xec, 0, 0x10, 0, 0, 0x83, 0x0c, 0x24, 0, 0x4c, 0x39, 0xdc,
	}, branch, []byte{0x90, 0xc3})
}

func TestPaths(t *testing.T) {
	for _, test := range []struct {
		name string
		code []byte
		// pc is where the stack pointer is depth bytes below the frame's address.
		pc    uint64
		depth int32
	}{
		{"push", []byte{0x55, 0x53, 0x90, 0x5b, 0x5d, 0xc3}, 0x1002, 24},
		{"pop", []byte{0x55, 0x53, 0x90, 0x5b, 0x5d, 0xc3}, 0x1005, 8},
		{"sub", []byte{0x48, 0x83, 0xec, 0x18, 0x90, 0xc3}, 0x1004, 32},
		// push %rbx; call a function that never returns; a jump leads behind it, without rbx.
		{"endless", []byte{0x85, 0xff, 0x74, 0x06, 0x53, 0xe8, 0x06, 0, 0, 0, 0x90, 0xc3, 0xcc, 0xcc, 0xcc, 0xcc, 0xf4}, 0x100a, 8},
		// The same with a call of unknown code: the jump is believed.
		{"unknown", []byte{0x85, 0xff, 0x74, 0x06, 0x53, 0xe8, 0, 0, 1, 0, 0x90, 0xc3}, 0x100a, 8},
		// call of what follows; pop %rax
		{"instruction pointer", []byte{0xe8, 0, 0, 0, 0, 0x58, 0x90, 0xc3}, 0x1005, 16},
		{"instruction pointer", []byte{0xe8, 0, 0, 0, 0, 0x58, 0x90, 0xc3}, 0x1006, 8},
		{"touched pages", touchPages(0x75, 0xf0), 0x1018, 0x2008},
		{"touched pages", touchPages(0x0f, 0x85, 0xec, 0xff, 0xff, 0xff), 0x101c, 0x2008},
		// push in a loop
		{"loop", []byte{0x90, 0x53, 0x75, 0xfd, 0x90, 0xc3}, 0x1004, 0},
	} {
		f := at(analyse(test.code, 0x1000), test.pc)
		want := Value{CFA, -test.depth}
		if test.depth == 0 {
			want = Value{}
		}
		if f.SP != want {
			t.Errorf("%s: %+v, want %v", test.name, f, want)
		}
	}
}

func TestSavedBP(t *testing.T) {
	// push %rbp; mov %rsp,%rbp; sub %rax,%rsp; leave; ret
	rows := analyse([]byte{0x55, 0x48, 0x89, 0xe5, 0x48, 0x29, 0xc4, 0xc9, 0xc3}, 0x1000)
	f := at(rows, 0x1007)
	if f.SP.Base != Unknown || f.BP != (Value{CFA, -16}) || f.SavedBP != f.BP || f.BPSame {
		t.Errorf("behind a change by an unknown amount: %+v", f)
	}
	if f = at(rows, 0x1008); f.SP != (Value{CFA, -8}) || !f.BPSame {
		t.Errorf("behind leave: %+v", f)
	}
}

func TestOutermostAndSignals(t *testing.T) {
	// xor %ebp,%ebp; call 0x1010; hlt, and at 0x1011, behind a nop, the return from a handler
	code := append([]byte{0x31, 0xed, 0xe8, 0x09, 0, 0, 0, 0xf4, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0xcc, 0x90}, sigreturn...)
	rows := analyse(code, 0x1000)
	if !at(rows, 0x1006).Outermost {
		t.Error("the first function has a caller")
	}
	if !at(rows, 0x1010).Signal || !at(rows, 0x1011).Signal || at(rows, 0x1011+uint64(len(sigreturn))).Signal {
		t.Errorf("the return from a signal handler: %+v", rows)
	}
}

// Trampolines may follow each other, and other code.
func TestSignalsInOrder(t *testing.T) {
	code := slices.Concat([]byte{0x55, 0xc3, 0x90}, sigreturn, sigreturn, []byte{0x53, 0x90, 0xc3})
	rows := analyse(code, 0x1000, 0x1000+3+18)
	var got []uint64
	for _, r := range rows {
		if r.Signal {
			got = append(got, r.PC)
		}
	}
	if !slices.Equal(got, []uint64{0x1002, 0x100b}) || at(rows, 0x1001).SP.Off != -16 || at(rows, 0x1015).SP.Off != -8 || at(rows, 0x1016).SP.Off != -16 {
		t.Errorf("%+v", rows)
	}
}

// The rows of hostile code are bounded, and so is the work for many trampolines before many rows:
// a move of all that follows for each of these would take hours.
func TestHostileCode(t *testing.T) {
	push := bytes.Repeat([]byte{0x50}, mostRows+1000)
	rows := analyse(slices.Concat(bytes.Repeat(sigreturn, 1<<18), push))
	if len(rows) > mostRows+2<<18 || rows[len(rows)-1].Frame != (Frame{}) {
		t.Errorf("%d rows, the last one %+v", len(rows), rows[len(rows)-1])
	}
}

// FuzzAnalyse feeds arbitrary code. Rows must be in order and inside of it.
func FuzzAnalyse(f *testing.F) {
	f.Add([]byte{0x55, 0x48, 0x89, 0xe5, 0x48, 0x29, 0xc4, 0xe8, 0, 0, 0, 0, 0xc9, 0xc3})
	f.Add([]byte{0x83, 0xff, 0x05, 0x77, 0x10, 0xff, 0x24, 0xfd, 0, 0x10, 0, 0})
	f.Add(slices.Concat(bytes.Repeat(sigreturn, 20), bytes.Repeat([]byte{0x50}, 20)))
	f.Fuzz(func(t *testing.T, code []byte) {
		if len(code) == 0 {
			return
		}
		in := Input{
			Parts: []Part{{Start: 0x1000, Code: code}}, Functions: []Function{{Start: 0x1000}}, Fixed: true,
			Read: func(addr uint64, n int) []byte {
				if addr < 0x1000 || addr-0x1000 >= uint64(len(code)) {
					return nil
				}
				rest := code[addr-0x1000:]
				return rest[:min(n, len(rest))]
			},
		}
		last := uint64(0)
		for _, r := range Analyse(&in) {
			if r.PC <= last || r.PC > 0x1000+uint64(len(code)) {
				t.Fatalf("row at %#x behind %#x", r.PC, last)
			}
			last = r.PC
		}
		for i := range code {
			if inst, ok := x86.Decode(code[i:], 0); ok && (inst.Len < 1 || inst.Len > len(code)-i) {
				t.Fatalf("an instruction of %d bytes", inst.Len)
			}
		}
	})
}
