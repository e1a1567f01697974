package record

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"memtrace/tracer/report"
)

// heavy are the fields of a report, by their index, that are long and differ little from one
// snapshot to the next: how things developed up to then. They are in keys and exact snapshots only;
// of the others those of the key before count.
var heavy = fieldsNamed("timeline")

func fieldsNamed(names ...string) (fields []int) {
	t := reflect.TypeFor[report.Report]()
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); slices.Contains(names, name) {
			fields = append(fields, i)
		}
	}
	return fields
}

// lighten leaves out what is heavy.
func lighten(r *report.Report) {
	for _, i := range heavy {
		reflect.ValueOf(r).Elem().Field(i).SetZero()
	}
}

// complete fills in what was left out from the key before. It reports whether it did.
func (d *decoder) complete(r *report.Report, process uint32) (filled bool) {
	at := slices.IndexFunc(d.key, func(p processMeta) bool { return p.number == process })
	if at < 0 || !slices.ContainsFunc(heavy, func(i int) bool { return reflect.ValueOf(r).Elem().Field(i).IsZero() }) {
		return false
	}
	key, err := d.key[at].report()
	if err != nil {
		return false // the key itself would say so
	}
	for _, i := range heavy {
		if to := reflect.ValueOf(r).Elem().Field(i); to.IsZero() {
			to.Set(reflect.ValueOf(key).Elem().Field(i))
			filled = true
		}
	}
	return filled
}

// completeAll does so with what the snapshot has of each process, for it to become a key.
func (d *decoder) completeAll() error {
	for i := range d.state.processes {
		p := &d.state.processes[i]
		r, err := p.report()
		if err != nil {
			return fmt.Errorf("%w: %w", errDamaged, err)
		}
		if !d.complete(r, p.number) {
			continue
		}
		if p.meta, err = json.Marshal(r.Bare()); err != nil {
			return fmt.Errorf("encode a report: %w", err)
		}
	}
	return nil
}
