package main

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"memtrace/tracer/report"
)

// failing is a heap of which the third look fails.
type failing struct{ looks int }

var errLook = errors.New("no such look")

func (f *failing) Look(context.Context) error {
	if f.looks == 2 {
		return errLook
	}
	f.looks++
	return nil
}

func (f *failing) Looks() int                        { return f.looks }
func (f *failing) Pause(time.Duration) time.Duration { return 0 }
func (f *failing) Took() time.Duration               { return 0 }

func (f *failing) Report(int) *report.HeapReport {
	return &report.HeapReport{Answer: "what is known", Looks: f.looks}
}

// Whatever a look fails of, what earlier looks found is reported.
func TestHeapLookFails(t *testing.T) {
	o, _, err := parseHeap([]string{"-p", "1", "-f", "text", "10ms", "5"})
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	out, err := o.open(&stdout)
	if err != nil {
		t.Fatal(err)
	}
	if err := o.look(context.Background(), &failing{}, out, logger{w: &stderr}); !errors.Is(err, errLook) || !strings.Contains(stdout.String(), "what is known") {
		t.Errorf("%v, %s", err, &stdout)
	}
}
