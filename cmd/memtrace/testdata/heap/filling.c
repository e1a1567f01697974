// filling: what fills, and what leaks beside it, each with a block of its own size every millisecond
// or so: two caches with room for 100,000, one in an array of the heap and one in a variable, of which
// any entry is replaced; an array that is replaced by a larger one whenever it is full; a hash table
// with chains.
// gcc -O1 -g
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { slots = 100000, buckets = 1000 };

struct entry {
	struct entry *next;
	long id;
};

void **cache, *table[slots];
void **grown;
struct entry **chains;
static size_t used, room = 8;

static void *block(size_t size, long id)
{
	struct entry *e = calloc(1, size);
	e->id = id;
	return e;
}

static void replace(void **slot, size_t size, long id)
{
	free(*slot);
	*slot = block(size, id);
}

static void push(long id)
{
	if (used == room) {
		room += 64;
		grown = realloc(grown, room * sizeof *grown);
		memset(grown + used, 0, (room - used) * sizeof *grown);
	}
	grown[used++] = block(216, id);
}

static void chain(long id)
{
	struct entry *e = block(248, id);
	e->next = chains[id % buckets];
	chains[id % buckets] = e;
}

int main(void)
{
	uint64_t s = 88172645463325252ull;
	cache = calloc(slots, sizeof *cache);
	grown = calloc(room, sizeof *grown);
	chains = calloc(buckets, sizeof *chains);
	for (long id = 1;; id++) {
		if (id == 3 * buckets) {
			puts("ready filling");
			fflush(stdout);
		}
		if (id > 3 * buckets)
			usleep(1000);
		s ^= s << 13, s ^= s >> 7, s ^= s << 17;
		replace(&cache[s % slots], 152, id);
		replace(&table[(s >> 20) % slots], 184, id);
		if (id % 4 == 0)
			push(id);
		chain(id);
	}
}
