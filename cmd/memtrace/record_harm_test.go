package main

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/tracer/record"
	"memtrace/tracer/testsupport/testprog"
)

// However memtrace is killed, the record opens, and it lacks no more than what came since the last
// snapshot, of which there is one twice a second. On a busy machine one may be late, but not most.
func TestRecordSurvivesKill(t *testing.T) {
	const (
		every   = time.Second / 2
		late    = 3 * time.Second
		usually = time.Second
	)
	p, _ := allocate(t)
	p.Say("go 1000000000")
	binary := testprog.Memtrace(t)
	var lost []time.Duration
	kills := setting(t, "KILLS", 8)
	for n := range kills {
		dir := t.TempDir()
		path, ready := filepath.Join(dir, "r.rec"), filepath.Join(dir, "ready")
		cmd := exec.Command(binary, "-p", strconv.Itoa(p.PID()), "--exact", "--record", path, "--ready-file", ready, "-q")
		var out lockedBuffer
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		waitForFile(t, ready, &out)
		for {
			if r, err := record.Open(path); err == nil {
				_ = r.Close() // it was only read
				break         // the first snapshot names all stacks
			}
			time.Sleep(time.Millisecond)
		}
		wait := time.Duration((float64(n) + rand.Float64()) / float64(kills) * float64(4*time.Second))
		time.Sleep(wait)
		killed := time.Now()
		_ = cmd.Process.Kill() // Wait tells
		_ = cmd.Wait()
		r, err := record.Open(path)
		if err != nil {
			t.Fatalf("kill %d: %v", n, err)
		}
		last := r.Len() - 1
		if wait > 2*time.Second && last == 0 {
			t.Errorf("kill %d: one snapshot in %v", n, wait)
		}
		lost = append(lost, killed.Sub(r.Time(last)))
		reports, err := r.At(last)
		if err != nil || len(reports) != 1 || r.Ended() {
			t.Errorf("kill %d: %d reports, %v, ended %v", n, len(reports), err, r.Ended())
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	}
	slices.Sort(lost)
	median, worst := lost[len(lost)/2], lost[len(lost)-1]
	t.Logf("of a record %v are lost at most, and %v in the middle of %d kills", worst, median, kills)
	if worst > every+late || median > usually {
		t.Errorf("a record lacks up to %v, half of them %v", worst, median)
	}
}

// A disk that is full does not end a trace. It is said once, the record opens, and the report says
// that it lacks its end.
func TestRecordOnFullDisk(t *testing.T) {
	p, _ := allocate(t)
	p.Say("go 1000000000")
	// The record is listed in the same mount namespace.
	const run = `"$MEMTRACE" -p "$PID" --exact -d 1 --record-every 0.05 --record "$FILE"; status=$?
"$MEMTRACE" report --list "$FILE"; exit $status`
	for name, limit := range map[string]string{
		"file size": "ulimit -f 8\n",
		"tmpfs":     `mount -t tmpfs -o size=4k none "$DIR"` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			shell := exec.Command("unshare", "-m", "sh", "-c", limit+run)
			shell.Env = append(os.Environ(), "MEMTRACE="+testprog.Memtrace(t), "PID="+strconv.Itoa(p.PID()), "DIR="+dir, "FILE="+dir+"/r.rec")
			var stdout, stderr bytes.Buffer
			shell.Stdout, shell.Stderr = &stdout, &stderr
			err := shell.Run()
			if err != nil || strings.Count(stderr.String(), "tracing goes on") != 1 {
				t.Fatalf("%v, %s", err, stderr.String())
			}
			text := strings.Join(strings.Fields(stdout.String()), " ")
			for _, want := range []string{"lacks its end: ", "take_a", "without an end"} {
				if !strings.Contains(text, want) {
					t.Errorf("%q is missing in\n%s", want, stdout.String())
				}
			}
		})
	}
}

// A trace that ends with an error leaves the record as it was then, also while its command runs on.
func TestRecordEndsWithTrace(t *testing.T) {
	testprog.NeedRoot(t)
	path := filepath.Join(t.TempDir(), "r.rec")
	m := launchMemtrace(t, "--exact", "--record", path, "--record-every", "0.05", "-o", "/dev/full", "--", "sleep", "1000")
	waitRecorded(t, path, 0)
	if err := unix.Kill(os.Getpid(), unix.SIGUSR1); err != nil {
		t.Fatal(err)
	}
	waitFor(t, m, "waiting for sleep to end")
	size := func() int64 {
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	before := size()
	time.Sleep(time.Second)
	if now := size(); now != before {
		t.Errorf("the record grows from %d to %d bytes after the trace", before, now)
	}
	m.cancel()
	if code := m.wait(); code != exitError {
		t.Errorf("ended with %d: %s", code, m.stderr.String())
	}
}
