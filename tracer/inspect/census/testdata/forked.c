// build: gcc -O1 -fno-builtin -Wl,-z,now
// Fills a heap and forks, so that parent and child share its pages. Prints "ready 1" and "child PID".
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>

enum { BLOCKS = 200000 };
static void *blocks[BLOCKS];

int main(void) {
	for (int i = 0; i < BLOCKS; i++)
		blocks[i] = memset(malloc(90), i, 90);
	if (fork() == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		usleep(1); // what is done from here on was done before
		char line[64];
		int n = sprintf(line, "ready 1\nchild %d\n", getpid());
		if (write(1, line, n) != n)
			return 1;
	}
	for (;;)
		usleep(1000000000);
}
