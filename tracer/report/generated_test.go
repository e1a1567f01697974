package report

import (
	"strings"
	"testing"
)

// Frames of code that a runtime has made are one line that says so, and have no addresses there.
func TestTextOfGeneratedCode(t *testing.T) {
	code := GeneratedCode([]string{"/opt/jdk/bin/java", "/opt/jdk/lib/server/libjvm.so"})
	if code != "[Java code, not named]" {
		t.Fatalf("code of Java is called %q", code)
	}
	r := typical()
	r.Stacks = r.Stacks[:1]
	made := func(address uint64) Frame { return Frame{Address: address, Module: code, Offset: address} }
	r.Stacks[0].Frames = []Frame{mainFrame(), made(0x7f01), made(0x7f02), mainFrame(), made(0x7f03)}
	text := string(render(t, asText(TextOptions{}), r))
	if strings.Contains(text, "7f01") || strings.Count(text, code) != 2 || !strings.Contains(text, code+" (2 frames)") {
		t.Errorf("got\n%s", text)
	}
	text = string(render(t, asText(TextOptions{Verbose: true}), r))
	for _, address := range []string{"0x7f01", "0x7f02", "0x7f03"} {
		if !strings.Contains(text, address) {
			t.Errorf("with -v no %s in\n%s", address, text)
		}
	}
	if folded := string(render(t, Folded, r)); strings.Count(folded, code) != 2 {
		t.Errorf("folded: %s", folded)
	}
}

func TestGeneratedCodeOfRuntimes(t *testing.T) {
	for file, want := range map[string]string{
		"/usr/bin/node": "[JavaScript code, not named]", "/usr/lib/libnode.so.108": "[JavaScript code, not named]",
		"/usr/bin/nodeless": "", "/usr/share/dotnet/libcoreclr.so": "[.NET code, not named]", "/usr/bin/luajit": "",
	} {
		if got := GeneratedCode([]string{"/bin/other", file}); got != want {
			t.Errorf("%s: %q, want %q", file, got, want)
		}
	}
}
