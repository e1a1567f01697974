// build: gcc -g -O2
// A child shares its heap, copy on write, with the parent that forked it. The child
// allocates and frees other blocks, and leaks a little. Both stay until standard input ends.
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

enum { BLOCKS = 400009, BYTES = 90, SLOTS = 1009 };

static void *volatile blocks[BLOCKS];

static void work(void)
{
	static void *slots[SLOTS];
	uint64_t seed = 88172645463325252ull;

	for (long n = 1;; n++) {
		seed ^= seed << 13;
		seed ^= seed >> 7;
		seed ^= seed << 17;
		void **slot = &slots[seed % SLOTS];
		if (*slot) {
			free(*slot);
			*slot = NULL;
		} else {
			*slot = malloc(16 + seed % 307);
		}
		if (n % 5003 == 0)
			usleep(2000);
		if (n % 2003 == 0)
			*(volatile char *)malloc(24) = 1;
	}
}

int main(void)
{
	char end;

	for (long i = 0; i < BLOCKS; i++)
		blocks[i] = memset(malloc(BYTES), 1, BYTES);
	pid_t child = fork();
	if (child == 0) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		work();
	}
	printf("ready %d\n", child);
	fflush(stdout);
	while (read(0, &end, 1) > 0)
		;
	kill(child, SIGKILL);
	return 0;
}
