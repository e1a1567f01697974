//go:build scenarios

package scenarios

import (
	"strings"
	"syscall"
	"time"

	"memtrace/tracer/report"
)

// rowsOfProcesses are programs that have children, or are held.
var rowsOfProcesses = []row{
	{name: "prefork", run: "BIN/prefork", children: true, expected: childrenLeak},
	{name: "prefork short lives", run: "BIN/prefork 3", children: true, trace: 10 * s, expected: childrenLeak},
	{name: "fork late", run: "BIN/latefork", children: true, trace: 10 * s, expected: expected{
		truth: "ever more children leak 1 MB/s each", kinds: kinds(report.Children), culprit: "(?i)child",
	}},
	{name: "stopped", run: "BIN/decode", beside: stop, expected: held},
	{name: "stopped meanwhile", run: "BIN/decode", beside: func(sc *scene) {
		pid := sc.pid
		time.AfterFunc(usualAfter+3*s, func() { _ = syscall.Kill(pid, syscall.SIGSTOP) })
	}, expected: expected{
		truth: "decode_frame leaks until the process is stopped by SIGSTOP", kinds: kinds(report.Held, report.Leak), culprit: "(?i)stopped|held|decode_frame", uncounted: true,
	}},
	{name: "gdb", run: "BIN/decode", needs: "gdb", beside: func(sc *scene) {
		// memtrace waits for a debugger to leave before it does.
		sc.background(sc.command("gdb -nx -q -batch -p", itoa(sc.pid), "-ex", "shell until test -s DIR/report.json; do sleep 0.2; done"))
		sc.wait("gdb to hold the process", func() bool { return strings.HasPrefix(statusField(sc.pid, "State"), "t") })
	}, expected: held},
}

var (
	childrenLeak = expected{truth: "three children leak 250 KB/s each", kinds: kinds(report.Children), culprit: "(?i)child", rateTolerance: 0.4}
	held         = expected{truth: "the process is held all the time", kinds: kinds(report.Held), culprit: "(?i)stopped|held|gdb"}
)

// stop stops the process as a shell does with a job.
func stop(sc *scene) {
	if err := syscall.Kill(sc.pid, syscall.SIGSTOP); err != nil {
		sc.t.Fatal(err)
	}
}
