package ptmalloc

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// settings are the parameters that switch off the dynamic threshold: by environment variable,
// by tunable (glibc.malloc.NAME) and in Params. mallopt sets the same ones.
var settings = []struct {
	variable, tunable string
	value             func(*Params) uint64
}{
	{"MALLOC_MMAP_THRESHOLD_", "glibc.malloc.mmap_threshold", func(p *Params) uint64 { return p.MmapThreshold }},
	{"MALLOC_TRIM_THRESHOLD_", "glibc.malloc.trim_threshold", func(p *Params) uint64 { return p.TrimThreshold }},
	{"MALLOC_TOP_PAD_", "glibc.malloc.top_pad", func(p *Params) uint64 { return p.TopPad }},
	{"MALLOC_MMAP_MAX_", "glibc.malloc.mmap_max", func(p *Params) uint64 { return uint64(uint32(p.MmapMax)) }},
}

const tunables = "GLIBC_TUNABLES"

// maxEnvironment is the most that is read of an environment, in bytes. The kernel allows at
// most a quarter of the stack's limit, and at most 6 MiB.
const maxEnvironment = 6 << 20

func frozenBy(p *Params, pid int) error {
	f, err := os.Open(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return fmt.Errorf("read the environment of process %d: %w", pid, err)
	}
	defer f.Close()
	environ, err := io.ReadAll(io.LimitReader(f, maxEnvironment))
	if err != nil {
		return fmt.Errorf("read the environment of process %d: %w", pid, err)
	}
	p.FrozenBy = frozenIn(p, environ)
	return nil
}

// frozenIn returns what in an environment set the parameters to their values. A variable whose
// value is not in force had no effect, or mallopt came after it.
func frozenIn(p *Params, environ []byte) []string {
	var by []string
	for entry := range bytes.SplitSeq(environ, []byte{0}) {
		name, value, _ := strings.Cut(string(entry), "=")
		for _, s := range settings {
			if name == s.variable && isValue(value, s.value(p)) {
				by = append(by, name)
			}
		}
		list := value
		// Up to 2.38, glibc replaces the colon after a tunable that it uses by a NUL, so that
		// the next tunable looks like a variable of its own.
		if strings.HasPrefix(name, "glibc.") {
			list = string(entry)
		} else if name != tunables {
			continue
		}
		for tunable := range strings.SplitSeq(list, ":") {
			name, value, _ := strings.Cut(tunable, "=")
			for _, s := range settings {
				if name == s.tunable && isValue(value, s.value(p)) {
					by = append(by, tunables+" "+name)
				}
			}
		}
	}
	if by == nil {
		return []string{"mallopt"}
	}
	return by
}

// isValue reports whether text stands for n the way glibc reads it: with atoi up to 2.25, and
// since then with a base prefix (0 or 0x), in 32 or 64 bits.
func isValue(text string, n uint64) bool {
	digits := strings.TrimLeft(text, " \t")
	for _, base := range []int{0, 10} {
		if v, err := strconv.ParseUint(digits, base, 64); err == nil && v == n {
			return true
		}
	}
	v, err := strconv.ParseInt(digits, 10, 64)
	return err == nil && (uint64(v) == n || uint64(uint32(v)) == n)
}
