/*
 * A program that starts others in many ways. Each site allocates a known number of blocks and
 * keeps some: "keep" of them, of site-specific sizes.
 *
 *   family leaf              10 allocations at site_leaf, of which 3 are kept
 *   family fork|vfork|exec|spawn|thread|nested|daemon|storm|static N
 */
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;
static char *self, *leaf;
static void *kept[1024];
static int nkept;

#define SITE(name)                                                             \
	__attribute__((noinline)) static void *site_##name(size_t size)        \
	{                                                                      \
		void *volatile p = malloc(size);                               \
		return p;                                                      \
	}
SITE(parent) SITE(child) SITE(leaf) SITE(vfork) SITE(grandchild) SITE(storm)

static void work(void *(*site)(size_t), int all, int keep, size_t size)
{
	for (int i = 0; i < all; i++) {
		void *p = site(size);
		if (i < keep)
			kept[nkept++] = p;
		else
			free(p);
	}
}

static void run_leaf(void) { execl(leaf, leaf, "leaf", NULL); _exit(1); }
static void *leaf_thread(void *arg) { run_leaf(); return arg; }

static void child(const char *how)
{
	if (!strcmp(how, "exec"))
		run_leaf();
	if (!strcmp(how, "thread")) {
		pthread_t t;
		pthread_create(&t, NULL, leaf_thread, NULL);
		pause();
	}
	free(kept[0]);
	work(site_child, 10, 3, 200);
	if (!strcmp(how, "nested")) {
		pid_t pid = fork();
		if (!pid) {
			free(kept[1]);
			work(site_grandchild, 6, 2, 300);
			_exit(0);
		}
		waitpid(pid, NULL, 0);
	}
	if (!strcmp(how, "daemon")) {
		if (fork())
			_exit(0);
		setsid();
		usleep(300000);
		work(site_grandchild, 6, 2, 300);
	}
	_exit(0);
}

static volatile int storming = 1;
static void *storm(void *arg)
{
	while (storming)
		free(site_storm(64));
	return arg;
}

int main(int argc, char **argv)
{
	self = argv[0];
	leaf = argc > 3 ? argv[3] : self;
	if (argc < 3) {
		work(site_leaf, 10, 3, 100);
		return 0;
	}
	const char *how = argv[1];
	int n = atoi(argv[2]);
	pthread_t storms[2];
	work(site_parent, 20, 7, 1000);
	if (!strcmp(how, "storm"))
		for (int i = 0; i < 2; i++)
			pthread_create(&storms[i], NULL, storm, NULL);
	for (int i = 0; i < n; i++) {
		pid_t pid;
		if (!strcmp(how, "spawn")) {
			char *args[] = {leaf, "leaf", NULL};
			if (posix_spawn(&pid, leaf, NULL, NULL, args, environ))
				return 1;
		} else if (!strcmp(how, "vfork")) {
			pid = vfork();
			if (!pid) {
				work(site_vfork, 4, 1, 400);
				execl(leaf, leaf, "leaf", NULL);
				_exit(1);
			}
		} else {
			pid = fork();
			if (!pid)
				child(how);
		}
		waitpid(pid, NULL, 0);
	}
	storming = 0;
	if (!strcmp(how, "storm"))
		for (int i = 0; i < 2; i++)
			pthread_join(storms[i], NULL);
	return 0;
}
