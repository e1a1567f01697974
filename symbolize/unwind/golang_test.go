package unwind

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// TestReturnPlace follows the code behind calls as versions of Go have it.
func TestReturnPlace(t *testing.T) {
	on := Rule{CFA: CFARSP, CFAOffset: 16, RBP: RBPAtCFA, RBPOffset: -16}
	for name, test := range map[string]struct{ code, want string }{
		// asmcgocall: mov 8(%rsp),%rdi; mov 8(%rdi),%rsi; sub (%rsp),%rsi; mov %rdi,%fs:-8;
		// mov %rsi,%rsp
		"to a goroutine": {
			"\x48\x8b\x7c\x24\x08\x48\x8b\x77\x08\x48\x2b\x34\x24\x64\x48\x89\x3c\x25\xf8\xff\xff\xff\x48\x89\xf4",
			"cfa=*(*(rsp+8)+8)-*(rsp+0)+16 rbp=*(cfa-16)",
		},
		// mov 40(%rsp),%rsi; mov %rsi,%rsp
		"on one stack": {"\x48\x8b\x74\x24\x28\x48\x89\xf4", "cfa=*(rsp+40)+16 rbp=*(cfa-16)"},
		// systemstack: mov %fs:-8,%rax; mov 48(%rax),%rbx; mov 184(%rbx),%rax; mov 56(%rax),%rsp
		"from the runtime": {
			"\x64\x48\x8b\x04\x25\xf8\xff\xff\xff\x48\x8b\x58\x30\x48\x8b\x83\xb8\x00\x00\x00\x48\x8b\x60\x38",
			"cfa=*(*(*(*(fs-8)+48)+184)+56)+16 rbp=*(cfa-16)",
		},
		// In a library, where fs+offset comes from mov 0x1000(%rip),%rcx; mov %fs:(%rcx),%rax
		"of a library": {
			"\x48\x8b\x0d\x00\x10\x00\x00\x64\x48\x8b\x01\x48\x8b\x58\x30\x48\x8b\x1b\x48\x8b\x63\x38",
			"cfa=*(*(*(*(fs+0)+48)+0)+56)+16 rbp=*(cfa-16)", // the slot comes with the rows,
		},
		"a jump comes first":      {"\xeb\x05\x48\x8b\x74\x24\x28\x48\x89\xf4", ""},
		"an unknown value":        {"\x48\x89\xf4", ""},                                                     // mov %rsi,%rsp
		"a negative offset":       {"\x48\x8b\x7c\x24\xf8\x48\x8b\x77\x08\x48\x2b\x34\x24\x48\x89\xf4", ""}, // of g
		"cut in an instruction":   {"\x48\x8b\x74\x24\x28\x48\x89", ""},
		"an offset out of bounds": {"\x48\x8b\xbc\x24\x00\x10\x00\x00\x48\x8b\x77\x08\x48\x2b\x34\x24\x48\x89\xf4", ""},
	} {
		p, length := returnPlace([]byte(test.code))
		r, ok := p.rule(on)
		got := ""
		if ok {
			got = r.String()
		}
		if got != test.want || ok && length != len(test.code) {
			t.Errorf("%s: %q in %d bytes, want %q in %d", name, got, length, test.want, len(test.code))
		}
	}
}

// TestGoTables looks into the tables of Go programs: without symbols every function has rules, also
// those of C that are linked with them, which have no FDEs in musl.
func TestGoTables(t *testing.T) {
	testprog.NeedTool(t, "go")
	source := filepath.Join(testprog.Sources(), "unwinding", "goframes.go")
	for name, flags := range map[string][]string{
		"cgo":     {"-ldflags=-s -w"},
		"pie":     {"-buildmode=pie", "-ldflags=-s -w"},
		"library": {"-buildmode=c-shared", "-ldflags=-s -w"},
		"musl":    {"-ldflags=-s -w -linkmode=external -extldflags=-static"},
	} {
		t.Run(name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), name)
			build := exec.Command("go", append(append([]string{"build", "-o", out}, flags...), source)...)
			if name == "musl" {
				testprog.NeedTool(t, "musl-gcc")
				build.Env = append(os.Environ(), "CC=musl-gcc")
			}
			if msg, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, msg)
			}
			var d Dictionary
			table, stats := buildFile(t, out, &d)
			checkTable(t, table, &d)
			if stats.CoveredBytes < stats.ExecutableBytes*99/100 {
				t.Errorf("%d of %d bytes have rules", stats.CoveredBytes, stats.ExecutableBytes)
			}
			kinds := make(map[CFAKind]int)
			for _, r := range d.Rules() {
				kinds[r.CFA]++
				if r.CFA == CFAGoSwitch && (r.RBP == RBPUndefined) != (name == "library") {
					t.Errorf("the goroutine is found by %v", r)
				}
			}
			// systemstack, morestack and cgocallback; asmcgocall.
			if name == "library" && kinds[CFAGoSlot] != 3 {
				t.Errorf("%d slots", kinds[CFAGoSlot])
			}
			if kinds[CFAGoSwitch] != 3 || kinds[CFAGoC] != 1 || kinds[CFAEnd] != 1 || kinds[CFASignal] != 1 {
				t.Errorf("kinds of rules: %v", kinds)
			}
		})
	}
}

// FuzzReturnPlace follows arbitrary code.
func FuzzReturnPlace(f *testing.F) {
	f.Add([]byte("\x48\x8b\x7c\x24\x08\x48\x8b\x77\x08\x48\x2b\x34\x24\x48\x89\xf4"))
	f.Add([]byte("\x64\x48\x8b\x04\x25\xf8\xff\xff\xff\x48\x8b\x58\x30\x48\x8b\x60\x38"))
	f.Fuzz(func(t *testing.T, code []byte) {
		p, length := returnPlace(code)
		if length > len(code) {
			t.Errorf("%d of %d bytes", length, len(code))
		}
		if r, ok := p.rule(Rule{CFA: CFARSP, CFAOffset: 16}); ok && r.CFA == CFAUnknown {
			t.Errorf("%+v is no rule", p)
		}
	})
}
