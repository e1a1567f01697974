package diagnose

import (
	"time"

	"memtrace/tracer/process/kin"
	"memtrace/tracer/report"
)

// Began makes the facts about a process that was forked during the trace begin with that.
func (f *Facts) Began() {
	began := f.Known.Life.Began
	if began > f.StartMono {
		f.Start = f.Start.Add(time.Duration(began - f.StartMono))
		f.StartMono = began
	}
}

// Buried drops what cannot be told of a process that was followed to its end, and need not be.
func (f *Facts) Buried() {
	f.SpaceErr, f.SystemErr = nil, nil
	f.Limits, f.System, f.Kin = nil, nil, kin.Snapshot{}
}

// inherited says what a process has of its parent's blocks, nil if nothing is known to be.
func (d *diagnosis) inherited() *report.Inherited {
	in := &d.Known.Heap.Inherited
	if in.Blocks == 0 {
		return nil
	}
	return &report.Inherited{
		Sum:    report.Sum{Bytes: in.Bytes, Blocks: in.Blocks},
		Freed:  report.Sum{Bytes: in.Freed.Bytes, Blocks: in.Freed.Blocks},
		Listed: in.Listed,
	}
}

// noteInherited says where the blocks are that a process has from its parent.
func (d *diagnosis) noteInherited() {
	in := d.inherited()
	if in == nil {
		return
	}
	where := "what is left of them is not counted here"
	switch {
	case in.Listed:
		where = "what is left of them is counted here, too, by their stacks"
	case !d.Known.Life.Exited:
		where = "there are too many to be counted here as well"
	}
	d.note("At its fork it had a copy of %s in %s of its parent (pid %d), of which it has freed %s: %s.",
		report.Size(in.Bytes), report.Counted(in.Blocks, "block", "blocks"), d.Known.Life.Parent, report.Count(in.Freed.Blocks), where)
}
