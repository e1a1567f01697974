package sysmem

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"memtrace/tracer/report"
)

const meminfoText = `MemTotal:       24683620 kB
MemFree:        21131604 kB
MemAvailable:   23573364 kB
Buffers:           48208 kB
Cached:          2457408 kB
Active(file):    1555304 kB
Inactive(file):   941548 kB
Dirty:             24056 kB
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
Node 0, zone  Movable
  pages free     0
        min      32
        managed  0
        protection: (0, 0, 0, 0, 0)
`

func compute(t *testing.T, texts Texts) *report.System {
	t.Helper()
	texts.PageSize = 4096
	s, err := Compute(texts)
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
	if diff := cmp.Diff(want, parseZones(zoneinfoText, page)); diff != "" {
		t.Errorf("zones (-want +got):\n%s", diff)
	}
}

// The terms lead from the one figure to the other, whatever is known.
func TestDifferenceAddsUp(t *testing.T) {
	older := strings.Replace(meminfoText, "MemAvailable:   23573364 kB\n", "", 1)
	for name, texts := range map[string]Texts{
		"all":                {Meminfo: meminfoText, Zoneinfo: zoneinfoText, MinFree: "67584\n"},
		"no zones":           {Meminfo: meminfoText},
		"no MemAvailable":    {Meminfo: older, Zoneinfo: zoneinfoText},
		"no file lists":      {Meminfo: "MemTotal: 9 kB\nMemFree: 5 kB\nBuffers: 1 kB\nCached: 2 kB\nMemAvailable: 4 kB\n"},
		"more Shmem than in": {Meminfo: "MemTotal: 9 kB\nMemFree: 5 kB\nBuffers: 1 kB\nCached: 2 kB\nShmem: 20 kB\n"},
	} {
		s := compute(t, texts)
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
	s := compute(t, Texts{Meminfo: meminfoText, Zoneinfo: zoneinfoText, MinFree: "67584\n"})
	if s.SumBytes != (21131604+48208+2457408)<<10 || s.MinFree != 67584<<10 {
		t.Errorf("sum %d, min_free %d", s.SumBytes, s.MinFree)
	}
	if s := compute(t, Texts{Meminfo: older, Zoneinfo: zoneinfoText}); !s.AvailableEstimated {
		t.Error("an estimate of our own is not named so")
	}
}

func TestDropCaches(t *testing.T) {
	s := compute(t, Texts{Meminfo: meminfoText})
	if want := uint64(1555304+941548-24056-(347960-8884)) << 10; s.Drop.PageCacheBytes != want {
		t.Errorf("%d of the page cache, want %d", s.Drop.PageCacheBytes, want)
	}
	if s.Drop.SlabBytes != 259332<<10 || s.Drop.Keeps[0].Bytes != 8884<<10 {
		t.Errorf("%+v", s.Drop)
	}
	s = compute(t, Texts{Meminfo: meminfoText, Tmpfs: []report.Tmpfs{{MountPoint: "/a", UsedBytes: 1}, {MountPoint: "/b", UsedBytes: 9000 << 10}}})
	if s.Tmpfs[0].MountPoint != "/b" || len(s.Notes) != 1 {
		t.Errorf("mounts %+v, notes %q", s.Tmpfs, s.Notes)
	}
}

func TestMeminfoWithoutTheFigures(t *testing.T) {
	if _, err := Compute(Texts{Meminfo: "MemTotal: 1 kB\n"}); err == nil {
		t.Error("no error")
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

// On this machine the terms explain MemAvailable but for what changes meanwhile.
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
	f.Add(meminfoText, zoneinfoText, "67584", "25 28 0:24 / /run rw - tmpfs tmpfs rw\n")
	f.Fuzz(func(t *testing.T, meminfo, zoneinfo, minFree, mounts string) {
		parseMounts(mounts)
		s, err := Compute(Texts{Meminfo: meminfo, Zoneinfo: zoneinfo, MinFree: minFree, PageSize: 4096})
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
