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
	// maxPerfEntries bounds its entries.
	maxPerfEntries = 4 << 20
	// perfEntryBytes is what an entry takes in memory besides its name.
	perfEntryBytes = 2*32 + 16
	// perfMapCheck is how often a file is looked at that may have grown.
	perfMapCheck = 100 * time.Millisecond
	// clockSlack is how much file times and process times may disagree: the
	// clock may have been set since the process started.
	clockSlack = 10 * time.Second
)

// perfMap is what a JIT compiler says about its code: lines "start size name"
// in /tmp/perf-PID.map, appended as it goes. A later line overrides the
// earlier ones for the same addresses.
type perfMap struct {
	file    *regular
	read    int64 // bytes taken from the file
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
		// A copy: New sorts in place and drops entries, and more may come.
		m.ranges = interval.New(append([]interval.Entry(nil), m.entries...))
		m.sorted = true
	}
	e, ok := m.ranges.Latest(addr)
	if !ok {
		return ""
	}
	return displayName(m.names[e.Ref])
}

// update reads what was appended since the last time.
func (m *perfMap) update(p *Process) error {
	file, err := openPerfMap(p.root, &p.status)
	if err != nil {
		return err
	}
	if m.file == nil || file.id.dev != m.file.id.dev || file.id.inode != m.file.id.inode || file.id.size < m.read {
		// The first one, another one, or started anew.
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

// openPerfMap opens the map of a process in the process's own /tmp. The
// directory is open to all, so the file must be a regular file that nobody but
// the process's user, or root, can have put there.
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

// parse adds the entries in r. A line without its end is kept for the next
// time; lines that are malformed or too long are skipped. keep is asked before
// memory is taken.
func (m *perfMap) parse(r io.Reader, keep func(uint64) error) error {
	const numbers = 2 * 20
	in := bufio.NewReaderSize(r, maxName+numbers)
	skipping := false // the rest of a line that is too long
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
