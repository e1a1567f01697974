package launch

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// libraryReady reports whether pid is stopped at the exit of arch_prctl(ARCH_SET_FS). glibc's
// loader makes that call in init_tls, after it has mapped all libraries and before it
// relocates them. musl's loader, which is the library itself, makes it at its start.
func libraryReady(pid int) (bool, error) {
	const archSetFS = 0x1002
	var regs unix.PtraceRegsAmd64
	if err := unix.PtraceGetRegsAmd64(pid, &regs); err != nil {
		return false, fmt.Errorf("read registers: %w", err)
	}
	return regs.Orig_rax == unix.SYS_ARCH_PRCTL && regs.Rdi == archSetFS, nil
}
