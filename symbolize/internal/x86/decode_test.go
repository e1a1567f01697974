package x86

import (
	"bufio"
	"debug/elf"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// listed is an instruction as objdump prints it.
type listed struct {
	pc   uint64
	text string
}

// disassembly returns what objdump finds in the text of a file, in order.
func disassembly(t *testing.T, path string) (list []listed) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "objdump", "-d", "-w", "-j", ".text", "--no-show-raw-insn", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for lines := bufio.NewScanner(out); lines.Scan(); {
		address, text, ok := strings.Cut(strings.TrimSpace(lines.Text()), ":\t")
		if pc, err := strconv.ParseUint(address, 16, 64); ok && err == nil {
			list = append(list, listed{pc, strings.TrimSpace(text)})
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return list
}

// TestLengths compares the lengths of all instructions of some files, and the kinds of those
// that matter, with objdump's. Among them is hand-written code with AVX-512.
func TestLengths(t *testing.T) {
	for _, path := range []string{
		"/lib/x86_64-linux-gnu/libc.so.6", "/lib/x86_64-linux-gnu/libm.so.6", "/usr/lib/x86_64-linux-musl/libc.so",
		"/usr/bin/python3",
	} {
		t.Run(path, func(t *testing.T) {
			f, err := elf.Open(path)
			if err != nil {
				testprog.Missing(t, path)
			}
			defer f.Close()
			text := f.Section(".text")
			code, err := text.Data()
			if err != nil {
				t.Fatal(err)
			}
			list := disassembly(t, path)
			wrong := 0
			for i, l := range list[:len(list)-1] {
				length := int(list[i+1].pc - l.pc)
				inst, ok := Decode(code[l.pc-text.Addr:], l.pc)
				if strings.Contains(l.text, "(bad)") || code[l.pc-text.Addr] == 0x9b { // wait is one of its own
					continue
				}
				if !ok || inst.Len != length || !kindFits(&inst, l.text) {
					if wrong++; wrong < 20 {
						t.Errorf("%x: % x %q: %+v, want %d bytes", l.pc, code[l.pc-text.Addr:][:length], l.text, inst, length)
					}
				}
			}
			t.Logf("%d instructions, %d wrong", len(list), wrong)
		})
	}
}

// kindFits compares the kind of an instruction with its mnemonic.
func kindFits(inst *Inst, text string) bool {
	fields := strings.Fields(text)
	for len(fields) > 1 && (fields[0] == "notrack" || fields[0] == "bnd" || fields[0] == "repz" || fields[0] == "cs" || fields[0] == "data16" || fields[0] == "lock" || strings.HasPrefix(fields[0], "rex")) {
		fields = fields[1:]
	}
	name := fields[0]
	target, direct := uint64(0), false
	if len(fields) > 1 {
		to, err := strconv.ParseUint(fields[1], 16, 64)
		target, direct = to, err == nil
	}
	switch {
	case name == "ret":
		return inst.Op == Ret
	case name == "call" && !direct:
		return inst.Op == CallIndirect
	case name == "call":
		return inst.Op == Call && inst.Target == target || inst.Op == Push && inst.Reg == None
	case name == "jmp" && !direct:
		return inst.Op == JumpIndirect
	case name == "jmp":
		return inst.Op == Jump && inst.Target == target
	case name[0] == 'j':
		return inst.Op == Branch && inst.Target == target
	case strings.HasPrefix(name, "push"):
		return inst.Op == Push
	case strings.HasPrefix(name, "pop") && !strings.HasPrefix(name, "popcnt"):
		return inst.Op == Pop
	case name == "leave":
		return inst.Op == Leave
	}
	switch inst.Op {
	case Call, CallIndirect, Jump, Ret, Push, Pop, Leave, JumpIndirect:
		return false
	}
	return wroteFits(inst, name, fields)
}

// names are the registers, with 64 bits.
var names = []string{
	"rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
}

// wroteFits checks that an instruction that names rsp or rbp last, where AT&T syntax has what is
// written, is known to write it or known not to.
func wroteFits(inst *Inst, name string, fields []string) bool {
	if len(fields) < 2 {
		return true
	}
	operands := fields[1]
	last := operands[strings.LastIndexByte(operands, ',')+1:]
	if !strings.Contains(operands, ",") || strings.Contains(last, ")") {
		return true
	}
	reads := strings.HasPrefix(name, "cmp") && !strings.HasPrefix(name, "cmpxchg") || strings.HasPrefix(name, "test") ||
		name == "bt" || strings.HasPrefix(name, "v") || strings.HasPrefix(name, "k") || strings.HasPrefix(name, "cvt")
	for reg, full := range names {
		if last != "%"+full || reads {
			continue
		}
		writes := inst.Writes>>reg&1 == 1
		switch inst.Op {
		case Add, And, Lea, LeaCode, Move, Load:
			writes = int(inst.Reg) == reg
		}
		if !writes {
			return false
		}
	}
	return true
}
