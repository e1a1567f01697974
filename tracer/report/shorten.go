package report

import "strings"

// ShortName fits a demangled function name into n columns. It first gives up what tells a
// reader least: the parameters, then template arguments, then the middle of the rest.
func ShortName(name string, n int) string {
	if columns(name) <= n {
		return name
	}
	name = collapse(name, '(', ')')
	if columns(name) <= n {
		return name
	}
	return cutMiddle(collapse(name, '<', '>'), n)
}

// collapse replaces the text between each outermost pair of brackets in a C++ or Rust name by
// an ellipsis. It returns a name with unbalanced brackets unchanged.
func collapse(name string, open, shut byte) string {
	var b strings.Builder
	depth, start := 0, 0
	for i := 0; i < len(name); i++ {
		if skip := operatorLen(name[i:]); skip > 0 {
			// The brackets of "operator<" and "operator()" open nothing.
			if depth == 0 {
				b.WriteString(name[i : i+skip])
			}
			i += skip - 1
			continue
		}
		switch {
		case name[i] == open:
			if depth == 0 {
				start = i + 1
			}
			depth++
		case name[i] == shut && (i == 0 || name[i-1] != '-'): // skip the arrow of "-> T"
			if depth--; depth < 0 {
				return name
			}
			if depth == 0 {
				b.WriteByte(open)
				b.WriteString(collapsed(name[start:i]))
				b.WriteByte(shut)
			}
		case depth == 0:
			b.WriteByte(name[i])
		}
	}
	if depth != 0 {
		return name
	}
	return b.String()
}

// collapsed returns what to show between brackets that held s.
func collapsed(s string) string {
	if s == "" || s == "anonymous namespace" {
		return s
	}
	return ellipsis
}

// operatorLen returns the length of the operator name at the start of s if that name contains
// brackets, else 0.
func operatorLen(s string) int {
	const word = "operator"
	rest, ok := strings.CutPrefix(s, word)
	if !ok {
		return 0
	}
	if strings.HasPrefix(rest, "()") {
		return len(word) + 2
	}
	n := len(rest) - len(strings.TrimLeft(rest, "<>=-"))
	if n == 0 {
		return 0
	}
	return len(word) + n
}

// shortenPath fits a path into n columns. It drops leading directories, and cuts into the last
// component only where that alone is too long.
func shortenPath(path string, n int) string {
	if columns(path) <= n {
		return path
	}
	tail := tailWithin(path, n-1)
	if i := strings.IndexByte(tail, '/'); i >= 0 && i < len(tail)-1 {
		return ellipsis + tail[i:]
	}
	return ellipsis + tail
}

// baseName returns the last component of a path. Unlike path.Base it leaves the empty string
// and pseudo-modules such as [vdso] as they are.
func baseName(path string) string {
	if i := strings.LastIndexByte(path, '/'); i >= 0 && i < len(path)-1 {
		return path[i+1:]
	}
	return path
}
