// build: g++ -O1 -g -std=c++17 -pthread -ldl -lrt
// planted: holds blocks by many kinds of reference, loses as many that were held alike, and says
// which are which. The list of them is kept inverted, so that it does not hold them itself.
#include <dlfcn.h>
#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <unordered_map>
#include <vector>

struct entry {
	uintptr_t inverted;
	const char *kind;
	bool lost;
};
static entry *ledger;
static int entries;
static const int most_entries = 1 << 17;
static const char *kind;
static bool lost;

static void *note(void *p) {
	if (kind && entries < most_entries) ledger[entries++] = {~(uintptr_t)p, kind, lost};
	return p;
}
__attribute__((noinline)) static void *get(size_t n) {
	void *p = note(malloc(n));
	memset(p, 0, n);
	return p;
}
void *operator new(size_t n) { return note(malloc(n)); }
void operator delete(void *p) noexcept { free(p); }
void operator delete(void *p, size_t) noexcept { free(p); }

// scrub overwrites what calls have left on the stack.
__attribute__((noinline)) static void scrub() {
	volatile char dead[48 << 10];
	for (size_t i = 0; i < sizeof dead; i++) dead[i] = 0;
}

static const int each = 20;
static const size_t sizes[] = {24, 40, 100, 200, 1000, 3000};
static size_t size_of(int i) { return sizes[i % 6]; }

void *global_pointer[each];
void *one_global;  // a static one that is never read would be left out
static void *interior[each], *past_the_end[each], *tagged[each];
static __thread void *thread_local_pointer[each];
static void **mapped, **readonly_page, **big_block, **below_stack;
static unsigned char *code;
static pthread_key_t key;
static int epoll_fd;
static timer_t timer;
static void **library_data, **library_hidden;
static void **(*library_thread)();

struct node {
	node *next, *previous;
	void *payload;
};
node *list_head[2], *ring_head;
struct shape {
	virtual ~shape() {}
	int id = 7;
	std::string name = "a name that is too long for the object itself";
};
struct square : shape {
	std::shared_ptr<shape> other;
};
struct holder {
	std::vector<void *> vector;
	std::map<int, std::string> map;
	std::unordered_map<int, std::string> unordered;
	std::deque<void *> deque;
	std::list<std::string> list;
	std::shared_ptr<square> shared;
	std::unique_ptr<square> unique;
	std::function<void()> function;
	std::string text;
};
holder *containers;

static void **static_local() {
	static void *slots[each];
	return slots;
}

__attribute__((noinline)) static node *chain(int n, bool ring) {
	node *first = nullptr, *last = nullptr;
	for (int i = 0; i < n; i++) {
		node *x = (node *)get(sizeof *x);
		x->payload = get(size_of(i));
		x->previous = last;
		if (last) last->next = x;
		else first = x;
		last = x;
	}
	if (ring) {
		last->next = first;
		first->previous = last;
	}
	return first;
}

__attribute__((noinline)) static void slots(const char *what, void **where, long offset, bool end) {
	kind = what;
	for (int i = 0; i < each; i++) {
		char *p = (char *)get(size_of(i));
		where[i] = end ? p + malloc_usable_size(p) : p + offset;
	}
	kind = nullptr;
}

// fill makes blocks of every kind, and their holders hold them.
__attribute__((noinline)) static void fill() {
	slots("array of pointers", global_pointer, 0, false);
	slots("static local", static_local(), 0, false);
	slots("interior pointer", interior, 9, false);
	slots("one past the end", past_the_end, 0, true);
	slots("tagged in low bits", tagged, 3, false);
	slots("TLS", thread_local_pointer, 0, false);
	slots("mapped memory", mapped, 0, false);
	slots("below a stack", below_stack, 0, false);
	slots("library's data", library_data, 0, false);
	slots("library's static data", library_hidden, 0, false);
	slots("library's TLS", library_thread(), 0, false);
	slots("large block", big_block, 0, false);
	mprotect(readonly_page, 4096, PROT_READ | PROT_WRITE);
	slots("read-only page", readonly_page, 0, false);
	mprotect(readonly_page, 4096, PROT_READ);
	kind = "global pointer";
	one_global = get(64);
	kind = "generated code";
	for (int i = 0; i < each; i++) {
		void *p = get(size_of(i));
		memcpy(code + 10 * i + 2, &p, sizeof p);  // movabs $p, %rax
	}
	kind = "thread-specific data";
	pthread_setspecific(key, get(64));
	kind = "list";
	list_head[0] = chain(200, false);
	kind = "ring";
	ring_head = chain(200, true);
	kind = "block in a block";
	void **p = (void **)get(24);
	list_head[1] = (node *)p;
	for (int i = 0; i < 50; i++) {
		p[1] = get(40);
		p = (void **)p[1];
	}
	kind = "container";
	containers = new holder;
	kind = "vector";
	for (int i = 0; i < 100; i++) containers->vector.push_back(get(48));
	containers->vector.shrink_to_fit();
	kind = "map";
	for (int i = 0; i < 100; i++) containers->map[i] = std::string(60 + i, 'm');
	kind = "unordered_map";
	containers->unordered.reserve(200);
	for (int i = 0; i < 100; i++) containers->unordered[i] = std::string(60 + i, 'u');
	kind = "deque";
	for (int i = 0; i < 300; i++) containers->deque.push_back(get(32));
	kind = "std::list";
	for (int i = 0; i < 100; i++) containers->list.push_back(std::string(40 + i, 'l'));
	kind = "unique_ptr";
	containers->unique = std::make_unique<square>();
	kind = "shared_ptr";
	containers->shared = std::make_shared<square>();
	kind = "std::function";
	auto big = std::make_shared<square>();
	long a = 1, b = 2;
	containers->function = [big, a, b] { printf("%ld", a + b + big->id); };
	kind = "string";
	containers->text = std::string(500, 's');
	kind = nullptr;
}

// cycles makes objects that hold each other, and lets go of them.
__attribute__((noinline)) static void cycles() {
	kind = "shared_ptr cycle";
	for (int i = 0; i < each; i++) {
		auto a = std::make_shared<square>(), b = std::make_shared<square>();
		a->other = b;
		b->other = a;
	}
	kind = nullptr;
}

// forget makes all holders hold nothing.
__attribute__((noinline)) static void forget() {
	void **arrays[] = {global_pointer, static_local(), interior, past_the_end, tagged, thread_local_pointer, mapped, below_stack, library_data, library_hidden, library_thread(), big_block};
	for (void **a : arrays) memset(a, 0, each * sizeof *a);
	mprotect(readonly_page, 4096, PROT_READ | PROT_WRITE);
	memset(readonly_page, 0, 4096);
	memset(code, 0, 4096);
	pthread_setspecific(key, nullptr);
	one_global = list_head[0] = list_head[1] = ring_head = nullptr;
	containers = nullptr;
}

static void *sleeper(void *name) {
	pthread_setname_np(pthread_self(), "sleeper");
	kind = "stack";
	void *volatile local[each];
	for (int i = 0; i < each; i++) local[i] = get(size_of(i));
	kind = "TLS of a thread";
	thread_local_pointer[0] = get(77);
	kind = "library's TLS of a thread";
	((void **(*)())name)()[1] = get(88);
	kind = nullptr;
	*(volatile bool *)&lost = true;  // tells that it is ready
	for (;;) pause();
	return local[0];
}

static void *idle(void *) {
	for (;;) pause();
}

// half_stack starts a thread on the upper half of memory that begins behind a guard, and returns the lower one.
static void **half_stack() {
	const size_t guard = 4096, half = 256 << 10;
	char *p = (char *)mmap(nullptr, guard + 2 * half, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) + guard;
	mprotect(p, 2 * half, PROT_READ | PROT_WRITE);
	pthread_attr_t attr;
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, p + half, half);
	pthread_t thread;
	pthread_create(&thread, &attr, idle, nullptr);
	return (void **)p;
}

// kernel has blocks held by what the kernel knows.
__attribute__((noinline)) static void kernel() {
	kind = "epoll";
	for (int i = 0; i < each; i++) {
		epoll_event e = {};
		e.data.ptr = get(size_of(i));
		epoll_ctl(epoll_fd, EPOLL_CTL_ADD, eventfd(0, 0), &e);
	}
	kind = "timer";
	sigevent e = {};
	e.sigev_notify = SIGEV_SIGNAL;
	e.sigev_signo = SIGUSR1;
	e.sigev_value.sival_ptr = get(64);
	timer_create(CLOCK_MONOTONIC, &e, &timer);
	kind = nullptr;
}

int main(int, char **argv) {
	auto map = [](size_t n, int prot) { return mmap(nullptr, n, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0); };
	ledger = (entry *)map(most_entries * sizeof *ledger, PROT_READ | PROT_WRITE);
	mapped = (void **)map(4096, PROT_READ | PROT_WRITE);
	readonly_page = (void **)map(4096, PROT_READ);
	code = (unsigned char *)map(4096, PROT_READ | PROT_WRITE | PROT_EXEC);
	below_stack = half_stack();
	big_block = (void **)calloc(1, 1 << 20);
	pthread_key_create(&key, nullptr);
	epoll_fd = epoll_create1(0);
	std::string path = argv[0];
	void *plugin = dlopen((path.substr(0, path.rfind('/') + 1) + "plugin.so").c_str(), RTLD_NOW);
	if (!plugin) {
		puts(dlerror());
		return 1;
	}
	library_data = (void **)dlsym(plugin, "plugin_data");
	library_hidden = ((void **(*)())dlsym(plugin, "plugin_hidden"))();
	void *thread_slots = dlsym(plugin, "plugin_thread_slots");
	library_thread = (void **(*)())thread_slots;

	lost = true;
	fill();
	forget();
	cycles();
	scrub();
	lost = false;
	fill();
	kernel();
	pthread_t thread;
	pthread_create(&thread, nullptr, sleeper, thread_slots);
	while (!*(volatile bool *)&lost) usleep(1000);
	scrub();
	puts("ready planted");
	fflush(stdout);
	char line[16];
	for (; fgets(line, sizeof line, stdin);) {
		if (!strcmp(line, "unload\n")) {
			close(epoll_fd);
			timer_delete(timer);
			dlclose(plugin);
			puts("unloaded");
			fflush(stdout);
			continue;
		}
		for (int i = 0; i < entries; i++) printf("%lx %s %s\n", ledger[i].inverted, ledger[i].lost ? "lost" : "held", ledger[i].kind);
		puts("done");
		fflush(stdout);
	}
}
