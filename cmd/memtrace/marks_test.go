package main

import (
	"testing"

	"memtrace/tracer/record"
)

// Marks have a bound. Their numbers go on.
func TestMarksAreBounded(t *testing.T) {
	var m marks
	for range record.MostMarks {
		m.add()
	}
	first := m.list()
	if note := m.note(); note != "" {
		t.Errorf("%q", note)
	}
	if name := m.add(); name != "501" {
		t.Errorf("the mark after %d is %s", record.MostMarks, name)
	}
	if all := m.list(); len(all) != record.MostMarks || all[0].Name != "2" || first[0].Name != "1" {
		t.Errorf("%d marks from %s on", len(all), all[0].Name)
	}
	if note := m.note(); note != "Of 501 marks the last 500 are listed." {
		t.Errorf("%q", note)
	}
}
