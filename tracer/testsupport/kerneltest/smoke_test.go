//go:build kernels

package kerneltest

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
	"github.com/cilium/ebpf/ringbuf"
	"github.com/cilium/ebpf/rlimit"

	"memtrace/tracer/testsupport/testprog"
)

// roleVariable makes the test binary act as a program in the guest.
const roleVariable = "KERNELTEST_ROLE"

func TestMain(m *testing.M) {
	switch os.Getenv(roleVariable) {
	case "":
		os.Exit(m.Run())
	case "probe":
		if err := probeSelf(); err != nil {
			fmt.Println("probe:", err)
			os.Exit(3)
		}
	case "crash":
		if err := os.WriteFile("/proc/sysrq-trigger", []byte("c"), 0); err != nil {
			fmt.Println("crash:", err)
			os.Exit(3)
		}
	case "warn":
		// A line that looks like one of the kernel's warnings.
		if err := os.WriteFile("/dev/kmsg", []byte("<4>WARNING: CPU: 0 PID: 1 at made/up.c:1 made_up\n"), 0); err != nil {
			fmt.Println("warn:", err)
			os.Exit(3)
		}
	}
	os.Exit(smokeExit)
}

// smokeExit and hits are primes, because no default is a prime.
const (
	smokeExit   = 43
	hits        = 97
	smokeOutput = "working directory /usr/share/smoke\nC++ 7\n"
)

// greet needs the C++ library, and the one that pthread_exit loads by name.
const greet = `// build: g++ -pthread
#include <iostream>
#include <thread>
#include <pthread.h>
int main() {
	int n = 0;
	std::thread t([&] { n = 7; pthread_exit(nullptr); });
	t.join();
	std::cout << "C++ " << n << std::endl;
}
`

// TestSmoke shows that a guest runs its command, that BPF programs load and run at user probes
// in it, and that its output comes back unchanged.
func TestSmoke(t *testing.T) {
	for _, k := range Kernels() {
		t.Run(k.Suite, func(t *testing.T) {
			t.Parallel()
			guest := smokeGuest(t, "probe")
			result := runGuest(t, k, guest)
			if result.ExitCode != smokeExit {
				t.Errorf("exit code %d, want %d", result.ExitCode, smokeExit)
			}
			if !strings.HasPrefix(result.Version, k.Want) {
				t.Errorf("kernel %q, want %s", result.Version, k.Want)
			}
			facts, ok := strings.CutPrefix(string(result.Output), smokeOutput)
			if !ok {
				t.Errorf("output %q, want it to start with %q", result.Output, smokeOutput)
			}
			t.Log(strings.TrimSpace(facts))
		})
	}
}

// TestSmokeTrouble shows that a run fails if the kernel logs a warning or panics, or if the
// guest takes too long.
func TestSmokeTrouble(t *testing.T) {
	k := Kernels()[1]
	machines <- struct{}{}
	defer func() { <-machines }()
	if _, err := k.Run(t.Context(), smokeGuest(t, "warn")); err == nil || !strings.Contains(err.Error(), "made/up.c") {
		t.Errorf("run with a kernel warning: %v", err)
	}
	result, err := k.Run(t.Context(), smokeGuest(t, "crash"))
	if err == nil || !strings.Contains(err.Error(), "stopped before") {
		t.Errorf("run with a panic: %v", err)
	}
	if !strings.Contains(string(result.Output), "Kernel panic") {
		t.Errorf("output of a panic: %q", result.Output)
	}
	guest := smokeGuest(t, "probe")
	guest.Timeout = time.Second
	if _, err := k.Run(t.Context(), guest); err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("run beyond the time limit: %v", err)
	}
}

func smokeGuest(t *testing.T, role string) Guest {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(data, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	programs := testprog.BuildText(t, map[string]string{"greet.cc": greet})
	return Guest{
		Files: map[string]string{
			"/bin/smoke": self, "/usr/share/smoke": filepath.Dir(data), "/testdata/bin": programs,
		},
		Command: []string{"/bin/smoke"},
		Env:     []string{roleVariable + "=" + role},
		Dir:     "/usr/share/smoke",
	}
}

// probeSelf puts a user probe on a function of this binary and counts its records in a ring
// buffer.
func probeSelf() error {
	dir, err := os.Getwd()
	if err != nil {
		return err
	}
	fmt.Println("working directory", dir)
	greeting, err := exec.Command("/testdata/bin/greet").CombinedOutput()
	if err != nil {
		return fmt.Errorf("run a program: %w: %s", err, greeting)
	}
	fmt.Print(string(greeting))
	if _, err := os.Stat("/sys/kernel/btf/vmlinux"); err != nil {
		return err
	}
	if err := rlimit.RemoveMemlock(); err != nil {
		return err
	}
	ring, err := ebpf.NewMap(&ebpf.MapSpec{Type: ebpf.RingBuf, MaxEntries: 1 << 16})
	if err != nil {
		return fmt.Errorf("create ring buffer: %w", err)
	}
	defer ring.Close()
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.Kprobe, License: "GPL",
		Instructions: asm.Instructions{
			asm.StoreImm(asm.RFP, -8, hits, asm.Word),
			asm.StoreImm(asm.RFP, -4, 0, asm.Word),
			asm.LoadMapPtr(asm.R1, ring.FD()),
			asm.Mov.Reg(asm.R2, asm.RFP),
			asm.Add.Imm(asm.R2, -8),
			asm.Mov.Imm(asm.R3, 8),
			asm.Mov.Imm(asm.R4, 0),
			asm.FnRingbufOutput.Call(),
			asm.Mov.Imm(asm.R0, 0),
			asm.Return(),
		},
	})
	if err != nil {
		return fmt.Errorf("load program: %w", err)
	}
	defer program.Close()
	offset, err := fileOffset("/proc/self/exe", reflect.ValueOf(probed).Pointer())
	if err != nil {
		return err
	}
	exe, err := link.OpenExecutable("/proc/self/exe")
	if err != nil {
		return err
	}
	probe, err := exe.Uprobe("probed", program, &link.UprobeOptions{Address: offset, PID: os.Getpid()})
	if err != nil {
		return fmt.Errorf("attach user probe: %w", err)
	}
	defer probe.Close()
	for range hits {
		probed()
	}
	reader, err := ringbuf.NewReader(ring)
	if err != nil {
		return err
	}
	defer reader.Close()
	reader.SetDeadline(time.Now().Add(time.Second))
	got := 0
	for {
		if _, err := reader.Read(); errors.Is(err, os.ErrDeadlineExceeded) {
			break
		} else if err != nil {
			return err
		}
		got++
	}
	if got != hits {
		return fmt.Errorf("%d records of %d hits", got, hits)
	}
	fmt.Printf("fentry: %s, multi-uprobe link: %s\n", works(fentry()), works(features.HaveBPFLinkUprobeMulti()))
	return nil
}

//go:noinline
func probed() {}

// fileOffset returns where in its file the code at an address is.
func fileOffset(name string, address uintptr) (uint64, error) {
	f, err := elf.Open(name)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_X != 0 && uint64(address)-p.Vaddr < p.Filesz {
			return uint64(address) - p.Vaddr + p.Off, nil
		}
	}
	return 0, fmt.Errorf("address %#x is not in the code of %s", address, name)
}

// fentry tries an entry program on a kernel function.
func fentry() error {
	program, err := ebpf.NewProgram(&ebpf.ProgramSpec{
		Type: ebpf.Tracing, AttachType: ebpf.AttachTraceFEntry, AttachTo: "do_exit", License: "GPL",
		Instructions: asm.Instructions{asm.Mov.Imm(asm.R0, 0), asm.Return()},
	})
	if err != nil {
		return err
	}
	defer program.Close()
	l, err := link.AttachTracing(link.TracingOptions{Program: program})
	if err != nil {
		return err
	}
	return l.Close()
}

func works(err error) string {
	if err != nil {
		return err.Error()
	}
	return "yes"
}
