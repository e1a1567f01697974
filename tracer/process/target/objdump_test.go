package target

import (
	"bufio"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// listing is one line of objdump's.
var listing = regexp.MustCompile(`^ *([0-9a-f]+):\t([0-9a-f ]+?) *\t(\S.*)$`)

var (
	// The address that instructions lead or point to elsewhere.
	leads  = regexp.MustCompile(`(?:^|\s)(?:j[a-z]+|call|loop[a-z]*|xbegin)(?:,p[nt])? +([0-9a-f]+)\b`)
	points = regexp.MustCompile(`# ([0-9a-f]+)\b`)
	// Relocations and symbols.
	relative64 = regexp.MustCompile(`R_X86_64_\S+ +\*ABS\*\+0x([0-9a-f]+)`)

	// What the kernel emulates, as bytes, from arch/x86/kernel/uprobes.c.
	kernelEmulates = regexp.MustCompile(`^(5[0-7]|41 5[0-7]|90|7[0-9a-f] ..|eb ..|e[89]( ..){4}|0f 8[0-9a-f]( ..){4})$`)
	// changesNothing is what may stand between an entry and a probe, by how many arguments of the
	// function matter.
	changesNothing [MaxArguments + 1]*regexp.Regexp
)

// Comparisons may, and instructions that write only a register in which there is no argument.
func init() {
	argument := []string{"rdi|edi", "rsi|esi", "rdx|edx", "rcx|ecx", "r8d?", "r9d?"}
	for n := range changesNothing {
		free := strings.Join(append(argument[max(n, 1):], "rax|eax|r10d?|r11d?"), "|")
		changesNothing[n] = regexp.MustCompile(`^(endbr64|(test|cmp)[bwlq]? .*|` +
			`(mov|mov[sz][bwl]l?|movabs|lea|xor|and|or|add|sub|sh[lr]|sar)[lq]? (.*,)?%(` + free + `))( +#.*)?$`)
	}
}

// review is what is known of the probes of a file.
type review struct {
	watched  []*watched
	problems []string
}

func (r *review) complain(w *watched, format string, args ...any) {
	r.problems = append(r.problems, fmt.Sprintf("%s+%d: ", w.name, w.place-w.entry)+fmt.Sprintf(format, args...))
}

// watched is a function with its probe behind the entry.
type watched struct {
	name         string
	arguments    int
	entry, place uint64
	next         uint64 // the instruction that must come next
	done         bool
}

// checkReached reads a whole file with objdump and returns what is wrong. Each probe must be
// on an instruction that the kernel emulates, behind only instructions that change nothing,
// and nothing but the entry may lead there. At the entry, any instruction is right.
func checkReached(t *testing.T, path string, probes map[string]Probe) []string {
	t.Helper()
	var r review
	addresses := entries(t, path)
	for name, p := range probes {
		if p.Inside > 0 {
			entry := addresses[name]
			r.watched = append(r.watched, &watched{name: name, arguments: p.Shape.arguments(), entry: entry, place: entry + p.Inside, next: entry})
		}
	}
	slices.SortFunc(r.watched, func(a, b *watched) int { return strings.Compare(a.name, b.name) })
	for name, address := range addresses {
		r.forbid(address, "the symbol "+name)
	}
	for line := range objdump(t, "-R", path) {
		if m := relative64.FindStringSubmatch(line); m != nil {
			r.forbid(number(t, m[1]), line)
		}
	}
	for line := range objdump(t, "-d", "-w", path) {
		m := listing.FindStringSubmatch(line)
		if m == nil {
			continue
		}
		for _, pattern := range []*regexp.Regexp{leads, points} {
			if to := pattern.FindStringSubmatch(m[3]); to != nil {
				r.forbid(number(t, to[1]), line)
			}
		}
		r.follow(number(t, m[1]), m[2], m[3])
	}
	for _, w := range r.watched {
		if !w.done {
			r.complain(w, "objdump has no instruction there")
		}
	}
	return r.problems
}

// follow takes the instructions in turn.
func (r *review) follow(address uint64, bytes, text string) {
	for _, w := range r.watched {
		if w.done || address < w.entry || address > w.place {
			continue
		}
		switch {
		case address != w.next:
			r.complain(w, "%x %s does not follow at %x", address, text, w.next)
		case address == w.place:
			if w.done = true; !kernelEmulates.MatchString(bytes) {
				r.complain(w, "%s (%s) is not emulated", text, bytes)
			}
		case !changesNothing[w.arguments].MatchString(text):
			r.complain(w, "stands behind %s", text)
		}
		w.next = address + uint64(len(strings.Fields(bytes)))
	}
}

// forbid complains if an address is behind an entry and not behind its probe.
func (r *review) forbid(address uint64, what string) {
	for _, w := range r.watched {
		if address > w.entry && address <= w.place {
			r.complain(w, "%x is reached by %s", address, what)
		}
	}
}

func number(t *testing.T, digits string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(digits, 16, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// objdump yields the lines that objdump writes.
func objdump(t *testing.T, args ...string) func(yield func(string) bool) {
	t.Helper()
	return func(yield func(string) bool) {
		cmd := exec.CommandContext(t.Context(), "objdump", args...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			testprog.Missing(t, err.Error())
		}
		lines := bufio.NewScanner(out)
		for lines.Scan() && yield(lines.Text()) {
		}
		if err := cmd.Wait(); err != nil {
			t.Fatalf("objdump %s: %v", strings.Join(args, " "), err)
		}
	}
}

// TestCheckReached: the check finds what it is for.
func TestCheckReached(t *testing.T) {
	needAMD64(t)
	path := testprog.BuildProgram(t, "gcc -shared -fPIC -nostdlib -O1", `
#define FUNCTION(name, body) __asm__(".text; .globl " #name "; .type " #name ", @function; " #name ": " body "; .size " #name ", .-" #name);
FUNCTION(good, "test %rdi, %rdi; je 9f; nop; 9: ret")
FUNCTION(jumped, "test %rdi, %rdi; 1: je 9f; jmp 1b; 9: ret")
FUNCTION(taken, "test %rdi, %rdi; 1: je 9f; lea 1b(%rip), %rax; 9: ret")
FUNCTION(kept, "test %rdi, %rdi; 1: je 9f; 9: ret; .data; .quad 1b; .text")
FUNCTION(named, "test %rdi, %rdi; .globl inside; inside: je 9f; 9: ret")
FUNCTION(changed, "xor %edi, %edi; push %rbx; ret")
FUNCTION(lowered, "sub $8, %rsp; push %rbx; ret")
FUNCTION(ended, "xor %eax, %eax; ret; push %rbx")
FUNCTION(stepped, "test %rdi, %rdi; mov %rdi, %rax; ret")
FUNCTION(cut, "test %rdi, %rdi; je 9f; 9: ret")
`)
	probes := make(map[string]Probe)
	for name, inside := range map[string]uint64{
		"good": 3, "jumped": 3, "taken": 3, "kept": 3, "named": 3,
		"changed": 2, "lowered": 4, "ended": 3, "stepped": 3, "cut": 2,
	} {
		probes[name] = Probe{Inside: inside}
	}
	problems := checkReached(t, path, probes)
	for name := range probes {
		found := slices.ContainsFunc(problems, func(p string) bool { return strings.HasPrefix(p, name+"+") })
		if found != (name != "good") {
			t.Errorf("%s: problem found: %v, in\n%s", name, found, strings.Join(problems, "\n"))
		}
	}
}
