package report

import "testing"

func TestShortenName(t *testing.T) {
	for _, tc := range []struct {
		name string
		n    int
		want string
	}{
		{"short(int)", 10, "short(int)"},
		{"std::vector<int>::push_back(int const&)", 30, "std::vector<int>::push_back(…)"},
		{"std::vector<int>::push_back(int const&)", 28, "std::vector<…>::push_back(…)"},
		{"std::vector<int>::push_back(int const&)", 20, "std::v…:push_back(…)"},
		{"(anonymous namespace)::f(int, long) const", 35, "(anonymous namespace)::f(…) const"},
		{"Functor::operator()(int, long) const", 34, "Functor::operator()(…) const"},
		{"bool operator< <Key>(Map<Key> const&)", 30, "bool operator< <Key>(…)"},
		{"operator-><Node>(Tree<Node> const&)", 22, "operator-><Node>(…)"},
		{"f()", 2, "…)"},
		{"call<fn(u8) -> T>::invoke", 24, "call<fn(…) -> T>::invoke"},
		{"call<fn(u8) -> T>::invoke", 22, "call<…>::invoke"},
		{"unbalanced<<<<<<(((((name", 12, "unb…((((name"},
		{")))(((", 4, ")…(("},
	} {
		if got := ShortName(tc.name, tc.n); got != tc.want || columns(got) > tc.n {
			t.Errorf("ShortName(%q, %d) = %q, want %q", tc.name, tc.n, got, tc.want)
		}
	}
}

func TestBaseName(t *testing.T) {
	for in, want := range map[string]string{
		"/usr/lib/libc.so.6":  "libc.so.6",
		"/tmp/a.so (deleted)": "a.so (deleted)",
		"[vdso]":              "[vdso]",
		"":                    "",
		"/":                   "/",
	} {
		if got := baseName(in); got != want {
			t.Errorf("baseName(%q) = %q, want %q", in, got, want)
		}
	}
}
