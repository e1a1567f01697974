package html

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"memtrace/tracer/report"
	"memtrace/tracer/testsupport/testprog"
)

// TestBrowser opens pages in Chromium. web/test/tests.mjs says what they must do there.
func TestBrowser(t *testing.T) {
	testprog.Long(t)
	if _, err := os.Stat("web/node_modules/playwright-core"); err != nil {
		t.Fatal("what drives the browser is not installed: make setup-test")
	}
	quiet := leaking()
	quiet.Target.Command, quiet.Target.PID = "quiet", 7
	quiet.Diagnosis = &report.Diagnosis{Answer: "quiet (pid 7) does not leak.", Findings: []report.Finding{{Kind: report.Nothing, Text: "does not leak"}}}
	dir := t.TempDir()
	for name, page := range map[string][]byte{
		"leaking": render(t, leaking()), "windows": render(t, windows()), "hostile": render(t, hostile()),
		"several": render(t, quiet, leaking()), "many": render(t, many(20_000)), "measured": render(t, measured()),
		"looked": render(t, looked()), "looked-hostile": render(t, hostileLooks()), "heap": renderHeap(t, heapReport(), 10), "heap-hostile": renderHeap(t, hostileHeap(), 0),
		"diff": renderDiff(t, difference()), "diff-estimated": renderDiff(t, estimatedDifference()), "diff-cut": renderDiff(t, cutDifference()),
		"diff-hostile": renderDiff(t, hostileDifference()), "diff-many": renderDiff(t, manyChanged(20_000)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name+".html"), page, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "node", "web/test/run.mjs", dir)
	cmd.WaitDelay = 10 * time.Second
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	n := 0
	for lines := bufio.NewScanner(out); lines.Scan(); n++ {
		var result struct {
			Name, Error string
			MS          int
		}
		if err := json.Unmarshal(lines.Bytes(), &result); err != nil {
			t.Errorf("%v: %s", err, lines.Bytes())
			continue
		}
		t.Run(result.Name, func(t *testing.T) {
			t.Logf("%d ms", result.MS)
			if result.Error != "" {
				t.Error(result.Error)
			}
		})
	}
	if err := cmd.Wait(); err != nil || n == 0 {
		t.Errorf("%d tests ran, %v\n%s", n, err, stderr.Bytes())
	}
}
