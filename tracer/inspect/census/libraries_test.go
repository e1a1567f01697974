package census

import (
	"errors"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"memtrace/tracer/process/ptmalloc"
	"memtrace/tracer/testsupport/debpkg"
	"memtrace/tracer/testsupport/testprog"
)

// TestLedgerOnOtherLibraries is TestLedger for programs on other versions of glibc, from 2.31 on, and
// for programs that have it linked in.
func TestLedgerOnOtherLibraries(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		testprog.Missing(t, "is about x86-64 packages")
	}
	dir := t.TempDir()
	build := func(name string, flags ...string) string {
		program := filepath.Join(dir, name)
		args := append(flags, "-std=gnu11", "-O1", "-w", "-fno-builtin", "-pthread", "-o", program, filepath.Join("testdata", "ledger.c"))
		if out, err := exec.Command("gcc", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return program
	}
	oldest := ""
	for _, suite := range []string{"bullseye", "trixie", "sid", "static", "static-pie", "static-stripped"} {
		t.Run(suite, func(t *testing.T) {
			command := func(args ...string) *exec.Cmd { return exec.CommandContext(t.Context(), oldest, args...) }
			switch suite {
			case "static":
				oldest = build(suite, "-static")
			case "static-pie":
				oldest = build(suite, "-static-pie", "-fPIE")
			case "static-stripped":
				oldest = build(suite, "-static", "-s")
			default:
				if oldest == "" {
					oldest = build("oldest", debpkg.Sysroot(t, "bullseye")...)
				}
				library := debpkg.Libc(t, suite)
				t.Log("glibc ", library.Version)
				program := oldest
				command = func(args ...string) *exec.Cmd { return library.Command(t.Context(), program, args...) }
			}
			for seed, mode := range []string{"", "foreign", "nobrk", "heaps", "handed", ""} {
				equalsLedger(t, command("3"+string(rune('0'+seed)), "5", "20000", mode), mode == "foreign")
			}
		})
	}
}

// TestOtherAllocators looks at programs without glibc's malloc. The error says what they have.
func TestOtherAllocators(t *testing.T) {
	program := testprog.PathIn(t, "testdata", "large")
	for name, want := range map[string]string{"libjemalloc.so.2": "jemalloc", "libtcmalloc_minimal.so.4": "tcmalloc", "libmimalloc.so.2": "mimalloc"} {
		cmd := exec.Command(program, "1000")
		cmd.Env = append(cmd.Environ(), "LD_PRELOAD="+testprog.Library(t, name))
		isRefused(t, cmd, want)
	}
	testprog.NeedTool(t, "musl-gcc")
	for flag, want := range map[string]string{"-static": "unknown", "-O1": "musl"} {
		musl := filepath.Join(t.TempDir(), "musl")
		if out, err := exec.Command("musl-gcc", flag, "-w", "-o", musl, filepath.Join("testdata", "large.c")).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		isRefused(t, exec.Command(musl, "1000"), want)
	}
}

func isRefused(t *testing.T, cmd *exec.Cmd, want string) {
	t.Helper()
	p := testprog.Command(t, cmd)
	w, err := Open(p.PID())
	if err == nil {
		w.Close()
	}
	if !errors.Is(err, ptmalloc.ErrNotGlibc) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v: %v, want an error that names %s", cmd.Args, err, want)
	}
}
