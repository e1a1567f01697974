package suppress

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// leaking leaks blocks from a stack that its test knows. A copy of an address may be left somewhere, so that
// LeakSanitizer does not see that one leak; of some it sees others.
const leaking = `
#include <stdlib.h>
__attribute__((noinline)) void take_block(void) { *(volatile char *)malloc(1000) = 1; }
__attribute__((noinline)) void block_block(void) { take_block(); }
int main(void) { for (int i = 0; i < 20; i++) block_block(); return 0; }
`

// LeakSanitizer itself hides the same by the same patterns.
func TestAsLeakSanitizer(t *testing.T) {
	program := testprog.BuildProgram(t, "gcc -g -O0 -fsanitize=leak", leaking)
	source := sourceOf(t, program)
	frames := []report.Frame{
		{Module: program, Function: "take_block", File: source},
		{Module: program, Function: "block_block", File: source},
		{Module: program, Function: "main", File: source},
	}
	for _, pattern := range []string{
		"take_block", "^take_block$", "take_bloc$", "ake_block", "^ake_block", "take*k", "^take*k$", "*", "$", "^$", "^*block$",
		"block$", "^block_block$", "block_block$", "ma$in", "main$x", "a^", filepath.Base(program), "^" + program, filepath.Base(source) + "$", "nobody", "take_block*$",
		"tak*_b*k", "^m*n$", "n*m", "block*block*block",
	} {
		file := filepath.Join(t.TempDir(), "some.supp")
		if err := os.WriteFile(file, []byte("leak:"+pattern+"\n"), 0o644); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command(program)
		cmd.Env = append(os.Environ(), "LSAN_OPTIONS=fast_unwind_on_malloc=0:suppressions='"+file+"'")
		out, err := cmd.CombinedOutput()
		if strings.Contains(string(out), "LeakSanitizer has encountered a fatal error") {
			t.Fatalf("%s", out)
		}
		l, openErr := Open([]string{file})
		if openErr != nil {
			t.Fatal(openErr)
		}
		if theirs, ours := err == nil, l.Match(frames) != ""; theirs != ours {
			t.Errorf("leak:%s hides it from LeakSanitizer: %v, here: %v", pattern, theirs, ours)
		}
	}
}

// sourceOf returns the source file of a program as its debug data has it.
func sourceOf(t *testing.T, program string) string {
	t.Helper()
	out, err := exec.Command("sh", "-c", fmt.Sprintf("addr2line -e %s $(nm %s | awk '/ T main$/ {print $1}')", program, program)).Output()
	if err != nil {
		t.Fatal(err)
	}
	file, _, _ := strings.Cut(string(out), ":")
	return file
}
