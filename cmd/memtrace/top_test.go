package main

import (
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// -T cuts the list, not what is counted.
func TestTopCutsAfterCounting(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	const sites, shown = 20, 10
	var text strings.Builder
	text.WriteString("#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n")
	for i := range sites {
		fmt.Fprintf(&text, "__attribute__((noinline)) void *site_%d(void) { void *volatile p = malloc(%d); return p; }\n", i, 100+i)
	}
	text.WriteString("int main(void) {\n\tprintf(\"ready %d\\n\", getpid());\n\tfflush(stdout);\n\tfor (int n = 0;; n++) {\n")
	for i := range sites {
		fmt.Fprintf(&text, "\t\tsite_%d();\n", i)
	}
	text.WriteString("\t\tif (n == 250) { printf(\"leaked\\n\"); fflush(stdout); }\n\t\tusleep(20000);\n\t}\n}\n")
	p := testprog.Command(t, exec.Command(testprog.BuildProgram(t, "gcc -O1 -g -fno-builtin -fno-optimize-sibling-calls", text.String())))
	m := startMemtrace(t, "-T", strconv.Itoa(shown), "-p", strconv.Itoa(p.PID()))
	p.Line()
	r := m.stop()
	if len(r.Stacks) != shown || r.StacksTotal < sites {
		t.Errorf("%d stacks of %d, want %d of %d", len(r.Stacks), r.StacksTotal, shown, sites)
	}
	if first := r.Diagnosis.Findings[0]; first.Kind != report.Leak || first.StacksTotal != sites || !strings.Contains(r.Diagnosis.Answer, "20 of 20 stacks") {
		t.Errorf("%d stacks leak: %s", first.StacksTotal, r.Diagnosis.Answer)
	}
}
