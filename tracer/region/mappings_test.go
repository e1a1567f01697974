package region

import (
	"fmt"
	"strings"
	"testing"
)

// Mappings are counted as the kernel counts them, which joins none and has no vsyscall.
func TestMappings(t *testing.T) {
	f := &fake{}
	var maps strings.Builder
	snap := watch(t, f, 20, func(i int) {
		fmt.Fprintf(&maps, "%x-%x rw-p 00000000 00:00 0\n", 0x10000000+i*8192, 0x10000000+i*8192+4096)
		f.maps = maps.String() + "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0  [vsyscall]\n"
		f.data = uint64(i * mib)
	})
	if snap.Mappings != 20 {
		t.Errorf("%d mappings, want 20", snap.Mappings)
	}
	for name, test := range map[string]struct{ got, want float64 }{
		"mappings": {snap.MappingsFit.Slope, 1},
		"bytes":    {snap.VirtualFit.Slope, 4096},
		"data":     {snap.DataFit.Slope, mib},
	} {
		if test.got < 0.9*test.want || test.got > 1.1*test.want {
			t.Errorf("%s grow %v/s, want %v", name, test.got, test.want)
		}
	}
}
