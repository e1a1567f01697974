package procmaps

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

func scan(t testing.TB, text string) (list []Mapping, lines int, err error) {
	t.Helper()
	var s Scanner
	lines, err = s.Scan(strings.NewReader(text), func(m *Mapping) { list = append(list, *m) })
	return list, lines, err
}

func TestScanMaps(t *testing.T) {
	got, lines, err := scan(t, `55d0c1f29000-55d0c1f2a000 r--p 00000000 fe:01 1234                       /usr/bin/app
7f0a00000000-7f0a00021000 rwxs 00000000 00:00 0 
7f0a10026000-7f0a1017b000 ---p 00026000 103:02 77 /opt/a b\012c.so (deleted)
7ffd1a5f2000-7ffd1a5f4000 r-xp 00000000 00:00 0                          [vdso]`)
	want := []Mapping{
		{Start: 0x55d0c1f29000, End: 0x55d0c1f2a000, Dev: unix.Mkdev(0xfe, 1), Inode: 1234, Path: "/usr/bin/app", Perms: Read},
		{Start: 0x7f0a00000000, End: 0x7f0a00021000, Perms: Read | Write | Exec | Shared},
		{Start: 0x7f0a10026000, End: 0x7f0a1017b000, Offset: 0x26000, Dev: unix.Mkdev(0x103, 2), Inode: 77, Path: "/opt/a b\nc.so (deleted)"},
		{Start: 0x7ffd1a5f2000, End: 0x7ffd1a5f4000, Path: "[vdso]", Perms: Read | Exec},
	}
	if diff := cmp.Diff(want, got); diff != "" || lines != 4 || err != nil {
		t.Errorf("%d lines, %v (-want +got):\n%s", lines, err, diff)
	}
	if !got[2].Perms.None() || got[0].Perms.None() || got[0].Bytes() != 4096 {
		t.Error("rights or size are wrong")
	}
}

// The mappings of a process are those that hold what it has.
func TestScanProcess(t *testing.T) {
	var s Scanner
	variable, found, all := uint64(reflect.ValueOf(new(int)).Pointer()), 0, 0
	lines, err := s.ScanProcess(os.Getpid(), func(m *Mapping) {
		if all++; variable >= m.Start && variable < m.End {
			found++
		}
	})
	if err != nil || lines != all || found != 1 {
		t.Errorf("%d lines, %d mappings, %d hold a variable: %v", lines, all, found, err)
	}
	if _, err := s.ScanProcess(1<<30, func(*Mapping) {}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a process: %v", err)
	}
}

func TestScanSmaps(t *testing.T) {
	got, lines, err := scan(t, `1000-3000 rw-p 00000000 00:00 0                          [heap]
Size:                  8 kB
Rss:                   4 kB
Pss:                   2 kB
VmFlags: rd wr mr mw me ac 
3000-5000 rw-p 00000000 00:00 0 
Rss:                   8 kB
5000-6000 ---p 00000000 00:00 0 
Rss:                   0 kB
`)
	var rss []uint64
	for _, m := range got {
		rss = append(rss, m.Rss)
	}
	if diff := cmp.Diff([]uint64{4096, 8192, 0}, rss); diff != "" || lines != 3 || err != nil {
		t.Errorf("%d lines, %v (-want +got):\n%s", lines, err, diff)
	}
}

func TestScanSkipsWhatIsNoMapping(t *testing.T) {
	for _, line := range []string{
		"this is no mapping", "1000-", "1000-2000", "2000-1000 r--p 00000000 00:00 0", "1000-2000 r-- 00000000 00:00 0",
		"1000-2000 r--p 00000000 0000 0", "1000-2000 r--p x 00:00 0", "1000-2000 r--p 0 00:00 0x",
		"10000000000000000-2000 r--p 00000000 00:00 0", strings.Repeat("1", 3*maxLine),
	} {
		got, lines, err := scan(t, "0-1000 r--p 00000000 00:00 0\n"+line+"\n1000-2000 rw-p 00000000 00:00 0 x\n")
		if len(got) != 2 || lines < 3 || !errors.Is(err, ErrLine) {
			t.Errorf("%.50q: %d mappings of %d lines, %v", line, len(got), lines, err)
		}
	}
}

// manyMaps returns maps with n regions, as a program with many mappings has them.
func manyMaps(n int) []byte {
	var b bytes.Buffer
	addr := uint64(0x7f0000000000)
	for i := range n {
		name := ""
		if i%7 == 0 {
			name = "                          /usr/lib/x86_64-linux-gnu/libexample.so." + fmt.Sprint(i%50)
		}
		fmt.Fprintf(&b, "%x-%x rw-p %08x fe:01 %d%s\n", addr, addr+0x2000, i<<12, i%50, name)
		addr += 0x3000
	}
	return b.Bytes()
}

func TestScanAllocatesNothing(t *testing.T) {
	text := manyMaps(1009)
	var s Scanner
	n := 0
	r := bytes.NewReader(text)
	again := func() {
		r.Reset(text)
		if _, err := s.Scan(r, func(*Mapping) { n++ }); err != nil {
			t.Fatal(err)
		}
	}
	again()
	// The Mapping, the LimitedReader and the closures.
	if allocs := testing.AllocsPerRun(20, again); allocs > 5 {
		t.Errorf("%v allocations for %d mappings", allocs, 1009)
	}
}

// However many names there are, only a bounded number is kept.
func TestScanBoundsNames(t *testing.T) {
	var s Scanner
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	go func() {
		defer w.Close()
		long := strings.Repeat("n", 2000)
		for i := range 20011 {
			fmt.Fprintf(w, "%x-%x r--p 00000000 fe:01 1 /%s%d\n", i<<12, (i+1)<<12, long, i)
		}
	}()
	lines, err := s.Scan(r, func(*Mapping) {})
	if lines != 20011 || err != nil || s.nameBytes > maxNames {
		t.Errorf("%d lines, %v, %d bytes of names kept", lines, err, s.nameBytes)
	}
}

func BenchmarkScan20000(b *testing.B) {
	text := manyMaps(20000)
	var s Scanner
	r := bytes.NewReader(text)
	b.ReportAllocs()
	used := testprog.ProcessorTime(b, os.Getpid())
	for b.Loop() {
		r.Reset(text)
		if _, err := s.Scan(r, func(*Mapping) {}); err != nil {
			b.Fatal(err)
		}
	}
	// What counts where other work slows the clock's time.
	b.ReportMetric(float64(testprog.ProcessorTime(b, os.Getpid())-used)/float64(b.N), "cpu-ns/op")
}

// FuzzScan scans arbitrary text, twice with one Scanner.
func FuzzScan(f *testing.F) {
	for _, name := range []string{"/proc/self/maps", "/proc/self/smaps"} {
		if text, err := os.ReadFile(name); err == nil {
			f.Add(text)
		}
	}
	f.Add([]byte("55d0-55d1 r-xp 00001000 fe:01 1234   /opt/a b\\012c (deleted)\nRss: 4 kB\nRss:\nffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var s Scanner
		var runs [2][]Mapping
		for i := range runs {
			lines, err := s.Scan(bytes.NewReader(data), func(m *Mapping) {
				if m.Start >= m.End {
					t.Fatalf("mapping %x-%x", m.Start, m.End)
				}
				runs[i] = append(runs[i], *m)
			})
			if len(runs[i]) > lines || err == nil && len(runs[i]) != lines {
				t.Fatalf("%d mappings of %d lines, %v", len(runs[i]), lines, err)
			}
		}
		if diff := cmp.Diff(runs[0], runs[1]); diff != "" {
			t.Fatalf("the second scan differs:\n%s", diff)
		}
	})
}
