package debpkg

import (
	"strings"
	"testing"
)

func TestParseOneLine(t *testing.T) {
	for _, tc := range []struct {
		name, text string
		want       origin
		ok         bool
	}{
		{"plain", "deb http://mirror.test/debian bookworm main\n", origin{URI: "http://mirror.test/debian"}, true},
		{
			"options",
			"deb [arch=amd64 signed-by=/usr/share/keyrings/a.gpg trusted=yes]\thttp://mirror.test/debian/ sid main # new\n",
			origin{URI: "http://mirror.test/debian/", SignedBy: "/usr/share/keyrings/a.gpg", Trusted: true},
			true,
		},
		{
			"after others",
			"# deb http://comment.test/debian bookworm main\n" +
				"deb-src http://source.test/debian bookworm main\n" +
				"deb http://mirror.test/debian-security bookworm-security main\n" +
				"deb https://vendor.test/apt stable-tools main\n" +
				"deb http://flat.test/debian ./\n" +
				"deb http://mirror.test/debian bookworm main contrib\n",
			origin{URI: "http://mirror.test/debian"},
			true,
		},
		{"path of its own", "deb http://mirror.test/os trixie main\n", origin{URI: "http://mirror.test/os"}, true},
		{"not Debian", "deb http://mirror.test/ubuntu noble main\n", origin{}, false},
		{"empty", "", origin{}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := parseOneLine([]byte(tc.text))
			if got != tc.want || ok != tc.ok {
				t.Errorf("got %+v, %v; want %+v, %v", got, ok, tc.want, tc.ok)
			}
		})
	}
}

func TestParseDeb822(t *testing.T) {
	const security = "Types: deb\nURIs: http://mirror.test/debian-security\nSuites: bookworm-security\nComponents: main\n\n"
	for _, tc := range []struct {
		name, text string
		want       origin
		ok         bool
	}{
		{
			"key file",
			security + "Types: deb deb-src\n# the mirror\nURIs: http://mirror.test/debian\nSuites: bookworm bookworm-updates\n" +
				"Components: main\nSigned-By: /usr/share/keyrings/a.gpg\n",
			origin{URI: "http://mirror.test/debian", SignedBy: "/usr/share/keyrings/a.gpg"},
			true,
		},
		{
			"continued values and an inline key",
			"types: deb\nuris:\n http://vendor.test/apt\n http://mirror.test/debian\nsuites: sid\ntrusted: yes\n" +
				"signed-by:\n -----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n",
			// The suite is Debian's, so the first URI is as good.
			origin{
				URI: "http://vendor.test/apt", Trusted: true,
				SignedBy: "-----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc",
			},
			true,
		},
		{"disabled", "Enabled: no\nTypes: deb\nURIs: http://mirror.test/debian\nSuites: sid\n", origin{}, false},
		{"source only", "Types: deb-src\nURIs: http://mirror.test/debian\nSuites: sid\n", origin{}, false},
		{"security only", security, origin{}, false},
		{"vendor", "Types: deb\nURIs: https://vendor.test/node\nSuites: nodistro\nComponents: main\n", origin{}, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, ok := parseDeb822([]byte(tc.text))
			if got != tc.want || ok != tc.ok {
				t.Errorf("got %+v, %v; want %+v, %v", got, ok, tc.want, tc.ok)
			}
		})
	}
}

// The entry that apt gets must mean what the machine's own meant.
func TestSourceRoundTrip(t *testing.T) {
	want := origin{URI: "http://mirror.test/debian", SignedBy: "-----BEGIN\n .\n abc\n -----END", Trusted: true}
	text := (&Suite{name: "sid", origin: want}).source()
	got, ok := parseDeb822([]byte(text))
	if !ok || got != want {
		t.Errorf("got %+v, want %+v, of\n%s", got, want, text)
	}
	if suites := Field(text, "Suites"); suites != "sid" {
		t.Errorf("suites %q", suites)
	}
	if n := strings.Count(text, "\n\n"); n != 0 {
		t.Errorf("%d empty lines split the entry", n)
	}
}
