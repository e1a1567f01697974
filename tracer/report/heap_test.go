package report

import (
	"bytes"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/google/pprof/profile"
)

func ptr[T any](v T) *T { return &v }

func heapFixture() *HeapReport {
	sessions := HeapRoot{Class: HeapGlobal, Name: "sessions", Module: "/usr/bin/busy", Address: 0x555555558098}
	cache := HeapRoot{Class: HeapGlobal, Name: "cache", Module: "/usr/bin/busy", Address: 0x555555558090}
	stack := HeapRoot{Class: HeapStack, Name: "stack of thread 26997 (work)", TID: 26997}
	return &HeapReport{
		Schema: Schema, Target: Target{PID: 26996, Command: "busy", Exe: "/usr/bin/busy", Allocator: "glibc"},
		Answer: "busy (pid 26996) grows 20 blocks a minute: half held by global sessions (busy), half unreachable",
		Start:  traceStart, End: traceStart.Add(72 * time.Second), DurationSeconds: 72, Looks: 7, ReadSeconds: 0.21, Complete: true,
		Blocks: HeapSpace{
			InUse: HeapSum{22474, 4 << 20}, Mapped: HeapSum{2, 300 << 10}, MappedKnown: HeapSum{3, 436 << 10},
			Bins: HeapSum{300, 200 << 10}, Fast: HeapSum{20, 640}, Cached: HeapSum{30, 3 << 10}, Top: HeapSum{3, 137 << 10}, Resyncs: 70,
			Skipped: []HeapSkip{{"the walk lost its way", 2, 12 << 10}},
		},
		Growing: []HeapGrowth{
			{
				Size: 136, Kind: "Session", Holder: sessions, Shape: "list", Depth: 13, Class: HeapSteady, Now: HeapSum{13, 13 * 136},
				Came: 10, PerMinute: 10, Low: 4.8, High: 18.4, Confidence: 0.95,
				Cohorts: []HeapCohort{{ToSeconds: 0, Stayed: 1}, {FromSeconds: ptr(0.0), ToSeconds: 12, Came: 2, Stayed: 2}},
			},
			{Size: 88, Holder: HeapRoot{Class: HeapUnreached}, Class: HeapSteady, Now: HeapSum{13, 13 * 88}, Came: 10, PerMinute: 10, Low: 4.8, High: 18.4, Confidence: 0.95, ByPlace: true},
			{Size: 1280, Holder: stack, Class: HeapUnknown, Now: HeapSum{3, 3 * 1280}, Came: 5, PerMinute: 0.5, Low: 0.1, High: 0.9, Confidence: 0.95},
			{Size: 24, Holder: stack, Class: HeapUnknown, Now: HeapSum{3, 72}, Came: 5, Left: 6, PerMinute: -1, Low: -3, High: 1.5, Confidence: 0.95},
			{
				Size: 184, Holder: cache, Shape: "array", Depth: 1, Class: HeapFilling, Now: HeapSum{1500, 276 << 10}, Came: 1400, Left: 40, PerMinute: 700, Low: 640, High: 760, Confidence: 0.95,
				Slots: &HeapSlots{5001, 3502}, Slowing: true,
			},
			{Size: 328, Holder: HeapRoot{Class: HeapTLS, Name: "recent"}, Class: HeapFilling, Now: HeapSum{20, 6560}, Came: 18, PerMinute: 9, Low: 5, High: 14, Confidence: 0.95, Slowing: true},
			{Size: 152, Holder: cache, Shape: "array", Depth: 1, Class: HeapFading, Now: HeapSum{4740, 742 << 10}, Came: 900, Left: 903, PerMinute: -3, Low: -90, High: 88, Confidence: 0.95},
		},
		GrowingTotal: 7,
		Unreachable: &HeapUnreachable{
			Passes: 7, Certain: HeapSum{14, 1168}, Possible: HeapSum{3, 96},
			Lost: []HeapLost{
				{Size: 88, Roots: 13, Address: 0x5555555592a0, All: HeapSum{13, 1144}, Certain: true},
				{Size: 24, Kind: "Node<int>", Roots: 1, Address: 0x5555555593a0, All: HeapSum{1, 24}, Cycle: true, Certain: true},
				{Size: 32, Roots: 1, Address: 0x5555555594a0, All: HeapSum{3, 96}, Why: "a word of a free block points to it"},
			},
			LostTotal: 4,
		},
		Holders: []HeapHolder{
			{HeapRoot: stack, Held: HeapSum{17000, 1700 << 10}, Varies: true},
			{HeapRoot: cache, Held: HeapSum{4740, 742 << 10}, Shape: "array", Depth: 1, Of: []HeapPart{{Size: 152, HeapSum: HeapSum{4739, 739 << 10}}}},
			{HeapRoot: sessions, Held: HeapSum{13, 1768}, Shape: "list", Depth: 13, Growing: true, PerMinute: 10},
		},
		HoldersTotal: 9,
		Kinds: []HeapKind{
			{HeapPart{152, "", HeapSum{4739, 739 << 10}}, 1},
			{HeapPart{136, "Session", HeapSum{13, 1768}}, 2},
			{HeapPart{88, "", HeapSum{13, 1144}}, HeapNoHolder},
			{HeapPart{152, "", HeapSum{100, 15200}}, HeapOtherHolder},
		},
		KindsTotal: 4,
		Path: &HeapPath{Address: 0x5555555590a8, Steps: []HeapStep{
			{Root: &sessions, Address: sessions.Address},
			{Address: 0x555555559000, Size: 136, Kind: "Session"},
			{Address: 0x5555555590a0, Size: 136, Kind: "Session", Omitted: 7},
		}},
		Suppressed: []Suppressed{{Pattern: "libpool", Stacks: 2, Sum: Sum{4096, 4}}},
		Notes:      []string{"Thread 5 could not be read."},
	}
}

// heapHostile has names that try what names may try.
func heapHostile() *HeapReport {
	const bad = "a\x1b[31m\nred\xff" + "rtl\u202e"
	long := strings.Repeat("std::map<K, ", 700)
	root := HeapRoot{Class: HeapGlobal, Name: bad, Module: "/lib/" + bad}
	return &HeapReport{
		Schema: Schema, Target: Target{PID: 1, Command: bad}, Answer: bad + " grows", Looks: 3, DurationSeconds: 24,
		Blocks:  HeapSpace{InUse: HeapSum{math.MaxUint64, math.MaxUint64}, Bins: HeapSum{1, math.MaxUint64}, Top: HeapSum{1, 1}, Skipped: []HeapSkip{{bad, -1, math.MaxUint64}}},
		Growing: []HeapGrowth{{Size: math.MaxUint64, Kind: long, Holder: root, Shape: bad, Depth: -1, Class: HeapFilling, Left: math.MaxUint64, Slots: &HeapSlots{0, math.MaxUint64}, PerMinute: 1e300, Low: -1e300, High: 1e301}},
		Unreachable: &HeapUnreachable{Possible: HeapSum{1, 1}, Lost: []HeapLost{
			{Kind: bad, Roots: 1, All: HeapSum{math.MaxUint64, 1}, Why: bad},
		}, LostTotal: 1},
		Holders: []HeapHolder{{HeapRoot: HeapRoot{Class: HeapMapping, Name: long}, Shape: bad, Growing: true, PerMinute: -1e300}, {HeapRoot: HeapRoot{Class: HeapTLS, Name: bad}}, {HeapRoot: HeapRoot{Class: HeapEpoll, Name: bad}}},
		Kinds:   []HeapKind{{HeapPart{1, bad, HeapSum{math.MaxUint64, math.MaxUint64}}, 7}, {HeapPart{1, bad, HeapSum{1, 1}}, 0}},
		Stops:   &HeapStops{Times: -1, LongestSeconds: 1e300, CopiedBytes: math.MaxUint64},
		Path:    &HeapPath{Missing: bad}, Notes: []string{bad}, Suppressed: []Suppressed{{Pattern: bad}},
	}
}

func heapFixtures() map[string]*HeapReport {
	return map[string]*HeapReport{
		"heap":         heapFixture(),
		"heap-hostile": heapHostile(),
		"heap-first": {
			Schema: Schema, Target: Target{PID: 7, Command: "sh"}, Answer: "sh (pid 7): one look so far", Looks: 1, Complete: true,
			Unreachable: &HeapUnreachable{Passes: 1, Certain: HeapSum{1, 32}, Lost: []HeapLost{{Size: 32, Roots: 1, Address: 0x2000, All: HeapSum{1, 32}, Certain: true}}, LostTotal: 1},
			Stops:       &HeapStops{Times: 1, LongestSeconds: 0.01234, Seconds: 0.01234, CopiedBytes: 4 << 20},
			Blocks:      HeapSpace{InUse: HeapSum{1, 32}}, Path: &HeapPath{Address: 0x1000, Missing: "no block is there"},
		},
	}
}

func heapText(t *testing.T, r *HeapReport, opt TextOptions) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := HeapText(&buf, r, opt); err != nil {
		t.Fatal(err)
	}
	fits(t, buf.String(), opt)
	for _, r := range buf.String() {
		if !opt.Color && r != '\n' && !unicode.IsPrint(r) {
			t.Errorf("%U in the text", r)
		}
	}
	return buf.Bytes()
}

func TestGoldenHeap(t *testing.T) {
	for name, r := range heapFixtures() {
		t.Run(name, func(t *testing.T) {
			golden(t, name+".txt", heapText(t, r, TextOptions{Width: 100}))
			var doc, prof bytes.Buffer
			if err := HeapJSON(&doc, r); err != nil {
				t.Fatal(err)
			}
			golden(t, name+".json", doc.Bytes())
			if err := HeapPprof(&prof, r); err != nil {
				t.Fatal(err)
			}
			p, err := profile.ParseData(prof.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".pprof.txt", []byte(p.String()))
		})
	}
	golden(t, "heap-narrow.txt", heapText(t, heapFixture(), TextOptions{Width: 1}))
	golden(t, "heap-top.txt", heapText(t, heapFixture(), TextOptions{Width: 100, Top: 1}))
	golden(t, "heap-color.txt", heapText(t, heapFixture(), TextOptions{Width: 100, Color: true}))
}

// The JSON form decodes back, holds no null, and keeps every name.
func TestHeapJSON(t *testing.T) {
	for name, r := range heapFixtures() {
		var buf bytes.Buffer
		if err := HeapJSON(&buf, r); err != nil {
			t.Fatal(err)
		}
		var got HeapReport
		decode(t, buf.Bytes(), &got)
		if diff := cmp.Diff(r.representable(), &got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: decoded report differs (-want +got):\n%s", name, diff)
		}
	}
	var buf bytes.Buffer
	if err := HeapJSON(&buf, &HeapReport{Unreachable: &HeapUnreachable{}, Growing: []HeapGrowth{{}}, Path: &HeapPath{}}); err != nil || strings.Contains(buf.String(), "null") {
		t.Errorf("%v, null in\n%s", err, buf.String())
	}
	if err := HeapJSON(io.Discard, &HeapReport{ReadSeconds: math.NaN()}); err == nil {
		t.Error("no error for NaN")
	}
}

// Every name, in fields added later too, is protected against bytes that are not UTF-8, and the
// report itself stays as it is.
func TestHeapJSONKeepsInvalidUTF8(t *testing.T) {
	r := heapFixture()
	r.Path.Missing = "x"
	ours := map[string]bool{"Class": true, "Schema": true}
	n := 0
	seen := make(map[any]bool)
	var fill func(v reflect.Value)
	fill = func(v reflect.Value) {
		switch v.Kind() {
		case reflect.String:
			v.SetString("bad\xff")
			n++
		case reflect.Pointer:
			if !v.IsNil() && !seen[v.Interface()] {
				seen[v.Interface()] = true
				fill(v.Elem())
			}
		case reflect.Slice:
			for i := range v.Len() {
				fill(v.Index(i))
			}
		case reflect.Struct:
			if v.Type() == reflect.TypeFor[time.Time]() {
				return
			}
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() && !ours[f.Name] && f.Tag.Get("json") != "-" {
					fill(v.Field(i))
				}
			}
		}
	}
	fill(reflect.ValueOf(r).Elem())
	var buf bytes.Buffer
	if err := HeapJSON(&buf, r); err != nil {
		t.Fatal(err)
	}
	if doc := buf.String(); strings.Count(doc, `bad\\xff`) != n || strings.ContainsRune(doc, utf8.RuneError) || strings.Contains(doc, `\ufffd`) {
		t.Errorf("%d of %d names kept:\n%s", strings.Count(doc, `bad\\xff`), n, doc)
	}
	if r.Holders[0].Name != "bad\xff" || r.Kinds[0].Kind != "bad\xff" || r.Path.Steps[0].Root.Name != "bad\xff" {
		t.Error("the caller's report was changed")
	}
}

func TestBlocksPerMinute(t *testing.T) {
	for rate, want := range map[float64]string{
		0: "0/min", 10: "10/min", 1234.4: "1,234/min", 0.5: "30/h", 0.001: "<1/h", -3: "-3/min", -0.5: "-30/h", 1e300: "very many/min", math.Inf(1): "unknown",
	} {
		if got := BlocksPerMinute(rate); got != want {
			t.Errorf("%g is %q, not %q", rate, got, want)
		}
	}
}

// What fills grows too: beside a trace it is not left out.
func TestHeapGrows(t *testing.T) {
	for class, want := range map[string]bool{HeapSteady: true, HeapFilling: true, HeapFading: false, HeapUnknown: false} {
		if g := (HeapGrowth{Class: class, PerMinute: 10, Came: 100}); g.Grows() != want {
			t.Errorf("%s: %v", class, g.Grows())
		}
	}
	if g := (HeapGrowth{Class: HeapUnknown, Low: 1, Came: 100}); !g.Grows() {
		t.Error("what seems to grow does not")
	}
}

// What --top leaves out of the groups that may grow is counted, and -T 0 lists it.
func TestHeapUndecided(t *testing.T) {
	r := heapFixture()
	steady, open := r.Growing[0], r.Growing[2]
	r.Growing = []HeapGrowth{steady, open, open, open, open, open, open, open}
	golden(t, "heap-undecided.txt", heapText(t, r, TextOptions{Width: 100, Top: 10}))
	all := string(heapText(t, r, TextOptions{Width: 100}))
	growing, _, _ := strings.Cut(all, "UNREACHABLE")
	if strings.Count(growing, "not certain yet") != 7 || strings.Contains(growing, " more (") {
		t.Errorf("%s", growing)
	}
}
