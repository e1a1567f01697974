//go:build attack

package attack

import (
	"debug/elf"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"memtrace/tracer/testsupport/testprog"
)

// runDamaged runs a damaged program, or a sound one with damaged debug data beside it, and
// traces it. The kernel and the dynamic linker look at nothing that is damaged.
func runDamaged(s *scene) {
	sound := filepath.Join(s.camp.dir, "victim")
	for s.next() {
		program, more := filepath.Join(s.dir, "victim"), []string(nil)
		var err error
		if s.chance(4) {
			more, err = s.damageDebugFile(sound, program)
		} else {
			err = damage(s.rng, sound, program, false)
		}
		if err != nil {
			s.failf("damage the program: %v", err)
			return
		}
		p := s.tryCommand(exec.Command(program))
		if p == nil {
			s.count("programs that do not run", 1)
			continue
		}
		s.count("damaged programs", 1)
		m := s.startTool(exact(p.pid(), more...)...)
		if !m.waitReady() {
			m.wait()
			s.failf("memtrace refuses, though libc is intact: %s", m.refusal())
			s.keep(program)
			continue
		}
		l := s.leakAll(p)
		m.stop()
		if l == nil {
			continue
		}
		if r := m.report(); r != nil {
			s.compareTotals(r.Outstanding.Bytes, r.Outstanding.Blocks, l)
		}
		s.checkText(p.pid())
	}
}

// leakAll makes victim.c leak, and returns its ledger.
func (s *scene) leakAll(p *target) *testprog.Ledger {
	if !p.tell("go", "did") {
		p.expendable = true
		return nil
	}
	for _, what := range []string{"leak", "jit", "leak"} {
		if !p.tell(what, "did") {
			p.expendable = true
			return nil
		}
	}
	line, ok := p.say("end")
	return p.ledger(line, ok)
}

// compareTotals compares the sums of what is outstanding, whatever the stacks are called.
func (s *scene) compareTotals(bytes, blocks uint64, l *testprog.Ledger) {
	var want testprog.Sum
	for _, sum := range l.Sites {
		want.Bytes += sum.Bytes
		want.Blocks += sum.Blocks
	}
	if int64(bytes) != want.Bytes || int64(blocks) != want.Blocks {
		s.failf("%d bytes in %d blocks are outstanding, the target holds %+v", bytes, blocks, want)
		return
	}
	s.count("ledgers equal", 1)
}

// damageDebugFile copies a program without its debug data. It puts the damaged debug data into
// a folder of debug files, and returns the flag that names the folder.
func (s *scene) damageDebugFile(sound, program string) ([]string, error) {
	if out, err := exec.Command("strip", "-o", program, sound).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("strip: %w: %s", err, out)
	}
	id, err := buildID(sound)
	if err != nil {
		return nil, err
	}
	debug := filepath.Join(s.dir, "debug")
	file := filepath.Join(debug, ".build-id", id[:2], id[2:]+".debug")
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	return []string{"--debug-dir", debug}, damage(s.rng, sound, file, s.chance(2))
}

// buildID reads the build ID of a sound file, in hexadecimal digits.
func buildID(path string) (string, error) {
	f, err := elf.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	const header = 16 // sizes, type and "GNU"
	note, err := f.Section(".note.gnu.build-id").Data()
	if err != nil || len(note) < header+2 {
		return "", fmt.Errorf("%s: no build ID: %w", path, err)
	}
	return hex.EncodeToString(note[header:]), nil
}

// keep saves a file that showed a fault beside the test.
func (s *scene) keep(path string) {
	to := filepath.Join(os.TempDir(), fmt.Sprintf("memtrace-attack-%s-%d-%d", s.attack.name, *seed, s.round))
	if err := exec.Command("cp", "--sparse=always", path, to).Run(); err == nil {
		s.failf("the file is kept as %s", to)
	}
}

// mapDamaged makes a traced target load damaged libraries if they can be loaded, and map any
// as code.
func mapDamaged(s *scene) {
	sources := []string{"plugin.so", "victim", "storm", "throws"}
	for s.next() {
		p := s.startTarget("victim")
		if p == nil {
			return
		}
		args := exact(p.pid())
		if s.chance(4) {
			args = []string{"grow", "-f", "json", "-p", fmt.Sprint(p.pid())}
		}
		m := s.startTool(args...)
		if !m.waitReady() {
			m.wait()
			s.failf("memtrace refuses: %s", m.refusal())
			continue
		}
		l := s.mapAll(p, sources)
		m.stop()
		if l == nil {
			continue
		}
		if r := m.report(); r != nil && args[0] != "grow" {
			// The symbols of the library that was loaded may be damaged.
			delete(l.Sites, "site_plugin")
			s.compare(r, l)
			s.checkComplete(r)
		}
		s.checkText(p.pid())
	}
}

// mapAll makes the target map some tens of damaged files, and returns the target's ledger.
func (s *scene) mapAll(p *target, sources []string) *testprog.Ledger {
	if !p.tell("go", "did") {
		p.expendable = true
		return nil
	}
	for i := range 10 + s.rng.IntN(40) {
		path := filepath.Join(s.dir, fmt.Sprintf("damaged-%d.so", i))
		if err := damage(s.rng, filepath.Join(s.camp.dir, pick(s.rng, sources...)), path, true); err != nil {
			s.failf("damage a file: %v", err)
			return nil
		}
		if !p.tell("map "+path, "did") {
			p.expendable = true
			return nil
		}
		s.count("damaged files mapped", 1)
	}
	// This library must not harm the dynamic linker.
	library := filepath.Join(s.dir, "plugin.so")
	if err := damage(s.rng, filepath.Join(s.camp.dir, "plugin.so"), library, false); err != nil {
		s.failf("damage a library: %v", err)
		return nil
	}
	s.count("damaged libraries loaded", 1)
	if !p.tell("load "+library, "did") {
		p.expendable = true
		return nil
	}
	line, ok := p.say("end")
	return p.ledger(line, ok)
}
