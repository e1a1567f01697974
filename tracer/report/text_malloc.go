package report

import "strings"

// allocators writes how much each allocator has served, where several have.
func (p *printer) allocators(r *Report, _ TextOptions) {
	var items []span
	for _, a := range r.Allocators {
		items = append(items, span{text: allocatorName(a.Allocator) + " " + Size(a.Bytes) + " in " + counted(a.Blocks, "block")})
	}
	if len(items) > 0 {
		p.flow(span{text: "Served by: "}, 2, " ", joined(",", items)...)
	}
}

// allocatorName cuts the name of an allocator, which may be that of a file.
func allocatorName(name string) string { return cutRight(escape(name), 24) }

// split writes how malloc served the outstanding blocks, and why.
func (p *printer) split(r *Report, _ TextOptions) {
	m := r.MallocSplit
	if m == nil {
		return
	}
	if m.Brk.Blocks+m.Arena.Blocks+m.Mmap.Blocks > 0 {
		var items []span
		for _, way := range []struct {
			name string
			sum  Sum
		}{{"brk heap", m.Brk.Sum}, {"thread arenas", m.Arena.Sum}, {"own mappings", m.Mmap.Sum}} {
			if way.sum.Blocks > 0 {
				items = append(items, texts(way.name+" "+Size(way.sum.Bytes)+" in "+counted(way.sum.Blocks, "block"))...)
			}
		}
		p.flow(span{text: "Served from: "}, 2, " ", joined(",", items)...)
	}
	if m.MmapThreshold > 0 {
		p.paragraph(span{}, threshold(m), plain)
	}
	for _, c := range m.Changes {
		p.paragraph(span{text: "  "}, "after "+Seconds(c.Seconds)+" the threshold went from "+Size(c.From)+" to "+Size(c.To), plain)
	}
	if e := m.Exceptions.BelowThresholdMmapped; e.Blocks > 0 {
		why := "realloc leaves a mapping one, and an arena that cannot grow maps"
		if len(m.Changes) > 0 {
			why = "mapped before the threshold changed, or kept so by realloc"
		}
		p.paragraph(span{text: "  "}, counted(e.Blocks, "block")+" ("+Size(e.Bytes)+") mapped though below it: "+why, plain)
	}
	if e := m.Exceptions.AboveThresholdInHeap; e.Blocks > 0 {
		p.paragraph(span{text: "  "}, counted(e.Blocks, "block")+" ("+Size(e.Bytes)+
			") in a heap though above it: there was free memory of that size", plain)
	}
}

// threshold says from what size on malloc maps a block, and what moves that size.
func threshold(m *MallocSplit) string {
	text := "M_MMAP_THRESHOLD " + exactBytes(m.MmapThreshold)
	if m.ThresholdSource == "inferred" {
		return text + " or less, inferred from the smallest mapped block"
	}
	if m.Dynamic {
		text += ", rises with frees of mapped blocks"
	} else {
		text += ", fixed by " + escape(strings.Join(m.FrozenBy, ", "))
	}
	return text + "; " + Count(uint64(m.MmappedBlocks)) + " of at most " + Count(uint64(m.MmapMax)) + " mappings in use"
}

// ways names how blocks were served, nil where malloc does not tell.
func (s *Served) ways() (names []string) {
	if s == nil {
		return nil
	}
	for _, way := range []struct {
		name string
		sum  Sum
	}{{"brk heap", s.Brk.Sum}, {"arenas", s.Arena.Sum}, {"own mappings", s.Mmap.Sum}} {
		if way.sum.Blocks > 0 {
			names = append(names, way.name)
		}
	}
	return names
}
