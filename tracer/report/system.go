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

// System is the memory of the machine, in bytes, under the names of /proc/meminfo
// (proc_meminfo(5)).
type System struct {
	TotalBytes   uint64 `json:"total_bytes"`
	FreeBytes    uint64 `json:"free_bytes"`
	BuffersBytes uint64 `json:"buffers_bytes"`
	CachedBytes  uint64 `json:"cached_bytes"`
	// ShmemBytes is the part of CachedBytes that is tmpfs and shared memory. It is not a
	// cache: the kernel can reclaim it only by swapping.
	ShmemBytes             uint64 `json:"shmem_bytes"`
	SlabReclaimableBytes   uint64 `json:"slab_reclaimable_bytes"`
	SlabUnreclaimableBytes uint64 `json:"slab_unreclaimable_bytes"`
	AnonymousBytes         uint64 `json:"anonymous_bytes"`
	MappedBytes            uint64 `json:"mapped_bytes"`
	DirtyBytes             uint64 `json:"dirty_bytes"`
	WritebackBytes         uint64 `json:"writeback_bytes"`
	UnevictableBytes       uint64 `json:"unevictable_bytes"`
	// AvailableBytes is the kernel's estimate of what can be had without swapping.
	// AvailableEstimated is true where the kernel (before 3.14) has no such estimate, and the
	// value was computed as later kernels do.
	AvailableBytes     uint64 `json:"available_bytes"`
	AvailableEstimated bool   `json:"available_estimated"`
	// SumBytes is free, buffers and cached, the traditional measure.
	SumBytes uint64 `json:"free_buffers_cached_bytes"`
	// Difference has the steps from SumBytes to AvailableBytes, term by term.
	Difference []Term    `json:"difference"`
	Swap       Swap      `json:"swap"`
	MinFree    uint64    `json:"min_free_bytes"`
	Zones      []Zone    `json:"zones"`
	Drop       DropCache `json:"drop_caches"`
	// Tmpfs lists the visible tmpfs and ramfs mounts, largest first. A file system that is
	// mounted several times is listed once.
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

// Zone is a zone of a node with its watermarks (/proc/zoneinfo). Below Low the kernel reclaims
// in the background until High is free; below Min allocating tasks reclaim themselves.
type Zone struct {
	Node         string `json:"node"`
	Name         string `json:"name"`
	ManagedBytes uint64 `json:"managed_bytes"`
	FreeBytes    uint64 `json:"free_bytes"`
	MinBytes     uint64 `json:"min_bytes"`
	LowBytes     uint64 `json:"low_bytes"`
	HighBytes    uint64 `json:"high_bytes"`
	// ReserveBytes is what the kernel keeps free here: High, plus what it holds back for
	// requests that no other zone can serve.
	ReserveBytes uint64 `json:"reserve_bytes"`
}

// DropCache is the most that writing to /proc/sys/vm/drop_caches could give back, and what it
// could not.
type DropCache struct {
	PageCacheBytes uint64 `json:"page_cache_bytes"`
	SlabBytes      uint64 `json:"slab_bytes"`
	Keeps          []Term `json:"keeps"`
}

// Tmpfs is a mounted file system that keeps its files in memory.
type Tmpfs struct {
	MountPoint string `json:"mount_point"`
	Type       string `json:"type"`
	// SizeBytes is its size limit, 0 for none.
	SizeBytes uint64 `json:"size_bytes"`
	UsedBytes uint64 `json:"used_bytes"`
	// UsedKnown is false for ramfs and for file systems without a limit, which do not report
	// their use.
	UsedKnown bool `json:"used_known"`
}

// SystemJSON writes a SystemReport the way JSON writes a Report.
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
