package symbolize

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"memtrace/symbolize/procmaps"
	"memtrace/tracer/testsupport/testprog"
)

// libraryAt compiles a library whose only function has a name, and returns a Code of it and the
// address of that function when its text is mapped at start.
func libraryAt(t *testing.T, name string, id, start uint64) (c *Code, addr uint64) {
	t.Helper()
	source := fmt.Sprintf("int %s(int n) { return n + 1; }", name)
	path := compile(t, "gcc", source, name+".so", "-shared", "-fPIC", "-O1", "-Wl,-z,noseparate-code")
	return codeOf(t, path, id, start), start + symbolValue(t, path, name) + 1
}

// codeOf returns a Code of a file that is mapped at start.
func codeOf(t *testing.T, path string, id, start uint64) *Code {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	file, err := openHost(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	generation, _ := file.Generation()
	return &Code{ID: id, Start: start, End: start + 0x1000, Dev: st.Dev, Inode: st.Ino, Generation: generation, Path: path}
}

func TestCodeOfOneAddress(t *testing.T) {
	testprog.NeedRoot(t)
	p := open(t, os.Getpid(), Options{})
	const start = 0x7000_0000_0000
	one, addr := libraryAt(t, "function_one", 101, start)
	two, _ := libraryAt(t, "function_two", 102, start)
	gone, _ := libraryAt(t, "function_gone", 103, start)
	if err := os.Remove(gone.Path); err != nil {
		t.Fatal(err)
	}
	other := *two
	other.ID, other.Inode = 104, two.Inode+1
	later := *two
	later.ID, later.Generation = 105, two.Generation+1
	for _, c := range []*Code{one, two, gone, &other, &later, one} {
		p.AddCode(c)
	}
	want := map[uint64]string{101: "function_one", 102: "function_two", 103: "", 104: "", InitialCode: "", GeneratedCode: "", UnknownCode: ""}
	file, err := openHost(two.Path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if _, numbered := file.Generation(); numbered {
		want[105] = "" // a file that had the inode after it
	}
	for id, name := range want {
		if got := p.ResolveIn(id, addr)[0]; got.Function != name {
			t.Errorf("in %d: %+v, want %q", id, got, name)
		}
	}
	if got := p.ResolveIn(103, addr)[0]; got.Module != gone.Path || got.Offset != addr-start {
		t.Errorf("in a deleted file: %+v", got)
	}
	if got := p.ResolveIn(999, addr)[0]; got.Module != notRead {
		t.Errorf("in code that nobody told of: %+v", got)
	}
	if got := p.Problems(); len(got) == 0 {
		t.Error("that files were not read is no problem")
	}
}

// What was mapped before stays what code without an ID is, whatever came after.
func TestInitialCode(t *testing.T) {
	testprog.NeedRoot(t)
	const start = 0x7000_0000_0000
	one, addr := libraryAt(t, "function_one", 101, start)
	two, _ := libraryAt(t, "function_two", 102, start)
	p := open(t, os.Getpid(), Options{})
	listing := func(c *Code) []procmaps.Mapping {
		return []procmaps.Mapping{{Start: c.Start, End: c.End, Offset: c.Offset, Dev: c.Dev, Inode: c.Inode, Path: c.Path, Perms: procmaps.Exec}}
	}
	check := func(when string) {
		t.Helper()
		for id, name := range map[uint64]string{InitialCode: "function_one", 102: "function_two"} {
			if got := p.ResolveIn(id, addr)[0].Function; got != name {
				t.Errorf("%s: in %d %q, want %q", when, id, got, name)
			}
		}
	}
	p.RefreshFrom(listing(one))
	p.RefreshFrom(listing(two)) // before it is told
	p.AddCode(two)
	check("after another library")
	p.RefreshFrom(nil)
	check("when nothing is mapped")
	p.AddCode(one)
	check("when the first one is told")
	p.RefreshFrom(listing(one))
	check("when the first one is back")
	p.RefreshFrom(listing(two))
	check("when the second one is back")
}

// Memory and files are bounded, however many files are mapped as code.
func TestManyCodes(t *testing.T) {
	testprog.NeedRoot(t)
	p := open(t, os.Getpid(), Options{})
	dir := t.TempDir()
	for i := range uint64(maxCodes + 2*maxOpenFiles) {
		path := filepath.Join(dir, fmt.Sprint(i))
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		p.AddCode(codeOf(t, path, FirstID+i, 0x1000))
	}
	before := descriptors(t)
	child := open(t, os.Getpid(), Options{})
	child.Inherit(p)
	for _, p := range []*Process{p, child} {
		if len(p.codes) > maxCodes || len(p.codeOrder) != len(p.codes) || p.open != maxOpenFiles || len(p.modules) > maxCodes+100 {
			t.Errorf("%d codes, %d in order, %d open files, %d modules", len(p.codes), len(p.codeOrder), p.open, len(p.modules))
		}
	}
	if n := descriptors(t) - before; n > maxOpenFiles+10 { // those of /proc and the root, too
		t.Errorf("%d descriptors for the child", n)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}

// A child knows the code that its parent was told of.
func TestInheritedCode(t *testing.T) {
	testprog.NeedRoot(t)
	parent, child := open(t, os.Getpid(), Options{}), open(t, os.Getpid(), Options{})
	if got := child.Parent(); got != os.Getppid() {
		t.Errorf("the parent is %d, not %d", got, os.Getppid())
	}
	const start = 0x7000_0000_0000
	one, addr := libraryAt(t, "function_one", 101, start)
	two, _ := libraryAt(t, "function_two", 102, start)
	again := *two
	again.ID, again.Start, again.End = 103, two.Start+1<<20, two.End+1<<20
	for _, c := range []*Code{one, two, &again} {
		parent.AddCode(c)
	}
	// A child may live longer than the file's path, and than its parent.
	if err := os.Remove(two.Path); err != nil {
		t.Fatal(err)
	}
	child.Inherit(parent)
	if child.open != parent.open {
		t.Errorf("%d open files of the parent, %d of the child", parent.open, child.open)
	}
	if err := parent.Close(); err != nil {
		t.Fatal(err)
	}
	for id, name := range map[uint64]string{101: "function_one", 102: "function_two"} {
		if got := child.ResolveIn(id, addr)[0].Function; got != name {
			t.Errorf("in %d %q, want %q", id, got, name)
		}
	}
	if got := child.ResolveIn(103, addr+1<<20)[0].Function; got != "function_two" {
		t.Errorf("at its other address %q", got)
	}
}
