package procmaps

import "testing"

func TestUnescape(t *testing.T) {
	for escaped, want := range map[string]string{
		"":                      "",
		"/plain":                "/plain",
		`/a\040b\011c\012d`:     "/a b\tc\nd",
		`/back\134slash`:        `/back\slash`,
		`/no\99escape`:          `/no\99escape`,
		`/too large \777`:       `/too large \777`,
		`/cut short \04`:        `/cut short \04`,
		`/twice \134040`:        `/twice \040`,
		"/bytes\\377\xff alone": "/bytes\xff\xff alone",
	} {
		if got := Unescape(escaped); got != want {
			t.Errorf("%q is %q, want %q", escaped, got, want)
		}
	}
}
