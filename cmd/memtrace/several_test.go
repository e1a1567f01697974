package main

import (
	"fmt"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// forgetful leaks blocks of so many bytes every few milliseconds.
const forgetful = `
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

__attribute__((noinline)) static void *forget(size_t size)
{
	void *volatile p = malloc(size);
	if (p)
		memset(p, 1, size);
	return p;
}

int main(int argc, char **argv)
{
	size_t size = argc > 1 ? atoi(argv[1]) : 0;
	printf("ready %d\n", getpid());
	fflush(stdout);
	for (;;) {
		if (size > 0)
			forget(size);
		usleep(10000);
	}
}
`

// Of several processes the one that leaks most comes first, and what they leak at the same place
// is summed.
func TestSeveralProcesses(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	program := testprog.BuildProgram(t, "gcc -O1 -g -fno-builtin -fno-optimize-sibling-calls", forgetful)
	start := func(size string) int { return testprog.Command(t, exec.Command(program, size)).PID() }
	quiet, slow, fast := start("0"), start("500"), start("50000")
	pids := fmt.Sprintf("%d,%d,%d", quiet, slow, fast)

	code, stdout, stderr := runFor(t, "--exact", "-d", "12s", "-p", pids)
	if code != exitOK {
		t.Fatalf("ended with %d: %s", code, stderr)
	}
	t.Log(stdout)
	summary, rest, _ := strings.Cut(stdout, "\n\n")
	want := regexp.MustCompile(fmt.Sprintf(`^\S+ \(pid %d\) leaks (?s:.*)\n\S+ \(pid %d\) leaks (?s:.*)\n\S+ \(pid %d\) does not grow`, fast, slow, quiet))
	if !want.MatchString(summary) {
		t.Errorf("the summary is\n%s", summary)
	}
	all, reports, _ := strings.Cut(rest, fmt.Sprintf("(pid %d) leaks", fast))
	want = regexp.MustCompile(fmt.Sprintf(`^All processes\n\n A1  2 processes leak [\d.]+ .iB/s .*\n? *pids %d, %d\n +> forget `, fast, slow))
	if !want.MatchString(all) || strings.Contains(all, "A2") {
		t.Errorf("of all processes it says\n%s", all)
	}
	second, third := strings.Index(reports, fmt.Sprintf("(pid %d) leaks", slow)), strings.Index(reports, fmt.Sprintf("(pid %d) does not grow", quiet))
	if second < 0 || third < second {
		t.Errorf("the reports are not in the order of the summary:\n%s", reports)
	}

	// JSON stays a document for each, in the order of the processes' ids.
	m := launchMemtrace(t, "-f", "json", "-d", "1s", "-p", pids)
	if code := m.wait(); code != exitOK {
		t.Fatalf("ended with %d: %s", code, m.stderr.String())
	}
	var got []int
	for _, r := range m.reports() {
		got = append(got, r.Target.PID)
	}
	if fmt.Sprint(got) != fmt.Sprint([]int{quiet, slow, fast}) {
		t.Errorf("reports of %v, want those of %s", got, pids)
	}
}
