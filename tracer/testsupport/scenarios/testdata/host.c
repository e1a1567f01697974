// build: gcc -O2 -g -ldl
// Calls a library, which is beside the program, that leaks.
#include <dlfcn.h>
#include "truth.h"

int main(int argc, char **argv) {
	void *library = dlopen(argv[argc - 1], RTLD_NOW);
	void *(*read_archive)(size_t) = dlsym(library, "read_archive");
	for (;;) {
		truth_block(read_archive(4000), 4000);
		usleep(5000);
	}
}
