package main

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/record"
	"memtrace/tracer/report"
)

// madeUp is a record of some snapshots, a second apart, with a mark.
func madeUp(t *testing.T, snapshots int, change func(i int, r *report.Report)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "made.rec")
	w, err := record.Create(path, record.LeastSize, "test")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 11, 29, 22, 0, 0, 0, time.Local)
	for i := range snapshots {
		at := start.Add(time.Duration(i) * time.Second)
		r := &report.Report{
			Schema: report.Schema, Mode: report.ModeExact, Complete: true, Start: start, End: at, DurationSeconds: float64(i),
			Target: report.Target{PID: 7, Command: "server", Exe: "/srv/server", Modules: []report.Module{{Path: "/srv/server", BuildID: "abc"}}},
			Stacks: []report.Stack{{ID: "1", Kind: report.Heap, Bytes: uint64(1000 * i), Blocks: uint64(i), Frames: []report.Frame{
				{Address: 1, Function: "make", Module: "/srv/server", File: "s.c", Line: 3}, {Address: 2, Function: "main", Module: "/srv/server"},
			}}},
		}
		if change != nil {
			change(i, r)
		}
		if i == 3 {
			if err := w.Mark(at, "deploy"); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Snapshot(at, []*report.Report{r}, i == snapshots-1); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(true); err != nil {
		t.Fatal(err)
	}
	return path
}

// Records that cannot be read, moments that they do not have, and flags that make no sense are
// refused in one line.
func TestReportRefusals(t *testing.T) {
	path := madeUp(t, 6, nil)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	newer := bytes.Clone(whole)
	newer[16] = 9
	binary.LittleEndian.PutUint32(newer[20:], crc32.Checksum(newer[:20], crc32.MakeTable(crc32.Castagnoli)))
	damaged := bytes.Clone(whole)
	damaged[len(damaged)/2] ^= 1
	write := func(name string, text []byte) {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("cut", whole[:40])
	write("foreign", []byte("ELF and more\n"))
	write("newer", newer)
	write("damaged", damaged)
	write("windows", []byte(`{"schema": "memtrace/1", "mode": "windows", "sampling": {}}`))
	link := filepath.Join(dir, "link")
	if err := os.Symlink(path, link); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args string
		code exitCode
		want string
	}{
		{"report", exitUsage, "give one record"},
		{"report " + path + " -f xml", exitUsage, "--format xml: give text"},
		{"report " + path + " --at yesterday", exitUsage, `"yesterday" is no time: give start`},
		{"report " + path + " --at 1h", exitError, "the record has nothing of 1h: it is from "},
		{"report " + path + " --at mark:x", exitError, "the record has no mark x: it has deploy"},
		{"report " + path + " --at 2s --to 3s", exitUsage, "--at excludes"},
		{"report " + path + " --from 4s --to 2s", exitUsage, "--from 4s is after --to 2s"},
		{"report " + path + " --from 1s -f pprof", exitUsage, "--format pprof holds only one report"},
		{"report " + path + " --show blocks", exitUsage, "a record has no single blocks"},
		{"report " + path + " --sort age", exitUsage, "--sort age: give leak"},
		{"report " + path + " --list --at 2s", exitUsage, "--list lists all, as text"},
		{"report " + path + " --list -f json", exitUsage, "--list lists all, as text"},
		{"report " + path + " -o " + path, exitUsage, "would replace " + path},
		{"report " + path + " -o " + link, exitUsage, "would replace " + path},
		{"diff " + path + " " + dir + "/newer -o " + dir + "/newer", exitUsage, "would replace " + dir + "/newer"},
		{"diff " + dir + "/foreign", exitError, "is no record, so it has only one moment"},
		{"diff " + dir + "/foreign " + path + " --from 1s", exitError, "is no record, so it has no moments: leave out --from and --to"},
		{"diff " + dir + "/windows " + path + " --per 7", exitUsage, "/windows was watched in windows of time: rates of leaks are compared; leave it out"},
		{"report " + dir + "/none", exitError, "no such file"},
		{"report " + dir, exitError, "not a record of memtrace"},
		{"report " + dir + "/cut", exitError, "cut off before it had a snapshot"},
		{"report " + dir + "/foreign", exitError, "not a record of memtrace"},
		{"report " + dir + "/newer", exitError, "the record is of a newer memtrace (its format is 9, and this one reads up to 1)"},
		{"report " + dir + "/damaged", exitError, "the record is damaged at byte "},
	} {
		m := launchMemtrace(t, strings.Fields(tc.args)...)
		code := m.wait()
		lines := strings.Count(m.stderr.String(), "\n")
		if tc.code == exitUsage && strings.Contains(m.stderr.String(), "Try memtrace") {
			lines--
		}
		if code != tc.code || !strings.Contains(m.stderr.String(), tc.want) || lines != 1 || m.stdout.String() != "" {
			t.Errorf("memtrace %s: %d, %q, want %q", tc.args, code, m.stderr.String(), tc.want)
		}
	}
}

// Stacks that hold nothing any more are shown where the order or the form is about them.
func TestReportPast(t *testing.T) {
	path := madeUp(t, 3, func(i int, r *report.Report) {
		past := r.Stacks[0]
		past.ID, past.Bytes, past.Blocks, past.AllocatedBlocks, past.PeakBytes = "2", 0, 0, 7, 7000
		r.Stacks = append(r.Stacks, past)
		r.StacksTotal = 2
	})
	for sort, want := range map[string]int{"leak": 1, "size": 1, "peak": 2, "temporary": 2} {
		var r report.Report
		if err := json.Unmarshal([]byte(render(t, "report", path, "-f", "json", "--sort", sort)), &r); err != nil {
			t.Fatal(err)
		}
		if len(r.Stacks) != want || r.StacksTotal != want {
			t.Errorf("--sort %s: %d of %d stacks, want %d", sort, len(r.Stacks), r.StacksTotal, want)
		}
	}
	if text := render(t, "diff", path, "--from", "1s"); !strings.Contains(text, "1 stack grew") || !strings.Contains(text, "0 did not change") {
		t.Error(text)
	}
}

// A difference is in every form that can hold one. Forms for tools and browsers have all its stacks unless
// a number is given.
func TestDiffForms(t *testing.T) {
	path := madeUp(t, 3, func(i int, r *report.Report) {
		r.Stacks = nil
		for k := range 13 {
			r.Stacks = append(r.Stacks, report.Stack{
				ID: strconv.Itoa(k), Kind: report.Heap, Bytes: uint64(1000 * i * (k + 1)), Blocks: uint64(i), Frames: []report.Frame{{Function: "take_" + strconv.Itoa(k), Module: "/srv/server"}},
			})
		}
	})
	for _, tc := range []struct {
		args, want string
		least      bool
	}{
		{"-f html", `<h1>&#43;177.7 KiB in 2.0 s: 14 % in <mark>take_12</mark>`, true},
		{"-f html -T 3", "10 of them are not in this file", false},
		{"-f speedscope", `"name":"bytes more"`, true},
		{"-f folded", "take_12 0 26000\n", true},
		{"-f json", `"over_seconds": 2`, false},
	} {
		text := render(t, append([]string{"diff", path}, strings.Fields(tc.args)...)...)
		if !strings.Contains(text, tc.want) || strings.Contains(text, "take_0") != tc.least {
			t.Errorf("%s lacks %q, or has other stacks than it should:\n%.2000s", tc.args, tc.want, text)
		}
	}
}

// Marks behind the last snapshot are listed, too, and of very many of them it says that there are more.
func TestMarksBehindSnapshots(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made.rec")
	w, err := record.Create(path, record.LeastSize, "test")
	if err != nil {
		t.Fatal(err)
	}
	start := time.Date(2026, 11, 29, 22, 0, 0, 0, time.Local)
	err = w.Snapshot(start, []*report.Report{{Schema: report.Schema, Mode: report.ModeExact}}, false)
	for i := range 12 {
		err = errors.Join(err, w.Mark(start.Add(time.Duration(i)*time.Second), "m"+strconv.Itoa(i)))
	}
	if err := errors.Join(err, w.Close(true)); err != nil {
		t.Fatal(err)
	}
	list := render(t, "report", path, "--list")
	if lines := strings.Split(list, "\n"); len(lines) != 15 || !strings.HasSuffix(lines[1], " mark m0") || !strings.HasSuffix(lines[13], " mark m11") {
		t.Errorf("12 marks, listed as\n%s", list)
	}
	m := launchMemtrace(t, "report", path, "--at", "mark:x")
	if code := m.wait(); code != exitError || !strings.Contains(m.stderr.String(), "has no mark x: it has m0, m1, m2, m3, m4, m5, m6, m7, m8, m9, and 2 more\n") {
		t.Errorf("%d, %s", code, m.stderr.String())
	}
}

// Each way to say when gives the snapshot of that time.
func TestReportAt(t *testing.T) {
	path := madeUp(t, 6, nil)
	for at, want := range map[string]int{
		"start": 0, "end": 5, "2s": 2, "+2.5s": 2, "-1s": 4, "22:00:03": 3, "22:00": 0, "2026-11-29 22:00:04": 4, "mark:deploy": 3, "2": 2,
	} {
		var r report.Report
		if err := json.Unmarshal([]byte(render(t, "report", path, "-f", "json", "--at="+at)), &r); err != nil {
			t.Fatal(err)
		}
		if len(r.Stacks) != 1 || r.Stacks[0].Bytes != uint64(1000*want) || r.DurationSeconds != float64(want) {
			t.Errorf("--at %s: after %v s %+v, want %d s", at, r.DurationSeconds, r.Stacks, want)
		}
	}
}
