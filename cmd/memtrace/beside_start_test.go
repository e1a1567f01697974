package main

import (
	"bytes"
	"io"
	"os"
	"runtime"
	"testing"
	"time"

	"memtrace/tracer/book"
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

// The looks take a bounded part of memory, which processes share.
func TestHeapBesideMemory(t *testing.T) {
	s := newSession(&options{heap: heapFlag(time.Hour), maxMemory: 256 << 20}, io.Discard)
	for n, want := range map[int]uint64{1: 256 << 20, 2: 128 << 20, 9: leastHeapMemory} {
		s.pids = make(pidsValue, n)
		if got := s.besideConfig(7).MaxMemory; got != want {
			t.Errorf("%d processes: %d bytes each, want %d", n, got, want)
		}
	}
}

// Of processes that came later it is said that their heaps are not looked at.
func TestHeapBesideLater(t *testing.T) {
	if heapLooks(nil).of(7) != nil {
		t.Error("without --heap there are looks")
	}
	r := heapLooks{}.of(7).Report(&book.Copy{}, nil)
	if r.Looks != 0 || r.Unread != "it was not there when the trace began" {
		t.Errorf("%+v", r)
	}
}
