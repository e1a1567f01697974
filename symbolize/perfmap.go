package symbolize

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"memtrace/symbolize/internal/interval"
)

const (
	// maxPerfMap is the most that is read of a perf map, in bytes.
	maxPerfMap = 256 << 20
	// maxPerfEntries bounds the entries of a perf map.
	maxPerfEntries = 4 << 20
	// perfEntryBytes is the memory that an entry takes besides its name.
	perfEntryBytes = 2*32 + 16
	// perfMapCheck is the shortest time between checks for growth of the file.
	perfMapCheck = 100 * time.Millisecond
	// clockSlack is how much file times and process times may disagree: the clock may have
	// been set since the process started.
	clockSlack = 10 * time.Second
)

// perfMap is what a JIT compiler tells of its code: lines "start size name" that it appends to
// /tmp/perf-PID.map. A later line overrides earlier ones for the same addresses.
type perfMap struct {
	file    *regular
	read    int64 // bytes read from the file so far
	partial []byte
	checked time.Time

	entries []interval.Entry // Ref: index in names
	names   []string
	ranges  interval.Set
	sorted  bool
}

func (m *perfMap) close() {
	if m.file != nil {
		m.file.Close()
	}
}

// lookup returns the name of the generated function at an address, or "".
func (m *perfMap) lookup(p *Process, addr uint64) string {
	if now := time.Now(); now.Sub(m.checked) >= perfMapCheck {
		m.checked = now
		if err := m.update(p); err != nil && !errors.Is(err, os.ErrNotExist) {
			p.problem("perf map", err)
		}
	}
	if !m.sorted {
		// Copy the entries: New sorts in place and drops some, and more may follow.
		m.ranges = interval.New(append([]interval.Entry(nil), m.entries...))
		m.sorted = true
	}
	e, ok := m.ranges.Latest(addr)
	if !ok {
		return ""
	}
	return DisplayName(m.names[e.Ref])
}

// update reads what was appended since the last update.
func (m *perfMap) update(p *Process) error {
	file, err := openPerfMap(p.root, &p.status)
	if err != nil {
		return err
	}
	if m.file == nil || file.id.dev != m.file.id.dev || file.id.inode != m.file.id.inode || file.id.size < m.read {
		// It is the first file, another file, or the same file started anew.
		m.close()
		*m = perfMap{file: file, checked: m.checked}
	} else {
		file.Close()
	}
	size := min(file.id.size, maxPerfMap)
	if size <= m.read {
		return nil
	}
	if err := p.budget.Work(uint64(size - m.read)); err != nil {
		return err
	}
	in := io.MultiReader(bytes.NewReader(m.partial), io.NewSectionReader(m.file, m.read, size-m.read))
	m.read, m.partial, m.sorted = size, nil, false
	return m.parse(in, p.budget.Keep)
}

// openPerfMap opens the map of a process in the process's own /tmp. Anyone can write to that
// directory, so the file must be a regular file that only the process's user or root can have
// put there.
func openPerfMap(root *os.File, status *procStatus) (*regular, error) {
	if status.nsPID == "" {
		return nil, os.ErrNotExist
	}
	file, err := openInRoot(root, "tmp/perf-"+status.nsPID+".map", unix.RESOLVE_NO_SYMLINKS)
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	owner := strconv.FormatUint(file.UID, 10)
	switch {
	case owner != status.uid && owner != "0":
		err = fmt.Errorf("refused: it belongs to user %s, the process to user %s", owner, status.uid)
	case file.modified().Before(status.started.Add(-clockSlack)):
		err = errors.New("refused: it is older than the process, of another one with the same number")
	case file.Links > 1:
		err = errors.New("refused: it is another file's hard link")
	}
	if err != nil {
		file.Close()
		return nil, err
	}
	return file, nil
}

// parse adds the entries in r. An incomplete last line is kept for the next call. Lines that
// are malformed or too long are skipped. parse calls keep before it takes memory.
func (m *perfMap) parse(r io.Reader, keep func(uint64) error) error {
	const numbers = 2 * 20
	in := bufio.NewReaderSize(r, maxName+numbers)
	skipping := false // within the rest of a line that is too long
	for {
		line, err := in.ReadSlice('\n')
		switch {
		case err == io.EOF:
			if !skipping {
				m.partial = bytes.Clone(line)
			}
			return nil
		case err == bufio.ErrBufferFull:
			skipping = true
			continue
		case err != nil:
			return err
		case skipping:
			skipping = false
			continue
		}
		if err := m.add(line[:len(line)-1], keep); err != nil {
			return err
		}
	}
}

func (m *perfMap) add(line []byte, keep func(uint64) error) error {
	startText, rest, _ := bytes.Cut(line, []byte(" "))
	sizeText, name, ok := bytes.Cut(rest, []byte(" "))
	start, startErr := parseHex(startText)
	size, sizeErr := parseHex(sizeText)
	if !ok || startErr != nil || sizeErr != nil || size == 0 || start+size < start {
		return nil
	}
	if len(m.entries) >= maxPerfEntries {
		return fmt.Errorf("more than %d entries", maxPerfEntries)
	}
	if err := keep(uint64(len(name)) + perfEntryBytes); err != nil {
		return err
	}
	m.entries = append(m.entries, interval.Entry{Low: start, High: start + size, Ref: uint32(len(m.names))})
	m.names = append(m.names, limitName(string(name)))
	return nil
}

func parseHex(text []byte) (uint64, error) {
	return strconv.ParseUint(string(bytes.TrimPrefix(text, []byte("0x"))), 16, 64)
}
