package report

import (
	"reflect"
	"testing"
)

// numbers sets every number of a struct, of those in it too, to n.
func numbers(v reflect.Value, n uint64) {
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.Struct:
			numbers(f, n)
		case reflect.Uint64:
			f.SetUint(n)
		}
	}
}

// Whatever is counted is in sums, too.
func TestPlusAddsEveryNumber(t *testing.T) {
	var a, b, want Events
	numbers(reflect.ValueOf(&a).Elem(), 2)
	numbers(reflect.ValueOf(&b).Elem(), 3)
	numbers(reflect.ValueOf(&want).Elem(), 5)
	want.Lost = b.Lost // which has that of a
	if got := a.Plus(b); got != want {
		t.Errorf("got %+v", got)
	}
	var x, y, served Served
	numbers(reflect.ValueOf(&x).Elem(), 2)
	numbers(reflect.ValueOf(&y).Elem(), 3)
	numbers(reflect.ValueOf(&served).Elem(), 5)
	if got := x.Plus(y); got != served {
		t.Errorf("got %+v", got)
	}
	s, o := Stack{Blocks: 2, Served: &x, FaultedIn: &FaultEstimate{}}, Stack{Blocks: 3, Served: &y, FaultedIn: &FaultEstimate{}}
	numbers(reflect.ValueOf(&s).Elem(), 2)
	numbers(reflect.ValueOf(&o).Elem(), 3)
	all := s
	all.Add(&o)
	for v, i := reflect.ValueOf(all), 0; i < v.NumField(); i++ {
		if f := v.Type().Field(i); f.Type.Kind() == reflect.Uint64 && f.Name != "GivenUpStacks" && v.Field(i).Uint() != 5 {
			t.Errorf("%s is %d", f.Name, v.Field(i).Uint())
		}
	}
	if *all.Served != served || x.Brk.Blocks != 2 {
		t.Errorf("served %+v, and that of one is now %+v", all.Served, x)
	}
}

// What has no block has no age, and what was not told apart on one side is not known of the sum.
func TestAddOfStacksWithoutBlocks(t *testing.T) {
	served := &Served{Brk: Share{Sum: Sum{Bytes: 10, Blocks: 1}, ChunkBytes: 32}}
	with := Stack{Bytes: 10, Blocks: 1, OldestSeconds: 9, YoungestSeconds: 4, Served: served}
	for name, pair := range map[string][2]Stack{"before": {{}, with}, "after": {with, {}}} {
		sum := pair[0]
		sum.Add(&pair[1])
		if sum.YoungestSeconds != 4 || sum.OldestSeconds != 9 || sum.Served == nil || sum.Taken() != 32 {
			t.Errorf("%s: %+v", name, sum)
		}
	}
	sum := with
	sum.Add(&Stack{Bytes: 100, Blocks: 1})
	if sum.Served != nil || sum.Taken() != 110 {
		t.Errorf("takes %d of 110: %+v", sum.Taken(), sum.Served)
	}
}
