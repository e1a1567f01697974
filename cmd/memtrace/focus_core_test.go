package main

import (
	"math"
	"testing"
	"time"

	"memtrace/tracer/book"
	"memtrace/tracer/focus"
	"memtrace/tracer/probe"
	"memtrace/tracer/process/target"
	"memtrace/tracer/testsupport/testprog"
)

// On every kernel a probe behind a call sees the block, and its stack, each time.
func TestCoreFocus(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "places")
	options := probe.Options{StackDepth: 127, MaxSize: math.MaxUint64, RingSize: 1 << 20, Logf: t.Logf}
	features, err := probe.FindFeatures(options)
	if err != nil {
		t.Fatal(err)
	}
	attached := new(probe.Attached)
	kernel, err := probe.Load(features, options, attached)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := attached.CloseProbes(); err != nil {
			t.Error(err)
		}
		if err := kernel.Close(); err != nil {
			t.Error(err)
		}
		if after := codeChanges(t, p.PID()); after != "" {
			t.Errorf("the process has another code than its files: %s", after)
		}
	}()
	if err := kernel.Trace(uint32(p.PID())); err != nil {
		t.Fatal(err)
	}
	if err := kernel.SetGate(probe.GateCalls); err != nil {
		t.Fatal(err)
	}
	found, err := target.Find(p.PID())
	if err != nil {
		t.Fatal(err)
	}
	defer found.Close()
	f := focus.New(focus.Config{
		Target: found, Kernel: kernel, Windowed: func() bool { return true },
		Rates: func() map[uint64]float64 { return nil }, Origins: func([]uint64) []book.Origin { return nil },
		Debugged: func() bool { return false }, CloseProbes: attached.Close,
		Aside: func() func() { return func() {} }, MaxOverhead: 0.03, Price: time.Microsecond, Logf: t.Logf,
	})
	defer f.Stop()
	f.Want(func(asked uint64) bool { return asked == 88 })
	const blocks = 7
	for said, end := 0, time.Now().Add(2*time.Minute); ; time.Sleep(10 * time.Millisecond) {
		s := f.State()
		if s != nil && s.Probed > 0 && said < blocks {
			p.Say("rare")
			p.Line()
			said++
		}
		if s != nil && s.Calls == blocks && s.Lost == 0 {
			t.Logf("%+v", s)
			return
		}
		if s != nil && s.Unread != "" || time.Now().After(end) {
			t.Fatalf("after %d blocks: %+v", said, s)
		}
	}
}
