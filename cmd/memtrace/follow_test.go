package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
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
	all := run.reports()
	for _, r := range all {
		for _, s := range r.Stacks {
			if i := slices.IndexFunc(s.Frames, func(f report.Frame) bool { return strings.HasPrefix(f.Module, "[") }); i >= 0 {
				t.Errorf("%s: frame %d lies in no file: %+v", r.Target.Command, i, s.Frames)
				break
			}
		}
	}
	return all
}

// sumSites adds up what all processes hold by site, and fails the test if anything was lost.
func sumSites(t *testing.T, all []*report.Report) map[string]testprog.Sum {
	t.Helper()
	sites := make(map[string]testprog.Sum)
	for _, r := range all {
		if r.Events.Lost.Any() || r.Events.Evicted != 0 || !r.Complete && !leftOut(r) {
			t.Errorf("%s: lost %+v, complete %v, evicted %d, unprobed %q, notes %q", r.Target.Command, r.Events.Lost, r.Complete, r.Events.Evicted, r.Unprobed, r.Notes)
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

// Children with another allocator than their parent's are followed as well.
func TestFollowingOtherAllocators(t *testing.T) {
	family := familyProgram(t, compileFamily)
	const n = 3
	for _, tc := range []struct{ name, compile string }{
		{"static", compileFamily + " -static"},
		{"musl", "musl-gcc -O1 -g -fno-builtin -fno-optimize-sibling-calls"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			testprog.NeedTool(t, strings.Fields(tc.compile)[0])
			leaf := familyProgram(t, tc.compile)
			for _, how := range []string{"exec", "spawn"} {
				got := sumSites(t, followed(t, family, how, strconv.Itoa(n), leaf))
				if want := times(3*n, 100); got["site_leaf"] != want {
					t.Errorf("%s: %+v, want %+v", how, got["site_leaf"], want)
				}
			}
		})
	}
}

// Hundreds of short children, one after the other, lose nothing, and what memtrace keeps for
// them does not grow with their number.
func TestFollowingManyChildren(t *testing.T) {
	testprog.Long(t)
	family := familyProgram(t, compileFamily)
	n := setting(t, "CHILDREN", 200)
	before := openFiles(t)
	all := followed(t, family, "exec", strconv.Itoa(n))
	if after := openFiles(t); after > before+10 {
		t.Errorf("%d files are open, %d were before", after, before)
	}
	got := sumSites(t, all)
	if want := times(int64(3*n), 100); got["site_leaf"] != want || got["site_parent"] != times(7, 1000) {
		t.Errorf("%+v, want %+v", got, want)
	}
	if len(all) != 2 || all[1].Target.Processes != n || all[1].Events.Alloc != uint64(10*n) || all[1].Events.Free != uint64(7*n) {
		t.Errorf("%d reports, %+v", len(all), all[1])
	}
}

// workers forks three workers that free some of what they inherit, and leak. Each says when it
// has.
const workers = `
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
static void *kept[1000];
__attribute__((noinline)) static void *site_cache(size_t n) { void *volatile p = malloc(n); return p; }
__attribute__((noinline)) static void *site_worker(size_t n) { void *volatile p = malloc(n); memset(p, 1, n); return p; }
int main(void)
{
	char c;
	if (read(0, &c, 1) != 1)
		return 1;
	for (int i = 0; i < 1000; i++)
		kept[i] = site_cache(500);
	for (int w = 0; w < 3; w++)
		if (!fork()) {
			for (int i = 0; i < 100; i++)
				free(kept[i]);
			for (int i = 0; i < 50; i++)
				site_worker(2000);
			if (write(1, "worked\n", 7) != 7)
				return 1;
			for (;;)
				pause();
		}
	for (;;)
		pause();
}
`

// The workers of a server that was running before have reports of their own, in which what they
// inherited stands by its stack. When the trace ends, nothing is left in any of them.
func TestFollowingServer(t *testing.T) {
	testprog.NeedRoot(t)
	program := testprog.BuildProgram(t, "gcc -O1 -g -fno-builtin -fno-optimize-sibling-calls", workers)
	cmd := exec.Command(program)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	})
	run := startMemtrace(t, "--follow", "-p", strconv.Itoa(cmd.Process.Pid))
	if _, err := in.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	said := bufio.NewReader(out)
	for range 3 {
		if _, err := said.ReadString('\n'); err != nil {
			t.Fatal(err)
		}
	}
	run.stop()
	all := run.reports()
	if len(all) != 4 {
		t.Fatalf("%d reports", len(all))
	}
	for i, r := range all {
		want := map[string]testprog.Sum{"site_cache": times(1000, 500)}
		if i > 0 {
			want = map[string]testprog.Sum{"site_cache": times(900, 500), "site_worker": times(50, 2000)}
			in := r.Target.Inherited
			if r.Target.Parent != all[0].Target.PID || in == nil || !in.Listed || in.Sum.Blocks < 1000 || in.Freed.Blocks != 100 {
				t.Errorf("parent %d, inherited %+v", r.Target.Parent, in)
			}
		}
		got := bySite(r)
		for site, sum := range want {
			if got[site] != sum {
				t.Errorf("process %d, %s: %+v, want %+v", r.Target.PID, site, got[site], sum)
			}
		}
		status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.Target.PID))
		if err != nil || !strings.Contains(string(status), "TracerPid:\t0\n") {
			t.Errorf("process %d is still followed: %v", r.Target.PID, err)
		}
	}
}

// Without --follow, children are left alone.
func TestNotFollowing(t *testing.T) {
	family := familyProgram(t, compileFamily)
	run := launchMemtrace(t, "--exact", "--follow=false", "-f", "json", "-T", "0", "--older", "0", "--", family, "exec", "2")
	if code := run.wait(); code != exitOK {
		t.Fatalf("ended with %d: %s", code, run.stderr.String())
	}
	if all := run.reports(); len(all) != 1 || bySite(all[0])["site_parent"] != times(7, 1000) ||
		!strings.Contains(strings.Join(all[0].Notes, " "), "forked 2 times") {
		t.Errorf("%d reports, %+v", len(all), all[0])
	}
}
