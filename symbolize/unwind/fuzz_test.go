package unwind

import (
	"bytes"
	"os"
	"testing"
)

// FuzzEhFrame feeds arbitrary bytes as .eh_frame and as .debug_frame. The table must always
// keep its form and stay in proportion to the input.
func FuzzEhFrame(f *testing.F) {
	var s ehFrame
	cie := s.cie(cieSpec{})
	s.fde(cie, textAddress, 100, cfaAdvanceLoc|1, cfaDefCFAOffset, 16, cfaOffset|regRBP, 2, cfaRememberState,
		cfaAdvanceLoc1, 20, cfaDefCFAExpr, 3, opBreg0+regRBP, 0x70, opDeref, cfaAdvanceLoc|9, cfaRestoreState)
	s.fde(cie, textAddress+0x1_fff0, 0x1_0000, cfaAdvanceLoc|8, cfaDefCFARegister, regRBP)
	s.fde(s.cie(cieSpec{augmentation: "zPLR", data: []byte{encPCRel | encS4, 0, 0, 0, 0, encOmit, encPCRel | encS4}}), textAddress+60, 100)
	f.Add([]byte(s), false, false)
	f.Add([]byte(s), true, true)
	f.Fuzz(func(t *testing.T, data []byte, debug, terminated bool) {
		d := new(Dictionary)
		table, stats := buildTable(
			frames{data: data, bases: bases{section: sectionAddress}, debug: debug, terminated: terminated}, nil,
			[]addresses{{textAddress, textAddress + textSize}, {1 << 40, 1<<40 + textSize}}, nil, d)
		checkTable(t, table, d)
		checkStats(t, stats, table)
		if stats.FDERows > len(data) {
			t.Errorf("%d rows from %d bytes", stats.FDERows, len(data))
		}
	})
}

// FuzzBuild feeds arbitrary bytes as a whole file. The seeds have thousands of bytes, so run
// it with -fuzzminimizetime=20x; otherwise minimizing takes all the time.
func FuzzBuild(f *testing.F) {
	f.Add(fuzzSeed(f, "-static", "-nostdlib"))
	f.Add(fuzzSeed(f, "-static", "-nostdlib", "-fno-asynchronous-unwind-tables", "-fno-unwind-tables", "-g", "-gz=zlib"))
	f.Add([]byte("\x7fELF\x02\x01\x01"))
	f.Fuzz(func(t *testing.T, image []byte) {
		d := new(Dictionary)
		table, stats, err := Build(bytes.NewReader(image), int64(len(image)), d)
		if err != nil {
			if table != nil {
				t.Error("both a table and an error")
			}
			return
		}
		checkTable(t, table, d)
		checkStats(t, stats, table)
	})
}

// fuzzSeed compiles a small file. Without a compiler the seed is empty.
func fuzzSeed(f *testing.F, flags ...string) []byte {
	if _, err := os.Stat("/usr/bin/gcc"); err != nil {
		return nil
	}
	return readFile(f, compile(f, "freestanding.c", flags...))
}

func checkStats(t *testing.T, stats Stats, table *Table) {
	t.Helper()
	if stats.TableRows != len(table.Rows) {
		t.Errorf("TableRows = %d of %d", stats.TableRows, len(table.Rows))
	}
	if pages := len(table.Pages) - 1; pages > maxPages {
		t.Errorf("%d pages", pages)
	}
	if stats.CoveredBytes > maxPages*pageSize {
		t.Errorf("CoveredBytes = %d", stats.CoveredBytes)
	}
}
