package sysmem

import (
	"cmp"
	"slices"
	"strings"

	"github.com/prometheus/procfs"

	"memtrace/tracer/report"
)

// Facts is what Compute works on.
type Facts struct {
	// Meminfo is the text of /proc/meminfo. MinFree is that of /proc/sys/vm/min_free_kbytes,
	// which may be empty.
	Meminfo, MinFree string
	// Zoneinfo is /proc/zoneinfo as procfs reads it, or nil.
	Zoneinfo []procfs.Zoneinfo
	// PageSize is the machine's page size, in bytes.
	PageSize uint64
	// Tmpfs is the mounts of file systems in memory.
	Tmpfs []report.Tmpfs
}

// Compute makes a report of facts. Its notes name what is missing.
func Compute(f Facts) (*report.System, error) {
	m, err := parseMeminfo(f.Meminfo)
	if err != nil {
		return nil, err
	}
	s := &report.System{
		TotalBytes: m["MemTotal"], FreeBytes: m["MemFree"], BuffersBytes: m["Buffers"], CachedBytes: m["Cached"],
		ShmemBytes: m["Shmem"], SlabReclaimableBytes: m["SReclaimable"], SlabUnreclaimableBytes: m["SUnreclaim"],
		AnonymousBytes: m["AnonPages"], MappedBytes: m["Mapped"], DirtyBytes: m["Dirty"],
		WritebackBytes: m["Writeback"], UnevictableBytes: m["Unevictable"],
		Swap: report.Swap{TotalBytes: m["SwapTotal"], FreeBytes: m["SwapFree"], CachedBytes: m["SwapCached"]},
	}
	s.SumBytes = s.FreeBytes + s.BuffersBytes + s.CachedBytes
	unknown := m.missing()
	var ok bool
	if s.MinFree, ok = parseMinFree(f.MinFree); !ok {
		unknown = append(unknown, "min_free_kbytes")
	}
	if len(unknown) > 0 {
		s.Notes = append(s.Notes, "not to be read and so unknown, though counted as 0: "+strings.Join(unknown, ", "))
	}
	s.Zones = zones(f.Zoneinfo, f.PageSize)
	explain(s, m)
	drop(s, m)
	s.Tmpfs = slices.Clone(f.Tmpfs)
	slices.SortStableFunc(s.Tmpfs, func(a, b report.Tmpfs) int { return cmp.Compare(b.UsedBytes, a.UsedBytes) })
	elsewhere(s)
	return s, nil
}

// explain leads from free + buffers + cached to MemAvailable, the way the kernel computes it
// (si_mem_available in mm/show_mem.c): free pages less what zones keep, plus the page cache
// and the reclaimable slab. Of each of these two, half stays, but no more than the low
// watermarks.
func explain(s *report.System, m meminfo) {
	var low, reserve uint64
	for _, z := range s.Zones {
		low += z.LowBytes
		reserve += z.ReserveBytes
	}
	lists := m["Active(file)"] + m["Inactive(file)"]
	reclaimable := m["KReclaimable"] // from 4.20 on
	if reclaimable == 0 {
		reclaimable = s.SlabReclaimableBytes
	}
	keptCache, keptSlab := min(lists/2, low), min(reclaimable/2, low)
	cache := s.BuffersBytes + s.CachedBytes
	terms := []report.Term{
		{What: "tmpfs and shared memory (Shmem): in Cached, but not reclaimable", Bytes: -int64(s.ShmemBytes)},
		{
			What:  "cache that is not on the lists of reclaimable file pages: locked, just read, or on its way",
			Bytes: int64(lists) - int64(cache-min(s.ShmemBytes, cache)),
		},
		{What: "page cache that is needed to keep going (half, at most the low watermarks)", Bytes: -int64(keptCache)},
		{What: "kept free in each zone: high watermark and reserves for lower zones", Bytes: -int64(reserve)},
		{What: "reclaimable slab and kernel memory", Bytes: int64(reclaimable)},
		{What: "of that needed to keep going (half, at most the low watermarks)", Bytes: -int64(keptSlab)},
	}
	sum := int64(s.SumBytes)
	for _, t := range terms {
		sum += t.Bytes
	}
	available, known := m["MemAvailable"]
	if !known {
		s.AvailableEstimated = true
		available = uint64(max(sum, 0))
	}
	s.AvailableBytes = available
	terms = append(terms, report.Term{What: "left unexplained: figures of different moments", Bytes: int64(available) - sum})
	s.Difference = terms
	if len(s.Zones) == 0 {
		s.Notes = append(s.Notes, "the zones' watermarks cannot be read: what they keep is among the unexplained")
	}
}

// drop says what drop_caches could give back. It frees clean pages that no process has mapped,
// and dentries, inodes and the like that are not in use.
func drop(s *report.System, m meminfo) {
	lists := m["Active(file)"] + m["Inactive(file)"]
	// Mapped includes shared memory. At least what remains without that is on the lists of
	// file pages.
	mapped := s.MappedBytes - min(s.MappedBytes, s.ShmemBytes)
	busy := s.DirtyBytes + s.WritebackBytes + mapped
	s.Drop = report.DropCache{
		PageCacheBytes: lists - min(lists, busy),
		SlabBytes:      s.SlabReclaimableBytes,
		Keeps: []report.Term{
			{What: "tmpfs and shared memory: delete the files, or let them go to swap", Bytes: int64(s.ShmemBytes)},
			{What: "pages that processes have mapped (Mapped)", Bytes: int64(s.MappedBytes)},
			{What: "dirty pages, until they are written (sync)", Bytes: int64(s.DirtyBytes + s.WritebackBytes)},
			{What: "unreclaimable slab", Bytes: int64(s.SlabUnreclaimableBytes)},
			{What: "anonymous memory of processes", Bytes: int64(s.AnonymousBytes)},
		},
	}
}

// elsewhere notes shared memory that no mount accounts for.
func elsewhere(s *report.System) {
	var used uint64
	for _, t := range s.Tmpfs {
		used += t.UsedBytes
	}
	if s.ShmemBytes > used {
		s.Notes = append(s.Notes, report.Size(s.ShmemBytes-used)+" of Shmem is in none of the mounts seen from here: "+
			"memfds, System V and anonymous shared memory, or mounts of other namespaces")
	}
}
