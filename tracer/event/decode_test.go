package event_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"memtrace/bpf"
	"memtrace/tracer/event"
)

// encode writes one of the generated wire structs as the BPF side does.
func encode(t testing.TB, record any) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, record); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// header returns a header that differs in every byte that a decoder could take from the wrong
// place.
func header(kind event.Kind, flags event.Flags) bpf.MemtraceEventHeader {
	return bpf.MemtraceEventHeader{Kind: uint8(kind), Flags: uint8(flags), Tgid: 0x01020304, Tid: 0x05060708, Extra: 0x090a0b0c, Time: 0x1112131415161718}
}

// The expected layout is that of the object's BTF: bpf2go made the structs from it.
func TestDecodeMatchesObject(t *testing.T) {
	base := event.Event{PID: 0x01020304, TID: 0x05060708, Time: 0x1112131415161718}
	long := func(k event.Kind) bpf.MemtraceEventLong {
		r := bpf.MemtraceEventLong{Addr: 0x2122232425262728, Size: 0x31, Stack: 0x41, Arg: 0x51}
		r.H = header(k, event.InAllocator)
		return r
	}
	stack := bpf.MemtraceEventStack{Id: 0x61, Server: 0x62}
	stack.H = header(event.Stack, event.Truncated)
	stack.Frames[0], stack.Frames[1] = 0x71, 0x72
	code := bpf.MemtraceEventCode{Addr: 0x81, Size: 0x82, Offset: 0x83, Dev: 0x103<<20 | 0x45, Inode: 0x84, Generation: 0x85}
	code.H = header(event.Code, 0)
	names := "b c.so\x00opt\x00"
	for i := range names {
		code.Path[i] = int8(names[i])
	}

	rest := bpf.MemtraceEventRest{Id: 0x81, Addr: 0x91, Sp: 0xa1, Bp: 0xb1, Size: 3}
	rest.H = header(event.Rest, 0)

	for kind := event.Alloc; kind <= event.Returned; kind++ {
		want := base
		want.Kind = kind
		var raw []byte
		switch kind {
		case event.Free, event.ReallocEnter, event.ReallocFail, event.Exec, event.Fork, event.Exit:
			r := bpf.MemtraceEventShort{Addr: 0x2122232425262728}
			r.H = header(kind, 0)
			raw = encode(t, r)
			want.Addr, want.Size = r.Addr, 0x90a0b0c0
			if kind == event.Fork {
				want.Size = 0x090a0b0c
			}
		case event.Stack:
			raw = encode(t, stack)[:40+2*8]
			want.Flags, want.Stack, want.Server, want.Frames = event.Truncated, 0x61, 0x62, []uint64{0x71, 0x72}
		case event.Code:
			raw = encode(t, code)
			raw = raw[:len(raw)-len(code.Path)+len(names)]
			want.Addr, want.Size, want.Arg = 0x81, 0x82, 0x83
			want.File = event.File{Dev: unix.Mkdev(0x103, 0x45), Inode: 0x84, Generation: 0x85, Path: "/opt/b c.so"}
		case event.Rest:
			raw = append(encode(t, rest), "abc"...)
			want.Stack, want.Addr, want.SP, want.BP, want.Size, want.Data = 0x81, 0x91, 0xa1, 0xb1, 3, []byte("abc")
		default:
			raw = encode(t, long(kind))
			want.Flags, want.Addr, want.Size, want.Stack, want.Arg = event.InAllocator, 0x2122232425262728, 0x31, 0x41, 0x51
			want.Number = 0x090a0b0c
		}
		// Leftovers of an earlier event must not show.
		got := event.Event{
			Addr: 1, Size: 2, Stack: 3, Arg: 4, Frames: []uint64{5}, File: event.File{Inode: 6, Path: "/7"},
			Number: 8, SP: 9, BP: 10, Data: []byte{11}, Server: 12,
		}
		if err := event.Decode(raw, &got); err != nil {
			t.Fatalf("kind %d: %v", kind, err)
		}
		if len(got.Frames) == 0 {
			got.Frames = nil
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("kind %d (-want +got):\n%s", kind, diff)
		}
	}
	if got := len(stack.Frames); got != event.MaxFrames {
		t.Errorf("the object sends up to %d frames, MaxFrames is %d", got, event.MaxFrames)
	}
}

func TestDecodeRefusesMalformed(t *testing.T) {
	long := encode(t, bpf.MemtraceEventLong{H: header(event.Alloc, 0)})
	stack := encode(t, bpf.MemtraceEventStack{H: header(event.Stack, 0)})
	rest := encode(t, bpf.MemtraceEventRest{H: header(event.Rest, 0), Size: 8})
	for name, raw := range map[string][]byte{
		"empty":                 nil,
		"short header":          long[:31],
		"long record cut short": long[:48],
		"kind 0":                make([]byte, 56),
		"code cut short":        append([]byte{byte(event.Code)}, make([]byte, 70)...),
		"unknown kind":          append([]byte{byte(event.Returned) + 1}, make([]byte, 55)...),
		"stack of half a frame": stack[:36],
		"rest cut short":        rest[:63],
		"rest without its data": append(rest[:len(rest):len(rest)], make([]byte, 7)...),
		"stack too long":        append(stack[:len(stack):len(stack)], make([]byte, 8)...),
	} {
		if err := event.Decode(raw, new(event.Event)); !errors.Is(err, event.ErrMalformed) {
			t.Errorf("%s: got %v, want ErrMalformed", name, err)
		}
	}
}

func TestDecodeDoesNotAllocate(t *testing.T) {
	raw := encode(t, bpf.MemtraceEventLong{H: header(event.Alloc, 0)})
	var e event.Event
	if n := testing.AllocsPerRun(100, func() {
		if err := event.Decode(raw, &e); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations per record, want 0", n)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(encode(f, bpf.MemtraceEventLong{H: header(event.Alloc, 0)}))
	f.Add(encode(f, bpf.MemtraceEventCode{H: header(event.Code, 0)}))
	f.Add(encode(f, bpf.MemtraceEventShort{H: header(event.Free, 0)}))
	f.Add(encode(f, bpf.MemtraceEventStack{H: header(event.Stack, 0)}))
	f.Add(append(encode(f, bpf.MemtraceEventRest{H: header(event.Rest, 0), Size: 2}), 1, 2))
	f.Fuzz(func(t *testing.T, raw []byte) {
		var e event.Event
		if err := event.Decode(raw, &e); err != nil {
			return
		}
		if e.Kind != event.Kind(raw[0]) || e.Kind != event.Stack && len(e.Frames) != 0 {
			t.Errorf("%x decoded as %+v", raw, e)
		}
	})
}
