package record

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"time"

	"memtrace/tracer/report"
)

const (
	// mostStacks is how many stacks of a process are recorded, the worst ones. What the others hold
	// is in the sums of the report.
	mostStacks = 50_000
	// mostRows bounds the stacks of a snapshot, over all processes.
	mostRows = 1 << 18
	// mostKnown is how many stacks a definer remembers before it begins anew. So it does at a half of
	// what a reader takes of names and frames.
	mostKnown = 250_000
	// keyEvery is how many snapshots come after a key before the next.
	keyEvery = 64
)

// encoder makes frames of reports.
type encoder struct {
	definer   *definer
	state     *state
	processes map[string]uint32
	count     uint64 // snapshots so far
	// toKey counts the snapshots until the next key; restarted: definitions begin anew.
	toKey     int
	restarted bool
	// metas are those of the last snapshot.
	metas   []byte
	scratch row
}

func newEncoder() *encoder {
	e := new(encoder)
	e.restart()
	e.restarted = false // a file begins like that
	return e
}

// ownColumns are the columns that this memtrace writes.
func ownColumns() (columns [len(tables)][]column) {
	for i := range tables {
		columns[i] = tables[i].columns
	}
	return columns
}

// restart forgets everything that was written: the next snapshot stands for itself.
func (e *encoder) restart() {
	e.definer, e.state = newDefiner(), newState(ownColumns())
	e.processes = make(map[string]uint32)
	e.toKey, e.restarted, e.metas = 0, true, nil
}

// snapshot returns the frames of a snapshot. In an exact one every figure is kept as it is.
func (e *encoder) snapshot(at time.Time, reports []*report.Report, exact bool) ([]byte, error) {
	if e.definer.full() {
		e.restart()
	}
	e.count++
	e.state.processes = e.state.processes[:0:0]
	turns := make(map[string]int)
	for _, r := range reports {
		if err := e.report(r, turns, exact); err != nil {
			return nil, err
		}
	}
	for _, k := range e.definer.stacks {
		if k.seen != e.count && e.state.rows[k.number] != nil {
			e.state.set(k.number, nil)
		}
	}
	return e.frames(at, exact)
}

// frames encodes what the state has become.
func (e *encoder) frames(at time.Time, exact bool) (frames []byte, err error) {
	if e.restarted {
		frames = appendFrame(frames, frameRestart, 0, at, nil)
		e.restarted = false
	}
	raw := e.definer.take()
	if len(raw) > mostPayload {
		return nil, fmt.Errorf("a snapshot defines %s of names, which is more than any reader takes", report.Size(uint64(len(raw))))
	}
	if len(raw) > 0 {
		frames = appendFrame(frames, frameDefinitions, 0, at, compress(raw, nil))
	}
	frame, metas := e.state.frame(at, exact, e.toKey == 0, e.metas)
	if e.toKey--; e.toKey < 0 {
		e.toKey = keyEvery
	}
	e.metas = metas
	return append(frames, frame...), nil
}

// frame encodes the state as a key or by what changed since it was settled, and settles it.
func (s *state) frame(at time.Time, exact, key bool, before []byte) (frame, metas []byte) {
	metas = s.metas()
	flags := byte(0)
	if exact {
		flags = frameExact
	}
	if key {
		raw := slices.Concat(metas, s.key())
		frame = appendFrame(nil, frameKey, flags, at, compress(raw, nil))
	} else {
		raw := slices.Concat(metas, s.changes())
		frame = appendFrame(nil, frameChanges, flags, at, compress(raw, before))
	}
	s.settle()
	return frame, metas
}

// report takes the report of one process into the state.
func (e *encoder) report(r *report.Report, turns map[string]int, exact bool) error {
	number := e.process(r, turns)
	e.definer.mapped(number, r.Target.Modules)
	bare := r.Bare()
	if !exact && e.toKey != 0 {
		lighten(bare)
	}
	meta, err := json.Marshal(bare)
	if err != nil {
		return fmt.Errorf("encode a report: %w", err)
	}
	e.state.processes = append(e.state.processes, processMeta{number, meta})
	for i := range r.Stacks[:min(len(r.Stacks), mostStacks)] {
		s := &r.Stacks[i]
		e.stack(stackKey{process: number, table: tableStacks, kind: s.Kind, id: s.ID}, s, reflect.ValueOf(s).Elem(), r, exact)
	}
	if g := r.Growth; g != nil {
		for i := range g.FaultStacks[:min(len(g.FaultStacks), mostStacks)] {
			s := &g.FaultStacks[i]
			names := report.Stack{ID: s.ID, Frames: s.Frames, OwnFrame: s.OwnFrame, Truncated: s.Truncated}
			e.stack(stackKey{process: number, table: tableFaults, id: s.ID}, &names, reflect.ValueOf(s).Elem(), r, exact)
		}
	}
	return nil
}

// process numbers the process of a report.
func (e *encoder) process(r *report.Report, turns map[string]int) uint32 {
	key := fmt.Sprintf("%d %d %s", r.Target.PID, r.Target.Processes, r.Target.Exe)
	turns[key]++
	key = fmt.Sprintf("%d %s", turns[key], key)
	n, ok := e.processes[key]
	if !ok {
		n = uint32(len(e.processes))
		e.processes[key] = n
	}
	return n
}

// stack takes one stack into the state, whose figures are in the struct v.
func (e *encoder) stack(key stackKey, names *report.Stack, v reflect.Value, r *report.Report, exact bool) {
	if len(e.state.rows) >= mostRows {
		return
	}
	k := e.definer.stack(key, names, exact, r.Name)
	for k.seen == e.count { // another one of this report
		key.turn++
		k = e.definer.stack(key, names, exact, r.Name)
	}
	k.seen = e.count
	now := &e.scratch
	now.table = key.table
	old := e.state.rows[k.number]
	detailed := old
	if exact || e.toKey == 0 {
		detailed = nil // all details are kept anew
	}
	tables[key.table].pack(v, now, r.DurationSeconds, e.definer, detailed)
	if e.state.texts+now.size()-old.size() > e.state.mostTexts {
		now.texts = nil
	}
	if old == nil || e.state.differs(now, old, exact) {
		e.state.set(k.number, &row{now.table, slices.Clone(now.cells), now.texts})
	}
}
