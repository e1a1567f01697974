package record

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/report"
)

// A file that is small only while it is packed does not take the memory of its reader.
func TestBoundsOfReader(t *testing.T) {
	w, path := create(t, LeastSize)
	if err := w.Snapshot(began, []*report.Report{synthetic(1, 1)}, false); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{strings.Repeat("x", mostMark), "short"} {
		if err := w.Mark(began, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(true); err != nil {
		t.Fatal(err)
	}
	if marks := open(t, path).Marks(); len(marks) != 2 || marks[0].Name != "" || marks[1].Name != "short" {
		t.Errorf("marks %.60v", marks)
	}

	d := newDecoder(ownColumns())
	list := slices.IndexFunc(d.state.columns[tableStacks], func(c column) bool { return c.Kind == kindJSON })
	text := strings.Repeat(" ", 1<<10)
	const most = 64 << 10
	d.state.mostTexts = most
	write := newState(ownColumns())
	for n := range uint32(most>>10 + 1) {
		d.definitions.stacks[n] = new(stackNames)
		write.set(n, &row{cells: make([]uint64, len(write.columns[tableStacks])), texts: map[int]string{list: text}})
	}
	if err := d.snapshot(append(write.metas(), write.key()...), true); !errors.Is(err, errDamaged) || !strings.Contains(err.Error(), "too much text in its stacks") {
		t.Errorf("%d bytes of texts: %v", write.texts, err)
	}
	write.set(0, nil)
	if err := d.snapshot(append(write.metas(), write.key()...), true); err != nil || d.state.texts != most {
		t.Errorf("%d bytes of texts: %v", d.state.texts, err)
	}
	meta := processMeta{meta: bytes.Repeat([]byte{' '}, mostMeta+1)}
	if _, err := meta.report(); err == nil {
		t.Error("a report of any size is taken")
	}
	meta.meta = []byte(`{"schema": "x", "stacks": [` + strings.Repeat("{},", 1000) + `{}]}`)
	if r, err := meta.report(); err != nil || r.Schema != "x" || r.Stacks != nil {
		t.Errorf("%v, %+v", err, r)
	}
}

// Where the details of stacks are too much, some are left out.
func TestBoundsOfWriter(t *testing.T) {
	w, path := create(t, LeastSize)
	w.encoder.state.mostTexts = 64 << 10
	for i := range 2 {
		r := synthetic(200, i)
		for k := range r.Stacks {
			r.Stacks[k].Like = []report.Like{{ID: strings.Repeat("x", 1<<10)}}
		}
		if err := w.Snapshot(began.Add(time.Duration(i)*time.Second), []*report.Report{r}, true); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(true); err != nil {
		t.Fatal(err)
	}
	reports, err := open(t, path).At(1)
	if err != nil || len(reports[0].Stacks) < 180 {
		t.Fatalf("%v, %d reports", err, len(reports))
	}
	detailed := 0
	for i := range reports[0].Stacks {
		detailed += len(reports[0].Stacks[i].Like)
	}
	if detailed < 50 || detailed > 64 {
		t.Errorf("%d stacks have details", detailed)
	}
	want := fmt.Sprintf("Of this process the record leaves out 0 stacks, and the details of %d others: there are too many.", len(reports[0].Stacks)-detailed)
	if notes := reports[0].Notes; len(notes) != 2 || notes[1] != want {
		t.Errorf("%q, want %q", notes, want)
	}
}

// Of more stacks than a snapshot takes those that are in it stay, and it says what is left out.
func TestBoundsOfStacks(t *testing.T) {
	if mostKnown <= mostRows || mostKnown > mostDefined/2 {
		t.Errorf("a writer knows %d stacks, a snapshot has %d, a reader takes %d", mostKnown, mostRows, mostDefined)
	}
	w, path := create(t, LeastSize)
	w.encoder.mostRows = 30
	for i := range 3 {
		if err := w.Snapshot(began.Add(time.Duration(i)*time.Second), []*report.Report{synthetic(20, i), synthetic(20, i)}, i == 2); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(true); err != nil {
		t.Fatal(err)
	}
	r := open(t, path)
	for i := range 3 {
		reports, err := r.At(i)
		if err != nil || len(reports) != 2 {
			t.Fatal(err)
		}
		if all := len(reports[0].Stacks) + len(reports[1].Stacks); all != 30 {
			t.Errorf("snapshot %d has %d stacks", i, all)
		}
		want := fmt.Sprintf("Of this process the record leaves out %d stacks, and the details of 0 others: there are too many.", reports[1].StacksTotal-len(reports[1].Stacks))
		if a, b := reports[0].Notes, reports[1].Notes; len(a) != 1 || len(b) != 2 || b[1] != want {
			t.Errorf("notes %q and %q, want %q", a, b, want)
		}
	}
}

// Of very many marks the last ones are kept.
func TestBoundsOfMarks(t *testing.T) {
	w, path := create(t, LeastSize)
	for i := range MostMarks + 7 {
		if err := w.Mark(began, strconv.Itoa(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Snapshot(began, []*report.Report{synthetic(1, 1)}, false); err != nil {
		t.Fatal(err)
	}
	w.beginThinning()
	w.finishThinning(true)
	if err := w.Close(true); err != nil {
		t.Fatal(err)
	}
	if marks := open(t, path).Marks(); len(marks) != MostMarks || marks[0].Name != "7" {
		t.Errorf("%d marks, the first %v", len(marks), marks[0])
	}
}

// The writer begins anew before a reader would refuse the names.
func TestBoundsOfNames(t *testing.T) {
	for name, fill := range map[string]func(*definer){
		"bytes":  func(d *definer) { d.written = mostText/2 + 1 },
		"stacks": func(d *definer) { d.next = mostDefined/2 + 1 },
	} {
		e := newEncoder()
		if _, err := e.snapshot(began, []*report.Report{synthetic(3, 1)}, false); err != nil {
			t.Fatal(err)
		}
		fill(e.definer)
		frames, err := e.snapshot(began, []*report.Report{synthetic(3, 2)}, false)
		if h, ok := parseHeader(frames); err != nil || !ok || h.kind != frameRestart {
			t.Errorf("%s: %v, a frame of type %c", name, err, h.kind)
		}
	}
}
