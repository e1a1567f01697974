package tracer

import (
	"context"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

func TestMain(m *testing.M) { testprog.Main(m) }

// run opens a Tracer and runs it until end is called. It is closed when the test is over.
func run(t *testing.T, cfg Config) (tr *Tracer, end func()) {
	t.Helper()
	tr, err := Open(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := tr.Close(); err != nil {
			t.Error(err)
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- tr.Run(ctx) }()
	return tr, func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
	}
}
