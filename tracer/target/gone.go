package target

import (
	"fmt"
	"os"
)

// Gone reports whether a process has ended: a zombie has, too.
func Gone(pid int) bool {
	// The file behind the link is left alone: its server may not answer.
	_, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	return err != nil
}
