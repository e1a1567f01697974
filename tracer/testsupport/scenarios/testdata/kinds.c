// build: gcc -O2 -g
// A frame is mapped each time, filled in part and forgotten. The argument says of what kind the
// mapping is, the last one is a file that it may be of.
#define _GNU_SOURCE
#include <stdint.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include "truth.h"

enum { SIZE = 1 << 20, WRITTEN = 100 << 10, HUGE = 2 << 20, GROWN = 1 << 30 };

static int of_size(int fd, long long size) {
	if (fd < 0 || ftruncate(fd, size))
		abort();
	return fd;
}

static char *map_file(const char *path, int prot, int flags) {
	int fd = of_size(open(path, O_RDWR | O_CREAT, 0600), SIZE);
	char *p = mmap(0, SIZE, prot, flags, fd, 0);
	close(fd);
	return p;
}

static char *map_memfd(int flags) {
	int fd = of_size(memfd_create("frames", 0), SIZE);
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, flags, fd, 0);
	close(fd);
	return p;
}

// A file on tmpfs that has no name any more.
static char *map_tmpfs(void) {
	int fd = of_size(open("/dev/shm", O_TMPFILE | O_RDWR, 0600), SIZE);
	char *p = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	return p;
}

static char *attach_segment(void) {
	int id = shmget(IPC_PRIVATE, SIZE, IPC_CREAT | 0600);
	char *p = shmat(id, 0, 0);
	shmctl(id, IPC_RMID, 0);
	return p;
}

SITE char *map_frame(const char *kind, const char *path) {
	static char *arena;
	static int used;
	char *p;
	if (!strcmp(kind, "memfd"))
		return map_memfd(MAP_SHARED);
	if (!strcmp(kind, "private-memfd"))
		return map_memfd(MAP_PRIVATE);
	if (!strcmp(kind, "tmpfs"))
		return map_tmpfs();
	if (!strcmp(kind, "sysv"))
		return attach_segment();
	if (!strcmp(kind, "huge"))
		return mmap(0, HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0);
	if (!strcmp(kind, "huge-memfd")) {
		int fd = of_size(memfd_create("frames", MFD_HUGETLB), HUGE);
		return mmap(0, HUGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	}
	if (!strcmp(kind, "read-first")) {
		p = map_file(path, PROT_READ, MAP_PRIVATE);
		for (int i = 0; i < SIZE; i += 4096)
			sink = (void *)(intptr_t)((volatile char *)p)[i];
		mprotect(p, SIZE, PROT_READ | PROT_WRITE);
		return p;
	}
	if (!strcmp(kind, "arena")) { // mapped at once and filled slowly
		if (!arena)
			arena = mmap(0, GROWN, PROT_READ | PROT_WRITE, MAP_SHARED, of_size(memfd_create("arena", 0), GROWN), 0);
		return arena + (long long)WRITTEN * used++;
	}
	return map_file(path, PROT_READ | PROT_WRITE, MAP_PRIVATE);
}

SITE void decode_frame(const char *kind, const char *path) {
	char *p = map_frame(kind, path);
	if (p == MAP_FAILED || !p)
		abort();
	memset(p, 7, WRITTEN);
	truth_add(WRITTEN, strncmp(kind, "huge", 4) ? WRITTEN : HUGE);
}

int main(int argc, char **argv) {
	int huge = argc > 1 && !strncmp(argv[1], "huge", 4);
	truth_await_trace();
	for (;;) {
		decode_frame(argv[1], argv[argc - 1]);
		usleep(huge ? 200000 : 50000);
	}
}
