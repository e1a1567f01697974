package changes

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"memtrace/tracer/report"
)

// mostInput is how large a file of JSON or a profile may be.
const mostInput = 2 << 30

// Load reads a side from the JSON form of a report, or from a pprof profile. Of several reports of a
// process the last one counts.
func Load(path string) (*Side, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, errors.Unwrap(err))
	}
	defer func() { _ = file.Close() }()
	in := bufio.NewReader(io.LimitReader(file, mostInput))
	first, err := firstByte(in)
	switch {
	case errors.Is(err, io.EOF):
		return nil, fmt.Errorf("%s is empty", path)
	case err != nil:
		return nil, fmt.Errorf("read %s: %w", path, err)
	case first == '{':
		s, err := fromJSON(in)
		if err != nil {
			return nil, fmt.Errorf("%s is no report of memtrace -f json: %w", path, err)
		}
		s.Source = path
		return s, nil
	}
	s, err := fromProfile(in)
	if err != nil {
		return nil, fmt.Errorf("%s is no record, no report in JSON, and no profile of pprof (%w)", path, err)
	}
	s.Source = path
	return s, nil
}

// firstByte returns the first byte that is no white space, without taking it.
func firstByte(in *bufio.Reader) (byte, error) {
	for {
		b, err := in.ReadByte()
		if err != nil {
			return 0, err
		}
		if !bytes.ContainsRune([]byte(" \t\r\n"), rune(b)) {
			return b, in.UnreadByte()
		}
	}
}

func fromJSON(in io.Reader) (*Side, error) {
	var reports []*report.Report
	decoder := json.NewDecoder(in)
	for {
		r := new(report.Report)
		err := decoder.Decode(r)
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = checkReport(r)
		}
		if err != nil {
			return nil, errors.New(strings.TrimPrefix(err.Error(), "json: "))
		}
		same := slices.IndexFunc(reports, func(o *report.Report) bool {
			return o.Target.PID == r.Target.PID && o.Target.Processes == r.Target.Processes && o.Target.Exe == r.Target.Exe
		})
		if same >= 0 {
			reports[same] = r
			continue
		}
		reports = append(reports, r)
	}
	return FromReports("json", "", reports), nil
}

func checkReport(r *report.Report) error {
	switch {
	case r.Schema == "":
		return errors.New("it has no schema")
	case r.Schema != report.Schema:
		return fmt.Errorf("its schema is %q, not %q", report.Escape(r.Schema), report.Schema)
	}
	return r.Check()
}
