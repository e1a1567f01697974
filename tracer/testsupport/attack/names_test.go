//go:build attack

package attack

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// forged is what a hostile name tries to put at the start of a line.
const forged = "FORGED"

// hostileName returns a name of at most most bytes, without a slash or a zero.
func (s *scene) hostileName(most int) string {
	parts := []string{
		"\n" + forged + ": all is well", "\r" + forged, "\x1b[2J\x1b[H", "\x1b]0;title\a", "\x1b[31m", "\u0085" + forged, "\u2028" + forged,
		"\u202e", "\xff\xfe", "\xc3", "\x9b31m", "\x7f", "\t", " ", "%s%n%d", "(deleted)", ") R 1 1 1", "a b", "';\"`$(id)`", "\\x1b", "\\n", ";",
		"{\"a\":", "[heap]", "[stack]", "\v\f" + forged, strings.Repeat("x", 200), "naïve", "\u200b",
	}
	var b strings.Builder
	for range 1 + s.rng.IntN(5) {
		b.WriteString(pick(s.rng, parts...))
	}
	name := b.String()
	return name[:min(len(name), most)]
}

// encode writes a text as victim.c wants it.
func encode(text string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		if c <= ' ' || c >= 0x7f || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func hostileNames(s *scene) {
	for s.next() {
		dir := filepath.Join(s.dir, "d"+s.hostileName(150), "e"+s.hostileName(100))
		program := filepath.Join(dir, "p"+s.hostileName(200))
		library := filepath.Join(dir, "l"+s.hostileName(200))
		err := os.MkdirAll(dir, 0o755)
		for from, to := range map[string]string{"victim": program, "plugin.so": library} {
			if err == nil {
				err = os.Link(filepath.Join(s.camp.dir, from), to)
			}
		}
		if err != nil {
			s.failf("make hostile names: %v", err)
			return
		}
		p := s.startCommand(exec.Command(program))
		if p == nil || !p.tell("go", "did") {
			continue
		}
		s.inHostileGroup(p.pid())
		s.traceNames(p, library)
	}
}

// traceNames traces a program with hostile names in some format, and checks all that memtrace
// writes.
func (s *scene) traceNames(p *target, library string) {
	format := pick(s.rng, "text", "text", "json", "folded", "pprof")
	pid := strconv.Itoa(p.pid())
	args := []string{"--exact", "-v", "-f", format, "-T", "0", "--older", "0", "-p", pid}
	if s.chance(5) {
		args = []string{"grow", "-f", format, "-p", pid}
	}
	if s.chance(2) {
		p.name(s)
	}
	m := s.startTool(args...)
	if !m.waitReady() {
		m.wait()
		s.failf("memtrace refuses: %s", m.refusal())
		return
	}
	p.tell("leak", "did")
	p.tell("load "+encode(library), "did")
	s.writePerfMap(p)
	p.name(s)
	m.stop()
	if m.code() != 0 {
		s.failf("no report: %s: %s", m.args(), m.refusal())
	}
	s.checkOutput("messages", m.stderr.Bytes())
	if format != "pprof" {
		s.checkOutput(format, m.stdout.Bytes())
	}
	s.count("outputs", 1)
	s.regions(pid)
}

// regions looks at the process without tracing it.
func (s *scene) regions(pid string) {
	cmd := exec.Command(s.memtrace, "regions", "-p", pid, "1", "1")
	var out, messages bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &messages
	if err := cmd.Run(); err != nil {
		s.failf("memtrace regions: %v: %s", err, messages.String())
		return
	}
	s.checkOutput("regions", out.Bytes())
	s.checkOutput("messages", messages.Bytes())
	s.count("outputs", 1)
}

// name gives the program a hostile name.
func (p *target) name(s *scene) { p.tell("name "+encode(s.hostileName(15)), "did") }

// checkOutput notes bytes that a terminal would obey, and forged lines.
func (s *scene) checkOutput(what string, out []byte) {
	for line := range bytes.Lines(out) {
		text := strings.TrimSuffix(string(line), "\n")
		bad := strings.HasPrefix(strings.TrimSpace(text), forged) || !utf8.ValidString(text)
		for _, c := range text {
			bad = bad || unicode.Is(unicode.Cc, c) || unicode.In(c, unicode.Cf, unicode.Zl, unicode.Zp) && unicode.Is(unicode.Bidi_Control, c)
		}
		if bad {
			s.failf("%s: %q", what, text)
			return
		}
	}
}

// writePerfMap makes the target run code made at run time, and describes that code in strange
// ways.
func (s *scene) writePerfMap(p *target) {
	line, ok := p.say("jit")
	var code uint64
	if n, _ := fmt.Sscanf(line, "code %d", &code); !ok || n != 1 {
		s.failf("no code made at run time: %q %s", line, p.end())
		return
	}
	if _, ok = p.line(); !ok {
		s.failf("target came to harm: %s", p.end())
		return
	}
	path := fmt.Sprintf("/tmp/perf-%d.map", p.pid())
	s.later(func() { _ = os.RemoveAll(path) })
	var err error
	switch s.rng.IntN(8) {
	case 0:
		err = os.Symlink("/dev/zero", path)
	case 1:
		err = unix.Mkfifo(path, 0o644)
	case 2:
		err = os.Mkdir(path, 0o755)
	case 3: // a hole of a terabyte
		if err = os.WriteFile(path, nil, 0o644); err == nil {
			err = os.Truncate(path, 1<<40)
		}
	default:
		err = os.WriteFile(path, s.perfMap(code), 0o644)
	}
	if err != nil {
		s.failf("write the perf map: %v", err)
	}
	s.count("perf maps", 1)
}

func (s *scene) perfMap(code uint64) []byte {
	var b bytes.Buffer
	for range s.rng.IntN(2000) {
		start := pick(s.rng, code, code+s.rng.Uint64N(64), s.rng.Uint64(), ^uint64(0))
		size := pick(s.rng, 0, 1, 64, 4096, s.rng.Uint64(), ^uint64(0))
		fmt.Fprintf(&b, "%x %x %s\n", start, size, strings.ReplaceAll(s.hostileName(1000), "\n", pick(s.rng, "\n", "\r")))
	}
	if s.chance(3) {
		fmt.Fprintf(&b, "%x 40 %s", code, strings.Repeat("y", s.rng.IntN(8<<20)))
	}
	fmt.Fprintf(&b, "%x 40 \x1b[31mjit\n", code)
	return b.Bytes()
}

// inHostileGroup puts a process into a cgroup with a hostile name, if there are cgroups.
func (s *scene) inHostileGroup(pid int) {
	mount := filepath.Join(s.dir, "groups")
	if err := os.Mkdir(mount, 0o755); err != nil {
		s.failf("%v", err)
		return
	}
	if err := unix.Mount("none", mount, "cgroup2", 0, ""); err != nil {
		s.count("without cgroups", 1)
		return
	}
	s.later(func() {
		if err := unix.Unmount(mount, unix.MNT_DETACH); err != nil {
			s.failf("unmount: %v", err)
		}
	})
	name := strings.ReplaceAll("memtrace-"+s.hostileName(200), "\n", "") // the kernel allows no newline
	group := filepath.Join(mount, name)
	if err := os.Mkdir(group, 0o755); err != nil {
		s.failf("create a cgroup: %v", err)
		return
	}
	s.later(func() {
		// What was in the group has been killed and waited for, or soon is.
		_ = os.WriteFile(filepath.Join(mount, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644)
		if err := unix.Rmdir(group); err != nil {
			s.failf("remove the cgroup: %v", err)
		}
	})
	if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
		s.failf("enter the cgroup: %v", err)
	}
}
