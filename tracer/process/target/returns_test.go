package target

import (
	"debug/elf"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// checkReturns holds the probes on returns against binutils: each is on a return instruction.
// Every operator new that throws has one, unless it is a jump to another.
func checkReturns(t *testing.T, path string, probes map[string]Probe) {
	t.Helper()
	wanted := make(map[uint64]string)
	image := imageOf(t, path)
	for name, p := range probes {
		if p.Role == Return {
			wanted[image.address(p.Offset)] = name
		}
	}
	if len(wanted) == 0 {
		return
	}
	for line := range objdump(t, "-d", "-w", path) {
		if m := listing.FindStringSubmatch(line); m != nil && wanted[number(t, m[1])] != "" {
			if !strings.HasPrefix(strings.TrimPrefix(strings.TrimSpace(m[3]), "repz "), "ret") {
				t.Errorf("%s: objdump has %q there", wanted[number(t, m[1])], line)
			}
			delete(wanted, number(t, m[1]))
		}
	}
	for _, name := range slices.Sorted(maps.Values(wanted)) {
		t.Errorf("%s: objdump has no instruction there", name)
	}
}

type segments []elf.ProgHeader

func imageOf(t *testing.T, path string) (s segments) {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD {
			s = append(s, p.ProgHeader)
		}
	}
	return s
}

func (s segments) address(offset uint64) uint64 {
	for _, p := range s {
		if offset >= p.Off && offset-p.Off < p.Filesz {
			return offset - p.Off + p.Vaddr
		}
	}
	return 0
}

// If the paths to a function's returns are known, all its returns are probed. A function that
// has another way out is not probed.
func TestReturns(t *testing.T) {
	needAMD64(t)
	dir := testprog.BuildText(t, map[string]string{"returns.c": returnsSource})
	file, err := openRegular(filepath.Join(dir, "returns"), "returns")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	o, err := readNamed(file, nil)
	if err != nil || o == nil {
		t.Fatalf("read the program: %v, %v", o, err)
	}
	returns := make(map[string]int)
	for _, p := range o.Probes {
		switch {
		case p.Shape.Throws():
			returns[p.Name] += 0
		case p.Role == Return:
			name, _, _ := strings.Cut(strings.TrimPrefix(p.Name, "the return of "), " at ")
			returns[name]++
		}
	}
	// _Znwm returns in two places of its own, and in one of the function that it jumps to. The
	// second operator is a jump to _Znwm, the third jumps through a register.
	if want := map[string]int{"_Znwm": 3}; !maps.Equal(returns, want) {
		t.Errorf("returns %v, want %v", returns, want)
	}
	if want := []string{"_ZnwmSt11align_val_t"}; !slices.Equal(o.Unseen, want) {
		t.Errorf("unseen %v, want %v", o.Unseen, want)
	}
	checkReturns(t, filepath.Join(dir, "returns"), checkProbes(t, filepath.Join(dir, "returns"), o))
}

const returnsSource = `// build: gcc -O1 -nostdlib -static -Wl,--eh-frame-hdr
void *malloc(unsigned long size) { return (void *)size; }
void free(void *block) { }
void _start(void) { for (;;) ; }

asm(".globl _Znwm, _Znam, _ZnwmSt11align_val_t\n"
    ".type _Znwm, @function\n.type _Znam, @function\n.type _ZnwmSt11align_val_t, @function\n"
    ".type slow, @function\n"
    "_Znwm: .cfi_startproc\n"
    "  push %rbx\n"
    "  cmp $16, %rdi\n"
    "  ja 1f\n"
    "  mov %rdi, %rax\n"
    "  pop %rbx\n"
    "  ret\n"
    "1: pop %rbx\n"
    "  cmp $4096, %rdi\n"
    "  ja slow\n"
    "  xor %eax, %eax\n"
    "  repz ret\n"
    ".cfi_endproc\n.size _Znwm, .-_Znwm\n"
    /* Its last call does not return: what follows is not its own. */
    "slow: .cfi_startproc\n"
    "  cmp $8192, %rdi\n"
    "  ja 2f\n"
    "  ret $0\n"
    "2: call _start\n"
    ".cfi_endproc\n.size slow, .-slow\n"
    "other: .cfi_startproc\n"
    "  ret\n"
    ".cfi_endproc\n.size other, .-other\n"
    "_Znam: jmp _Znwm\n.size _Znam, .-_Znam\n"
    "_ZnwmSt11align_val_t: .cfi_startproc\n"
    "  lea _Znwm(%rip), %rax\n"
    "  jmp *%rax\n"
    ".cfi_endproc\n.size _ZnwmSt11align_val_t, .-_ZnwmSt11align_val_t\n");
`
