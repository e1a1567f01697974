package process

import (
	"errors"
	"os/exec"
	"testing"

	"memtrace/tracer/probe"
	"memtrace/tracer/testsupport/testprog"
)

// A process under a seccomp filter is not touched where a return probe would make the kernel
// kill it.
func TestReturnProbesThatKillAreRefused(t *testing.T) {
	testprog.NeedRoot(t)
	dir := testprog.BuildText(t, map[string]string{"filtered.c": `// build: gcc
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <unistd.h>
int main(void) {
	struct sock_filter allow[] = {BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)};
	struct sock_fprog program = {1, allow};
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program))
		return 1;
	printf("ready %d\n", getpid());
	fflush(stdout);
	for (;;)
		pause();
}
`})
	pid := testprog.Command(t, exec.Command(dir+"/filtered")).PID()
	for _, refused := range []bool{true, false} {
		p, err := open(pid, &Config{ReturnProbesKill: refused, Logf: t.Logf}, false)
		if err == nil {
			err = p.close()
		}
		var missing *probe.RequirementError
		if errors.As(err, &missing) != refused || !refused && err != nil {
			t.Errorf("%v, refused should be %v", err, refused)
		}
	}
}
