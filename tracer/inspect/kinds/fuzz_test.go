package kinds

import (
	"encoding/binary"
	"os"
	"testing"

	"memtrace/tracer/inspect/datasym"
)

// hostile is memory that has some bytes, over and over, everywhere.
type hostile []byte

func (h hostile) Read(addr uint64, buf []byte) int {
	if len(h) == 0 || h[addr/4096%uint64(len(h))] == 0xff {
		return 0
	}
	for i := range buf {
		buf[i] = h[(addr+uint64(i))%uint64(len(h))]
	}
	return len(buf) - int(h[0]%2)
}

// No content makes Of panic, and names stay short.
func FuzzOf(f *testing.F) {
	symbols, err := datasym.Open(os.Getpid())
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte("\x01\x00\x00\x00\x00\x00\x00\x00\x08\x10\x40\x00\x00\x00\x00\x00"), uint64(0), true)
	f.Add([]byte("3foo\x00"), uint64(64), false)
	f.Fuzz(func(t *testing.T, data []byte, at uint64, python bool) {
		n := New(symbols, hostile(data))
		if python {
			n.typeType = at
		}
		var words [Words]uint64
		for i := range words {
			var b [8]byte
			if len(data) > 8*i {
				copy(b[:], data[8*i:])
			}
			words[i] = binary.LittleEndian.Uint64(b[:])
		}
		for count := range Words + 1 {
			if name := n.Name(n.Of(words[:count])); len(name) > maxName {
				t.Errorf("a name of %d bytes", len(name))
			}
			words[0] = n.low + at%(n.high-n.low+1)
		}
		if name := n.Name(ID(at)); len(name) > maxName {
			t.Errorf("a name of %d bytes", len(name))
		}
	})
}
