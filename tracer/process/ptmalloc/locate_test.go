package ptmalloc

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// initial returns mp_ and main_arena as they are in a file with these layouts.
func initial(p paramsLayout, a arenaLayout, base uint64) (img image, params, arena uint64) {
	data := make([]byte, 8192)
	params, arena = base+0x40, base+0x400
	for i, v := range paramsImage {
		binary.LittleEndian.PutUint64(data[0x40+8*i:], v)
	}
	binary.LittleEndian.PutUint32(data[0x40+p.mmaps+4:], mmapMaxDefault)
	binary.LittleEndian.PutUint64(data[0x400+a.next:], arena)
	if a.attached {
		data[0x400+a.next+16] = 1
	}
	return image{{base, data}}, params, arena
}

func TestLayoutsByVersion(t *testing.T) {
	for _, tc := range []struct {
		minor         int
		params, arena int // indexes of the layouts
		fast          mangling
	}{
		{17, 0, 0, manglingNone},
		{22, 0, 0, manglingNone},
		{17, 0, 1, manglingNone}, // attached_threads backported
		{23, 0, 1, manglingNone},
		{24, 1, 1, manglingNone},
		{26, 2, 1, manglingNone},
		{27, 2, 2, manglingNone},
		{31, 2, 2, manglingNone},
		{32, 2, 2, manglingShift},
		{34, 2, 2, manglingShift},
		{34, 3, 2, manglingShift}, // huge pages backported
		{35, 3, 2, manglingShift},
		{42, 3, 2, manglingShift},
		{42, 4, 3, manglingShift}, // before 2.43: 2.42.9000
		{43, 4, 3, manglingShift},
	} {
		wantParams, wantArena := paramsLayouts[tc.params].paramsLayout, arenaLayouts[tc.arena]
		img, params, arena := initial(wantParams, wantArena, 0x1d3000)
		for _, symbols := range [][2][]symbol{
			{},
			{{{params, wantParams.size}}, {{arena, wantArena.size()}}},
			{{{params + 8, wantParams.size}}, {{arena + 8, wantArena.size()}}}, // variables of others
		} {
			l := &Layout{Version: Version{2, tc.minor}}
			err := l.findParams(img, symbols[0])
			l.findArena(img, symbols[1])
			if err != nil || l.ArenaError != nil {
				t.Errorf("2.%d: %v, %v", tc.minor, err, l.ArenaError)
				continue
			}
			if l.Params != params || l.MainArena != arena || l.params != wantParams || l.arena != wantArena || l.mangling() != tc.fast {
				t.Errorf("2.%d: %+v, want %+v, %+v, %v", tc.minor, l, wantParams, wantArena, tc.fast)
			}
		}
	}
}

func TestLayoutWithoutVersion(t *testing.T) {
	img, params, _ := initial(paramsLayouts[1].paramsLayout, arenaLayouts[1], 0x1000)
	l := &Layout{}
	if err := l.findParams(img, nil); err != nil || l.params.sbrkBase != 0 || l.params.mmappedMem != 56 {
		t.Errorf("no symbol: %v, %+v", err, l)
	}
	if err := l.findParams(img, []symbol{{params, 80}}); err != nil || l.params != paramsLayouts[1].paramsLayout {
		t.Errorf("symbol: %v, %+v", err, l)
	}
	l.params, l.arena = paramsLayouts[2].paramsLayout, arenaLayouts[2]
	if l.mangling() != manglingUnknown {
		t.Errorf("mangling %v of 2.27 to 2.34", l.mangling())
	}
}

func TestNotUnique(t *testing.T) {
	img, _, _ := initial(paramsLayouts[3].paramsLayout, arenaLayouts[2], 0x1000)
	second, _, _ := initial(paramsLayouts[3].paramsLayout, arenaLayouts[2], 0x8000)
	l := &Layout{Version: Version{2, 36}}
	if err := l.findParams(append(img, second...), nil); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "2 places") {
		t.Error(err)
	}
	if l.findArena(append(img, second...), nil); !errors.Is(l.ArenaError, ErrNotFound) || l.MainArena != 0 {
		t.Error(l.ArenaError)
	}
}

func sizeOf(t *testing.T, file *os.File) int64 {
	t.Helper()
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// locate builds a source as a program and looks for malloc in it.
func locate(t *testing.T, flags, source string) (*Layout, error) {
	t.Helper()
	dir := testprog.BuildText(t, map[string]string{"prog.c": "// build: " + flags + "\n" + source})
	file, err := os.Open(filepath.Join(dir, "prog"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	return Locate(file, sizeOf(t, file), "")
}

func TestLocateRefuses(t *testing.T) {
	const start = "void _start(void) {} "
	for name, tc := range map[string]struct {
		source string
		want   error
		text   string
	}{
		"another library": {"int mp_[22] = {1};", ErrNotGlibc, "no version string"},
		"newer":           {`const char banner[] = "GNU C Library (X) stable release version 2.99.\n";`, ErrVersion, "2.99"},
		"older":           {`const char banner[] = "GNU C Library (X) stable release version 2.5, by";`, ErrVersion, "2.5"},
		"no mp_":          {`const char banner[] = "GNU C Library (X) development release version 2.36.\n";`, ErrNotFound, "2.36"},
		"another mp_":     {`const char banner[] = "GNU C Library (X) stable release version 2.36.\n"; long x[30] = {131072, 131072, 131072, 8, 0, 1};`, ErrNotFound, "go on like it"},
	} {
		t.Run(name, func(t *testing.T) {
			l, err := locate(t, "gcc -nostdlib -static -fdata-sections", start+tc.source)
			if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("%+v, %v, want %q with %q", l, err, tc.want, tc.text)
			}
		})
	}
	if _, err := locate(t, "musl-gcc -static", "int main(void) { return 0; }"); !errors.Is(err, ErrNotGlibc) {
		t.Errorf("musl: %v", err)
	}
}

// TestSymbolsAgree compares what the image of this machine's libc shows with what its debug
// file says, if that is installed.
func TestSymbolsAgree(t *testing.T) {
	file, err := os.Open(testprog.Library(t, "libc.so.6"))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	image, err := Locate(file, sizeOf(t, file), "")
	if err != nil {
		t.Fatal(err)
	}
	symbols, err := Locate(file, sizeOf(t, file), DebugFolder)
	if err != nil {
		t.Fatal(err)
	}
	if image.Params != symbols.Params || image.MainArena != symbols.MainArena || image.params != symbols.params || image.arena != symbols.arena {
		t.Errorf("by image %+v, by symbols %+v", image, symbols)
	}
	t.Logf("glibc %v: %s and %s at %#x", image.Version, image.ParamsSource, symbols.ParamsSource, image.Params)
}
