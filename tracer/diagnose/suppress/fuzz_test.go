package suppress

import (
	"strings"
	"testing"

	"memtrace/tracer/report"
)

// FuzzSuppressions: any text is a list or an error of one line, and what hides a stack is in the list.
func FuzzSuppressions(f *testing.F) {
	f.Add(known, "/usr/lib/libpool.so.1", "make_session(int)")
	f.Add([]byte("# pools\nleak:^make*$\n\tleak:libpool.so\r\n"), "/usr/lib/libpool.so.1", "make")
	f.Add([]byte("race:x\n"), "", "x")
	f.Fuzz(func(t *testing.T, text []byte, module, function string) {
		l := &List{found: make(map[string]*rule)}
		if err := l.parse("some.supp", text); err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("%q", err)
			}
			return
		}
		by := l.Match([]report.Frame{{Module: module, Function: function}})
		if by != "" && !strings.Contains(string(text), "leak:"+by) {
			t.Errorf("%q is hidden by %q", function, by)
		}
	})
}
