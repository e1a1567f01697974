package kerneltest

import (
	"bytes"
	"strconv"
)

// mark starts the lines that init adds to the console. Those that come after the command's
// output are put on a line of their own by a newline that is not the command's.
const mark = "KERNELTEST "

// parseConsole splits the console's text into init's lines and what lies between them. Without
// a line that tells of the start all of it is output, so that a kernel that did not get that
// far shows why.
func parseConsole(text []byte) (result Result, warnings []string, ended bool) {
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	result.ExitCode = -1
	if at, value, rest := findMark(text, "version "); at >= 0 {
		result.Version = value
		text = rest
	}
	at, value, rest := findMark(text, "exit ")
	if at < 0 {
		result.Output = text
		return result, nil, false
	}
	code, err := strconv.Atoi(value)
	if err != nil {
		result.Output = text
		return result, nil, false
	}
	result.ExitCode = code
	result.Output = bytes.TrimSuffix(text[:at], []byte("\n"))
	for {
		at, value, after := findMark(rest, "dmesg-warn ")
		if at < 0 {
			return result, warnings, true
		}
		warnings = append(warnings, value)
		rest = after
	}
}

// findMark finds the first whole line that starts with mark and key. It returns where the line
// starts, the rest of the line, and the text after it.
func findMark(text []byte, key string) (at int, value string, rest []byte) {
	prefix := []byte(mark + key)
	for from := 0; ; {
		i := bytes.Index(text[from:], prefix)
		if i < 0 {
			return -1, "", nil
		}
		at = from + i
		from = at + len(prefix)
		end := bytes.IndexByte(text[from:], '\n')
		if end < 0 {
			return -1, "", nil
		}
		if at == 0 || text[at-1] == '\n' {
			return at, string(text[from : from+end]), text[from+end+1:]
		}
	}
}
