package target

import (
	"slices"
	"testing"
)

func TestParseOverlay(t *testing.T) {
	for _, tc := range []struct {
		name, line  string
		root, point string
		layers      []string
	}{
		{
			"container", "45 42 0:40 / / rw,relatime shared:1 master:2 - overlay overlay rw,lowerdir=/l/A:/l/B,upperdir=/u,workdir=/w,uuid=on",
			"/", "/",
			[]string{"/l/A", "/l/B", "/u"},
		},
		{
			"escapes", `45 42 0:40 /a\040b /m\134n rw - overlay x ro,lowerdir=/l\134:1\134\054\0402:/m\134\134n`,
			"/a b", `/m\n`,
			[]string{"/l:1, 2", `/m\n`},
		},
		{
			"added one by one", "45 42 0:40 / /m rw - overlay x rw,lowerdir+=/a,lowerdir+=/b,datadir+=/c",
			"/", "/m",
			[]string{"/a", "/b", "/c"},
		},
		{
			"data-only layers", "45 42 0:40 / /m rw - overlay x rw,lowerdir=/a::/c", "/", "/m", []string{"/a", "/c"},
		},
		{"relative", "45 42 0:40 / /m rw - overlay overlay rw,lowerdir=l/A:l/B,upperdir=u", "", "", nil},
		{"another file system", "45 42 0:40 / /m rw - ext4 /dev/vda rw,lowerdir=/a", "", "", nil},
		{"cut", "45 42 0:40 / /m rw - overlay", "", "", nil},
		{"nothing", "", "", "", nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			m, ok := parseOverlay(tc.line)
			if ok != (tc.layers != nil) {
				t.Fatalf("ok %v: %+v", ok, m)
			}
			if ok && (m.root != tc.root || m.point != tc.point || !slices.Equal(m.layers, tc.layers)) {
				t.Errorf("got %q, want %s at %s of %q", m, tc.root, tc.point, tc.layers)
			}
		})
	}
}

func TestUnder(t *testing.T) {
	for _, tc := range []struct {
		path, dir, want string
		ok              bool
	}{
		{"/usr/lib/x.so", "/", "usr/lib/x.so", true},
		{"/m/x.so", "/m", "x.so", true},
		{"/mm/x.so", "/m", "", false},
		{"/x.so", "/m", "", false},
	} {
		if got, ok := under(tc.path, tc.dir); ok != tc.ok || ok && got != tc.want {
			t.Errorf("under(%s, %s) = %s, %v", tc.path, tc.dir, got, ok)
		}
	}
}
