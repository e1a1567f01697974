//go:build scenarios

package scenarios

import (
	"strconv"

	"memtrace/tracer/report"
)

func itoa(n int) string { return strconv.Itoa(n) }

// rowsOfLanguages are programs of other languages than C.
var rowsOfLanguages = []row{
	{name: "cgo", run: "BIN/cgo", expected: blames("renderTemplate calls C.CString, which nobody frees", "main.renderTemplate")},
	{name: "cgo stripped", run: "BIN/cgo-stripped", expected: blames("the same without symbols, as a PIE", "main.renderTemplate")},
	{name: "cgo back", run: "BIN/cgo back", expected: blames("the same, called by C that Go has called", "main.renderTemplate")},
	{name: "go heap", run: "BIN/cgo heap", expected: expected{
		truth: "pages are kept in Go's own heap, 4 MB/s", kinds: kinds(report.UnknownAllocator, report.Pool), culprit: "(?i)runtime|allocator", rateTolerance: 0.3,
	}},
	{name: "java deflater", run: "java -cp BIN Native deflater", after: 2 * s, trace: 10 * s, expected: expected{
		// That much of the answer can be known of a program that is interpreted.
		truth: "Deflaters are never ended", kinds: kinds(report.Leak), culprit: "(?i)deflate", uncounted: true,
	}},
	{name: "java direct", run: "java -cp BIN Native direct", after: 2 * s, trace: 10 * s, expected: expected{
		truth: "direct buffers are kept", kinds: kinds(report.Leak, report.ActiveLeak), culprit: "Unsafe_AllocateMemory",
	}},
	{name: "java unsafe", run: "java -cp BIN Native unsafe", after: 2 * s, trace: 10 * s, expected: expected{
		truth: "Unsafe.allocateMemory without freeMemory", kinds: kinds(report.Leak), culprit: "Unsafe_AllocateMemory",
	}},
	{name: "python sessions", run: "/usr/bin/python3 SRC/sessions.py", after: s, trace: 10 * s, expected: expected{
		truth: "sessions are kept, in pools of Python's own that json needs more of too", kinds: kinds(report.Pool), mayLeak: true, // their list is too large for the pools
		culprit: "PYTHONMALLOC|pool|arena", never: "json",
	}},
	{name: "python sessions malloc", run: "/usr/bin/python3 SRC/sessions.py", env: []string{"PYTHONMALLOC=malloc"}, after: s, trace: 10 * s, expected: expected{
		truth: "sessions are kept", kinds: kinds(report.Leak, report.ActiveLeak), culprit: "Py[A-Z]", never: "json|scan_once", uncounted: true,
	}},
	{name: "python large", run: "/usr/bin/python3 SRC/large.py", after: s, expected: expected{
		truth: "byte strings of 4 KB are kept", kinds: kinds(report.Leak), culprit: "Py[A-Z]",
	}},
	{name: "python ctypes", run: "/usr/bin/python3 SRC/foreign.py", after: s, expected: blames("malloc is called by ctypes", "ffi_|ctypes")},
	{name: "node buffers", run: "node SRC/buffers.js", needs: "node", after: s, expected: expected{
		truth: "buffers are kept", kinds: kinds(report.Leak, report.ActiveLeak), culprit: "ArrayBuffer|BackingStore",
	}},
	{name: "php rows", run: "php SRC/rows.php", needs: "php", after: s, expected: expected{
		truth: "an array of rows grows, in chunks of PHP's own", kinds: kinds(report.Pool), culprit: "(?i)zend|pool",
	}},
}
