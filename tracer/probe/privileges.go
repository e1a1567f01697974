package probe

import (
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"memtrace/tracer/process/refusal"
)

// capability is a Linux capability that memtrace uses.
type capability struct {
	bit  uint // its number in include/uapi/linux/capability.h
	name string
	// inAdmin: CAP_SYS_ADMIN includes it, as it did before it was a capability of its own.
	inAdmin bool
	// what says what it is for, or what is missing without it.
	what string
}

const (
	sysAdmin = 21 // CAP_SYS_ADMIN
	// inGrowth is how many of usefulCapabilities, from the first, matter only to a trace of
	// growth alone.
	inGrowth = 1
)

// neededCapabilities are required for any trace.
var neededCapabilities = []capability{
	{39, "CAP_BPF", true, "to load BPF programs"},
	{38, "CAP_PERFMON", true, "to attach them"},
	{19, "CAP_SYS_PTRACE", false, "to read what processes map and hold"},
}

// usefulCapabilities are those without which a trace shows less.
var usefulCapabilities = []capability{
	{sysAdmin, "CAP_SYS_ADMIN", false, "huge pages count as small ones where it is said what is in memory"},
	{40, "CAP_CHECKPOINT_RESTORE", true, "files that were replaced since a process mapped them cannot be read"},
	{2, "CAP_DAC_READ_SEARCH", false, "files of others that are not for everyone cannot be read"},
}

// privileges are the capabilities in force.
type privileges uint64

// ownPrivileges returns memtrace's own.
func ownPrivileges() (privileges, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&header, &data[0]); err != nil {
		return 0, fmt.Errorf("read own capabilities: %w", err)
	}
	return privileges(data[1].Effective)<<32 | privileges(data[0].Effective), nil
}

func (p privileges) has(c capability) bool {
	return p&(1<<c.bit) != 0 || c.inAdmin && p&(1<<sysAdmin) != 0
}

// check returns a *RequirementError that names the needed capabilities that are missing.
func (p privileges) check() error {
	var missing []string
	for _, c := range neededCapabilities {
		if !p.has(c) {
			missing = append(missing, fmt.Sprintf("%s (%s)", c.name, c.what))
		}
	}
	if len(missing) == 0 {
		return nil
	}
	e := &RequirementError{
		Needs:  strings.Join(missing, " and "),
		Remedy: "run memtrace as root (sudo memtrace …), or with these capabilities",
	}
	if os.Geteuid() == 0 {
		e.Remedy = "root lacks that here, as in most containers: add it (docker run --privileged, or --cap-add)"
	}
	return e
}

// checkUserNamespace returns a *RequirementError in a user namespace, where capabilities do not
// allow what a trace takes.
func checkUserNamespace() error {
	if !refusal.InUserNamespace() {
		return nil
	}
	return &RequirementError{
		Needs:  "the host's user namespace, since root of another one may not load BPF programs",
		Remedy: "run it on the host as root, or the container without user namespaces (docker run --userns=host)",
	}
}

// remarks logs what a trace, of growth alone or not, has to do without.
func (p privileges) remarks(growth bool, logf func(format string, args ...any)) {
	list := usefulCapabilities
	if !growth {
		list = list[inGrowth:]
	}
	for _, c := range list {
		if !p.has(c) {
			logf("without %s %s", c.name, c.what)
		}
	}
}

// allowLockedMemory raises the limit that BPF maps count against before Linux 5.11.
func (k Features) allowLockedMemory() error {
	if k.atLeast(5, 11) {
		return nil
	}
	unlimited := unix.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unlimited); err != nil {
		return &RequirementError{
			Needs:  "CAP_SYS_RESOURCE before Linux 5.11 (to lock memory for BPF maps)",
			Remedy: "run memtrace as root (sudo memtrace …), or raise the limit (ulimit -l unlimited)",
			err:    err,
		}
	}
	return nil
}
