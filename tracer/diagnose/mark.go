package diagnose

import "memtrace/tracer/report"

// Mark is a moment that was marked, as the start of a generation of blocks.
type Mark struct {
	// Time is in ns of CLOCK_MONOTONIC.
	Time uint64
	Name string
}

// Since is the time of the last mark, 0 if there is none.
func (o *Options) Since() uint64 {
	if len(o.Marks) == 0 {
		return 0
	}
	return o.Marks[len(o.Marks)-1].Time
}

// sinceMark tells the marks, and what of the last generation is still there. In windows of time that
// is not known: most of the blocks were not seen.
func (d *diagnosis) sinceMark(r *report.Report, opt Options) {
	for _, m := range opt.Marks {
		if m.Time >= d.StartMono && m.Time <= d.Known.Now {
			r.Marks = append(r.Marks, report.Mark{AtSeconds: float64(m.Time-d.StartMono) / 1e9, Name: m.Name})
		}
	}
	last := opt.Since()
	known := last > 0 && last >= d.StartMono && last <= d.Known.Now && d.sampling == nil
	if known {
		r.SinceMark = new(report.Sum)
	}
	for i := range r.Stacks {
		s := &r.Stacks[i]
		if !known {
			s.SinceMarkBytes, s.SinceMarkBlocks = 0, 0
			continue
		}
		s.SinceMarkBytes = min(s.SinceMarkBytes, s.Bytes) // of mappings only what is memory
		r.SinceMark.Bytes += s.SinceMarkBytes
		r.SinceMark.Blocks += s.SinceMarkBlocks
	}
}
