package unwind

import (
	"cmp"
	"debug/elf"
	"os"
	"slices"
	"strings"
	"testing"

	"memtrace/symbolize/elffile"
	"memtrace/symbolize/internal/flow"
	"memtrace/symbolize/internal/x86"
	"memtrace/tracer/testsupport/testprog"
)

// agreement counts the instructions of a file for which an analysis of the code alone finds the
// same as the FDEs.
type agreement struct {
	equal, silent, wrong int
}

// TestAnalysisAgreesWithFrames analyses files that have call frame information as if they had
// none, and compares what comes out at each instruction.
func TestAnalysisAgreesWithFrames(t *testing.T) {
	for _, test := range []struct {
		name  string
		files []string
		// atLeast is the part of all instructions for which both agree, atMost that for which
		// the analysis says something else.
		atLeast, atMost float64
	}{
		{"libc", libcFiles, 0.995, 0.0005},
		{"libstdc++", stdcxxFiles, 0.99, 0.0005},
		{"python3", pythonFiles, 0.985, 0.002},
		{"libcrypto", cryptoFiles, 0.965, 0.02},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := systemFile(t, test.files)
			a := compareAnalysis(t, path)
			all := float64(a.equal + a.silent + a.wrong)
			t.Logf("%s: %d instructions: %.3f %% equal, %.3f %% unknown, %.3f %% different", path, int(all),
				100*float64(a.equal)/all, 100*float64(a.silent)/all, 100*float64(a.wrong)/all)
			if float64(a.equal) < test.atLeast*all || float64(a.wrong) > test.atMost*all {
				t.Error("the analysis is too often wrong")
			}
		})
	}
}

// Where there is no room for more rows, nothing is known: the last rule does not hold for the rest.
func TestNoRoomForAnalysis(t *testing.T) {
	var stats Stats
	d := new(Dictionary)
	b := builder{
		text: []addresses{{textAddress, textAddress + textSize}}, low: textAddress, dict: d, stats: &stats,
		index: make(map[Rule]uint16), rows: make([]uint64, maxRows-1),
	}
	at := func(sp int32) flow.Frame { return flow.Frame{SP: flow.Value{Base: flow.CFA, Off: sp}, BPSame: true} }
	part := func(offset uint64) flow.Part { return flow.Part{Start: textAddress + offset, Code: make([]byte, 64)} }
	b.addParts([]flow.Part{part(0), part(64)}, []flow.Row{
		{PC: textAddress, Frame: at(-8)},
		{PC: textAddress + 16, Frame: at(-16)},
		{PC: textAddress + 32, Frame: at(-24)},
		{PC: textAddress + 64, Frame: at(-8)},
	})
	table, rules := b.assemble(), d.Rules()
	for offset, want := range map[uint64]Rule{0: rsp(8), 15: rsp(8), 16: {}, 40: {}, 64: {}} {
		if got := rules[table.Lookup(textAddress+offset, rules)]; got != want {
			t.Errorf("at %d: %v, want %v", offset, got, want)
		}
	}
	if stats.Unsupported[ReasonTruncated] != 1 {
		t.Errorf("truncated %d times", stats.Unsupported[ReasonTruncated])
	}
}

func compareAnalysis(t *testing.T, path string) (a agreement) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		testprog.Missing(t, path)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	file, err := elffile.Open(f, info.Size(), elffile.NewFileBudget())
	if err != nil {
		t.Fatal(err)
	}
	section, _, err := readFrames(file)
	if err != nil {
		t.Fatal(err)
	}
	d := new(Dictionary)
	table, _ := buildTable(section, nil, executableSegments(file), nil, d)
	rules := d.Rules()

	bare := builder{text: executableSegments(file), low: 0}
	in := flow.Input{Parts: bare.uncovered(file)}
	describe(file, &in)
	rows := flow.Analyse(&in)
	cleanups := withCleanups(&section)
	shown := 0
	for _, p := range in.Parts {
		if plt(file, p.Start) {
			continue // linkers describe its entries by one expression
		}
		for pc := p.Start; pc < p.Start+uint64(len(p.Code)); {
			want := rules[table.Lookup(pc, rules)]
			inst, ok := x86.Decode(p.Code[pc-p.Start:], pc)
			if !ok {
				pc++
				continue
			}
			for len(rows) > 1 && rows[1].PC <= pc {
				rows = rows[1:]
			}
			got := &rows[0].Frame
			switch {
			case want == Rule{} || cleanups(pc) || inst.Op == x86.Nop || inst.Op == x86.Entry || flow.Padding(p.Code[pc-p.Start:][:inst.Len]):
			case ruleOfFrame(got) == Rule{}:
				a.silent++
			case fits(got, want):
				a.equal++
			default:
				a.wrong++
				if shown++; shown <= 12 {
					t.Logf("%#x: %v, want %v", pc, ruleOfFrame(got), want)
				}
			}
			pc += uint64(inst.Len)
		}
	}
	return a
}

// fits reports whether a rule is one of those that a frame allows.
func fits(f *flow.Frame, r Rule) bool {
	got := ruleOfFrame(f)
	cfa := false
	switch r.CFA {
	case CFARSP:
		cfa = f.SP == flow.Value{Base: flow.CFA, Off: -r.CFAOffset}
	case CFARBP:
		cfa = f.BP == flow.Value{Base: flow.CFA, Off: -r.CFAOffset}
	default:
		cfa = got.CFA == r.CFA && got.CFAOffset == r.CFAOffset
	}
	if r.CFA == CFAEnd || r.CFA == CFASignal || r.CFA == CFAPLT {
		return cfa
	}
	switch r.RBP {
	case RBPSame:
		return cfa && f.BPSame
	case RBPAtCFA:
		return cfa && (f.BPSame || f.SavedBP == flow.Value{Base: flow.CFA, Off: int32(r.RBPOffset)})
	}
	return cfa
}

// withCleanups returns whether an address is in a function with code that only the unwinder for
// exceptions enters, which no analysis of code can see. The FDEs of such functions have more
// augmentation data than none. Addresses must be asked for in order.
func withCleanups(f *frames) func(pc uint64) bool {
	var ranges []addresses
	for at := 0; at < len(f.data); {
		e, next, ok := f.entryAt(at)
		if !ok {
			break
		}
		at = next
		if e.isCIE {
			continue
		}
		common := f.parseCIE(e.cieAt)
		if common == nil || common.pointerEnc&encFormat != encS4 {
			continue
		}
		if d, ok := f.parseFDE(e, common); ok && f.data[e.body+8] != 0 {
			ranges = append(ranges, addresses{d.start, d.end})
		}
	}
	slices.SortFunc(ranges, func(x, y addresses) int { return cmp.Compare(x.start, y.start) })
	return func(pc uint64) bool {
		for len(ranges) > 0 && ranges[0].end <= pc {
			ranges = ranges[1:]
		}
		return len(ranges) > 0 && ranges[0].start <= pc
	}
}

// plt reports whether an address is in a procedure linkage table.
func plt(file *elffile.File, pc uint64) bool {
	return slices.ContainsFunc(file.Sections, func(s elf.SectionHeader) bool {
		return strings.HasPrefix(s.Name, ".plt") && s.Addr <= pc && pc < s.Addr+s.Size
	})
}
