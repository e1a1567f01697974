package unwind

import (
	"cmp"
	"slices"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// maxKilobytesPerMegabyte bounds the memory of a table with its dictionary. Small functions
// that save many registers need the most: before runs are joined, libstdc++ has 27,000 rows in
// 1 MB of .text, and large programs have 10,000 to 18,000.
const maxKilobytesPerMegabyte = 80

// TestAgainstReadelf compares the tables of the system's libraries and of large programs, row
// by row, with readelf's interpretation of the same files.
func TestAgainstReadelf(t *testing.T) {
	testprog.Long(t)
	for _, test := range []struct {
		name  string
		files []string
	}{
		{"libc", libcFiles},
		{"libstdc++", stdcxxFiles},
		{"libcrypto", cryptoFiles},
		{"python3", pythonFiles},
		{"node", nodeFiles},
		{"libLLVM", llvmFiles},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := systemFile(t, test.files)
			d := new(Dictionary)
			table, stats := buildFile(t, path, d)
			checkTable(t, table, d)
			rows := compareWithReadelf(t, path, table, d)
			if stats.FDERows != rows {
				t.Errorf("Stats.FDERows = %d, readelf has %d rows", stats.FDERows, rows)
			}
			density := kilobytesPerMegabyte(t, path, table, d)
			if density > maxKilobytesPerMegabyte {
				t.Errorf("table takes %.1f KB per MB of .text, more than %d", density, maxKilobytesPerMegabyte)
			}
			t.Logf("%s: %d FDEs, %d rows, %d after merging, %d rules, %.1f MB covered, %.1f KB/MB",
				path, stats.FDEs, stats.FDERows, stats.TableRows, len(d.Rules()), float64(stats.CoveredBytes)/1e6, density)
			logUnsupported(t, stats)
		})
	}
}

// compareWithReadelf checks the table at the first and last address of every row that readelf
// prints. It returns the number of rows.
func compareWithReadelf(t *testing.T, path string, table *Table, d *Dictionary) int {
	t.Helper()
	fdes := readelfInterp(t, path)
	raw := readelfExpressions(t, path)
	if len(fdes) == 0 {
		t.Fatal("readelf shows no FDE")
	}
	slices.SortStableFunc(fdes, func(x, y readelfFDE) int { return cmp.Compare(x.start, y.start) })
	rules := d.Rules()
	rows, differences := 0, 0
	wants := wantCache{}
	check := func(pc uint64, want Rule, what any) {
		if got := rules[table.Lookup(pc, rules)]; got != want {
			if differences++; differences <= 20 {
				t.Errorf("%#x: rule %v, want %v from %+v", pc, got, want, what)
			}
		}
	}
	end := fdes[0].start
	for _, fde := range fdes {
		if fde.start < end {
			t.Fatalf("FDE at %#x overlaps the one before, which this test does not expect", fde.start)
		}
		for i, row := range fde.rows {
			last := fde.end - 1
			if i+1 < len(fde.rows) {
				last = fde.rows[i+1].pc - 1
			}
			want := wants.of(row, raw[fde.start])
			check(row.pc, want, row)
			check(last, want, row)
			rows++
		}
		end = fde.end
	}
	if differences > 20 {
		t.Errorf("%d differences in all", differences)
	}
	return rows
}

// checkTable checks the form that Table promises.
func checkTable(tb testing.TB, table *Table, d *Dictionary) {
	tb.Helper()
	if table.Base%pageSize != 0 {
		tb.Errorf("Base %#x is not a multiple of 64 KiB", table.Base)
	}
	if n := len(table.Pages); n == 0 || table.Pages[0] != 0 || int(table.Pages[n-1]) != len(table.Rows) {
		tb.Fatalf("Pages do not span the %d rows", len(table.Rows))
	}
	rules := d.Rules()
	for page := range len(table.Pages) - 1 {
		rows := table.Rows[table.Pages[page]:table.Pages[page+1]]
		if len(rows) == 0 || rows[0]&0xffff != 0 {
			tb.Fatalf("page %d does not begin with a row at its address 0", page)
		}
		plain := plainRows(tb, rows, rules)
		for i, row := range plain {
			if row.at >= pageSize {
				tb.Fatalf("page %d: a run leaves it", page)
			}
			if i > 0 && row.at <= plain[i-1].at {
				tb.Fatalf("page %d address %#x: addresses do not rise", page, row.at)
			}
			if i > 0 && row.rule == plain[i-1].rule {
				tb.Fatalf("page %d address %#x: same rule as the row before", page, row.at)
			}
		}
	}
}

func logUnsupported(tb testing.TB, stats Stats) {
	for reason, n := range stats.Unsupported {
		if n > 0 {
			tb.Logf("  not taken over: %d times %v", n, Reason(reason))
		}
	}
}
