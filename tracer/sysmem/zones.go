package sysmem

import (
	"slices"

	"github.com/prometheus/procfs"

	"memtrace/tracer/report"
)

// maxPages is beyond what any machine has, so that sums of bytes do not overflow.
const maxPages = 1 << 44

// zones turns pages into bytes. It returns none if a line of a zone with memory is missing:
// sums over the others would pass for those of the machine.
func zones(infos []procfs.Zoneinfo, pageSize uint64) (list []report.Zone) {
	for i := range infos {
		info := &infos[i]
		if info.Managed != nil && *info.Managed == 0 {
			continue // the kernel shows few lines of it
		}
		if len(info.Protection) == 0 {
			return nil
		}
		pages := append([]*int64{info.Managed, info.NrFreePages, info.Min, info.Low, info.High}, info.Protection...)
		sizes := make([]uint64, len(pages))
		for i, n := range pages {
			if n == nil || *n < 0 || *n > maxPages {
				return nil
			}
			sizes[i] = uint64(*n) * pageSize
		}
		z := report.Zone{
			Node: info.Node, Name: info.Zone,
			ManagedBytes: sizes[0], FreeBytes: sizes[1], MinBytes: sizes[2], LowBytes: sizes[3], HighBytes: sizes[4],
		}
		z.ReserveBytes = reserve(z, sizes[5:])
		list = append(list, z)
	}
	return list
}

// reserve is what the kernel leaves free in a zone, as it calculates for MemAvailable
// (calculate_totalreserve_pages in mm/page_alloc.c): the high watermark, plus the largest
// amount held back from requests for other zones.
func reserve(z report.Zone, protection []uint64) uint64 {
	return min(slices.Max(protection)+z.HighBytes, z.ManagedBytes)
}
