package target

import (
	"bytes"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"

	"memtrace/tracer/testsupport/testprog"
)

// TestLengths holds the lengths of instructions against binutils. If one that a probe may
// stand behind were taken to be longer or shorter, the probe would be in the middle of the
// next.
func TestLengths(t *testing.T) {
	testprog.Long(t)
	const slot, slots = 16, 30000
	random := rand.New(rand.NewPCG(1, 2))
	var code []byte
	var lengths []int
	for len(lengths) < slots {
		inst := randomInstruction(random, slot)
		n := harmless(inst[:longest], 3)
		if n == 0 && len(lengths)%2 == 0 { // every other one is any instruction
			if length, _, err := decode(inst[:longest]); err == nil {
				n = int(length)
			}
		}
		if n > 0 {
			code, lengths = append(code, inst...), append(lengths, n)
		}
	}
	path := filepath.Join(t.TempDir(), "code")
	if err := os.WriteFile(path, code, 0o644); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("objdump", "-D", "-w", "-b", "binary", "-m", "i386:x86-64", path).Output()
	if err != nil {
		testprog.Missing(t, "objdump: "+err.Error())
	}
	next, bad := make(map[int]int), make(map[int]bool) // by an instruction's start
	last := -1
	for _, m := range regexp.MustCompile(`(?m)^ *([0-9a-f]+):\t.*$`).FindAllSubmatch(out, -1) {
		at, err := strconv.ParseInt(string(m[1]), 16, 64)
		if err != nil {
			t.Fatal(err)
		}
		next[last], last = int(at), int(at)
		bad[last] = bytes.Contains(m[0], []byte("(bad)")) // no processor runs it
	}
	for i, n := range lengths {
		if got := next[i*slot] - i*slot; got != n && !bad[i*slot] {
			t.Errorf("% x: %d bytes, objdump has %d", code[i*slot:(i+1)*slot], n, got)
		}
	}
}

// randomInstruction begins with what may be an instruction. NOPs follow, which may also be
// taken for its operands.
func randomInstruction(random *rand.Rand, size int) []byte {
	prefixes := [][]byte{nil, nil, nil, nil, nil, nil, {0x66}, {0xf2}, {0xf3}, {0x2e}, {0x3e}, {0x64}, {0x67}, {0xf0}, {0x48, 0x66}}
	inst := bytes.Clone(prefixes[random.IntN(len(prefixes))])
	if random.IntN(2) == 0 {
		inst = append(inst, 0x40|byte(random.IntN(16))) // REX
	}
	if random.IntN(4) == 0 {
		inst = append(inst, 0x0f)
	}
	for range 3 { // opcode, ModRM, SIB
		inst = append(inst, byte(random.Uint32()))
	}
	return append(inst, bytes.Repeat([]byte{0x90}, size-len(inst))...)
}
