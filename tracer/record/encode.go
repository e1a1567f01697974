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
	// mostRows bounds the stacks of a snapshot, over all processes, for readers too.
	mostRows = 1 << 18
	// mostKnown is how many stacks a definer remembers before it begins anew: more than those of a
	// snapshot, or each would begin anew. So it does at a half of what a reader takes of names and frames.
	mostKnown = 2 * mostRows
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
	// left is what is left out of the report that is encoded: stacks, and the details of others.
	left struct{ stacks, details int }
	// mostRows is the constant but in tests.
	mostRows int
}

func newEncoder() *encoder {
	e := &encoder{mostRows: mostRows}
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
	e.left.stacks, e.left.details = max(len(r.Stacks)-mostStacks, 0), 0
	for i := range r.Stacks[:min(len(r.Stacks), mostStacks)] {
		s := &r.Stacks[i]
		e.stack(stackKey{process: number, table: tableStacks, kind: s.Kind, id: s.ID}, s, reflect.ValueOf(s).Elem(), r, exact)
	}
	if g := r.Growth; g != nil {
		e.left.stacks += max(len(g.FaultStacks)-mostStacks, 0)
		for i := range g.FaultStacks[:min(len(g.FaultStacks), mostStacks)] {
			s := &g.FaultStacks[i]
			names := report.Stack{ID: s.ID, Frames: s.Frames, OwnFrame: s.OwnFrame, Truncated: s.Truncated}
			e.stack(stackKey{process: number, table: tableFaults, id: s.ID}, &names, reflect.ValueOf(s).Elem(), r, exact)
		}
	}
	bare := r.Bare()
	if !exact && e.toKey != 0 {
		lighten(bare)
	}
	if e.left.stacks+e.left.details > 0 {
		bare.Notes = append(slices.Clip(bare.Notes), fmt.Sprintf("Of this process the record leaves out %s stacks, and the details of %s others: there are too many.",
			report.Count(uint64(e.left.stacks)), report.Count(uint64(e.left.details))))
	}
	meta, err := json.Marshal(bare)
	if err != nil {
		return fmt.Errorf("encode a report: %w", err)
	}
	e.state.processes = append(e.state.processes, processMeta{number, meta})
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
	k := e.definer.stacks[key]
	for ; k != nil && k.seen == e.count; k = e.definer.stacks[key] { // another one of this report
		key.turn++
	}
	var old *row
	if k != nil {
		old = e.state.rows[k.number]
	}
	if old == nil && len(e.state.rows) >= e.mostRows {
		e.left.stacks++
		return
	}
	k = e.definer.stack(key, names, exact, r.Name)
	k.seen = e.count
	now := &e.scratch
	now.table = key.table
	detailed := old
	if exact || e.toKey == 0 {
		detailed = nil // all details are kept anew
	}
	k.bare = k.bare && detailed != nil
	tables[key.table].pack(v, now, r.DurationSeconds, e.definer, detailed)
	if e.state.texts+now.size()-old.size() > e.state.mostTexts {
		now.texts, k.bare = nil, true
	}
	if k.bare {
		e.left.details++
	}
	if old == nil || e.state.differs(now, old, exact) {
		e.state.set(k.number, &row{now.table, slices.Clone(now.cells), now.texts})
	}
}
