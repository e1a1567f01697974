// build: gcc -O2 -g
// A child is forked now and then, and leaks for as long as it lives.
#include <sys/wait.h>
#include "truth.h"

SITE void import_row(void) {
	truth_block(memset(malloc(2000), 1, 2000), 2000);
}

int main(void) {
	truth_write();
	for (;;) {
		sleep(1);
		if (!fork()) {
			truth_child();
			for (int i = 0; i < 4000; i++) {
				import_row();
				usleep(2000);
			}
			_exit(0);
		}
		while (waitpid(-1, 0, WNOHANG) > 0)
			;
	}
}
