package main

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/process/procstatus"
	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// manyBlocks holds as many blocks as its argument says in a list, or, if there is another argument,
// loses them.
const manyBlocks = `#include <stdlib.h>
#include <unistd.h>
void *volatile list;
int main(int argc, char **argv)
{
	for (long n = atol(argv[1]); n > 0; n--) {
		void **p = malloc(40);
		p[0] = argc > 2 ? 0 : list;
		list = p;
	}
	return write(1, "ready many\n", 11) != 11 || pause();
}`

// What memtrace keeps is bounded: by bytes for each block, and by --max-memory, beyond which a heap is
// refused in one line.
func TestHeapMemory(t *testing.T) {
	const blocks = 2_300_003
	for _, lost := range []bool{false, true} {
		args := []string{fmt.Sprint(blocks)}
		perBlock := int64(25)
		if lost {
			args, perBlock = append(args, "lost"), 150
		}
		pid := fmt.Sprint(startReady(t, "gcc -O1 -fno-builtin", manyBlocks, args...).PID())
		code, stdout, stderr := runFor(t, "heap", "-p", pid, "--max-memory", "64M", "100ms", "1")
		if code != exitError || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.HasSuffix(stderr, "too many for the memory that is allowed (64.0 MiB): allow more with --max-memory\n") {
			t.Errorf("refused: %d, %q, %q", code, stdout, stderr)
		}
		const fixed = 40 << 20
		if peak := heapPeak(t, pid, blocks, lost); peak > fixed+perBlock*blocks {
			t.Errorf("lost %v: %d MB for %d blocks", lost, peak/1e6, blocks)
		}
	}
}

// heapPeak looks at a heap of so many blocks, and returns the most memory that took, in bytes.
func heapPeak(t *testing.T, pid string, blocks uint64, lost bool) int64 {
	t.Helper()
	out, peak := peakOf(t, exec.Command(testprog.Memtrace(t), "heap", "-p", pid, "-f", "json", "--max-overhead", "100", "10ms", "5"))
	if r := decodeReports[report.HeapReport](t, out)[0]; r.Blocks.InUse.Blocks < blocks || lost != (r.Unreachable.Certain.Blocks >= blocks-2) {
		t.Errorf("%d blocks, unreachable %+v", r.Blocks.InUse.Blocks, r.Unreachable.Certain)
	}
	return peak
}

// peakOf runs a command, and returns its output and its peak resident memory. What wait4 tells begins
// with the memory of the process that started the command.
func peakOf(t *testing.T, cmd *exec.Cmd) (stdout string, peak int64) {
	t.Helper()
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err := <-ended:
			if err != nil || peak == 0 {
				t.Fatalf("%v, a peak of %d bytes", err, peak)
			}
			return out.String(), peak
		case <-time.After(time.Millisecond):
			if status, err := procstatus.Of(cmd.Process.Pid); err == nil {
				peak = max(peak, int64(status.Number("VmHWM"))<<10)
			}
		}
	}
}

func TestHeapMemoryFlag(t *testing.T) {
	code, _, stderr := runFor(t, "heap", "-p", "1", "--max-memory", "1M")
	if code != exitUsage || !strings.Contains(stderr, "--max-memory 1M: give at least 64.0 MiB") {
		t.Errorf("%d, %q", code, stderr)
	}
}
