package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"
)

// info is the first frame: what a reader needs to know of all others.
type info struct {
	// By is the version of memtrace that wrote the record.
	By      string   `json:"by"`
	Stacks  []column `json:"stacks"`
	Faults  []column `json:"fault_stacks"`
	Started string   `json:"started"`
}

func (i *info) columns() [len(tables)][]column { return [len(tables)][]column{i.Stacks, i.Faults} }

// entry is a frame and where it is.
type entry struct {
	header
	offset int64
}

// end is behind the frame.
func (e *entry) end() int64 { return e.offset + headerSize + int64(e.length) }

// payload reads a frame's payload.
func (e *entry) payload(r io.ReaderAt) ([]byte, error) {
	if e.length > mostPayload {
		return nil, fmt.Errorf("%w at byte %d: a frame is too large", errDamaged, e.offset)
	}
	b := make([]byte, e.length)
	if n, err := r.ReadAt(b, e.offset+headerSize); err != nil && n < len(b) {
		return nil, fmt.Errorf("read a record: %w", err)
	}
	if crc32.Checksum(b, castagnoli) != e.sum {
		return nil, fmt.Errorf("%w at byte %d: a checksum does not match", errDamaged, e.offset)
	}
	return b, nil
}

// index lists the frames of a record up to where it ends or is cut off.
func index(r io.ReaderAt, size int64) (entries []entry, err error) {
	at := int64(headSize)
	h := make([]byte, headerSize)
	for size-at >= headerSize {
		if _, err := r.ReadAt(h, at); err != nil {
			return nil, fmt.Errorf("read a record: %w", err)
		}
		parsed, ok := parseHeader(h)
		e := entry{parsed, at}
		if !ok || e.end() > size {
			break
		}
		entries = append(entries, e)
		at = e.end()
	}
	// Of a file that was cut off by a crash of the machine, the last frames may have no content.
	for len(entries) > 0 {
		if _, err := entries[len(entries)-1].payload(r); err == nil || !errors.Is(err, errDamaged) {
			break
		}
		entries = entries[:len(entries)-1]
	}
	return entries, nil
}

// infoOf reads the first frame.
func infoOf(r io.ReaderAt, entries []entry) (*info, error) {
	if len(entries) == 0 || entries[0].kind != frameInfo {
		return nil, fmt.Errorf("%w: it has no beginning", errDamaged)
	}
	packed, err := entries[0].payload(r)
	if err != nil {
		return nil, err
	}
	raw, err := expand(packed, nil)
	if err != nil {
		return nil, err
	}
	i := new(info)
	if err := json.Unmarshal(raw, i); err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	const mostColumns = 256
	if len(i.Stacks) > mostColumns || len(i.Faults) > mostColumns {
		return nil, fmt.Errorf("%w: too many columns", errDamaged)
	}
	return i, nil
}

// infoFrame makes the first frame.
func infoFrame(by string, at time.Time) []byte {
	columns := ownColumns()
	i := info{By: by, Stacks: columns[tableStacks], Faults: columns[tableFaults], Started: at.Format(time.RFC3339)}
	raw, err := json.Marshal(i)
	if err != nil {
		panic(err) // strings always have JSON
	}
	return appendFrame(nil, frameInfo, 0, at, compress(raw, nil))
}
