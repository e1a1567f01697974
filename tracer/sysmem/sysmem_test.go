package sysmem

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/procfs"

	"memtrace/tracer/report"
)

const meminfoText = `MemTotal:       24683620 kB
MemFree:        21131604 kB
MemAvailable:   23573364 kB
Buffers:           48208 kB
Cached:          2457408 kB
Active(file):    1555304 kB
Inactive(file):   941548 kB
Unevictable:           0 kB
SwapCached:            0 kB
SwapTotal:             0 kB
SwapFree:              0 kB
Dirty:             24056 kB
Writeback:             0 kB
AnonPages:        299344 kB
Mapped:           347960 kB
Shmem:              8884 kB
KReclaimable:     259332 kB
SReclaimable:     259332 kB
SUnreclaim:        33792 kB
HugePages_Total:       3
nonsense
`

const zoneinfoText = `Node 0, zone      DMA
  per-node stats
      nr_inactive_anon 3
  pages free     3840
        min      24
        low      30
        high     36
        managed  3840
        protection: (0, 3018, 10186, 10186, 10186)
      nr_free_pages 3840
  pagesets
    cpu: 0
              high:  378
Node 0, zone   Normal
  pages free     769975
        min      11871
        low      14838
        high     17805
        managed  1835008
        protection: (0, 0, 0, 0, 0)
      nr_free_pages 769975
Node 0, zone  Movable
  pages free     0
        min      32
        managed  0
        protection: (0, 0, 0, 0, 0)
`

// zoneinfo returns the text as procfs reads it.
func zoneinfo(t *testing.T, dir, text string) []procfs.Zoneinfo {
	t.Helper()
	put(t, dir, "zoneinfo", text)
	fs, err := procfs.NewFS(dir)
	if err != nil {
		t.Fatal(err)
	}
	infos, err := fs.Zoneinfo()
	if err != nil {
		t.Fatal(err)
	}
	return infos
}

// put writes a file below dir, which stands for /proc.
func put(t *testing.T, dir, name, text string) {
	t.Helper()
	name = filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func compute(t *testing.T, facts Facts) *report.System {
	t.Helper()
	facts.PageSize = 4096
	s, err := Compute(facts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestZones(t *testing.T) {
	const page = 4096
	want := []report.Zone{
		{Node: "0", Name: "DMA", ManagedBytes: 3840 * page, FreeBytes: 3840 * page, MinBytes: 24 * page, LowBytes: 30 * page, HighBytes: 36 * page, ReserveBytes: 3840 * page},
		{Node: "0", Name: "Normal", ManagedBytes: 1835008 * page, FreeBytes: 769975 * page, MinBytes: 11871 * page, LowBytes: 14838 * page, HighBytes: 17805 * page, ReserveBytes: 17805 * page},
	}
	if diff := cmp.Diff(want, zones(zoneinfo(t, t.TempDir(), zoneinfoText), page)); diff != "" {
		t.Errorf("zones (-want +got):\n%s", diff)
	}
}

// The terms lead from the one figure to the other, whatever is known.
func TestDifferenceAddsUp(t *testing.T) {
	known := zoneinfo(t, t.TempDir(), zoneinfoText)
	older := strings.Replace(meminfoText, "MemAvailable:   23573364 kB\n", "", 1)
	for name, facts := range map[string]Facts{
		"all":                {Meminfo: meminfoText, Zoneinfo: known, MinFree: "67584\n"},
		"no zones":           {Meminfo: meminfoText},
		"no MemAvailable":    {Meminfo: older, Zoneinfo: known},
		"no file lists":      {Meminfo: "MemTotal: 9 kB\nMemFree: 5 kB\nBuffers: 1 kB\nCached: 2 kB\nMemAvailable: 4 kB\n"},
		"more Shmem than in": {Meminfo: "MemTotal: 9 kB\nMemFree: 5 kB\nBuffers: 1 kB\nCached: 2 kB\nShmem: 20 kB\n"},
	} {
		s := compute(t, facts)
		sum := int64(s.SumBytes)
		for _, term := range s.Difference {
			sum += term.Bytes
		}
		if sum != int64(s.AvailableBytes) {
			t.Errorf("%s: the terms lead to %d, available are %d", name, sum, s.AvailableBytes)
		}
		if (len(s.Zones) == 0) != strings.Contains(strings.Join(s.Notes, "\n"), "watermarks cannot be read") {
			t.Errorf("%s: notes %q", name, s.Notes)
		}
	}
	s := compute(t, Facts{Meminfo: meminfoText, Zoneinfo: known, MinFree: "67584\n"})
	if s.SumBytes != (21131604+48208+2457408)<<10 || s.MinFree != 67584<<10 {
		t.Errorf("sum %d, min_free %d", s.SumBytes, s.MinFree)
	}
	if s := compute(t, Facts{Meminfo: older, Zoneinfo: known}); !s.AvailableEstimated {
		t.Error("an estimate of our own is not named so")
	}
}

func TestDropCaches(t *testing.T) {
	s := compute(t, Facts{Meminfo: meminfoText})
	if want := uint64(1555304+941548-24056-(347960-8884)) << 10; s.Drop.PageCacheBytes != want {
		t.Errorf("%d of the page cache, want %d", s.Drop.PageCacheBytes, want)
	}
	if s.Drop.SlabBytes != 259332<<10 || s.Drop.Keeps[0].Bytes != 8884<<10 {
		t.Errorf("%+v", s.Drop)
	}
	s = compute(t, Facts{Meminfo: meminfoText, MinFree: "67584\n", Tmpfs: []report.Tmpfs{{MountPoint: "/a", UsedBytes: 1}, {MountPoint: "/b", UsedBytes: 9000 << 10}}})
	if s.Tmpfs[0].MountPoint != "/b" || len(s.Notes) != 1 {
		t.Errorf("mounts %+v, notes %q", s.Tmpfs, s.Notes)
	}
}

func TestMeminfoWithoutTheFigures(t *testing.T) {
	if _, err := Compute(Facts{Meminfo: "MemTotal: 1 kB\n"}); err == nil {
		t.Error("no error")
	}
}

// A missing line is noted: a 0 of our own would pass for the kernel's.
func TestMissingLinesAreUnknown(t *testing.T) {
	lines := strings.SplitAfter(meminfoText, "\n")
	for _, name := range new(meminfo).missing() {
		rest := slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return strings.HasPrefix(line, name+":") })
		if len(rest) != len(lines)-1 {
			t.Fatalf("%s is not in the text once", name)
		}
		s := compute(t, Facts{Meminfo: strings.Join(rest, ""), MinFree: "67584"})
		if !slices.ContainsFunc(s.Notes, func(note string) bool { return strings.HasSuffix(note, "counted as 0: "+name) }) {
			t.Errorf("without %s: notes %q", name, s.Notes)
		}
	}
	for _, name := range []string{"pages free", "min", "low", "high", "managed", "protection:", "nr_free_pages"} {
		text := strings.Replace(zoneinfoText, " "+name+" ", " other ", 1)
		if text == zoneinfoText {
			t.Fatalf("%s is not in the text", name)
		}
		got := zones(zoneinfo(t, t.TempDir(), text), 4096)
		if known := name == "pages free"; known != (len(got) == 2) { // nr_free_pages says the same
			t.Errorf("without %s: zones %+v", name, got)
		}
	}
	// procfs reads as 0 what is not a number at all.
	for _, odd := range []string{"-1", "99999999999999", ""} {
		text := strings.Replace(zoneinfoText, "low      30", "low      "+odd, 1)
		if got := zones(zoneinfo(t, t.TempDir(), text), 4096); len(got) > 0 {
			t.Errorf("low %q: zones %+v", odd, got)
		}
	}
}

func TestMissingFilesAreUnknown(t *testing.T) {
	files := map[string]string{
		"meminfo": meminfoText, "zoneinfo": zoneinfoText, "sys/vm/min_free_kbytes": "67584\n", "self/mountinfo": "",
	}
	notes := map[string]string{
		"zoneinfo": "watermarks cannot be read", "sys/vm/min_free_kbytes": "counted as 0: min_free_kbytes",
		"self/mountinfo": "mounts cannot be read",
	}
	for missing := range files {
		dir := t.TempDir()
		for name, text := range files {
			if name != missing {
				put(t, dir, name, text)
			}
		}
		s, err := read(dir)
		if missing == "meminfo" {
			if err == nil {
				t.Error("no error without meminfo")
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for name, note := range notes {
			if got := strings.Contains(strings.Join(s.Notes, "\n"), note); got != (name == missing) {
				t.Errorf("without %s: notes %q", missing, s.Notes)
			}
		}
	}
	if _, err := read(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("no error without /proc")
	}
}

func TestMounts(t *testing.T) {
	got := parseMounts(`22 28 0:21 / /proc rw - proc proc rw
25 28 0:24 / /run rw,nosuid shared:5 - tmpfs tmpfs rw,size=2468364k
26 25 0:24 /lock /run/lock rw - tmpfs tmpfs rw
27 28 0:30 / /mnt/a\040b\134c rw - ramfs none rw
bad line - tmpfs
`)
	want := []mount{{"0:24", "/run", "tmpfs"}, {"0:30", `/mnt/a b\c`, "ramfs"}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(mount{})); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
}

// An endless table of mounts is read in part, and the report says so.
func TestLongMounts(t *testing.T) {
	const tmpfs = "25 28 0:24 / /run rw - tmpfs tmpfs rw\n"
	long := "26 28 0:25 / /" + strings.Repeat("d", maxMountinfo) + " rw - tmpfs tmpfs rw\n"
	for text, want := range map[string]struct {
		mounts int
		cut    bool
	}{
		tmpfs: {1, false}, tmpfs + long: {1, true}, long + tmpfs: {0, true},
		tmpfs + long[:maxMountinfo-len(tmpfs)-1] + "\n": {1, false},
	} {
		dir := t.TempDir()
		put(t, dir, "meminfo", meminfoText)
		put(t, dir, "self/mountinfo", text)
		s, err := read(dir)
		if err != nil {
			t.Fatal(err)
		}
		if cut := strings.Contains(strings.Join(s.Notes, "\n"), "in the rest is unknown"); len(s.Tmpfs) != want.mounts || cut != want.cut {
			t.Errorf("%d bytes: mounts %+v, notes %q, want %+v", len(text), s.Tmpfs, s.Notes, want)
		}
	}
}

// On this machine the terms explain MemAvailable, apart from what changes meanwhile.
func TestReadExplainsThisMachine(t *testing.T) {
	s, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	rest := s.Difference[len(s.Difference)-1].Bytes
	if limit := int64(s.TotalBytes / 100); rest > limit || rest < -limit {
		t.Errorf("%d bytes are left unexplained: %+v", rest, s)
	}
	if s.TotalBytes == 0 || s.AvailableBytes == 0 || len(s.Zones) == 0 || s.MinFree == 0 {
		t.Errorf("%+v", s)
	}
}

func FuzzCompute(f *testing.F) {
	dir := f.TempDir()
	f.Add(meminfoText, zoneinfoText, "67584", "25 28 0:24 / /run rw - tmpfs tmpfs rw\n")
	f.Fuzz(func(t *testing.T, meminfo, zones, minFree, mounts string) {
		parseMounts(mounts)
		s, err := Compute(Facts{Meminfo: meminfo, Zoneinfo: zoneinfo(t, dir, zones), MinFree: minFree, PageSize: 4096})
		if err != nil {
			return
		}
		for _, z := range s.Zones {
			if z.ReserveBytes > z.ManagedBytes || z.ManagedBytes == 0 {
				t.Fatalf("zone %+v", z)
			}
		}
	})
}
