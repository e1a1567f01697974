package launch

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// libraryReady reports whether pid is stopped at the exit of set_tid_address. On arm64 the
// thread pointer is set without a system call; glibc from 2.34 on makes this call right after
// that, in __tls_init_tp.
func libraryReady(pid int) (bool, error) {
	var regs unix.PtraceRegsArm64
	if err := unix.PtraceGetRegsArm64(pid, &regs); err != nil {
		return false, fmt.Errorf("read registers: %w", err)
	}
	return regs.Regs[8] == unix.SYS_SET_TID_ADDRESS, nil
}
