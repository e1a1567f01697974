package launch

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// libraryReady reports whether the system call that pid is stopped at the exit
// of is set_tid_address. The thread pointer is set without a system call here;
// glibc from 2.34 on makes this one right after it, in __tls_init_tp.
func libraryReady(pid int) (bool, error) {
	var regs unix.PtraceRegsArm64
	if err := unix.PtraceGetRegsArm64(pid, &regs); err != nil {
		return false, fmt.Errorf("read registers: %w", err)
	}
	return regs.Regs[8] == unix.SYS_SET_TID_ADDRESS, nil
}
