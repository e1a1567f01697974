// build: g++ -O1 -g -fno-builtin
/*
 * Calls of operator new that throw, again and again, beside calls that do not. Each of
 * site_plain, site_array and site_aligned keeps every seventh of its blocks. Run it with a
 * preloaded allocator that has operators of its own.
 */
#include <cstdio>
#include <cstdlib>
#include <new>
#include <unistd.h>

struct alignas(64) line {
	char bytes[192];
};

static long caught;
static void *volatile kept;

__attribute__((noinline)) static void *site_plain(void)
{
	return operator new(77);
}

__attribute__((noinline)) static char *site_array(void)
{
	return new char[131];
}

__attribute__((noinline)) static line *site_aligned(void)
{
	return new line;
}

/* Asks each form of operator new for more memory than there is. */
__attribute__((noinline)) static void throw_one(int way)
{
	volatile size_t huge = 1ULL << 60;

	try {
		switch (way) {
		case 0:
			kept = operator new(huge);
			break;
		case 1:
			kept = new char[huge];
			break;
		default:
			kept = operator new(huge, std::align_val_t(64));
		}
	} catch (const std::bad_alloc &) {
		caught++;
	}
}

/* An exception that leaves several frames at once. */
__attribute__((noinline)) static void throw_deep(int depth)
{
	volatile char frame[200];

	frame[0] = depth;
	if (depth > 0)
		throw_deep(depth - 1);
	else
		kept = operator new((size_t)1 << 60);
	frame[1] = depth;
}

int main()
{
	char line_in[64];
	long counts[3] = {};

	printf("ready %d\n", getpid());
	fflush(stdout);
	if (!fgets(line_in, sizeof(line_in), stdin))
		return 1;
	for (int i = 0; i < 2100; i++) {
		throw_one(i % 3);
		try {
			throw_deep(i % 10);
		} catch (const std::bad_alloc &) {
			caught++;
		}
		void *plain = site_plain();
		char *array = site_array();
		line *aligned = site_aligned();
		if (i % 7) {
			operator delete(plain);
			delete[] array;
			delete aligned;
		} else {
			counts[0]++, counts[1]++, counts[2]++;
		}
	}
	printf("site site_plain %ld %ld\nsite site_array %ld %ld\nsite site_aligned %ld %ld\n",
	       77 * counts[0], counts[0], 131 * counts[1], counts[1], 192 * counts[2], counts[2]);
	printf("calls %ld\ndone\n", caught);
	fflush(stdout);
	while (fgets(line_in, sizeof(line_in), stdin))
		;
	return 0;
}
