package datasym

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"memtrace/symbolize/elffile"
	"memtrace/tracer/testsupport/testprog"
)

func TestMain(m *testing.M) { testprog.Main(m) }

// Variables are named by symbols, and where there are none their sections are told.
func TestVariables(t *testing.T) {
	for _, strip := range []bool{false, true} {
		t.Run(fmt.Sprintf("stripped %v", strip), func(t *testing.T) {
			path := testprog.PathIn(t, "testdata", "variables")
			if strip {
				testprog.NeedTool(t, "strip")
				to := filepath.Join(t.TempDir(), "variables")
				if out, err := exec.Command("strip", "-o", to, path).CombinedOutput(); err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				path = to
			}
			p := testprog.Command(t, exec.Command(path))
			table, err := Open(p.PID())
			if err != nil {
				t.Fatal(err)
			}
			p.Say("")
			seen := 0
			for line := p.Line(); line != "done"; line = p.Line() {
				fields := strings.Fields(line)
				addr, err := strconv.ParseUint(fields[0], 16, 64)
				if err != nil || len(fields) != 3 {
					t.Fatalf("%q", line)
				}
				if name, section := fields[1], fields[2]; section != "TLS" {
					seen++
					check(t, table, addr, name, section, strip)
				}
			}
			if seen != 7 {
				t.Errorf("%d variables", seen)
			}
			checkModules(t, table, path, strip)
		})
	}
}

func check(t *testing.T, table *Table, addr uint64, name, section string, strip bool) {
	t.Helper()
	m := table.At(addr)
	if m == nil {
		t.Errorf("%s: no module", name)
		return
	}
	v, ok := m.Variable(addr)
	if strip && m.Name == "variables" {
		if ok {
			t.Errorf("%s: found %+v without symbols", name, v)
		}
	} else if !strings.HasPrefix(v.Name, name) || addr < v.Addr || addr-v.Addr >= v.Size {
		t.Errorf("%s: %+v, %v", name, v, ok)
	}
	if got, start, ok := m.Section(addr); got != section || !ok || start > addr {
		t.Errorf("%s: section %s", name, got)
	}
	if found, ok := m.Find(v.Name); v.Name != "" && (!ok || found != v.Addr) {
		t.Errorf("%s: found at %#x, is at %#x", v.Name, found, v.Addr)
	}
	if len(m.Data) == 0 || table.Mapping(addr) == nil {
		t.Errorf("%s: %+v", name, m)
	}
}

// checkModules checks that the program alone is the program, and where it has thread-local variables.
func checkModules(t *testing.T, table *Table, path string, strip bool) {
	t.Helper()
	libc := false
	for _, m := range table.Modules() {
		if m.Main != (m.Path == path) {
			t.Errorf("%s: %+v", m.Path, m)
		}
		if strings.HasPrefix(m.Name, "libc.so") || strings.HasPrefix(m.Name, "libc-") {
			libc = true
			if m.TLS.Size == 0 || m.TLS.OffsetSlot == 0 {
				t.Errorf("%s: %+v", m.Name, m.TLS)
			}
		}
		if !m.Main {
			continue
		}
		if m.TLS.Size < 33 || m.TLS.Align < 8 {
			t.Errorf("%+v", m.TLS)
		}
		if v, ok := m.ThreadVariable(0); !strip && (v.Name != "initialised_thread" || v.Size != 8) || strip && ok {
			t.Errorf("first thread-local variable: %+v", v)
		}
		if v, ok := m.ThreadVariable(m.TLS.Size - 20); !strip && v.Name != "odd" || strip && ok {
			t.Errorf("second thread-local variable: %+v", v)
		}
	}
	if !libc {
		t.Error("no libc")
	}
	// What is known is kept.
	before := table.Modules()[0]
	if err := table.Refresh(); err != nil || table.Modules()[0] != before || len(table.Problems) > 0 {
		t.Errorf("%v, %v", err, table.Problems)
	}
}

// What the names of files take is given back when these are not mapped any more, and what has no room is told.
func TestRoomForNames(t *testing.T) {
	path := testprog.PathIn(t, "testdata", "variables")
	p := testprog.Command(t, exec.Command(path))
	table, err := Open(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	const room = 128 << 20 // of NewBudget
	for range 2 {
		var program *Module
		for _, m := range table.Modules() {
			if m.Main {
				program = m
			}
		}
		if _, ok := program.Find("initialised"); !ok || program.symbols.kept == 0 {
			t.Fatalf("not found; %d bytes are kept, problems %q", program.symbols.kept, table.Problems)
		}
		table.Use([]byte("1000-2000 rw-p 00000000 00:00 0\n"))
		if err := table.Refresh(); err != nil || len(table.Modules()) > 0 {
			t.Fatalf("%v, %d modules", err, len(table.Modules()))
		}
		if err := table.budget.Keep(room); err != nil {
			t.Fatal(err)
		}
		table.budget.Release(room)
		table.Use(nil)
		if err := table.Refresh(); err != nil {
			t.Fatal(err)
		}
	}
	if len(table.Problems) > 0 {
		t.Errorf("%q", table.Problems)
	}
	if err := table.budget.Keep(room); err != nil {
		t.Fatal(err)
	}
	for _, m := range table.Modules() {
		if _, ok := m.Find("initialised"); ok {
			t.Errorf("%s: found without room", m.Name)
		}
	}
	if len(table.Problems) == 0 || !strings.Contains(strings.Join(table.Problems, "\n"), path+": "+elffile.ErrBudget.Error()) {
		t.Errorf("%q", table.Problems)
	}
}

// Where a file has no symbols those of its debug file are taken, from the directories that are given.
func TestDebugDirs(t *testing.T) {
	testprog.NeedTool(t, "objcopy")
	path, folder := testprog.PathIn(t, "testdata", "variables"), t.TempDir()
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := elffile.Open(bytes.NewReader(image), int64(len(image)), elffile.NewFileBudget())
	if err != nil {
		t.Fatal(err)
	}
	id, stripped := file.BuildID(), filepath.Join(folder, "variables")
	place := filepath.Join(folder, ".build-id", id[:2])
	if err := os.MkdirAll(place, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--only-keep-debug", path, filepath.Join(place, id[2:]+".debug")}, {"--strip-all", path, stripped}} {
		if out, err := exec.Command("objcopy", args...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	p := testprog.Command(t, exec.Command(stripped))
	for _, dirs := range [][]string{nil, {t.TempDir(), folder}} {
		table, err := Open(p.PID(), dirs...)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range table.Modules() {
			if _, ok := m.Find("initialised"); m.Main && ok != (dirs != nil) {
				t.Errorf("in %v: found %v, problems %q", dirs, ok, table.Problems)
			}
		}
	}
}
