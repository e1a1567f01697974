package html

import (
	"bytes"
	"os"
	"testing"

	"memtrace/tracer/report"
)

func render(t testing.TB, list ...*report.Report) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := Write(&buf, list); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func TestTry(t *testing.T) {
	if err := os.WriteFile("/tmp/html-try/leak.html", render(t, leaking()), 0o644); err != nil {
		t.Fatal(err)
	}
}
