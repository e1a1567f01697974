package ptmalloc

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"slices"
)

// mappings answers what of a process's address space is mapped.
type mappings struct {
	pid int
	// wanted are the addresses asked for, in order.
	wanted []uint64
	lines  *bufio.Reader
}

var errNoMappings = errors.New("it has no memory any more")

// unmapped finds, of the blocks that could not be read, those whose header or
// next chunk is in no mapping. The kernel lists whatever is mapped all the time
// that the list is being read (Documentation/filesystems/proc.rst), so that a
// block in use is never missing.
func (c *Checker) unmapped() error {
	c.which, c.maps.wanted = c.which[:0], c.maps.wanted[:0]
	for i, b := range c.blocks {
		if c.verdicts[i].Reason != Unreadable {
			continue
		}
		c.which = append(c.which, int32(i))
		c.maps.wanted = append(c.maps.wanted, b.Address-HeaderOffset)
		if b.Header&IsMmapped == 0 {
			c.maps.wanted = append(c.maps.wanted, b.Address-HeaderOffset+b.Header.Size())
		}
	}
	if len(c.which) == 0 {
		return nil
	}
	if err := c.maps.read(); err != nil {
		return err
	}
	for _, i := range c.which {
		b := c.blocks[i]
		if c.maps.missing(b.Address-HeaderOffset) ||
			b.Header&IsMmapped == 0 && c.maps.missing(b.Address-HeaderOffset+b.Header.Size()) {
			c.set(i, Free, Unmapped)
		}
	}
	return nil
}

// read leaves of the addresses wanted those that are in no mapping.
func (m *mappings) read() error {
	f, err := os.Open(fmt.Sprintf("/proc/%d/maps", m.pid))
	if err != nil {
		return fmt.Errorf("read the mappings of process %d: %w", m.pid, err)
	}
	defer f.Close()
	if m.lines == nil {
		m.lines = bufio.NewReaderSize(f, 64<<10)
	} else {
		m.lines.Reset(f)
	}
	slices.Sort(m.wanted)
	m.wanted = slices.Compact(m.wanted)
	missing, seen := 0, 0
	rest := m.wanted
	for {
		line, err := m.lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			return fmt.Errorf("read the mappings of process %d: %w", m.pid, err)
		}
		start, end, ok := addressRange(line)
		if !ok {
			break // the end of the file
		}
		seen++
		for ; len(rest) > 0 && rest[0] < end; rest = rest[1:] {
			if rest[0] < start {
				m.wanted[missing] = rest[0]
				missing++
			}
		}
	}
	if seen == 0 {
		return errNoMappings // it is a zombie
	}
	missing += copy(m.wanted[missing:], rest)
	m.wanted = m.wanted[:missing]
	return nil
}

// missing reports whether an address that was asked for is in no mapping.
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
