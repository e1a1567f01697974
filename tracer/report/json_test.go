package report

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func TestJSONDecodesBack(t *testing.T) {
	for name, r := range fixtures() {
		t.Run(name, func(t *testing.T) {
			doc := render(t, JSON, r)
			var got Report
			dec := json.NewDecoder(bytes.NewReader(doc))
			dec.DisallowUnknownFields()
			if err := dec.Decode(&got); err != nil {
				t.Fatal(err)
			}
			if _, err := dec.Token(); err != io.EOF {
				t.Errorf("more than one document: %v", err)
			}
			if !bytes.HasSuffix(doc, []byte("}\n")) {
				t.Errorf("ends in %q", doc[len(doc)-3:])
			}
			// representable makes the two changes that JSON documents.
			want := representable(r)
			for _, s := range r.Stacks {
				s.Frames = representableFrames(s.Frames)
				want.Stacks = append(want.Stacks, s)
			}
			for i := range r.Growth.faultStacks() {
				want.Growth.FaultStacks = append(want.Growth.FaultStacks, r.Growth.FaultStacks[i].representable())
			}
			opts := cmp.Options{cmpopts.IgnoreFields(Target{}, "Modules"), cmpopts.EquateEmpty()}
			if diff := cmp.Diff(want, &got, opts); diff != "" {
				t.Errorf("decoded report differs (-want +got):\n%s", diff)
			}
			var sum uint64
			for _, s := range got.Stacks {
				sum += s.Bytes
			}
			if sum > got.Outstanding.Bytes {
				t.Errorf("stacks sum to %d, outstanding are %d", sum, got.Outstanding.Bytes)
			}
		})
	}
}

// Nothing from the traced process reaches a terminal unescaped through JSON.
func TestJSONIsPrintable(t *testing.T) {
	doc := render(t, JSON, hostile())
	for _, r := range string(doc) {
		if r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%U in the document", r)
		}
	}
	for _, want := range []string{`<html>&amp;`, `\xff\\xfe not UTF-8`, `rtl\u202eoverride\u2066\u200f`, `tag\udb40\udc41`} {
		if !bytes.Contains(doc, []byte(want)) {
			t.Errorf("no %q in\n%s", want, doc)
		}
	}
}

// Every name, in fields added later too, is protected against bytes that are not UTF-8.
func TestJSONKeepsInvalidUTF8(t *testing.T) {
	r := &Report{Notes: []string{""}, Suppressed: []Suppressed{{}}, Marks: []Mark{{}}, Threads: []ThreadSum{{}}, Modules: []ModuleSum{{}}, Memory: &Memory{Regions: []Region{{}}, Segments: []Segment{{}}, Notes: []string{""}}, Stacks: []Stack{{
		Frames: []Frame{{}}, Threads: []ThreadSum{{}}, Like: []Like{{}},
		Freed: &FreeSide{By: []Freer{{Frames: []Frame{{}}}}, Siblings: []Freer{{Frames: []Frame{{}}}}, Missing: &MissingFree{}},
	}}, Diagnosis: &Diagnosis{
		Findings: []Finding{{Stacks: []string{""}, Evidence: []string{""}, Culprit: &Frame{}, Caller: &Frame{}, Children: []Child{{}}}},
		Accounts: []Account{{Classes: []string{""}, Terms: []AccountTerm{{}}}}, Through: &Frame{}, Deadline: &Deadline{},
	}}
	ours := map[string]bool{"Class": true, "Schema": true, "Mode": true, "ID": true, "Kind": true}
	n := 0
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			v.SetString("bad\xff")
			n++
		case reflect.Pointer:
			if !v.IsNil() {
				fill(v.Elem())
			}
		case reflect.Slice:
			for i := range v.Len() {
				fill(v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() && !ours[f.Name] && f.Tag.Get("json") != "-" {
					fill(v.Field(i))
				}
			}
		}
	}
	fill(reflect.ValueOf(r).Elem())
	doc := string(render(t, JSON, r))
	if strings.Contains(doc, `\ufffd`) || strings.ContainsRune(doc, utf8.RuneError) {
		t.Errorf("invalid bytes became U+FFFD:\n%s", doc)
	}
	if got := strings.Count(doc, `bad\\xff`); got != n {
		t.Errorf("%d of %d names kept:\n%s", got, n, doc)
	}
	if r.Stacks[0].Frames[0].Function != "bad\xff" || r.Notes[0] != "bad\xff" {
		t.Error("the caller's report was changed")
	}
}

func TestJSONHasNoNullLists(t *testing.T) {
	for _, r := range []*Report{{}, {Stacks: []Stack{{}}}} {
		if doc := render(t, JSON, r); bytes.Contains(doc, []byte("null")) {
			t.Errorf("null in\n%s", doc)
		}
	}
}

func TestJSONRefusesNonFinite(t *testing.T) {
	if err := JSON(io.Discard, &Report{DurationSeconds: math.NaN()}); err == nil {
		t.Error("no error for NaN")
	}
}

// TestJSONSchema pins the released names. Only adding to them is fine.
func TestJSONSchema(t *testing.T) {
	var doc map[string]any
	r := mappings()
	r.Notes = []string{"note"}
	r.Stacks[0].Frames[0].Inline = true
	if err := json.Unmarshal(render(t, JSON, r), &doc); err != nil {
		t.Fatal(err)
	}
	stack := doc["stacks"].([]any)[0].(map[string]any)
	events := doc["events"].(map[string]any)
	for _, tc := range []struct {
		where  string
		object any
		keys   string
	}{
		{"report", doc, "schema target start end duration_seconds mode complete events older_seconds outstanding young stacks stacks_total notes"},
		{"target", doc["target"], "pid command exe allocator libc exited"},
		{"events", events, "alloc free realloc mmap munmap mremap brk mprotect unknown_free evicted lost"},
		{"lost", events["lost"], "alloc alloc_bytes free stack mmap"},
		{"outstanding", doc["outstanding"], "bytes blocks"},
		{"young", doc["young"], "bytes blocks"},
		{"stack", stack, "id kind bytes blocks allocated_bytes allocated_blocks freed_blocks growth_bytes_per_second survival " +
			"oldest_seconds youngest_seconds truncated frames block_list"},
		{"frame", stack["frames"].([]any)[0], "address function module offset file line inline"},
		{"block", stack["block_list"].([]any)[0], "address bytes age_seconds"},
	} {
		have := slices.Collect(maps.Keys(tc.object.(map[string]any)))
		for _, key := range strings.Fields(tc.keys) {
			if !slices.Contains(have, key) {
				t.Errorf("%s has no %q", tc.where, key)
			}
		}
	}
	if doc["schema"] != "memtrace/1" {
		t.Errorf("schema %v", doc["schema"])
	}
}
