// build: gcc -O2 -g
// Ranges are mapped and never touched, so they take no memory.
#include <sys/mman.h>
#include "truth.h"

SITE void reserve_shard(void) {
	sink = mmap(0, 64 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

int main(void) {
	for (;;) {
		reserve_shard();
		truth_add(0, 0);
		usleep(200000);
	}
}
