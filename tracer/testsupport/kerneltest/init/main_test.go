//go:build linux

package main

import (
	"slices"
	"strings"
	"testing"
)

func TestFindTrouble(t *testing.T) {
	for _, line := range []string{
		"[    0.1] Spectre V2 : WARNING: Unprivileged eBPF is enabled with eIBRS on, data leaks possible",
		"[    0.2] DEBUG: trace",
		"[    0.3] uprobe: attached",
	} {
		if found := findTrouble([]byte(line + "\n")); found != nil {
			t.Errorf("took for a fault: %s", line)
		}
	}
	for _, line := range []string{
		"[    1.0] ------------[ cut here ]------------",
		"[    1.1] WARNING: CPU: 1 PID: 77 at kernel/events/uprobes.c:1193 uprobe_unregister+0x1/0x2",
		"[    1.2] WARNING: kernel/events/uprobes.c:1193 at uprobe_unregister+0x1/0x2, CPU#1: core.test/77",
		"[    1.3] BUG: kernel NULL pointer dereference, address: 0000000000000000",
		"[    1.4] BUG: sleeping function called from invalid context at mm/memory.c:1",
		"[    1.5] Oops: general protection fault, probably for non-canonical address 0x1: 0000 [#1] SMP",
		"[    1.6] core.test invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0",
	} {
		log := "[    0.0] before\n" + line + "\n" + strings.Repeat("after\n", 97)
		found := findTrouble([]byte(log))
		if len(found) != 40 || found[0] != line || !slices.Contains(found, "after") {
			t.Errorf("got %d lines, first %q, of: %s", len(found), found[:min(1, len(found))], line)
		}
	}
}
