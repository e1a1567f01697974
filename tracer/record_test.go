package tracer

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cilium/ebpf/ringbuf"

	"memtrace/tracer/event"
	"memtrace/tracer/probe"
	"memtrace/tracer/process/ptmalloc"
	"memtrace/tracer/testsupport/recording"
	"memtrace/tracer/testsupport/testprog"
)

var update = flag.Bool("update", false, "write what the replay test of package stream replays")

// What the probes report can be written down and read again unchanged. With -update it becomes
// the recording that package stream replays.
func TestRecording(t *testing.T) {
	testprog.NeedRoot(t)
	p := testprog.Start(t, "ledger", "--calls", "2003")
	tr, err := Open(context.Background(), Config{PIDs: []int{p.PID()}})
	if err != nil {
		t.Fatal(err)
	}
	defer tr.Close()
	p.Work()
	if err := tr.probes.SetGate(probe.GateShut); err != nil {
		t.Fatal(err)
	}
	made := &recording.Recording{PID: uint32(p.PID()), Start: tr.startMono, End: event.Now(), Records: ringRecords(t, tr)}
	if made.Counters, err = tr.probes.Counters(); err != nil {
		t.Fatal(err)
	}
	rebase(made)
	if heap, err := ptmalloc.ReadBrkRange(p.PID()); err == nil {
		made.Brk = heap.End
	}
	name := filepath.Join(t.TempDir(), "recorded")
	if *update {
		name = "stream/testdata/ledger.gob.gz"
	}
	if err := made.Write(name); err != nil {
		t.Fatal(err)
	}
	read, err := recording.Read(name)
	if err != nil {
		t.Fatal(err)
	}
	if read.PID != made.PID || read.Counters != made.Counters || len(read.Records) != len(made.Records) || len(read.Records) < 2003 {
		t.Fatalf("%d records of process %d, %+v; read again %d of %d, %+v",
			len(made.Records), made.PID, made.Counters, len(read.Records), read.PID, read.Counters)
	}
	for i := range made.Records {
		if !bytes.Equal(made.Records[i], read.Records[i]) {
			t.Fatalf("record %d is another one", i)
		}
	}
}

// rebase shifts a recording so that it begins one second after boot, a time that every machine
// that replays it has passed.
func rebase(r *recording.Recording) {
	const second, timeOffset = 1e9, 16 // struct event_header of bpf/event.h
	shift := r.Start - second
	r.Start, r.End = second, r.End-shift
	for _, raw := range r.Records {
		at := raw[timeOffset:]
		binary.NativeEndian.PutUint64(at, binary.NativeEndian.Uint64(at)-shift)
	}
}

// ringRecords reads the ring in place of the tracer.
func ringRecords(t *testing.T, tr *Tracer) (records [][]byte) {
	t.Helper()
	ring, err := ringbuf.NewReader(tr.probes.Events())
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Close()
	ring.SetDeadline(time.Now())
	for {
		record, err := ring.Read()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return records
		}
		if err != nil {
			t.Fatal(err)
		}
		records = append(records, bytes.Clone(record.RawSample))
	}
}
