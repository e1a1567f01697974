package main

import (
	"os"
	"path/filepath"
	"testing"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// familyProgram builds testdata/family.c.
func familyProgram(t *testing.T, compile string) string {
	t.Helper()
	source, err := os.ReadFile(filepath.Join("testdata", "family.c"))
	if err != nil {
		t.Fatal(err)
	}
	return testprog.BuildProgram(t, compile, string(source))
}

const compileFamily = "gcc -O1 -g -fno-builtin -fno-optimize-sibling-calls -pthread"

// followed runs a command that is followed to its end, and returns all reports.
func followed(t *testing.T, args ...string) []*report.Report {
	t.Helper()
	testprog.NeedRoot(t)
	run := launchMemtrace(t, append([]string{"--exact", "-f", "json", "-T", "0", "--older", "0", "--"}, args...)...)
	if code := run.wait(); code != exitOK {
		t.Fatalf("memtrace ended with %d: %s", code, run.stderr.String())
	}
	return run.reports()
}

// sumSites adds up what all processes hold by site, and fails the test if anything was lost.
func sumSites(t *testing.T, all []*report.Report) map[string]testprog.Sum {
	t.Helper()
	sites := make(map[string]testprog.Sum)
	for _, r := range all {
		if r.Events.Lost.Any() || r.Events.Evicted != 0 || !r.Complete && !leftOut(r) {
			t.Errorf("%s: lost %+v, complete %v, evicted %d, notes %q", r.Target.Command, r.Events.Lost, r.Complete, r.Events.Evicted, r.Notes)
		}
		for site, sum := range bySite(r) {
			if site != "" {
				all := sites[site]
				sites[site] = testprog.Sum{Bytes: all.Bytes + sum.Bytes, Blocks: all.Blocks + sum.Blocks}
			}
		}
	}
	return sites
}

// times is n blocks of one size.
func times(n, size int64) testprog.Sum { return testprog.Sum{Bytes: n * size, Blocks: n} }

// Whichever way children come to life, all that they allocate is seen from their start, and no
// block is counted twice.
func TestFollowing(t *testing.T) {
	family := familyProgram(t, compileFamily)
	const n = 4
	parent := times(7, 1000)
	leaf := times(3*n, 100)
	for _, tc := range []struct {
		how  string
		want map[string]testprog.Sum
	}{
		{"fork", map[string]testprog.Sum{"site_parent": parent, "site_child": times(3*n, 200)}},
		{"exec", map[string]testprog.Sum{"site_parent": parent, "site_leaf": leaf}},
		{"spawn", map[string]testprog.Sum{"site_parent": parent, "site_leaf": leaf}},
		{"thread", map[string]testprog.Sum{"site_parent": parent, "site_leaf": leaf}},
		{"vfork", map[string]testprog.Sum{"site_parent": parent, "site_vfork": times(n, 400), "site_leaf": leaf}},
		{"nested", map[string]testprog.Sum{"site_parent": parent, "site_child": times(3*n, 200), "site_grandchild": times(2*n, 300)}},
		{"daemon", map[string]testprog.Sum{"site_parent": parent, "site_child": times(3*n, 200), "site_grandchild": times(2*n, 300)}},
		{"storm", map[string]testprog.Sum{"site_parent": parent, "site_child": times(3*n, 200)}},
	} {
		t.Run(tc.how, func(t *testing.T) {
			all := followed(t, family, tc.how, "4")
			got := sumSites(t, all)
			for site, want := range tc.want {
				if got[site] != want {
					t.Errorf("%s: %+v, want %+v", site, got[site], want)
				}
			}
			for site, sum := range got {
				if _, ok := tc.want[site]; !ok && sum.Blocks > 0 {
					t.Errorf("%s: %+v, want none", site, sum)
				}
			}
		})
	}
}
