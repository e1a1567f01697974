package main

import (
	"bytes"
	"os"
	"runtime"
	"testing"
	"time"
)

// Reports that are made beside the trace, from its first moment on, find the looks at the heap.
func TestHeapBesideFirst(t *testing.T) {
	var text bytes.Buffer
	s := newSession(&options{heap: heapFlag(time.Hour)}, &text)
	s.pids = pidsValue{os.Getpid()}
	found, ended := false, make(chan struct{})
	s.beside = func() func() {
		found = s.heapLooks.of(os.Getpid()) != nil
		runtime.Goexit() // there is nothing to trace
		return nil
	}
	go func() {
		defer close(ended)
		_ = s.observe(t.Context(), &text)
	}()
	if <-ended; !found {
		t.Error("what goes on beside the trace begins before the looks do")
	}
}
