package census

import (
	"encoding/binary"
	"os/exec"
	"testing"
	"time"

	"memtrace/tracer/testsupport/testprog"
)

// A census is of the time at which blocks were listed, not of that at which it began, however long
// what comes before takes: here, reading the lists of free chunks.
func TestDated(t *testing.T) {
	p := testprog.Command(t, exec.Command(testprog.PathIn(t, "testdata", "dated"), "300000"))
	defer p.Kill()
	w := open(t, p.PID())
	for range 5 { // on a busy machine the program may not allocate meanwhile
		c := w.mustLook(t)
		listed := newestDate(t, w, c)
		t.Logf("it is of %v after it began, blocks were listed %v after that", c.At.Sub(c.Start), listed.Sub(c.Start))
		if listed.Sub(c.At).Abs() < listed.Sub(c.Start)/2 {
			return
		}
	}
	t.Error("it is of another time than that at which blocks were listed")
}

// newestDate is when the newest block of a census was allocated, by its content.
func newestDate(t *testing.T, w *Walker, c *Census) time.Time {
	t.Helper()
	var newest int64
	err := w.Scan(c, func(_ int, off uint64, content []byte) {
		const mark = 0xda7ed
		if off == 0 && len(content) >= 16 && binary.LittleEndian.Uint64(content) == mark {
			newest = max(newest, int64(binary.LittleEndian.Uint64(content[8:])))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	return time.Unix(0, newest)
}
