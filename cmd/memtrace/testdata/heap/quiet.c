// quiet PERIOD: every PERIOD milliseconds a session that is listed in a global and a block that nobody
// points at are allocated, beside a full cache of entries as large as a session, of which one is
// replaced each time. That is few enough calls to trace each.
// gcc -O1 -g
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { entries = 500 };

struct session {
	struct session *next;
	long id;
	char name[120];
};

struct session *volatile sessions;
void *volatile cache[entries];

__attribute__((noinline)) void open_session(long id)
{
	struct session *x = calloc(1, sizeof *x);
	x->id = id;
	x->next = sessions;
	sessions = x;
}

__attribute__((noinline)) void lose_block(void)
{
	void *volatile p = malloc(88);
	memset(p, 7, 88);
	p = NULL;
}

__attribute__((noinline)) void fill_cache(long i)
{
	free(cache[i % entries]);
	long *p = calloc(1, sizeof(struct session));
	*p = i;
	cache[i % entries] = p;
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	for (long i = 0; i < entries; i++)
		fill_cache(i);
	puts("ready quiet");
	fflush(stdout);
	for (long k = 0;; k++) {
		usleep(1000 * atol(argv[1]));
		open_session(k);
		lose_block();
		fill_cache(7 * k);
	}
}
