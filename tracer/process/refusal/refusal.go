// Package refusal says why a process cannot be looked at: which privilege is missing in its
// case, that /proc hides it, or that it has ended already.
package refusal

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"memtrace/tracer/process/procstatus"
)

// InUserNamespace reports whether memtrace is in a user namespace of its own. Its capabilities
// do not reach out of that.
func InUserNamespace() bool {
	const initial = "user:[4026531837]" // PROC_USER_INIT_INO, include/linux/proc_ns.h
	ns, err := os.Readlink("/proc/self/ns/user")
	return err == nil && ns != initial
}

// Remedy says what to do if the kernel does not permit looking at a process.
func Remedy(pid int) string {
	switch may, err := hasPtrace(); {
	case err != nil:
		return "run memtrace as root"
	case may && InUserNamespace():
		return "memtrace is in a user namespace, and the process is not: its CAP_SYS_PTRACE does not reach there, run it outside"
	case may:
		return "memtrace has CAP_SYS_PTRACE, so it is a security module of the kernel that forbids it" + modules() + ": see the kernel's log"
	case os.Geteuid() == 0:
		return "root lacks CAP_SYS_PTRACE here, as in most containers: add it (docker run --cap-add SYS_PTRACE)"
	case ownerOf(pid) == os.Geteuid():
		return "the process has more privileges than its user, or hides its memory (prctl PR_SET_DUMPABLE): run memtrace as root, or with CAP_SYS_PTRACE"
	}
	return "it is another user's process: run memtrace as root, or with CAP_SYS_PTRACE"
}

// OfMemory says what to do if the kernel does not permit reading the memory of a process of which it
// tells the mappings: Yama may forbid that even to the process's own user.
func OfMemory(pid int) string {
	text, err := os.ReadFile("/proc/sys/kernel/yama/ptrace_scope")
	may, capErr := hasPtrace()
	if err == nil && capErr == nil {
		if why := ofYama(strings.TrimSpace(string(text)), may); why != "" {
			return why
		}
	}
	return Remedy(pid)
}

// ofYama is the remedy where kernel.yama.ptrace_scope forbids it, "" where it does not.
func ofYama(scope string, may bool) string {
	switch {
	case scope == "3":
		return "kernel.yama.ptrace_scope is 3, which forbids it to all until the next boot"
	case !may && (scope == "1" || scope == "2"):
		return "kernel.yama.ptrace_scope is " + scope + ", which permits it only with CAP_SYS_PTRACE: run memtrace as root"
	}
	return ""
}

// hasPtrace reports whether memtrace has CAP_SYS_PTRACE, in whatever user namespace.
func hasPtrace() (bool, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return false, fmt.Errorf("read own capabilities: %w", err)
	}
	return data[0].Effective&(1<<unix.CAP_SYS_PTRACE) != 0, nil
}

// modules names the security modules at work, "" if the kernel does not tell.
func modules() string {
	text, err := os.ReadFile("/sys/kernel/security/lsm")
	if err != nil {
		return ""
	}
	return " (" + strings.TrimSpace(string(text)) + ")"
}

// ownerOf returns the effective user of a process, -1 if that is not known.
func ownerOf(pid int) int {
	if fields := status(pid).Words("Uid"); len(fields) > 1 {
		if uid, err := strconv.Atoi(fields[1]); err == nil {
			return uid
		}
	}
	return -1
}

// Hidden reports whether there is a process of which /proc shows nothing: file systems mounted
// with hidepid do that.
func Hidden(pid int) bool {
	if pid <= 0 || status(pid).Word("Tgid") != "" {
		return false
	}
	err := unix.Kill(pid, 0)
	return err == nil || errors.Is(err, unix.EPERM)
}

// HiddenRemedy says what to do about a process that Hidden reports.
const HiddenRemedy = "/proc hides it (hidepid): run memtrace as root with CAP_SYS_PTRACE, or as a member of the group that /proc is mounted for (gid)"

// Ended says of a process whose first thread is a zombie what became of it: it is one, or only
// that thread has ended.
func Ended(pid int) string {
	if threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid)); err == nil && len(threads) > 1 {
		return "runs on in other threads, but its first thread has ended, and /proc shows its memory no more"
	}
	parent := status(pid).Word("PPid")
	switch parent {
	case "", "0":
		return "is a zombie: it has ended, and its parent has not collected it"
	case strconv.Itoa(os.Getpid()):
		return "has ended" // a command of memtrace's own, which collects it at last
	}
	return fmt.Sprintf("is a zombie: it has ended, and its parent (pid %s) has not collected it", parent)
}

// status returns the status of a process, which has no fields if it cannot be read.
func status(pid int) procstatus.Status {
	s, _ := procstatus.Of(pid)
	return s
}

// described is an error that is told in other words than those of the one that it wraps.
type described struct {
	text string
	err  error
}

// Described returns an error with this text that wraps err.
func Described(text string, err error) error { return &described{text, err} }

func (d *described) Error() string { return d.text }
func (d *described) Unwrap() error { return d.err }
