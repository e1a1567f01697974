package record

import (
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"

	"memtrace/tracer/report"
)

// kind is the type of a column.
type kind string

const (
	kindUint    kind = "uint"
	kindInt     kind = "int"
	kindFloat   kind = "float"
	kindBool    kind = "bool"
	kindString  kind = "string"  // a number in the table of strings
	kindPresent kind = "present" // of an optional struct: whether it is there
	kindAge     kind = "age"     // seconds; see packAge
	kindJSON    kind = "json"    // lists and the like
)

// column is a field of a table's struct, or of a struct in it.
type column struct {
	Path string `json:"path"`
	Kind kind   `json:"kind"`
}

// field is how a column, or the columns of a struct, are reached.
type field struct {
	index int
	kind  kind // "" for a struct
	at    int  // its first column
	of    []field
	end   int // behind the last column
	// detail: it is a list, or a struct that has one. These are kept anew only now and then.
	detail bool
}

// plan is the columns of a struct.
type plan struct {
	columns []column
	fields  []field
}

// ages are fields that grow with time alone. What they count from is kept.
var ages = []string{"oldest_seconds", "youngest_seconds", "followed_seconds"}

// defined are fields that are not columns: they belong to the definition of a stack, or are left
// out of a record.
var defined = []string{"id", "frames", "truncated", "own_frame", "in_allocator", "block_list"}

// tables are what has rows: the stacks of a report, and those of page faults.
var tables = [...]plan{planOf(reflect.TypeFor[report.Stack]()), planOf(reflect.TypeFor[report.FaultStack]())}

const (
	tableStacks = iota
	tableFaults
)

func planOf(t reflect.Type) plan {
	var p plan
	p.fields = p.add(t, "")
	return p
}

// add adds the fields of a struct.
func (p *plan) add(t reflect.Type, prefix string) (fields []field) {
	for i := range t.NumField() {
		f := t.Field(i)
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name == "-" || !f.IsExported() || prefix == "" && slices.Contains(defined, name) {
			continue
		}
		one, of, path := field{index: i, at: len(p.columns)}, f.Type, prefix+name
		if of.Kind() == reflect.Pointer && of.Elem().Kind() == reflect.Struct {
			of, one.kind = of.Elem(), kindPresent
			p.columns = append(p.columns, column{path, kindPresent})
		}
		if of.Kind() == reflect.Struct {
			if path += "."; f.Anonymous && name == "" {
				path = prefix
			}
			one.of = p.add(of, path)
			one.detail = one.kind == kindPresent && slices.ContainsFunc(one.of, func(f field) bool { return f.detail })
		} else {
			one.kind = kindOf(of, name)
			one.detail = one.kind == kindJSON
			p.columns = append(p.columns, column{path, one.kind})
		}
		one.end = len(p.columns)
		fields = append(fields, one)
	}
	return fields
}

func kindOf(t reflect.Type, name string) kind {
	switch t.Kind() {
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return kindUint
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return kindInt
	case reflect.Float32, reflect.Float64:
		if slices.Contains(ages, name) {
			return kindAge
		}
		return kindFloat
	case reflect.Bool:
		return kindBool
	case reflect.String:
		return kindString
	}
	return kindJSON
}

// row is the figures of one stack at one moment. It does not change once it is in a state.
type row struct {
	table int
	cells []uint64
	// texts are those of the columns of kindJSON, nil if all are empty.
	texts map[int]string
}

// size is that of the texts of a row, in bytes. The nil row has none.
func (r *row) size() (bytes int) {
	if r != nil {
		for _, text := range r.texts {
			bytes += len(text)
		}
	}
	return bytes
}

// textTable numbers strings, and finds them again.
type textTable interface {
	number(text string) uint64
	text(number uint64) string
}

// pack fills the cells of a row from a struct, in place of what it had. The duration is that of its
// report, in seconds. Details are taken from an old row, unless that is nil.
func (p *plan) pack(v reflect.Value, r *row, duration float64, names textTable, old *row) {
	r.cells = slices.Grow(r.cells[:0], len(p.columns))[:len(p.columns)]
	clear(r.cells)
	r.texts = nil
	packFields(v, p.fields, r, duration, names, old)
}

func packFields(v reflect.Value, fields []field, r *row, duration float64, names textTable, old *row) {
	for i := range fields {
		f := &fields[i]
		if f.detail && old != nil {
			r.keepDetail(f, old)
			continue
		}
		one := v.Field(f.index)
		switch f.kind {
		case "":
			packFields(one, f.of, r, duration, names, old)
		case kindPresent:
			if !one.IsNil() {
				r.cells[f.at] = 1
				packFields(one.Elem(), f.of, r, duration, names, old)
			}
		case kindUint:
			r.cells[f.at] = one.Uint()
		case kindInt:
			r.cells[f.at] = uint64(one.Int())
		case kindFloat:
			r.cells[f.at] = math.Float64bits(one.Float())
		case kindAge:
			r.cells[f.at] = packAge(one.Float(), duration)
		case kindBool:
			if one.Bool() {
				r.cells[f.at] = 1
			}
		case kindString:
			r.cells[f.at] = names.number(one.String())
		case kindJSON:
			packJSON(one, f.at, r)
		}
	}
}

// packJSON keeps a list, unless it is empty.
func packJSON(v reflect.Value, at int, r *row) {
	if v.IsZero() || v.Kind() == reflect.Slice && v.Len() == 0 {
		return
	}
	text, err := json.Marshal(v.Interface())
	if err != nil {
		return // only a number that is none has no JSON; no form could show it
	}
	r.setText(at, string(text))
}

func (r *row) setText(at int, text string) {
	if r.texts == nil {
		r.texts = make(map[int]string)
	}
	r.texts[at] = text
}

// keepDetail takes a detail from an old row.
func (r *row) keepDetail(f *field, old *row) {
	copy(r.cells[f.at:f.end], old.cells[f.at:f.end])
	for at := f.at; at < f.end; at++ {
		if text := old.texts[at]; text != "" {
			r.setText(at, text)
		}
	}
}

// packAge turns an age into the time since the trace began, in ns, which stays as it is. 0 is no
// age.
func packAge(age, duration float64) uint64 {
	if age == 0 {
		return 0
	}
	return zigzag(int64(math.Round((duration-age)*1e9))) + 1
}

func unpackAge(cell uint64, duration float64) float64 {
	if cell == 0 {
		return 0
	}
	return max(math.Round(duration*1e9-float64(unzigzag(cell-1)))/1e9, 0)
}

func zigzag(n int64) uint64   { return uint64(n)<<1 ^ uint64(n>>63) }
func unzigzag(n uint64) int64 { return int64(n>>1) ^ -int64(n&1) }

// places says where in a row of a file each column of a plan is, -1 for nowhere.
func (p *plan) places(of []column) []int {
	places := make([]int, len(p.columns))
	for i, c := range p.columns {
		places[i] = slices.Index(of, c)
	}
	return places
}

// unpack fills a struct from a row.
func (p *plan) unpack(v reflect.Value, r *row, places []int, duration float64, names textTable) {
	unpackFields(v, p.fields, r, places, duration, names)
}

func unpackFields(v reflect.Value, fields []field, r *row, places []int, duration float64, names textTable) {
	for i := range fields {
		f := &fields[i]
		one := v.Field(f.index)
		if f.kind == "" {
			unpackFields(one, f.of, r, places, duration, names)
			continue
		}
		place := places[f.at]
		if place < 0 {
			continue
		}
		cell := r.cells[place]
		switch f.kind {
		case kindPresent:
			if cell != 0 {
				one.Set(reflect.New(one.Type().Elem()))
				unpackFields(one.Elem(), f.of, r, places, duration, names)
			}
		case kindUint:
			one.SetUint(cell)
		case kindInt:
			one.SetInt(int64(cell))
		case kindFloat:
			one.SetFloat(finite(math.Float64frombits(cell)))
		case kindAge:
			one.SetFloat(unpackAge(cell, duration))
		case kindBool:
			one.SetBool(cell != 0)
		case kindString:
			one.SetString(names.text(cell))
		case kindJSON:
			if text := r.texts[place]; text != "" {
				_ = json.Unmarshal([]byte(text), one.Addr().Interface()) // what does not fit is not known here
			}
		}
	}
}

// finite returns f, or 0 where it is no number that JSON can carry.
func finite(f float64) float64 {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return 0
	}
	return f
}
