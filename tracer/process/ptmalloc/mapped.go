package ptmalloc

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
)

// mappings finds out which addresses of a process are mapped.
type mappings struct {
	// open opens a file of /proc/PID.
	open func(file string) (io.ReadCloser, error)
	// wanted are the addresses to look for, in order.
	wanted []uint64
	lines  *bufio.Reader
}

var errNoMappings = errors.New("it has no memory any more")

// unmapped finds, among the blocks that could not be read, those that have no memory: their
// header, or that of the next chunk, is in no mapping or has no page. For a block in use, the
// kernel lists all mappings (it lists whatever stays mapped while the list is read,
// Documentation/filesystems/proc.rst), and pages that were written to stay or are swapped out,
// which pagemap shows. But a page that userfaultfd has still to fill may belong to a block in
// use.
func (c *Checker) unmapped() error {
	c.which = c.which[:0]
	for i := range c.blocks {
		if c.verdicts[i].Reason == Unreadable {
			c.which = append(c.which, int32(i))
		}
	}
	if len(c.which) == 0 {
		return nil
	}
	if err := c.h.alive(); err != nil { // this forgets which pages there were
		return err
	}
	c.look(c.again)
	if err := c.findMissing("maps", Unmapped, func(*view) bool { return true }); err != nil {
		return err
	}
	if err := c.findMissing("smaps", NoPage, func(v *view) bool { return v.absent }); err != nil {
		return err
	}
	// The list is that of this program only if the program still runs.
	return c.readArenas()
}

// findMissing gives a verdict to the selected blocks that have a header in none of the
// mappings that a file lists.
func (c *Checker) findMissing(file string, r Reason, may func(*view) bool) error {
	m := &c.maps
	m.wanted = m.wanted[:0]
	left := c.which[:0]
	for _, i := range c.which {
		if v := &c.again[i]; c.verdicts[i].Reason == Unreadable && !(v.ok && v.nextOK) && may(v) {
			left = append(left, i)
			m.wanted = append(m.wanted, headers(c.blocks[i])...)
		}
	}
	if c.which = left; len(left) == 0 {
		return nil
	}
	if err := m.read(file); err != nil {
		return err
	}
	for _, i := range c.which {
		if slices.ContainsFunc(headers(c.blocks[i]), m.missing) {
			c.set(i, Free, r)
		}
	}
	return nil
}

// headers returns the addresses of a block's header and of the next one's.
func headers(b Block) []uint64 {
	own := b.Address - HeaderOffset
	if b.Header&IsMmapped != 0 {
		return []uint64{own}
	}
	return []uint64{own, own + b.Header.Size()}
}

// read removes from wanted the addresses that are in a mapping of the file, maps or smaps. Of
// smaps only mappings served by userfaultfd count.
func (m *mappings) read(file string) error {
	f, err := m.open(file)
	if err != nil {
		return fmt.Errorf("read the mappings: %w", err)
	}
	defer func() { _ = f.Close() }() // it was only read
	if m.lines == nil {
		m.lines = bufio.NewReaderSize(f, 64<<10)
	} else {
		m.lines.Reset(f)
	}
	slices.Sort(m.wanted)
	m.wanted = slices.Compact(m.wanted)
	missing, seen := m.wanted[:0], 0
	rest := m.wanted
	take := func(from, to uint64) (n int) {
		for n < len(rest) && rest[n] >= from && rest[n] < to {
			n++
		}
		return n
	}
	var start, end uint64
	for {
		line, err := m.lines.ReadSlice('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return fmt.Errorf("read the mappings: %w", err)
		}
		if len(line) == 0 {
			break
		}
		if from, to, ok := addressRange(line); ok {
			start, end = from, to
			seen++
			n := take(0, start)
			missing, rest = append(missing, rest[:n]...), rest[n:]
		}
		if file == "maps" || userfault(line) {
			rest = rest[take(start, end):]
		}
	}
	if seen == 0 {
		return errNoMappings // it is a zombie
	}
	m.wanted = append(missing, rest...)
	return nil
}

// userfault reports whether a line of smaps says that userfaultfd may fill pages of the
// mapping ("um" for missing pages, "ui" for minor faults).
func userfault(line []byte) bool {
	flags, ok := bytes.CutPrefix(line, []byte("VmFlags:"))
	return ok && (bytes.Contains(flags, []byte(" um")) || bytes.Contains(flags, []byte(" ui")))
}

// missing reports whether an address that was looked for is in no mapping.
func (m *mappings) missing(addr uint64) bool {
	_, found := slices.BinarySearch(m.wanted, addr)
	return found
}

// addressRange reads the start of a line of /proc/PID/maps: "START-END ".
func addressRange(line []byte) (start, end uint64, ok bool) {
	start, line, ok = hexNumber(line, '-')
	if ok {
		end, _, ok = hexNumber(line, ' ')
	}
	return start, end, ok
}

func hexNumber(text []byte, until byte) (n uint64, rest []byte, ok bool) {
	for i, c := range text {
		switch {
		case c == until:
			return n, text[i+1:], i > 0
		case c >= '0' && c <= '9':
			n = n<<4 | uint64(c-'0')
		case c >= 'a' && c <= 'f':
			n = n<<4 | uint64(c-'a'+10)
		default:
			return 0, nil, false
		}
	}
	return 0, nil, false
}
