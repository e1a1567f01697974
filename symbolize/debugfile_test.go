package symbolize

import (
	"os"
	"path/filepath"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

const secretSource = `
#include <stdio.h>
static __attribute__((noinline)) int secret_function(int n) { __asm__ volatile(""); return n + 2; }
int main(void) {
  printf("%p %d\n", (void *)secret_function, secret_function(1));
  fflush(stdout);
  return getchar();
}
`

// secret builds a stripped program and a separate file with its debugging information.
func secret(t *testing.T, flags ...string) (binary, debug string) {
	t.Helper()
	binary = compile(t, "gcc", secretSource, "secret", append(flags, "-g", "-O1")...)
	debug = binary + ".debug"
	run(t, "objcopy", "--only-keep-debug", binary, debug)
	run(t, "strip", binary)
	return binary, debug
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(from, to); err != nil {
		t.Fatal(err)
	}
}

func TestDebugFileByBuildID(t *testing.T) {
	testprog.NeedRoot(t)
	binary, debug := secret(t)
	id := buildID(t, binary)
	dir := t.TempDir()
	move(t, debug, filepath.Join(dir, ".build-id", id[:2], id[2:]+".debug"))
	checkSecret(t, binary, Options{DebugDirs: []string{dir}}, "secret_function", 3)
}

func TestDebugFileOfAnotherBuild(t *testing.T) {
	testprog.NeedRoot(t)
	binary, _ := secret(t)
	_, other := secret(t, "-DOTHER", "-O0")
	id := buildID(t, binary)
	dir := t.TempDir()
	move(t, other, filepath.Join(dir, ".build-id", id[:2], id[2:]+".debug"))
	p := checkSecret(t, binary, Options{DebugDirs: []string{dir}}, "", 0)
	if len(p.Problems()) != 1 {
		t.Errorf("problems %q, want the wrong build", p.Problems())
	}
}

func TestDebugLink(t *testing.T) {
	testprog.NeedRoot(t)
	debugDir := t.TempDir()
	tests := []struct {
		name  string
		to    func(binary, debug string) string
		spoil bool
	}{
		{"beside", func(_, debug string) string { return debug }, false},
		{"dot debug", func(binary, _ string) string {
			return filepath.Join(filepath.Dir(binary), ".debug/secret.debug")
		}, false},
		{"debug directory", func(_, debug string) string { return filepath.Join(debugDir, debug) }, false},
		{"wrong checksum", func(_, debug string) string { return debug }, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			binary, debug := secret(t, "-Wl,--build-id=none")
			run(t, "objcopy", "--add-gnu-debuglink="+debug, binary)
			to := test.to(binary, debug)
			move(t, debug, to)
			want, line := "secret_function", 3
			if test.spoil {
				f, err := os.OpenFile(to, os.O_APPEND|os.O_WRONLY, 0)
				if err != nil {
					t.Fatal(err)
				}
				f.WriteString("more")
				f.Close()
				want, line = "", 0
			}
			checkSecret(t, binary, Options{DebugDirs: []string{debugDir}}, want, line)
		})
	}
}

func TestMiniDebugInfo(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.NeedTool(t, "xz")
	binary, debug := secret(t)
	mini := filepath.Join(t.TempDir(), "mini")
	run(t, "objcopy", "-S", "--remove-section=.gdb_index", "--remove-section=.comment", "--keep-symbol=secret_function", debug, mini)
	run(t, "xz", mini)
	run(t, "objcopy", "--add-section=.gnu_debugdata="+mini+".xz", binary)
	if err := os.Remove(debug); err != nil {
		t.Fatal(err)
	}
	checkSecret(t, binary, Options{}, "secret_function", 0)
}

// checkSecret runs the program and resolves its function.
func checkSecret(t *testing.T, binary string, opt Options, want string, line int) *Process {
	t.Helper()
	child := start(t, binary)
	addr := address(t, child.line())
	p := open(t, child.pid, opt)
	f := p.Resolve(addr, false)[0]
	if f.Function != want || f.Line != line {
		t.Errorf("%+v, want %q and line %d; problems %q", f, want, line, p.Problems())
	}
	return p
}
