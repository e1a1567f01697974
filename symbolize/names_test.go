package symbolize

import (
	"strings"
	"testing"
)

func TestDisplayName(t *testing.T) {
	tests := []struct{ symbol, want string }{
		{"malloc", "malloc"},
		{"parse.isra.0", "parse.isra.0"},
		{"", ""},
		{"_ZN2ns5Class6methodEiPKc", "ns::Class::method"},
		{"_ZN2ns5Class6methodEi.cold", "ns::Class::method"},
		{"_ZNSt6vectorIiSaIiEE9push_backEOi", "std::vector<int, std::allocator<int> >::push_back"},
		{"_Znwm", "operator new"},
		{"_Znwm@plt", "operator new@plt"},
		{"_ZN4core3fmt5Write9write_fmt17h0123456789abcdefE", "core::fmt::Write::write_fmt"},
		{"_ZN71_$LT$Test$u20$$u2b$$u20$$u27$static$u20$as$u20$foo..Bar$LT$Test$GT$$GT$3bar17h930b740aa94f1d3aE", "<Test + 'static as foo::Bar<Test>>::bar"},
		{"_RNvCskwGfYPst2Cb_3foo16example_function", "foo::example_function"},
		{"_ZN", "_ZN"},
		{"_Rubbish", "_Rubbish"},
		{strings.Repeat("x", 10_000), strings.Repeat("x", maxName)},
	}
	for _, test := range tests {
		if got := DisplayName(test.symbol); got != test.want {
			t.Errorf("DisplayName(%.80q) = %.200q, want %.200q", test.symbol, got, test.want)
		}
	}
	// The name doubles with each level.
	bomb := "_Z1fI1a" + strings.Repeat("S_IS0_S0_", 200) + "E"
	if got := DisplayName(bomb); len(got) > maxName {
		t.Errorf("%d bytes of name", len(got))
	}
}

func TestAliasChoice(t *testing.T) {
	// Best first.
	order := []alias{
		{name: "memalign", bind: 1},
		{name: "aligned_alloc", bind: 1},
		{name: "__malloc", bind: 1},
		{name: "clock_gettime", bind: 2},
		{name: "aaa", bind: 0},
		{name: "a", bind: 1, notype: true},
	}
	for i, a := range order {
		for j, b := range order {
			if got := a.compare(b); got != 0 && (got < 0) != (i < j) || (got == 0) != (i == j) {
				t.Errorf("compare(%+v, %+v) = %d", a, b, got)
			}
		}
	}
}

// The symbols are as assembly makes them: with and without sizes, nested, with aliases, and
// followed by code that belongs to no function.
func TestSymbolLookup(t *testing.T) {
	const source = `
__asm__(".text\n"
	".globl outer\n.type outer,@function\nouter:\n"
	".skip 16,0x90\n"
	".globl alias_b, alias_a\n.type alias_a,@function\n.type alias_b,@function\nalias_b: alias_a:\n"
	".skip 16,0x90\n"
	".size alias_a,.-alias_a\n.size alias_b,.-alias_b\n"
	"local_label: .skip 16,0x90\n"
	".size outer,.-outer\n"
	".skip 16,0x90\n"
	".globl bare\nbare:\n"
	".skip 32,0x90\n"
	".globl sized\n.type sized,@function\nsized: .skip 16,0x90\n.size sized,.-sized\n"
	".skip 16,0x90\n"
	".section .other,\"ax\"\n.skip 16,0x90\n");
`
	p, m := openModule(t, compile(t, "gcc", source, "symbols.so", "-shared", "-fPIC", "-nostdlib"))
	text := m.elf.Section(".text")
	for off, want := range map[uint64]string{
		0: "outer", 15: "outer", 16: "alias_a", 31: "alias_a", 32: "outer", 47: "outer",
		48: "", 63: "", 64: "bare", 95: "bare", 96: "sized", 111: "sized", 112: "", 200: "",
	} {
		if got := m.lookup(p, text.Addr+off); len(got) != 1 || got[0].function != want {
			t.Errorf("at %d: %+v, want %q", off, got, want)
		}
	}
}

func TestPLTNames(t *testing.T) {
	const source = `
#include <stdio.h>
#include <stdlib.h>
int main(void) { puts("x"); free(malloc(getpid())); return 0; }
`
	for _, flags := range [][]string{{"-Wl,-z,lazy"}, {"-Wl,-z,now", "-fcf-protection", "-no-pie"}, {"-fno-plt", "-Wl,-z,now"}} {
		flags = append(flags, "-Wno-implicit-function-declaration")
		binary := compile(t, "gcc", source, "calls", flags...)
		p, m := openModule(t, binary)
		want := 0
		// objdump marks stubs as "0000000000001030 <puts@plt>:".
		for line := range strings.Lines(string(run(t, "objdump", "-d", binary))) {
			addr, name, ok := strings.Cut(strings.TrimSpace(line), " <")
			name, isLabel := strings.CutSuffix(name, ">:")
			if !ok || !isLabel || !strings.HasSuffix(name, pltSuffix) {
				continue
			}
			want++
			for _, off := range []uint64{0, 7} {
				if got := m.lookup(p, address(t, addr)+off); got[0].function != name {
					t.Errorf("%v: at %s+%d: %+v", flags, name, off, got)
				}
			}
		}
		if want == 0 && flags[0] != "-fno-plt" {
			t.Errorf("%v: no stubs", flags)
		}
	}
}
