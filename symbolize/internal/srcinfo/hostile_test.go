package srcinfo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"testing"

	"memtrace/symbolize/elffile"
)

func sectionOf(data []byte) section {
	return section{r: io.NewSectionReader(bytes.NewReader(data), 0, int64(len(data))), size: uint64(len(data))}
}

func testData() *Data {
	return &Data{
		budget:     elffile.NewBudget(),
		abbrevs:    make(map[uint64]*abbrevTable),
		executable: func(addr uint64) bool { return addr != 0 },
	}
}

// uleb encodes a number as LEB128.
func uleb(n uint64) []byte { return binary.AppendUvarint(nil, n) }

// The tables are of version 5 and claim 2^60 files that take no bytes each.
func TestLineHeaderFileCount(t *testing.T) {
	for name, columns := range map[string][]byte{
		"no columns":   {0},
		"empty values": {1, lnctPath, byte(formFlagPresent)},
	} {
		header := []byte{5, 0, 8, 0}
		rest := []byte{1, 1, 1, 0xfb, 14, 1}
		for range 2 {
			rest = append(append(rest, columns...), uleb(1<<60)...)
		}
		header = binary.LittleEndian.AppendUint32(header, uint32(len(rest)))
		c := cursor{data: append(header, rest...)}
		if _, err := c.readLineHeader(false, 8); !errors.Is(err, errMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The cursor meets numbers that never end and values that reach beyond the end.
func TestCursorEnds(t *testing.T) {
	for name, read := range map[string]func(c *cursor){
		"uleb":   func(c *cursor) { c.uleb() },
		"sleb":   func(c *cursor) { c.sleb() },
		"string": func(c *cursor) { c.cstring() },
		"block":  func(c *cursor) { c.value(formBlock4, 0, encoding{}) },
		"form":   func(c *cursor) { c.value(0x77, 0, encoding{}) },
		"indirect": func(c *cursor) {
			c.data = bytes.Repeat([]byte{byte(formIndirect)}, 100)
			c.value(formIndirect, 0, encoding{})
		},
		"address size": func(c *cursor) { c.value(formAddr, 0, encoding{addrSize: 3}) },
	} {
		c := cursor{data: bytes.Repeat([]byte{0xff}, 100)}
		read(&c)
		if !c.failed || c.more() {
			t.Errorf("%s: failed %v, more %v", name, c.failed, c.more())
		}
	}
}

func TestLEB128(t *testing.T) {
	c := cursor{data: []byte{0xe5, 0x8e, 0x26, 0xc0, 0xbb, 0x78, 0x7f, 0x3f}}
	if u, s, minus, plus := c.uleb(), c.sleb(), c.sleb(), c.sleb(); u != 624485 || s != -123456 || minus != -1 || plus != 63 || c.failed {
		t.Error(u, s, minus, plus, c.failed)
	}
}

// Many entries that share one long range list must not multiply its cost without bound.
func TestSharedRangeList(t *testing.T) {
	var list []byte
	for i := range uint64(1 << 16) {
		list = binary.LittleEndian.AppendUint64(list, i*16+16)
		list = binary.LittleEndian.AppendUint64(list, i*16+17)
	}
	d := testData()
	d.ranges = sectionOf(append(list, make([]byte, 16)...))
	if err := d.budget.Work(8<<30 - 64<<20); err != nil { // most of it, to save time
		t.Fatal(err)
	}
	u := &unit{encoding: encoding{version: 4, addrSize: 8}}
	b := scopeBuilder{d: d, u: u}
	e := entry{tag: 0x2e, ranges: value{kindConstant, 0}}
	var err error
	n := 0
	for ; n < 100_000 && err == nil; n++ {
		_, err = b.add(&e, -1)
		b.ranges = b.ranges[:0]
	}
	if !errors.Is(err, elffile.ErrBudget) {
		t.Errorf("after %d times: %v", n, err)
	}
}

func TestRangeListWithoutEnd(t *testing.T) {
	list := bytes.Repeat([]byte{1}, 2*listChunk)
	d := testData()
	d.ranges = sectionOf(list)
	e := entry{ranges: value{kindConstant, 0}}
	err := d.eachRange(&unit{encoding: encoding{version: 4, addrSize: 8}}, &e, func(uint64, uint64) error { return nil })
	if !errors.Is(err, errMalformed) {
		t.Error(err)
	}
}

// A list that is longer than the first chunk is yielded only once.
func TestLongRangeList(t *testing.T) {
	var list []byte
	const entries = 331
	for i := range uint64(entries) {
		list = append(list, rleStartLength)
		list = binary.LittleEndian.AppendUint64(list, i*100+100)
		list = append(list, 10)
	}
	d := testData()
	d.rnglists = sectionOf(append(list, rleEndOfList))
	e := entry{ranges: value{kindConstant, 0}}
	n := uint64(0)
	err := d.eachRange(&unit{encoding: encoding{version: 5, addrSize: 8}}, &e, func(low, high uint64) error {
		if low != n*100+100 || high != low+10 {
			t.Fatalf("entry %d is %d-%d", n, low, high)
		}
		n++
		return nil
	})
	if err != nil || n != entries {
		t.Errorf("%d entries, %v, want %d", n, err, entries)
	}
}

// A function's entry that refers to itself has no name, but the lookup ends.
func TestNameCycle(t *testing.T) {
	// Code 1: a subprogram whose abstract origin is a 4-byte reference.
	d := testData()
	d.abbrev = sectionOf([]byte{1, 0x2e, 0, 0x31, byte(formRef4), 0, 0, 0})
	info := []byte{1, 11, 0, 0, 0}
	header := binary.LittleEndian.AppendUint32(nil, uint32(7+len(info)))
	header = append(header, 4, 0, 0, 0, 0, 0, 8)
	d.info = sectionOf(append(header, info...))
	if err := d.index(); err != nil || len(d.units) != 1 {
		t.Fatal(err, len(d.units))
	}
	if name, linkageName := d.name(11); name != "" || linkageName != "" {
		t.Errorf("names %q, %q", name, linkageName)
	}
}
