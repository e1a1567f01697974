package main

import (
	"debug/elf"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// The program needs no library: it runs in any container, beside any libc.
func TestStatic(t *testing.T) {
	file, err := elf.Open(testprog.Memtrace(t))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			t.Error("it has an interpreter, and is linked dynamically")
		}
	}
	if needed, err := file.ImportedLibraries(); err == nil && len(needed) > 0 {
		t.Errorf("it needs %q", needed)
	}
}

// What make builds is static as well.
func TestMakeBuildsStatic(t *testing.T) {
	testprog.NeedTool(t, "make")
	make := exec.Command("make", "--no-print-directory", "-n", "build", "install", "demo")
	make.Dir = filepath.Join("..", "..")
	out, err := make.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	built := 0
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, "go build") || strings.Contains(line, "go install") {
			if built++; !strings.Contains(line, "CGO_ENABLED=0 ") {
				t.Errorf("%s is linked to the C library", line)
			}
		}
	}
	if built < 4 {
		t.Errorf("%d builds in %s", built, out)
	}
}

// The version tells the commit, if there is one. The sources are copied to a repository of
// their own: go does not recognize a worktree as one.
func TestBuiltVersion(t *testing.T) {
	testprog.Long(t)
	testprog.NeedTool(t, "git")
	dir, program := filepath.Join(t.TempDir(), "sources"), filepath.Join(t.TempDir(), "memtrace")
	run := func(name string, args ...string) string {
		t.Helper()
		cmd := exec.Command(name, args...)
		cmd.Dir = dir
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GIT_CONFIG_GLOBAL=/dev/null", "GIT_COMMITTER_DATE=2026-11-28T12:00:00Z")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
		}
		return strings.TrimSpace(string(out))
	}
	if err := copySources(filepath.Join("..", ".."), dir); err != nil {
		t.Fatal(err)
	}
	build := func() string {
		t.Helper()
		run("go", "build", "-trimpath", "-buildvcs=auto", "-o", program, "./cmd/memtrace")
		version := run(program, "version")
		if flag := run(program, "--version"); flag != version {
			t.Errorf("--version says %q, version says %q", flag, version)
		}
		return version
	}
	if got := build(); got != "memtrace (devel)" {
		t.Errorf("without a commit it is %q", got)
	}
	run("git", "init", "-q")
	run("git", "add", "-A")
	run("git", "-c", "user.name=Nobody", "-c", "user.email=nobody@localhost", "commit", "-q", "-m", "All")
	commit := run("git", "rev-parse", "HEAD")
	if got, want := build(), "memtrace "+commit[:12]+" (2026-11-28)"; got != want {
		t.Errorf("it is %q, want %q", got, want)
	}
	run("git", "rm", "-q", "LICENSE")
	if got, want := build(), "memtrace "+commit[:12]+" (2026-11-28, modified)"; got != want {
		t.Errorf("it is %q, want %q", got, want)
	}
}

// copySources copies what is built.
func copySources(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		name, relErr := filepath.Rel(from, path)
		switch {
		case err != nil || relErr != nil:
			return errors.Join(err, relErr)
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "build"):
			return filepath.SkipDir
		case entry.IsDir():
			return os.MkdirAll(filepath.Join(to, name), 0o755)
		case !entry.Type().IsRegular() || strings.HasSuffix(name, "_test.go") || name == "memtrace" || name == ".git":
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(to, name), text, 0o644)
	})
}

func TestVersionOf(t *testing.T) {
	setting := func(key, value string) debug.BuildSetting { return debug.BuildSetting{Key: key, Value: value} }
	revision := setting("vcs.revision", "56b5440a1b2cdddddddddddddddddddddddddddd")
	for _, tc := range []struct {
		version  string
		settings []debug.BuildSetting
		want     string
	}{
		{"", nil, "(devel)"},
		{"(devel)", nil, "(devel)"},
		{"v1.2.0", nil, "v1.2.0"},
		{"v0.0.0-2026+dirty", []debug.BuildSetting{revision, setting("vcs.time", "2026-11-29T20:15:00Z"), setting("vcs.modified", "false")}, "56b5440a1b2c (2026-11-29)"},
		{"", []debug.BuildSetting{revision, setting("vcs.time", "2026-11-29T20:15:00Z"), setting("vcs.modified", "true")}, "56b5440a1b2c (2026-11-29, modified)"},
		{"", []debug.BuildSetting{revision}, "56b5440a1b2c"},
	} {
		info := &debug.BuildInfo{Main: debug.Module{Version: tc.version}, Settings: tc.settings}
		if got := versionOf(info); got != tc.want {
			t.Errorf("%+v: %q, want %q", info, got, tc.want)
		}
	}
}
