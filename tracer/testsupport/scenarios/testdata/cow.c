// build: gcc -O2 -g
// A file is mapped privately for each sandbox and written to. munmap is missing.
#include <sys/mman.h>
#include "truth.h"

enum { SIZE = 1 << 20, WRITTEN = 200 << 10 };

SITE void *map_image(const char *path) {
	int fd = open(path, O_RDONLY);
	void *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
	close(fd);
	return p;
}

SITE void run_sandbox(const char *path) {
	memset(map_image(path), 7, WRITTEN);
	truth_add(WRITTEN, WRITTEN);
}

int main(int argc, char **argv) {
	int fd = open(argv[argc - 1], O_RDWR | O_CREAT, 0600);
	if (fd < 0 || ftruncate(fd, SIZE))
		return 1;
	for (;;) {
		run_sandbox(argv[argc - 1]);
		usleep(100000);
	}
}
