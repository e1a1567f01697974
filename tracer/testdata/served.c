// build: gcc -O2 -g -fno-builtin -pthread
/* Sites that allocate, free and resize, through whatever serves malloc. */
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#define FN __attribute__((noipa))
static void *volatile kept;

FN void site_keep(void)
{
	for (int i = 0; i < 10; i++)
		kept = malloc(100 + i);
}

FN void site_zeroed(void)
{
	for (int i = 0; i < 5; i++)
		kept = calloc(3, 40);
}

FN void site_large(void)
{
	kept = memset(malloc(300000), 1, 300000);
}

FN void site_free(void)
{
	for (int i = 0; i < 50; i++) {
		kept = malloc(1000);
		free(kept);
	}
}

FN void site_grow(void)
{
	char *p = NULL;

	for (int i = 1; i <= 8; i++)
		p = realloc(p, i * 500);
	kept = p;
}

FN void *site_thread(void *arg)
{
	for (int i = 0; i < 20; i++)
		kept = malloc(200);
	for (int i = 0; i < 20; i++)
		free(malloc(300));
	return arg;
}

int main(void)
{
	pthread_t thread;

	site_keep();
	site_zeroed();
	site_large();
	site_free();
	site_grow();
	pthread_create(&thread, NULL, site_thread, NULL);
	pthread_join(thread, NULL);
	return 0;
}
