package suppress

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"memtrace/tracer/report"
)

// open reads one file of this text.
func open(t *testing.T, text string) (*List, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "some.supp")
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return Open([]string{name})
}

func TestPattern(t *testing.T) {
	for _, tc := range []struct {
		pattern, text string
		want          bool
	}{
		{"alloc", "my_alloc_here", true},
		{"alloc", "", false},
		{"^alloc", "my_alloc", false},
		{"^alloc", "alloc_here", true},
		{"alloc$", "my_alloc", true},
		{"alloc$", "my_alloc_here", false},
		{"^alloc$", "alloc", true},
		{"^alloc$", "alloc alloc", false},
		{"a*c", "xx a b c xx", true},
		{"^a*c$", "abc", true},
		{"^a*c$", "abcd", false},
		{"^*c$", "abc", true},
		{"c*a", "abc", false},
		{"ab*$", "abcd", true},
		{"*", "x", true},
		{"^$", "x", false},
		{"$", "x", false},
		{"b$", "ab b", false}, // as LeakSanitizer has it
		{"a$zzz", "a", true},
		{"a^b", "xa^by", true},
	} {
		if p := compile(tc.pattern); p.in(tc.text) != tc.want {
			t.Errorf("%q in %q is %v", tc.pattern, tc.text, !tc.want)
		}
	}
}

func TestMatch(t *testing.T) {
	frames := []report.Frame{
		{Module: "/usr/lib/libpool.so.1", Offset: 0x10},
		{Module: "/usr/bin/served", Function: "make_session(int)", File: "/src/served/session.c"},
		{Module: "/usr/bin/served", Function: "main", File: "/src/served/main.c"},
	}
	for _, tc := range []struct{ text, want string }{
		{"leak:libpool", "libpool"},
		{"leak:^make_session(", "^make_session("},
		{"leak:session.c$", "session.c$"},
		{"leak:main\nleak:make_session", "make_session"}, // the innermost frame decides
		{"leak:other\n  leak:served/*.c \t\r\n", "served/*.c"},
		{"leak:nobody", ""},
		{"# leak:main\n\n \t\n\t# leak:main\n", ""},
		{"\r\nleak:main\r\n", "main"},
	} {
		l, err := open(t, tc.text)
		if err != nil {
			t.Errorf("%q: %v", tc.text, err)
		} else if got := l.Match(frames); got != tc.want {
			t.Errorf("%q matches by %q, not %q", tc.text, got, tc.want)
		}
	}
	if got := (*List)(nil).Match(frames); got != "" {
		t.Errorf("no list matches by %q", got)
	}
}

func TestBadLines(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"leak:a\n# b\nrace:c\n", "some.supp:3: \"race:c\" is not leak:PATTERN"},
		{"leak:a\n\n leak: \n", "some.supp:3: leak: without a pattern"},
		{"make_session", "some.supp:1: "},
		{"leak:a\n\x00\xff" + strings.Repeat("x", 1000), "some.supp:2: "},
		{strings.Repeat("leak:a\n", 700000), "more than 4 MiB"},
	} {
		if _, err := open(t, tc.text); err == nil || !strings.Contains(err.Error(), tc.want) || len(err.Error()) > 500 {
			t.Errorf("%.40q: %v, want %q", tc.text, err, tc.want)
		}
	}
	if _, err := Open([]string{filepath.Join(t.TempDir(), "none")}); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
}

// The list that memtrace comes with hides what it says, and nothing whose name merely begins or
// ends like that.
func TestKnown(t *testing.T) {
	l, err := Open([]string{Known})
	if err != nil {
		t.Fatal(err)
	}
	of := func(function string) []report.Frame {
		return []report.Frame{{Module: "/usr/lib/x86_64-linux-gnu/libc.so.6"}, {Module: "/usr/bin/served", Function: function, File: "/src/setlocale.c"}}
	}
	for _, function := range []string{"setlocale", "tzset", "getpwnam", "__tls_get_addr", "OPENSSL_init_crypto", "g_type_register_static", "(anonymous namespace)::pool::pool()"} {
		if l.Match(of(function)) == "" {
			t.Errorf("%s is not hidden", function)
		}
	}
	for _, function := range []string{"my_setlocale", "setlocale_all", "dlopen", "iconv_open", "getaddrinfo", "main", "pool::pool()", "", "std::string::_M_create(unsigned long&, unsigned long)"} {
		if by := l.Match(of(function)); by != "" {
			t.Errorf("%s is hidden by %s", function, by)
		}
	}
	for _, r := range l.rules {
		if !strings.HasPrefix(r.text, "^") && !strings.Contains(r.text, "__gnu_cxx") {
			t.Errorf("leak:%s matches in the middle of names", r.text)
		}
	}
}
