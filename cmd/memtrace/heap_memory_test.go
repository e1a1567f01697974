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

// What memtrace keeps is bounded: by bytes for each block, and by --max-memory. Of a heap beyond that a part
// is looked at, unless all blocks are needed.
func TestHeapMemory(t *testing.T) {
	const blocks = 2_300_003
	for _, lost := range []bool{false, true} {
		args := []string{fmt.Sprint(blocks)}
		perBlock := int64(25)
		if lost {
			args, perBlock = append(args, "lost"), 150
		}
		pid := fmt.Sprint(startReady(t, "gcc -O1 -fno-builtin", manyBlocks, args...).PID())
		code, stdout, stderr := runFor(t, "heap", "-p", pid, "--max-memory", "64M", "--why", "0x1000", "100ms", "1")
		if code != exitError || stdout != "" || strings.Count(stderr, "\n") != 1 || !strings.HasSuffix(stderr, "too many for the memory that is allowed (64.0 MiB): allow more with --max-memory\n") {
			t.Errorf("refused: %d, %q, %q", code, stdout, stderr)
		}
		out, peak := peakOf(t, exec.Command(testprog.Memtrace(t), "heap", "-p", pid, "--max-memory", "64M", "--max-overhead", "100", "10ms", "3"))
		if !strings.Contains(out, "at one block of 8, nothing stopped") || !strings.Contains(out, "UNREACHABLE  not known: that takes a look at all blocks") || peak > 64<<20 {
			t.Errorf("lost %v: %d MB for a part: %s", lost, peak/1e6, out)
		}
		const fixed = 40 << 20
		if peak := heapPeak(t, pid, blocks, lost); peak > fixed+perBlock*blocks {
			t.Errorf("lost %v: %d MB for %d blocks", lost, peak/1e6, blocks)
		}
	}
}

// leakingMany holds as many blocks as its argument says, and five large ones, and leaks 5,000 a second by the clock. Each line that it
// is sent is answered with how many it has leaked.
const leakingMany = `#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
void *volatile list;
static _Atomic long leaked;
static void *leak(void *arg)
{
	struct timespec t;
	for (clock_gettime(CLOCK_MONOTONIC, &t);; usleep(1000)) {
		struct timespec now;
		clock_gettime(CLOCK_MONOTONIC, &now);
		for (long due = (now.tv_sec - t.tv_sec) * 5000 + (now.tv_nsec - t.tv_nsec) / 200000; leaked < due; leaked++)
			list = memset(malloc(136), 1, 136);
	}
	return arg;
}
int main(int argc, char **argv)
{
	for (long n = atol(argv[argc - 1]); n > 0; n--)
		list = memset(malloc(40), 1, 40);
	for (int i = 0; i < 5; i++)
		list = memset(malloc(100000), 1, 8);
	pthread_create(&(pthread_t){0}, NULL, leak, NULL);
	char line[80];
	for (puts("ready leaking"), fflush(stdout); fgets(line, sizeof line, stdin); fflush(stdout))
		printf("leaked %ld\n", leaked);
}`

// Of a heap that needs more memory than there may be a part tells what grows, and how fast.
func TestHeapPart(t *testing.T) {
	testprog.Long(t)
	const blocks = 2_400_000
	p := startReady(t, "gcc -O1 -fno-builtin -pthread", leakingMany, fmt.Sprint(blocks))
	leaked := func() (n float64, at time.Time) {
		p.Say("count")
		if _, err := fmt.Sscanf(p.Line(), "leaked %g", &n); err != nil {
			t.Fatal(err)
		}
		return n, time.Now()
	}
	from, began := leaked()
	code, stdout, stderr := runFor(t, "heap", "-p", fmt.Sprint(p.PID()), "--max-memory", "64M", "--max-overhead", "100", "-f", "json", "1s", "12")
	to, ended := leaked()
	if code != exitOK {
		t.Fatalf("ended with %d: %s", code, stderr)
	}
	r := decodeReports[report.HeapReport](t, stdout)[0]
	if r.OneIn < 4 || r.Unreachable != nil || len(r.Holders) > 0 || r.Blocks.InUse.Blocks < blocks || len(r.Growing) == 0 {
		t.Fatalf("one in %d, %+v", r.OneIn, r)
	}
	g, rate := &r.Growing[0], (to-from)/ended.Sub(began).Minutes()
	if g.Size != 136 || g.Class != report.HeapSteady || g.Holder.Class != report.HeapUnlooked || g.PerMinute < rate*0.85 || g.PerMinute > rate*1.15 || g.Low > rate || g.High < rate {
		t.Errorf("%.0f a minute are taken for %+v", rate, g)
	}
	if !strings.Contains(r.Answer, "grows") || strings.Contains(r.Answer, ": ") || !strings.Contains(strings.Join(r.Notes, "\n"), "One block of ") {
		t.Errorf("%q, %q", r.Answer, r.Notes)
	}
	var large uint64
	for _, k := range r.Kinds {
		if k.Size == 96<<10 {
			large += k.Blocks
		}
		if k.Size == 40 && (k.Blocks < blocks*98/100 || k.Blocks > blocks*102/100) {
			t.Errorf("%d blocks of 40 bytes, want %d", k.Blocks, blocks)
		}
	}
	if large != 5 {
		t.Errorf("%d large blocks, want 5", large)
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
