package report

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// figureWidth is the width in columns of a figure, in front of its name.
const figureWidth = 12

// SystemText writes the report for people to read.
func SystemText(w io.Writer, r *SystemReport, opt TextOptions) error {
	p := newPrinter(opt)
	s := &r.System
	p.flow(span{"memtrace: ", bold}, 0, " ", span{"system memory", bold}, span{text: "at " + r.Time.Format(time.DateTime+" MST")})
	p.newline()
	p.overview(s)
	p.difference(s)
	p.drop(s)
	p.watermarks(s)
	p.tmpfs(s)
	for i, n := range s.Notes {
		if i == 0 {
			p.newline()
		}
		p.paragraph(span{"note: ", bold}, escape(n), plain)
	}
	return p.flush(w)
}

// figure writes a figure and its name.
func (p *printer) figure(size, what string, st style) {
	p.paragraph(span{fmt.Sprintf("%*s  ", figureWidth, size), st}, what, st)
}

func (p *printer) overview(s *System) {
	available := "available without swapping, by the kernel's estimate"
	if s.AvailableEstimated {
		available = "available without swapping (computed: this kernel has no estimate)"
	}
	p.figure(Size(s.TotalBytes), "total", plain)
	p.figure(Size(s.AvailableBytes), available+", "+share(s.AvailableBytes, s.TotalBytes), bold)
	p.figure(Size(s.FreeBytes), "free", plain)
	p.figure(Size(s.BuffersBytes), "buffers", plain)
	p.figure(Size(s.CachedBytes), "cached, of which "+Size(s.ShmemBytes)+
		" is tmpfs and shared memory (Shmem): not reclaimable", plain)
	p.figure(Size(s.AnonymousBytes), "anonymous memory of processes", plain)
	p.figure(Size(addClamped(s.SlabReclaimableBytes, s.SlabUnreclaimableBytes)), "slab, of which "+
		Size(s.SlabReclaimableBytes)+" reclaimable, "+Size(s.SlabUnreclaimableBytes)+" not", plain)
	if s.Swap.TotalBytes == 0 {
		p.figure("0 B", "swap: none", plain)
	} else {
		p.figure(Size(s.Swap.TotalBytes), "swap, of which "+Size(s.Swap.FreeBytes)+" free, "+
			Size(s.Swap.CachedBytes)+" also in memory", plain)
	}
}

// difference writes the steps from the traditional measure to what is available.
func (p *printer) difference(s *System) {
	p.newline()
	p.paragraph(span{}, "From free + buffers + cached to what is available", bold)
	p.figure(Size(s.SumBytes), "free + buffers + cached", plain)
	for _, t := range s.Difference {
		if t.Bytes != 0 {
			p.figure(signed(t.Bytes), escape(t.What), plain)
		}
	}
	p.figure(Size(s.AvailableBytes), "available", plain)
}

func (p *printer) drop(s *System) {
	p.newline()
	p.paragraph(span{}, "Dropping caches (memtrace does not)", bold)
	p.figure(Size(s.Drop.PageCacheBytes), "of the page cache it could give back at most", plain)
	p.figure(Size(s.Drop.SlabBytes), "of slab (dentries, inodes and the like) at most", plain)
	for _, t := range s.Drop.Keeps {
		if t.Bytes != 0 {
			p.figure(Size(uint64(t.Bytes)), "it could not: "+escape(t.What), plain)
		}
	}
}

// watermarks writes the table of zones without the columns that do not fit.
func (p *printer) watermarks(s *System) {
	if len(s.Zones) == 0 && s.MinFree == 0 {
		return
	}
	p.newline()
	p.flow(span{}, 0, " ", span{"Watermarks", bold}, span{text: "(min_free_kbytes keeps " + Size(s.MinFree) + ")"})
	heads := []string{"managed", "free", "min", "low", "high", "reserve"}
	heads = heads[:min(len(heads), (p.width-labelWidth)/11)]
	text := pad("  zone", labelWidth)
	for _, h := range heads {
		text += fmt.Sprintf("%11s", h)
	}
	p.line(span{strings.TrimRight(text, " "), dim})
	for _, z := range s.Zones {
		text := pad(cutRight(escape("  "+z.Node+" "+z.Name), labelWidth), labelWidth)
		for _, n := range []uint64{z.ManagedBytes, z.FreeBytes, z.MinBytes, z.LowBytes, z.HighBytes, z.ReserveBytes}[:len(heads)] {
			text += fmt.Sprintf("%11s", Size(n))
		}
		p.line(span{text: text})
	}
}

func (p *printer) tmpfs(s *System) {
	if len(s.Tmpfs) == 0 {
		return
	}
	p.newline()
	p.paragraph(span{}, "Files in memory (tmpfs), by size", bold)
	unused := 0
	for _, t := range s.Tmpfs {
		if t.UsedKnown && t.UsedBytes == 0 {
			unused++
			continue
		}
		size, limit := "unknown", ", without a limit"
		if t.UsedKnown {
			size = Size(t.UsedBytes)
		}
		if t.SizeBytes > 0 {
			limit = " of " + Size(t.SizeBytes)
		}
		p.flow(span{text: fmt.Sprintf("%*s  ", figureWidth, size)}, 0, " ",
			span{text: shortenPath(escape(t.MountPoint), max(p.width-figureWidth-30, 12)) + limit + ", " + escape(t.Type)})
	}
	if unused > 0 {
		p.figure("0 B", "in "+counted(uint64(unused), "mount")+" without files", plain)
	}
}
