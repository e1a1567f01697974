package procmaps

import (
	"strconv"
	"strings"
)

// Unescape undoes the \ooo with which the kernel writes spaces, tabs, newlines and backslashes
// in the names of mountinfo (mangle of fs/seq_file.c). What is no such escape stays as it is.
func Unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
