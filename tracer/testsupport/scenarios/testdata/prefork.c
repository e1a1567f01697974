// build: gcc -O2 -g
// Three children do the work, and each leaks. With a number given, each lives for as many
// seconds, and another takes its place.
#include <sys/wait.h>
#include "truth.h"

SITE void run_task(void) {
	truth_block(memset(malloc(5000), 1, 5000), 5000);
}

static void start_worker(int seconds) {
	if (fork())
		return;
	truth_child();
	for (int i = 0; !seconds || i < seconds * 50; i++) {
		run_task();
		usleep(20000);
	}
	_exit(0);
}

int main(int argc, char **argv) {
	int seconds = argc > 1 ? atoi(argv[1]) : 0;
	truth_write();
	for (int i = 0; i < 3; i++)
		start_worker(seconds);
	for (;;) {
		wait(0);
		start_worker(seconds);
	}
}
