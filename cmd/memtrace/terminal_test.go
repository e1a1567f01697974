package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"memtrace/tracer"
	"memtrace/tracer/book"
	"memtrace/tracer/book/live"
	"memtrace/tracer/testsupport/testprog"
)

// terminal is a pseudo-terminal.
type terminal struct {
	// device is for the program, what it writes comes to screen.
	device *os.File
	screen lockedBuffer
}

func openTerminal(t *testing.T, width int) *terminal {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		testprog.Missing(t, "there are no pseudo-terminals: "+err.Error())
	}
	// ioctl_tty(2): the device is locked at first.
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 25, Col: uint16(width)})
	}
	if err != nil {
		t.Fatal(err)
	}
	device, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	master, tty := os.NewFile(uintptr(fd), "/dev/ptmx"), &terminal{device: device}
	t.Cleanup(func() { _ = device.Close(); _ = master.Close() })
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := master.Read(buf)
			if err != nil {
				return
			}
			_, _ = tty.screen.Write(buf[:n])
		}
	}()
	return tty
}

// lines returns what stood in a line of the screen at any time.
func (tty *terminal) lines() []string {
	text := strings.ReplaceAll(tty.screen.String(), clearLine, "\n")
	return strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' })
}

// On a terminal a line tells how the trace is going: by events while every call is traced, by
// windows afterwards. Nothing is broken by the terminal's edge.
func TestProgress(t *testing.T) {
	testprog.NeedRoot(t)
	testprog.Long(t)
	for _, tc := range []struct {
		program string
		width   int
		want    []string
	}{
		{"busy", 100, []string{" events  outstanding ", " blocks  lost "}},
		{"churn", 100, []string{" windows  ", " survivors  resident +", "  lost "}},
		{"churn", 36, []string{" windows  "}},
	} {
		t.Run(fmt.Sprint(tc.program, tc.width), func(t *testing.T) {
			tty := openTerminal(t, tc.width)
			p := testprog.Start(t, tc.program)
			p.Say("go")
			args := []string{"-p", strconv.Itoa(p.PID()), "-o", filepath.Join(t.TempDir(), "report")}
			if tc.program == "busy" {
				args = append(args, "--exact")
			}
			m := exec.Command(testprog.Memtrace(t), args...)
			m.Stderr = tty.device
			if err := m.Start(); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = m.Process.Kill(); _ = m.Wait() }()
			shown := func() bool {
				for _, line := range tty.lines() {
					all := true
					for _, part := range tc.want {
						all = all && strings.Contains(line, part)
					}
					if all {
						return true
					}
				}
				return false
			}
			for deadline := time.Now().Add(time.Minute); !shown(); time.Sleep(10 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatalf("no line has %q: %q", tc.want, tty.screen.String())
				}
			}
			for _, line := range tty.lines() {
				if n := utf8.RuneCountInString(line); n > tc.width {
					t.Errorf("%d of %d columns: %q", n, tc.width, line)
				}
			}
		})
	}
}

// What does not fit is left out, the last parts first.
func TestProgressLine(t *testing.T) {
	exact := tracer.Status{Totals: book.Totals{Events: 12345, Lost: 1, Live: live.Sum{Bytes: 3 << 20, Blocks: 5538}}}
	windows := tracer.Status{Totals: book.Totals{Windowed: true, Windows: 14, Survivors: 1204}, Resident: -(3 << 20)}
	for _, tc := range []struct {
		status tracer.Status
		width  int
		want   string
	}{
		{exact, 0, "1m12s  12,345 events  outstanding 3.0 MiB in 5,538 blocks  lost 1"},
		{exact, 66, "1m12s  12,345 events  outstanding 3.0 MiB in 5,538 blocks  lost 1"},
		{exact, 65, "1m12s  12,345 events  outstanding 3.0 MiB in 5,538 blocks"},
		{exact, 22, "1m12s  12,345 events"},
		{exact, 6, "1m12s"},
		{exact, 5, ""},
		{windows, 0, "1m12s  14 windows  1,204 survivors  resident -3.0 MiB  lost 0"},
	} {
		if got := progressLine(72*time.Second, tc.status, tc.width); got != tc.want {
			t.Errorf("width %d: %q, want %q", tc.width, got, tc.want)
		}
	}
}
