package target

import (
	"bufio"
	"debug/elf"
	"flag"
	"fmt"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/debpkg"
	"memtrace/tracer/testsupport/testprog"
)

var update = flag.Bool("update", false, "add what is found in Debian's packages to testdata/placements")

// placements pins the choices, a paragraph for each package and version.
const placements = "testdata/placements"

// allocators are the packages that have an allocator, by suite.
var allocators = []struct {
	family Family
	file   string // a pattern
	names  map[string]string
	// require are functions that must be there, of several names either.
	require []string
}{
	{
		Glibc, `/libc(\.so\.6|-2\.\d+\.so)$`,
		map[string]string{"bullseye": "libc6", "bookworm": "libc6", "trixie": "libc6", "sid": "libc6"},
		[]string{"malloc", "calloc", "realloc", "memalign", "posix_memalign", "valloc", "pvalloc", "free"},
	},
	{
		Musl, `/libc\.so$`,
		map[string]string{"bullseye": "musl", "bookworm": "musl", "trixie": "musl", "sid": "musl"},
		[]string{"malloc", "calloc", "realloc", "aligned_alloc", "posix_memalign", "free"},
	},
	{
		Jemalloc, `/libjemalloc\.so\.2$`,
		map[string]string{"bullseye": "libjemalloc2", "bookworm": "libjemalloc2", "trixie": "libjemalloc2", "sid": "libjemalloc2"},
		[]string{"malloc", "calloc", "realloc", "posix_memalign", "free", "_Znwm", "mallocx", "dallocx"},
	},
	{
		Tcmalloc, `/libtcmalloc_minimal\.so\.4(\.\d+)+$`,
		map[string]string{
			"bullseye": "libtcmalloc-minimal4", "bookworm": "libtcmalloc-minimal4",
			"trixie": "libtcmalloc-minimal4t64", "sid": "libtcmalloc-minimal4t64",
		},
		[]string{"malloc", "calloc", "realloc", "posix_memalign", "free", "_Znwm"},
	},
	{
		Mimalloc, `/libmimalloc\.so\.\d+\.\d+$`,
		map[string]string{"bookworm": "libmimalloc2.0", "trixie": "libmimalloc3", "sid": "libmimalloc3"},
		[]string{"malloc", "calloc", "realloc", "posix_memalign", "free", "_Znwm|mi_heap_alloc_new|mi_theap_alloc_new"},
	},
}

// TestPlacements reads the allocators of Debian's suites. Every choice must be right as
// binutils sees the file. For versions that the table has, the choices and their roles must be
// those of the table. A suite that moves on has versions that are not in the table: -update
// adds them.
func TestPlacements(t *testing.T) {
	testprog.Long(t)
	needAMD64(t)
	table := readPlacements(t)
	for _, a := range allocators {
		for _, suite := range slices.Sorted(maps.Keys(a.names)) {
			t.Run(a.names[suite]+"/"+suite, func(t *testing.T) {
				p := debpkg.Fetch(t, suite, a.names[suite])
				path, err := p.Find(regexp.MustCompile(a.file))
				if err != nil {
					t.Fatal(err)
				}
				o := object(t, path)
				if o == nil || o.Family != a.family {
					t.Fatalf("%s: got %+v, want %s", path, o, a.family)
				}
				probes := checkProbes(t, path, o)
				for _, names := range a.require {
					if !slices.ContainsFunc(strings.Split(names, "|"), func(name string) bool { _, ok := probes[name]; return ok }) {
						t.Errorf("no probe on %s", names)
					}
				}
				for _, problem := range checkReached(t, path, probes) {
					t.Error(problem)
				}
				checkReturns(t, path, probes)
				key := p.Name + " " + p.Version
				got := describe(t, path, probes)
				if want, ok := table[key]; !ok {
					table[key] = got
					if !*update {
						t.Logf("%s is not in %s; go test -run TestPlacements -update adds\n%s", key, placements, strings.Join(got, "\n"))
					}
				} else if !slices.Equal(got, want) {
					t.Errorf("%s: got\n%s\nwant\n%s", key, strings.Join(got, "\n"), strings.Join(want, "\n"))
				}
			})
		}
	}
	if *update && !t.Failed() {
		writePlacements(t, table)
	}
}

var roleNames = [Roles]string{"alloc", "realloc", "free", "return"}

// describe says for each function its role, where its probe is, and whether the kernel
// emulates the instruction there.
func describe(t *testing.T, path string, probes map[string]Probe) []string {
	t.Helper()
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, name := range slices.Sorted(maps.Keys(probes)) {
		p, how := probes[name], "stepped"
		if emulated(image[p.Offset:]) {
			how = "emulated"
		}
		lines = append(lines, fmt.Sprintf("\t%s %s +%d %s", name, roleNames[p.Role], p.Inside, how))
	}
	return lines
}

func readPlacements(t *testing.T) map[string][]string {
	t.Helper()
	file, err := os.Open(placements)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	table, key := make(map[string][]string), ""
	for lines := bufio.NewScanner(file); lines.Scan(); {
		switch line := lines.Text(); {
		case strings.HasPrefix(line, "\t"):
			table[key] = append(table[key], line)
		case line != "" && !strings.HasPrefix(line, "#"):
			key = line
		}
	}
	return table
}

func writePlacements(t *testing.T, table map[string][]string) {
	t.Helper()
	text := "# Where probes go: by package and version, the function, its role, the offset\n" +
		"# from its entry, and what the kernel does with the instruction there.\n" +
		"# go test -run TestPlacements -update adds versions; to change one, remove it.\n"
	for _, key := range slices.Sorted(maps.Keys(table)) {
		text += "\n" + key + "\n" + strings.Join(table[key], "\n") + "\n"
	}
	if err := os.WriteFile(placements, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// entries returns the addresses of functions by name.
func entries(t *testing.T, path string) map[string]uint64 {
	t.Helper()
	f, err := elf.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	symbols, err := f.DynamicSymbols()
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]uint64)
	for _, s := range symbols {
		if s.Section != elf.SHN_UNDEF {
			all[s.Name] = s.Value
		}
	}
	return all
}
