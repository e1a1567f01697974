package unwind

import (
	"bufio"
	"bytes"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// This file reads how binutils' readelf interprets call frames. The tables are compared with
// its rows because others wrote that interpreter.

// readelfFDE is an FDE as readelf prints it with --debug-dump=frames-interp.
type readelfFDE struct {
	start, end uint64
	rows       []readelfRow
}

// readelfRow is a row of an FDE: what readelf prints in the columns CFA, rbp, rsp and ra. A
// column without an entry is "".
type readelfRow struct {
	pc                uint64
	cfa, rbp, rsp, ra string
}

var (
	readelfCIE = regexp.MustCompile(`^([0-9a-f]+) [0-9a-f]+ [0-9a-f]+ CIE `)
	readelfHed = regexp.MustCompile(`^[0-9a-f]+ [0-9a-f]+ [0-9a-f]+ FDE cie=([0-9a-f]+) pc=([0-9a-f]+)\.\.([0-9a-f]+)`)
)

// readelfInterp runs readelf on the file and returns its FDEs in the order of
// the section. An FDE without instructions has its CIE's row.
func readelfInterp(tb testing.TB, path string) []readelfFDE {
	tb.Helper()
	var (
		out     []readelfFDE
		columns []string
		cieRows = map[string]readelfRow{}
		cie     string // the CIE being read, "" within an FDE
	)
	readelfLines(tb, path, "frames-interp", func(line []byte) {
		switch {
		case len(line) == 0:
		case bytes.HasPrefix(line, []byte("   LOC")):
			columns = strings.Fields(string(line))
		case bytes.Contains(line, []byte(" FDE ")):
			m := readelfHed.FindSubmatch(line)
			row := cieRows[string(m[1])]
			row.pc = hex(tb, m[2])
			cie = ""
			out = append(out, readelfFDE{row.pc, hex(tb, m[3]), []readelfRow{row}})
		case bytes.Contains(line, []byte(" CIE ")):
			cie = string(readelfCIE.FindSubmatch(line)[1])
		case len(line) > 16 && line[16] == ' ' && columns != nil:
			row := readelfColumns(tb, columns, line)
			if cie != "" {
				cieRows[cie] = row
				return
			}
			fde := &out[len(out)-1]
			switch last := len(fde.rows) - 1; {
			case row.pc >= fde.end: // instructions after the last address
			case row.pc == fde.rows[last].pc:
				fde.rows[last] = row
			default:
				fde.rows = append(fde.rows, row)
			}
		}
	})
	return out
}

// readelfColumns splits a line into the columns of its row. readelf adds a register's name in
// parentheses.
func readelfColumns(tb testing.TB, columns []string, line []byte) readelfRow {
	fields := strings.Fields(string(line))
	fields = slices.DeleteFunc(fields, func(f string) bool { return f[0] == '(' })
	if len(fields) != len(columns) {
		tb.Fatalf("readelf: %d fields in %q, want %q", len(fields), fields, columns)
	}
	row := readelfRow{pc: hex(tb, line[:16]), cfa: fields[1]}
	for i, name := range columns {
		switch name {
		case "rbp":
			row.rbp = fields[i]
		case "rsp":
			row.rsp = fields[i]
		case "ra":
			row.ra = fields[i]
		}
	}
	return row
}

// readelfRaw is what frames-interp does not show of an FDE's instructions, by the address of
// the row: the text of expressions, and the rows where rbp is undefined rather than
// unmentioned.
type readelfRaw struct {
	cfa, rbp map[uint64]string // text of the last expression at or before the address
	rbpUndef map[uint64]bool
}

var (
	rawAdvance = regexp.MustCompile(`^  DW_CFA_(?:advance_loc|set_loc).* to ([0-9a-f]+)`)
	rawCFA     = regexp.MustCompile(`^  DW_CFA_def_cfa_expression \((.*)\)$`)
	rawRBP     = regexp.MustCompile(`^  DW_CFA_expression: r6 \(rbp\) \((.*)\)$`)
)

// readelfExpressions runs readelf for the instructions themselves. It returns, by start
// address, the FDEs that contain expressions or an undefined rbp.
func readelfExpressions(tb testing.TB, path string) map[uint64]*readelfRaw {
	tb.Helper()
	out := map[uint64]*readelfRaw{}
	var start, pc uint64
	get := func() *readelfRaw {
		if out[start] == nil {
			out[start] = &readelfRaw{map[uint64]string{}, map[uint64]string{}, map[uint64]bool{}}
		}
		return out[start]
	}
	readelfLines(tb, path, "frames", func(line []byte) {
		switch {
		case bytes.Contains(line, []byte(" FDE ")):
			start = hex(tb, readelfHed.FindSubmatch(line)[2])
			pc = start
		case bytes.HasPrefix(line, []byte("  DW_CFA_advance")):
			pc = hex(tb, rawAdvance.FindSubmatch(line)[1])
		case bytes.HasPrefix(line, []byte("  DW_CFA_def_cfa_expression")):
			get().cfa[pc] = string(rawCFA.FindSubmatch(line)[1])
		case bytes.HasPrefix(line, []byte("  DW_CFA_expression: r6 ")):
			get().rbp[pc] = string(rawRBP.FindSubmatch(line)[1])
		case bytes.HasPrefix(line, []byte("  DW_CFA_undefined: r6 ")):
			get().rbpUndef[pc] = true
		}
	})
	return out
}

// before returns the value in m with the greatest key up to pc.
func before(m map[uint64]string, pc uint64) string {
	var best uint64
	var text string
	for at, t := range m {
		if at <= pc && at >= best {
			best, text = at, t
		}
	}
	return text
}

func readelfLines(tb testing.TB, path, dump string, line func([]byte)) {
	tb.Helper()
	testprog.NeedTool(tb, "readelf")
	// Without no-follow-links it reads an installed debug file too, and fails.
	cmd := exec.Command("readelf", "--wide", "--debug-dump=no-follow-links", "--debug-dump="+dump, path)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		tb.Fatal(err)
	}
	scanner := bufio.NewScanner(stdout)
	for scanner.Scan() {
		line(scanner.Bytes())
	}
	if err := scanner.Err(); err != nil {
		tb.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		tb.Fatalf("readelf %s: %v", path, err)
	}
}

func hex(tb testing.TB, digits []byte) uint64 {
	v, err := strconv.ParseUint(string(digits), 16, 64)
	if err != nil {
		tb.Fatalf("readelf: %v", err)
	}
	return v
}
