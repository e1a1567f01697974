// build: gcc -g -O2 -Wall
// holder FILE...: maps the start of every FILE as code, and leaks a little.
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		int file = open(argv[i], O_RDONLY);

		if (file < 0 || mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, file, 0) == MAP_FAILED) {
			perror(argv[i]);
			return 1;
		}
	}
	puts("ready 0");
	fflush(stdout);
	for (;;) {
		if (!malloc(1000))
			return 1;
		usleep(20000);
	}
}
