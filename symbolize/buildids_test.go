package symbolize

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A process's frames without names, resolved later by build ID, are those that it has with names: where the
// file was, from a copy of it, and from its debug file alone.
func TestBuilds(t *testing.T) {
	binary := compile(t, "gcc", secretSource, "secret", "-g", "-O1")
	id := buildID(t, binary)
	c := start(t, binary)
	var addr uint64
	if _, err := fmt.Sscanf(c.line(), "0x%x", &addr); err != nil {
		t.Fatal(err)
	}
	addr++ // a return address
	bare, named := open(t, c.pid, Options{Bare: true}), open(t, c.pid, Options{})
	want, left := named.Resolve(addr, true), bare.Resolve(addr, true)
	if want[0].Function != "secret_function" || len(left) != 1 || left[0].Function != "" || left[0].File != "" || left[0].Module != binary || left[0].Offset != want[0].Offset {
		t.Fatalf("with names %+v, without %+v", want, left)
	}
	if bare.Defines(binary, "secret_function") != "" || !bare.Bare() {
		t.Error("names are looked up")
	}
	for _, m := range bare.modules {
		if m.symbols != nil || m.info != nil {
			t.Errorf("symbols of %s were read", m.entry.path)
		}
	}
	moved, debug := binary+".moved", binary+".debug"
	run(t, "objcopy", "--only-keep-debug", binary, debug)
	for name, where := range map[string]struct{ from, to string }{
		"where it was": {binary, binary}, "a copy": {binary, ".build-id/" + id[:2] + "/" + id[2:]}, "its debug file": {debug, ".build-id/" + id[:2] + "/" + id[2:] + ".debug"},
	} {
		dir := t.TempDir()
		if where.to != binary {
			text, err := os.ReadFile(where.from)
			if err != nil {
				t.Fatal(err)
			}
			write(t, filepath.Join(dir, where.to), string(text))
			move(t, binary, moved)
		}
		b := NewBuilds([]string{dir})
		got, err := b.Resolve(left[0].Module, id, left[0].Offset)
		b.Close()
		if where.to != binary {
			move(t, moved, binary)
		}
		if err != nil || len(got) != len(want) || b.p.open != 0 {
			t.Fatalf("%s: %+v, %v, %d files are open", name, got, err, b.p.open)
		}
		for i := range got {
			one := want[i]
			one.Address, one.Module, one.Offset = 0, "", 0
			if got[i] != one {
				t.Errorf("%s: %+v, want %+v", name, got[i], one)
			}
		}
	}
}

// Files of other builds are refused wherever they are, and so are build IDs that are none: a record may
// say anything.
func TestBuildsRefuse(t *testing.T) {
	binary, debug := secret(t)
	_, other := secret(t, "-DOTHER", "-O0")
	id, dir := buildID(t, binary), t.TempDir()
	at := filepath.Join(dir, ".build-id", id[:2], id[2:])
	move(t, other, at+".debug")
	move(t, debug, filepath.Join(dir, "secret"))
	move(t, binary, at+".elsewhere")
	b := NewBuilds([]string{dir})
	defer b.Close()
	for _, tc := range []struct{ path, id string }{
		{"/bin/true", id},
		{"bin/true", id},
		{"/dev/zero", id},
		{"", id},
		{binary, ""},
		{binary, "ab"},
		{binary, "../../secret"},
		{binary, strings.Repeat("../", 20) + "etc/passwd"},
		{binary, strings.Repeat("ab", 4000)},
		{dir, id},
	} {
		if frames, err := b.Resolve(tc.path, tc.id, 4242); err == nil {
			t.Errorf("%.40q of build %.40q is %+v", tc.path, tc.id, frames)
		}
		if at := DebugPlace(dir, tc.id); tc.id != id && at != "" {
			t.Errorf("%.40q would be at %.80s", tc.id, at)
		}
	}
	another := func(name string) bool {
		return slices.ContainsFunc(b.Problems(), func(p string) bool { return strings.HasPrefix(p, name+": it is of another build") })
	}
	if !another("/bin/true") || !another(at+".debug") {
		t.Errorf("problems are %q", b.Problems())
	}
}

// A stripped file does not hide the copy of it that has names, nor its debug file.
func TestBuildsStripped(t *testing.T) {
	binary := compile(t, "gcc", secretSource, "secret", "-g", "-O1")
	id, stripped := buildID(t, binary), binary+".stripped"
	run(t, "objcopy", "--strip-all", binary, stripped)
	var at uint64
	for _, line := range strings.Split(string(run(t, "nm", binary)), "\n") {
		if strings.HasSuffix(line, " secret_function") {
			_, _ = fmt.Sscanf(line, "%x", &at) // 0 has no name
		}
	}
	for _, as := range []string{"", ".debug"} {
		dir := t.TempDir()
		text, err := os.ReadFile(binary)
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(dir, ".build-id", id[:2], id[2:]+as), string(text))
		b := NewBuilds([]string{dir})
		got, err := b.Resolve(stripped, id, at+1)
		b.Close()
		if err != nil || got[0].Function != "secret_function" || b.p.open != 0 {
			t.Errorf("with a copy %q: %+v, %v, %d files are open", as, got, err, b.p.open)
		}
	}
}
