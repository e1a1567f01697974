package report

import (
	"bytes"
	"encoding/json"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func memoryFixture() *MemoryReport {
	const mib = 1 << 20
	return &MemoryReport{
		Schema: Schema,
		Target: Target{PID: 4242, Command: "sessiond", Exe: "/usr/sbin/sessiond"},
		Answer: "sessiond (pid 4242) grows 2.0 MiB/s, most in malloc's mmaps",
		Start:  traceStart, End: traceStart.Add(30 * time.Second), DurationSeconds: 30,
		Memory: Memory{
			Polls: 31, Complete: true, ResidentKnown: true,
			VirtualBytes: 259 * mib, ResidentBytes: 153*mib + 53248,
			StatmVirtualBytes: 259 * mib, StatmResidentBytes: 153*mib + 61440,
			ResidentGrowthBytes: 60 * mib, ResidentGrowthBytesPerSecond: 2 * mib,
			Regions: []Region{
				{Class: "text", Label: "text", Count: 3, VirtualBytes: 2 * mib, ResidentBytes: mib},
				{
					Class: "brk", Label: "brk heap", Count: 1, VirtualBytes: 12 * mib, ResidentBytes: 11 * mib,
					GrowthBytes: 1625292, GrowthBytesPerSecond: 54176.4, ResidentGrowthBytes: 1600000, Growing: true,
					Interval: &Interval{Low: 50000, High: 57000.5, Confidence: 0.95},
				},
				{Class: "arena", Label: "thread arenas", Count: 1, VirtualBytes: 64 * mib, ReservedBytes: 64*mib - 135168, ResidentBytes: 53248},
				{
					Class: "malloc_mmap", Label: "malloc's mmaps", Count: 70, VirtualBytes: 141 * mib, ResidentBytes: 140 * mib,
					GrowthBytes: 60 * mib, GrowthBytesPerSecond: 2 * mib, ResidentGrowthBytes: 60 * mib, Growing: true,
					Interval: &Interval{Low: 2 * mib, High: 2 * mib, Confidence: 0.95},
				},
				{Class: "file", Label: "mapped files"},
				{Class: "library", Label: "libraries", Count: 1234, VirtualBytes: 40 * mib, ResidentBytes: mib, GrowthBytes: -4096},
			},
			Segments: []Segment{
				{Start: 0x7f06f07ea000, End: 0x7f06f2ffe000, Class: "malloc_mmap", Label: "malloc's mmaps", ThenBytes: 80 * mib, NowBytes: 140 * mib, Count: 69, Stack: "9f31c2a07be4d115", Origin: "make_session < handle_request < main"},
				{Start: 0x55d0c1f29000, End: 0x55d0c2b29000, Class: "brk", Label: "brk heap", ThenBytes: 12*mib - 1625292, NowBytes: 12 * mib, Count: 1, Name: "[heap]"},
				{Start: 0x7f06e0000000, End: 0x7f06e0100000, Class: "malloc_mmap", Label: "malloc's mmaps", NowBytes: mib, Count: 1, Name: "/opt/data/file"},
			},
			SegmentsTotal: 5,
			Verdict:       "Malloc's mmaps grow 2.0 MiB/s in segments of 2.0 MiB. The brk heap grows 52.9 KiB/s. Resident memory grows 2.0 MiB/s.",
		},
	}
}

// threads is an address space in which thread stacks pile up. All but one are alike, and some
// of them are beyond the list.
func threads() *MemoryReport {
	const mib = 1 << 20
	r := memoryFixture()
	m := &r.Memory
	s := Segment{Class: "thread_stack", Label: "thread stacks", NowBytes: 8 * mib, Count: 1, Stack: "00000000000000a7", Origin: "pool_grow < serve"}
	for i := range uint64(37) {
		s.Start = 0x7f0700000000 - i*16*mib
		s.End = s.Start + 8*mib
		m.Segments = append(m.Segments, s)
	}
	m.Segments[20].Origin, m.Segments[20].Stack = "other_pool", "00000000000000a8"
	m.SegmentsTotal = 4711
	return r
}

func memoryFixtures() map[string]*MemoryReport {
	partial := memoryFixture()
	partial.Target.Exited = true
	m := &partial.Memory
	m.Complete, m.ResidentKnown, m.ResidentBytes, m.Polls = false, false, 0, 1
	m.ResidentGrowthBytes = -4096
	partial.Answer = "sessiond (pid 4242) was watched for 0 s, too short to tell: 1 of the 6 looks it takes"
	m.Verdict = "Too short to tell growth: 1 of the 6 looks it takes."
	m.Notes = []string{"smaps may not be read: partial, without resident sizes by class"}
	m.Segments, m.SegmentsTotal = nil, 0
	for i := range m.Regions {
		m.Regions[i].Growing = false
	}

	hostile := memoryFixture()
	hostile.Target.Command = "\x1b]0;pwned\x07"
	hostile.Answer = hostile.Target.Command + " (pid 4242) grows"
	m = &hostile.Memory
	m.VirtualBytes, m.StatmResidentBytes, m.ResidentGrowthBytes = math.MaxUint64, math.MaxUint64, math.MinInt64+1
	m.Regions[1] = Region{
		Class: "brk", Label: "brk \xff\x1b[2J", Count: math.MaxInt32, VirtualBytes: math.MaxUint64, ReservedBytes: math.MaxUint64,
		ResidentBytes: math.MaxUint64, GrowthBytes: math.MinInt64 + 1, GrowthBytesPerSecond: -1e30, Growing: true,
	}
	m.Segments[0] = Segment{
		Start: math.MaxUint64 - 1, End: math.MaxUint64, Class: "mmap", Label: "anonymous mmaps", ThenBytes: math.MaxUint64, NowBytes: math.MaxUint64,
		Name: "/tmp/\u202egnp.so\n" + strings.Repeat("x", 9000), Origin: strings.Repeat("f\xff", 3000),
	}
	return map[string]*MemoryReport{"memory": memoryFixture(), "memory-partial": partial, "memory-hostile": hostile, "memory-threads": threads()}
}

func systemFixture() *SystemReport {
	const mib = 1 << 20
	return &SystemReport{
		Schema: Schema, Time: traceStart,
		System: System{
			TotalBytes: 8192 * mib, FreeBytes: 512 * mib, BuffersBytes: 64 * mib, CachedBytes: 3072 * mib, ShmemBytes: 1024 * mib,
			SlabReclaimableBytes: 200 * mib, SlabUnreclaimableBytes: 100 * mib, AnonymousBytes: 4000 * mib, MappedBytes: 300 * mib,
			DirtyBytes: 5 * mib, AvailableBytes: 2500 * mib, SumBytes: 3648 * mib,
			Difference: []Term{
				{"tmpfs and shared memory (Shmem): in Cached, but not reclaimable", -1024 * mib},
				{"nothing", 0},
				{"reclaimable slab and kernel memory", 200 * mib},
				{"kept free in each zone", -324 * mib},
			},
			Swap:    Swap{TotalBytes: 2048 * mib, FreeBytes: 2000 * mib, CachedBytes: mib},
			MinFree: 66 * mib,
			Zones: []Zone{
				{"0", "DMA32", 3018 * mib, 100 * mib, 19 * mib, 24 * mib, 29 * mib, 129 * mib},
				{"0", "Normal", 5000 * mib, 412 * mib, 46 * mib, 58 * mib, 70 * mib, 70 * mib},
			},
			Drop: DropCache{1800 * mib, 200 * mib, []Term{{"tmpfs and shared memory", 1024 * mib}, {"dirty pages, until they are written (sync)", 5 * mib}}},
			Tmpfs: []Tmpfs{
				{"/dev/shm", "tmpfs", 4096 * mib, 900 * mib, true},
				{"/very/long/name/of/a/mount/point/\x1b[31m/that/does/not/fit/at/all", "tmpfs", 0, 0, false},
				{"/run", "tmpfs", 800 * mib, 0, true},
			},
			Notes: []string{"124.0 MiB of Shmem is in none of the mounts seen from here: memfds, System V and anonymous shared memory, or mounts of other namespaces"},
		},
	}
}

func TestGoldenMemory(t *testing.T) {
	for name, r := range memoryFixtures() {
		t.Run(name, func(t *testing.T) {
			golden(t, name+".txt", memoryText(t, r, TextOptions{}))
			var buf bytes.Buffer
			if err := MemoryJSON(&buf, r); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".json", buf.Bytes())
		})
	}
	golden(t, "memory-narrow.txt", memoryText(t, memoryFixture(), TextOptions{Width: 1}))
	golden(t, "memory-threads-narrow.txt", memoryText(t, threads(), TextOptions{Width: 1, Top: 4}))
	if text := memoryText(t, threads(), TextOptions{Width: 80, Height: 23}); bytes.Count(text, []byte("\n")) > 23 || !bytes.Contains(text, []byte("more segments")) {
		t.Errorf("does not fit:\n%s", text)
	}
	golden(t, "memory-color.txt", memoryText(t, memoryFixture(), TextOptions{Color: true, Top: 1}))
}

func TestGoldenSystem(t *testing.T) {
	r := systemFixture()
	for name, opt := range map[string]TextOptions{"system": {}, "system-narrow": {Width: 1}} {
		var buf bytes.Buffer
		if err := SystemText(&buf, r, opt); err != nil {
			t.Fatal(err)
		}
		golden(t, name+".txt", buf.Bytes())
		fits(t, buf.String(), opt)
	}
	var buf bytes.Buffer
	if err := SystemJSON(&buf, r); err != nil {
		t.Fatal(err)
	}
	golden(t, "system.json", buf.Bytes())
	var got SystemReport
	decode(t, buf.Bytes(), &got)
	if diff := cmp.Diff(r, &got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("decoded report differs (-want +got):\n%s", diff)
	}
}

func memoryText(t *testing.T, r *MemoryReport, opt TextOptions) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := MemoryText(&buf, r, opt); err != nil {
		t.Fatal(err)
	}
	fits(t, buf.String(), opt)
	return buf.Bytes()
}

// fits fails the test for lines that are too long, or end in spaces.
func fits(t *testing.T, text string, opt TextOptions) {
	t.Helper()
	width := defaultWidth
	if opt.Width > 0 {
		width = max(opt.Width, minWidth)
	}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		if !opt.Color && columns(line) > width {
			t.Errorf("%d columns: %q", columns(line), line)
		}
		if strings.TrimRight(line, " ") != line {
			t.Errorf("spaces at the end of %q", line)
		}
	}
}

func decode(t *testing.T, doc []byte, into any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(doc))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Token(); err != io.EOF {
		t.Errorf("more than one document: %v", err)
	}
}

// The JSON form of a memory report decodes back to it and has the released names.
func TestMemoryJSON(t *testing.T) {
	for name, r := range memoryFixtures() {
		var buf bytes.Buffer
		if err := MemoryJSON(&buf, r); err != nil {
			t.Fatal(err)
		}
		want := *r
		want.Target, want.Memory = r.Target.representable(), r.Memory.representable()
		var got MemoryReport
		decode(t, buf.Bytes(), &got)
		if diff := cmp.Diff(&want, &got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: decoded report differs (-want +got):\n%s", name, diff)
		}
		for _, key := range []string{"memory", "regions", "class", "count", "virtual_bytes", "resident_bytes", "growth_bytes", "growth_bytes_per_second", "verdict", "segments"} {
			if !strings.Contains(buf.String(), `"`+key+`":`) {
				t.Errorf("%s: no %q", name, key)
			}
		}
	}
	for _, write := range []func(io.Writer) error{
		func(w io.Writer) error { return MemoryJSON(w, &MemoryReport{}) },
		func(w io.Writer) error { return SystemJSON(w, &SystemReport{}) },
	} {
		var buf bytes.Buffer
		if err := write(&buf); err != nil || strings.Contains(buf.String(), "null") {
			t.Errorf("%v, null in\n%s", err, buf.String())
		}
	}
}
