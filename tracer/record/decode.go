package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"memtrace/tracer/report"
)

// decoder follows a record from snapshot to snapshot.
type decoder struct {
	definitions *definitions
	state       *state
	metas       []byte
	key         []processMeta // of the last key
	places      [len(tables)][]int
}

func newDecoder(columns [len(tables)][]column) *decoder {
	d := &decoder{definitions: newDefinitions(), state: newState(columns)}
	for i := range tables {
		d.places[i] = tables[i].places(columns[i])
	}
	return d
}

// apply takes one frame. Only snapshots and definitions matter to it.
func (d *decoder) apply(h *header, payload []byte) error {
	switch h.kind {
	case frameRestart:
		d.definitions, d.state, d.metas = newDefinitions(), newState(d.state.columns), nil
		d.key = nil
	case frameDefinitions:
		raw, err := expand(payload, nil)
		if err != nil {
			return err
		}
		return d.definitions.add(raw)
	case frameKey, frameChanges:
		known := d.metas
		if h.kind == frameKey {
			known = nil
		}
		raw, err := expand(payload, known)
		if err != nil {
			return err
		}
		return d.snapshot(raw, h.kind == frameKey)
	}
	return nil
}

func (d *decoder) snapshot(raw []byte, key bool) error {
	c := &cursor{left: raw}
	const mostProcesses = 1 << 16
	d.state.processes = nil
	for range c.within(min(mostProcesses, len(c.left)), "processes") {
		d.state.processes = append(d.state.processes, processMeta{uint32(c.number()), []byte(c.text())})
	}
	d.metas = raw[:len(raw)-len(c.left)]
	if key {
		d.key = d.state.processes
		for _, n := range slices.Collect(maps.Keys(d.state.rows)) {
			d.state.set(n, nil)
		}
	}
	last := 0
	for range c.within(min(mostRows, len(c.left)), "stacks") {
		last += c.within(mostDefined, "stacks")
		d.state.set(uint32(last), nil)
	}
	last = 0
	for range c.within(min(mostRows, len(c.left)), "stacks") {
		last += c.within(mostDefined, "stacks")
		d.row(c, uint32(last), key)
		if c.err != nil {
			break
		}
	}
	if len(c.left) > 0 {
		c.fail("a snapshot has something behind it")
	}
	if len(d.state.rows) > mostRows {
		c.fail("too many stacks")
	}
	return c.err
}

// row reads what is new of a row.
func (d *decoder) row(c *cursor, number uint32, key bool) {
	table := int(c.byte())
	before := d.state.rows[number]
	switch {
	case table >= len(tables), before != nil && before.table != table:
		c.fail("a stack of an unknown table")
		return
	case d.definitions.stacks[number] == nil:
		c.fail("a stack that is not defined")
		return
	}
	columns := d.state.columns[table]
	mask := c.bytes((len(columns) + 7) / 8)
	if mask == nil && len(columns) > 0 {
		return
	}
	now := &row{table: table, cells: make([]uint64, len(columns))}
	if before != nil {
		copy(now.cells, before.cells)
		now.texts = before.texts
	}
	own := false // now.texts may be changed
	for i, col := range columns {
		switch {
		case mask[i/8]&(1<<(i%8)) == 0:
		case col.Kind == kindJSON:
			if !own {
				if own, now.texts = true, maps.Clone(now.texts); now.texts == nil {
					now.texts = make(map[int]string)
				}
			}
			now.texts[i] = c.text()
		default:
			now.cells[i] = unpack(col.Kind, c.number(), now.cells[i])
		}
	}
	if d.state.set(number, now); d.state.texts > d.state.mostTexts {
		c.fail("too much text in its stacks")
	}
}

// reports makes reports of the state. Stacks have no order.
func (d *decoder) reports() ([]*report.Report, error) {
	byProcess := make(map[uint32]*report.Report)
	var reports []*report.Report
	for i := range d.state.processes {
		p := &d.state.processes[i]
		r, err := p.report()
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errDamaged, err)
		}
		r.Target.Modules = d.definitions.modules[p.number]
		if r.Growth != nil {
			r.Growth.FaultStacks = nil
		}
		d.complete(r, p.number)
		byProcess[p.number] = r
		reports = append(reports, r)
	}
	for _, n := range slices.Sorted(maps.Keys(d.state.rows)) {
		names := d.definitions.stacks[n]
		if names == nil || byProcess[names.process] == nil {
			return nil, fmt.Errorf("%w: a stack of no process", errDamaged)
		}
		d.stack(byProcess[names.process], names, d.state.rows[n])
	}
	for _, r := range reports {
		if err := r.Check(); err != nil {
			return nil, fmt.Errorf("%w: %w", errDamaged, err)
		}
	}
	return reports, nil
}

// report is what the meta has of a report. Stacks are not in it, and are not taken from it.
func (p *processMeta) report() (*report.Report, error) {
	if len(p.meta) > mostMeta {
		return nil, errors.New("too much of one process")
	}
	bare := struct {
		*report.Report
		Stacks json.RawMessage `json:"stacks"`
	}{Report: new(report.Report)}
	err := json.Unmarshal(p.meta, &bare)
	return bare.Report, err
}

// stack adds a stack to its report.
func (d *decoder) stack(r *report.Report, names *stackNames, from *row) {
	frames := d.definitions.framesOf(names)
	if from.table == tableFaults {
		s := report.FaultStack{ID: names.id, Frames: frames, OwnFrame: names.own, Truncated: names.truncated}
		tables[tableFaults].unpack(reflect.ValueOf(&s).Elem(), from, d.places[tableFaults], r.DurationSeconds, d.definitions)
		if r.Growth == nil {
			r.Growth = new(report.Growth)
		}
		r.Growth.FaultStacks = append(r.Growth.FaultStacks, s)
		return
	}
	s := report.Stack{ID: names.id, Frames: frames, OwnFrame: names.own, Truncated: names.truncated, InAllocator: names.inAllocator}
	tables[tableStacks].unpack(reflect.ValueOf(&s).Elem(), from, d.places[tableStacks], r.DurationSeconds, d.definitions)
	r.Stacks = append(r.Stacks, s)
}
