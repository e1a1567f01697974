package launch

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"memtrace/tracer/process/target"
	"memtrace/tracer/testsupport/testprog"
)

// program prints when its constructor and its main run. It returns 7, or ends by the signal it
// is told.
const program = `
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
static void say(const char *s, int n) { if (write(1, s, n) != n) _exit(1); }
__attribute__((constructor)) static void construct(void) { say("constructed\n", 12); }
int main(int argc, char **argv) {
	say("main\n", 5);
	free(malloc(7));
	if (argc > 1)
		raise(atoi(argv[1]));
	return 7;
}
`

// output puts a file in the place of standard output and error, which commands
// inherit, and returns a function that reads it.
func output(t *testing.T) func() string {
	t.Helper()
	file, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	os.Stdout, os.Stderr = file, file
	t.Cleanup(func() {
		os.Stdout, os.Stderr = stdout, stderr
		file.Close()
	})
	return func() string {
		text, err := os.ReadFile(file.Name())
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
}

// held starts a command that must be held. The command is killed at the end of the test.
func held(t *testing.T, argv ...string) *Command {
	t.Helper()
	c, err := Start(argv)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Kill)
	return c
}

func maps(t *testing.T, c *Command) string {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", c.PID()))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// finish releases a command and checks how it ends.
func finish(t *testing.T, c *Command, want int) {
	t.Helper()
	if err := c.Release(); err != nil {
		t.Fatal(err)
	}
	if got, err := c.Wait(); err != nil || got != want {
		t.Errorf("status %d, %v, want %d", got, err, want)
	}
}

// TestHeld holds programs of each kind: the allocator is mapped and found, and nothing of the
// program has run.
func TestHeld(t *testing.T) {
	library := testprog.BuildProgram(t, "gcc -shared -fPIC", `
#include <unistd.h>
__attribute__((constructor)) static void early(void) { if (write(1, "library\n", 8) != 8) _exit(1); }
`)
	script := filepath.Join(t.TempDir(), "script")
	if err := os.WriteFile(script, []byte("#!/bin/sh -e\necho script $1\nexit 7\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	const both = "constructed\nmain\n"
	for _, tc := range []struct {
		name   string
		argv   func(*testing.T) []string
		mapped []string
		family target.Family
		output string
	}{
		{"dynamic", compiled("gcc"), []string{"libc.so"}, target.Glibc, both},
		{"not position independent", compiled("gcc -no-pie"), []string{"libc.so"}, target.Glibc, both},
		{"with a library", compiled("gcc -Wl,--no-as-needed," + library), []string{"libc.so", library}, target.Glibc, "library\n" + both},
		{"static", compiled("gcc -static"), nil, target.Glibc, both},
		{"static, position independent", compiled("gcc -static-pie"), nil, target.Glibc, both},
		{"musl", compiled("musl-gcc"), []string{"musl"}, target.Musl, both},
		{"script", func(*testing.T) []string { return []string{script, "argument"} }, []string{"libc.so"}, target.Glibc, "script argument\n"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			argv := tc.argv(t)
			read := output(t)
			c := held(t, argv...)
			mapped := maps(t, c)
			for _, name := range tc.mapped {
				if !strings.Contains(mapped, name) {
					t.Errorf("%s is not mapped yet:\n%s", name, mapped)
				}
			}
			found, err := target.Find(c.PID())
			if err != nil {
				t.Fatal(err)
			}
			defer found.Close()
			if len(found.Objects) != 1 || found.Objects[0].Family != tc.family {
				t.Errorf("objects %+v, want %s", found.Objects, tc.family)
			}
			if got := read(); got != "" {
				t.Errorf("wrote %q while held", got)
			}
			finish(t, c, 7)
			if got := read(); got != tc.output {
				t.Errorf("wrote %q, want %q", got, tc.output)
			}
		})
	}
}

// compiled returns a function that compiles program and returns its command.
func compiled(compile string) func(*testing.T) []string {
	return func(t *testing.T) []string {
		compiler, _, _ := strings.Cut(compile, " ")
		testprog.NeedTool(t, compiler)
		return []string{testprog.BuildProgram(t, compile, program)}
	}
}

func TestSignals(t *testing.T) {
	path := testprog.BuildProgram(t, "gcc", program)
	t.Run("raised", func(t *testing.T) {
		output(t)
		finish(t, held(t, path, "10"), 128+10)
	})
	t.Run("sent while held", func(t *testing.T) {
		read := output(t)
		c := held(t, path)
		if err := c.Signal(unix.SIGTERM); err != nil {
			t.Fatal(err)
		}
		finish(t, c, 128+15)
		if got := read(); got != "" {
			t.Errorf("wrote %q, want nothing", got)
		}
	})
	t.Run("killed while held", func(t *testing.T) {
		read := output(t)
		c := held(t, path)
		if err := unix.Kill(c.PID(), unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if got, err := c.Wait(); err != nil || got != 128+9 {
			t.Errorf("status %d, %v, want %d", got, err, 128+9)
		}
		if err := c.Release(); !errors.Is(err, unix.ESRCH) {
			t.Errorf("release: %v, want %v", err, unix.ESRCH)
		}
		if got := read(); got != "" {
			t.Errorf("wrote %q, want nothing", got)
		}
	})
	t.Run("Kill while held", func(t *testing.T) {
		read := output(t)
		c := held(t, path)
		c.Kill()
		if err := unix.Kill(c.PID(), 0); !errors.Is(err, unix.ESRCH) {
			t.Errorf("it is still there: %v", err)
		}
		if got := read(); got != "" {
			t.Errorf("wrote %q, want nothing", got)
		}
	})
}

// TestPath: a command without a slash is looked up, and keeps its own name.
func TestPath(t *testing.T) {
	output(t)
	c := held(t, "sh", "-c", `[ "$0 $1" = "zero one" ] && exit 7`, "zero", "one")
	finish(t, c, 7)
}

func TestRefused(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	missing := filepath.Join(dir, "missing")
	plain := write("plain", "text\n", 0o644)
	for _, tc := range []struct{ command, want string }{
		{"memtrace-no-such-command", "executable file not found in $PATH"},
		{missing, "no such file or directory"},
		{plain, "permission denied"},
		{dir, "is a directory"},
		{write("noise", "\x01\x02\x03\x04", 0o755), "exec format error"},
		{write("orphan", "#!"+missing+"\n", 0o755), "no such file or directory"},
	} {
		_, err := Start([]string{tc.command})
		if want := "start " + tc.command + ": " + tc.want; err == nil || err.Error() != want {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// TestEndedEarly: the loader ends a program whose library is missing.
func TestEndedEarly(t *testing.T) {
	library := testprog.BuildProgram(t, "gcc -shared -fPIC", "int seven = 7;")
	path := testprog.BuildProgram(t, "gcc -Wl,--no-as-needed,"+library, program)
	if err := os.Remove(library); err != nil {
		t.Fatal(err)
	}
	read := output(t)
	if _, err := Start([]string{path}); !errors.Is(err, ErrEndedEarly) {
		t.Errorf("%v, want %q", err, ErrEndedEarly)
	}
	if got := read(); !strings.Contains(got, filepath.Base(library)) {
		t.Errorf("the loader wrote %q, want the library's name", got)
	}
}
