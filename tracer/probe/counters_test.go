package probe

import (
	"reflect"
	"testing"

	"memtrace/bpf"
	"memtrace/tracer/event"
)

// Every counter of the BPF programs is summed up: one that is new and left out here would count
// losses that nobody hears of.
func TestCountersAreSummed(t *testing.T) {
	var one bpf.MemtraceCounters
	counted := reflect.ValueOf(&one).Elem()
	names := 0
	for i := range counted.NumField() {
		if field := counted.Type().Field(i); field.IsExported() {
			counted.Field(i).SetUint(uint64(100 + i))
			names++
		}
	}
	var sum event.Counters
	for range 2 {
		addCounters(&sum, &one)
	}
	summed := reflect.ValueOf(sum)
	if summed.NumField() != names {
		t.Errorf("%d counters are known, %d are counted", summed.NumField(), names)
	}
	for i := range counted.NumField() {
		field := counted.Type().Field(i)
		if !field.IsExported() {
			continue
		}
		want := 2 * counted.Field(i).Uint()
		if field.Name == "GapTime" { // the latest
			want /= 2
		}
		if got := summed.FieldByName(field.Name); !got.IsValid() || got.Uint() != want {
			t.Errorf("%s of two CPUs is %v, want %d", field.Name, got, want)
		}
	}
}
