package unwind

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// plainRow is an address within a page and the rule that starts there.
type plainRow struct {
	at   uint32
	rule Rule
}

// plainRows expands the runs among a page's rows.
func plainRows(tb testing.TB, rows []uint32, rules []Rule) []plainRow {
	tb.Helper()
	var out []plainRow
	add := func(at uint32, index int) {
		if index >= len(rules) {
			tb.Fatalf("index %d of %d rules", index, len(rules))
		}
		out = append(out, plainRow{at, rules[index]})
	}
	for _, row := range rows {
		at := row & 0xffff
		add(at, int(row>>16))
		run := &out[len(out)-1]
		if run.rule.CFA != CFARun {
			continue
		}
		index, mask := int(uint16(run.rule.RBPOffset)), uint32(run.rule.CFAOffset)
		out = out[:len(out)-1]
		add(at, index)
		for i := range uint32(32) {
			if mask>>i&1 != 0 {
				index++
				add(at+i+1, index)
			}
		}
	}
	for _, row := range out {
		if row.rule.CFA == CFARun {
			tb.Fatalf("address %#x: a run in a run", row.at)
		}
	}
	return out
}

// pushes are the instructions of a function that pushes three registers.
var pushes = []byte{
	cfaAdvanceLoc | 2, cfaDefCFAOffset, 16,
	cfaAdvanceLoc | 1, cfaDefCFAOffset, 24,
	cfaAdvanceLoc | 4, cfaDefCFAOffset, 32,
}

// TestRuns checks that functions with the same start take one row each for it, except those
// cut by a page boundary.
func TestRuns(t *testing.T) {
	// A page that starts within a function needs a row for it.
	t.Run("run before a page", func(t *testing.T) { testRuns(t, 100, 1) })
	t.Run("run up to a page", func(t *testing.T) { testRuns(t, 8, 1) })
	// That row has the last rule, which then needs no row of its own.
	t.Run("last rule at a page", func(t *testing.T) { testRuns(t, 7, 3) })
	// Two of the four rules are on either side. That is rare, so they stay.
	t.Run("run over a page", func(t *testing.T) { testRuns(t, 3, 3) })
}

// testRuns starts every 64th function before bytes ahead of a page boundary. Each of those
// functions may take more additional rows.
func testRuns(t *testing.T, before uint64, more int) {
	const (
		functions = 200
		every     = 1024 // from one function to the next
	)
	var s ehFrame
	var want []pcRule
	cie := s.cie(cieSpec{})
	for i := range uint64(functions) {
		at := (i+1)*every - before
		s.fde(cie, textAddress+at, 512, pushes...)
		want = append(want, pcRule{at, rsp(8)}, pcRule{at + 2, rsp(16)}, pcRule{at + 3, rsp(24)},
			pcRule{at + 7, rsp(32)}, pcRule{at + 512, Rule{}})
	}
	d := new(Dictionary)
	table, stats := s.build(d)
	checkTable(t, table, d)
	if diff := cmp.Diff(want, table.changes(t, d), cmp.AllowUnexported(pcRule{})); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
	// There is one row before the first function, and one each for the starts and ends of the
	// functions.
	if n := len(table.Rows); n != 1+2*functions+3*more || n != stats.TableRows {
		t.Errorf("%d rows of %d functions, TableRows = %d", n, functions, stats.TableRows)
	}
	rules := d.Rules()
	if n := len(rules); n != 5+4+1 {
		t.Errorf("%d entries in the dictionary, want those of 5 rules, and of 4 in 1 run: %v", n, rules)
	}

	// A run that is already in the dictionary is worth using even once.
	s = nil
	s.fde(s.cie(cieSpec{}), textAddress, 512, pushes...)
	table, _ = s.build(d)
	if len(table.Rows) != 2 || len(d.Rules()) != len(rules) {
		t.Errorf("known pushes take %d rows and %d entries", len(table.Rows), len(d.Rules())-len(rules))
	}
}

// TestRunAt checks each distance from a run's row, up to beyond its last rule.
func TestRunAt(t *testing.T) {
	for _, test := range []struct {
		mask uint32
		want map[uint32]uint16 // by the distance from which it applies
	}{
		{1, map[uint32]uint16{0: 0, 1: 1}},
		{1 << 31, map[uint32]uint16{0: 0, 32: 1}},
		{1<<31 | 1<<30 | 1<<3, map[uint32]uint16{0: 0, 4: 1, 31: 2, 32: 3}},
	} {
		var want uint16
		for distance := range uint32(pageSize) {
			if next, ok := test.want[distance]; ok {
				want = next
			}
			if got := runRule(40000, test.mask).at(distance); got != 40000+want {
				t.Fatalf("mask %#x: rule %d at distance %d, want %d", test.mask, got, distance, 40000+want)
			}
		}
	}
}

func TestInternRun(t *testing.T) {
	d := new(Dictionary)
	var indices []uint16
	for i := range int32(3) {
		index, _ := d.intern(rsp(8 * i))
		indices = append(indices, index)
	}
	intern := func(mask uint32, most, want, wantRules int) {
		t.Helper()
		if got := d.internRun(mask, indices, most); int(got) != want || len(d.rules) != wantRules {
			t.Errorf("mask %#x for %d entries: run %d of %d rules, want %d of %d", mask, most, got, len(d.rules), want, wantRules)
		}
	}
	intern(3, 3, 0, 4) // it needs four entries
	intern(3, 4, 7, 8)
	intern(3, 0, 7, 8)
	intern(5, 0, 0, 8)
	intern(5, 1, 8, 9) // with the same rules
	want := []Rule{{}, rsp(0), rsp(8), rsp(16), rsp(0), rsp(8), rsp(16), runRule(4, 3), runRule(4, 5)}
	if diff := cmp.Diff(want, d.Rules()); diff != "" {
		t.Errorf("rules (-want +got):\n%s", diff)
	}
	if i, ok := d.intern(rsp(8)); i != 2 || !ok {
		t.Errorf("index of a rule that is in a run too: %d, %t", i, ok)
	}

	for i := range int32(maxRulesWithRuns - 1 - 9) {
		d.intern(rsp(1000 + i))
	}
	slices.Reverse(indices)
	intern(3, 100, 0, maxRulesWithRuns-1)
	slices.Reverse(indices)
	intern(9, 1, maxRulesWithRuns-1, maxRulesWithRuns)
	intern(17, 1, 0, maxRulesWithRuns)
	intern(3, 0, 7, maxRulesWithRuns)
	if _, ok := d.intern(rsp(-1)); !ok {
		t.Error("runs keep a rule out")
	}
}

// FuzzRuns joins rows that repeat the fuzzer's pattern, and checks that this changes no
// address's rule.
func FuzzRuns(f *testing.F) {
	f.Add([]byte{2, 16, 1, 24, 4, 32, 200, 40, 1, 8}, uint8(50))
	f.Add([]byte{1, 1, 1, 2, 1, 3, 255, 1, 1, 2, 32, 3}, uint8(255))
	long := make([]byte, 400)
	rand.NewChaCha8([32]byte{}).Read(long)
	f.Add(long, uint8(20))
	f.Fuzz(func(t *testing.T, pattern []byte, repeat uint8) {
		d := new(Dictionary)
		table, end := patternTable(d, pattern, int(repeat))
		rules := d.Rules()
		var want []Rule
		for pc := uint64(patternAddress); pc < end; pc++ {
			want = append(want, rules[table.Lookup(pc, rules)])
		}
		rows := len(table.Rows)
		joinRuns(table, d)
		checkTable(t, table, d)
		rules = d.Rules()
		for i, want := range want {
			if got := rules[table.Lookup(patternAddress+uint64(i), rules)]; got != want {
				t.Fatalf("%#x: rule %v, want %v", i, got, want)
			}
		}
		if len(table.Rows) > rows {
			t.Errorf("%d rows from %d", len(table.Rows), rows)
		}
	})
}

// patternAddress is close enough to the end of a page for the pattern to cross it.
const patternAddress = textAddress + pageSize - 3000

// patternTable returns a table without runs that repeats the pattern, pairs of a distance and
// a CFA offset, with 100 bytes in between. It ends at end.
func patternTable(d *Dictionary, pattern []byte, repeat int) (table *Table, end uint64) {
	const most = 10_000
	w := newTableWriter(patternAddress, 0)
	pc := uint64(patternAddress)
	for range repeat + 1 {
		for pair := range slices.Chunk(pattern, 2) {
			if len(pair) == 2 && pair[0] > 0 && pc < patternAddress+most {
				pc += uint64(pair[0])
				index, _ := d.intern(rsp(int32(pair[1])))
				w.put(pc, index)
			}
		}
		pc += 100
	}
	return w.finish(pc), pc
}
