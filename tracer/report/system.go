package report

import (
	"io"
	"time"
)

// SystemReport is the memory of the machine.
type SystemReport struct {
	Schema string    `json:"schema"`
	Time   time.Time `json:"time"`
	System System    `json:"system"`
}

// System is the memory of the machine, in bytes, by the names of
// /proc/meminfo (proc_meminfo(5)).
type System struct {
	TotalBytes   uint64 `json:"total_bytes"`
	FreeBytes    uint64 `json:"free_bytes"`
	BuffersBytes uint64 `json:"buffers_bytes"`
	CachedBytes  uint64 `json:"cached_bytes"`
	// ShmemBytes is the part of CachedBytes that is tmpfs and shared memory, which
	// is no cache: it goes nowhere but to swap.
	ShmemBytes             uint64 `json:"shmem_bytes"`
	SlabReclaimableBytes   uint64 `json:"slab_reclaimable_bytes"`
	SlabUnreclaimableBytes uint64 `json:"slab_unreclaimable_bytes"`
	AnonymousBytes         uint64 `json:"anonymous_bytes"`
	MappedBytes            uint64 `json:"mapped_bytes"`
	DirtyBytes             uint64 `json:"dirty_bytes"`
	WritebackBytes         uint64 `json:"writeback_bytes"`
	UnevictableBytes       uint64 `json:"unevictable_bytes"`
	// AvailableBytes is the kernel's estimate of what can be had without swapping;
	// AvailableEstimated is true where the kernel (before 3.14) has none and it
	// was computed as later kernels do.
	AvailableBytes     uint64 `json:"available_bytes"`
	AvailableEstimated bool   `json:"available_estimated"`
	// SumBytes is free, buffers and cached, the measure of old.
	SumBytes uint64 `json:"free_buffers_cached_bytes"`
	// Difference leads from SumBytes to AvailableBytes, term by term.
	Difference []Term    `json:"difference"`
	Swap       Swap      `json:"swap"`
	MinFree    uint64    `json:"min_free_bytes"`
	Zones      []Zone    `json:"zones"`
	Drop       DropCache `json:"drop_caches"`
	// Tmpfs is the mounts of tmpfs and ramfs that can be seen, largest first. A
	// file system that is mounted several times is listed once.
	Tmpfs []Tmpfs  `json:"tmpfs"`
	Notes []string `json:"notes,omitempty"`
}

// Term is a step from one figure to another.
type Term struct {
	What  string `json:"what"`
	Bytes int64  `json:"bytes"`
}

// Swap is the swap space.
type Swap struct {
	TotalBytes  uint64 `json:"total_bytes"`
	FreeBytes   uint64 `json:"free_bytes"`
	CachedBytes uint64 `json:"cached_bytes"`
}

// Zone is a zone of a node with its watermarks (/proc/zoneinfo): below Low the
// kernel reclaims in the background until High is free, below Min allocations
// reclaim themselves.
type Zone struct {
	Node         string `json:"node"`
	Name         string `json:"name"`
	ManagedBytes uint64 `json:"managed_bytes"`
	FreeBytes    uint64 `json:"free_bytes"`
	MinBytes     uint64 `json:"min_bytes"`
	LowBytes     uint64 `json:"low_bytes"`
	HighBytes    uint64 `json:"high_bytes"`
	// ReserveBytes is what the kernel keeps free here: High, and what is held back
	// for requests that no other zone can serve.
	ReserveBytes uint64 `json:"reserve_bytes"`
}

// DropCache is what writing to /proc/sys/vm/drop_caches could give back at most,
// and what it could not.
type DropCache struct {
	PageCacheBytes uint64 `json:"page_cache_bytes"`
	SlabBytes      uint64 `json:"slab_bytes"`
	Keeps          []Term `json:"keeps"`
}

// Tmpfs is a mounted file system whose files are in memory.
type Tmpfs struct {
	MountPoint string `json:"mount_point"`
	Type       string `json:"type"`
	// SizeBytes is its limit, 0 for none.
	SizeBytes uint64 `json:"size_bytes"`
	UsedBytes uint64 `json:"used_bytes"`
	// UsedKnown is false for ramfs and file systems without a limit, which do not
	// say what they use.
	UsedKnown bool `json:"used_known"`
}

// SystemJSON writes a SystemReport as JSON does a Report.
func SystemJSON(w io.Writer, r *SystemReport) error {
	c := *r
	s := &c.System
	s.Notes = boundedAll(s.Notes)
	s.Difference = append([]Term{}, s.Difference...)
	s.Zones = append([]Zone{}, s.Zones...)
	s.Drop.Keeps = append([]Term{}, s.Drop.Keeps...)
	s.Tmpfs = append([]Tmpfs{}, s.Tmpfs...)
	for i := range s.Tmpfs {
		t := &s.Tmpfs[i]
		t.MountPoint, t.Type = bounded(t.MountPoint), bounded(t.Type)
	}
	return writeJSON(w, &c)
}
