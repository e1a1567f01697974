// build: g++ -O1 -g -std=c++17 -pthread
// holders KIND COUNT PACE: one structure grows by PACE objects a millisecond from COUNT on, beside
// others that stay as they are.
#include <pthread.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

struct order {
	order *next;
	char *customer;
	int number;
	char items[120];
};
struct peer {
	virtual ~peer() {}
	int socket = 3;
	std::string address = "an address that does not fit in itself";
};
struct secure_peer : peer {
	char secret[48];
};
struct page {
	page *older, *newer;
	char content[200];
};
struct service {
	int port = 80;
	std::unordered_map<int, std::unique_ptr<peer>> peers;
	order *orders = nullptr;
};

// table is a hash table with open addressing: its keys, values and hashes are in arrays of their own.
struct table {
	size_t size = 0, used = 0;
	char **keys = nullptr;
	order **values = nullptr;
	unsigned *hashes = nullptr;
};

std::vector<std::string> settings;
char *steady[5000];
order *order_list;
order *order_buckets[1 << 12];
std::unordered_map<int, std::string> names_by_number;
table open_table;
std::map<std::string, peer *> peers_by_name;
std::deque<order *> waiting;
service *the_service;
page *newest_page, *oldest_page;
std::list<peer *> peer_list;

static order *make_order(int i) {
	order *o = (order *)calloc(1, sizeof *o);
	char text[64];
	snprintf(text, sizeof text, "customer number %d of the example shop", i);
	o->customer = strdup(text);
	o->number = i;
	return o;
}

static unsigned hash_of(unsigned i) { return i * 2654435761u; }

static void place(table &t, char *key, order *value, unsigned hash) {
	size_t at = hash % t.size;
	while (t.keys[at]) at = (at + 1) % t.size;
	t.keys[at] = key;
	t.values[at] = value;
	t.hashes[at] = hash;
}

static void insert(table &t, int i) {
	if (4 * t.used >= 3 * t.size) {
		table larger;
		larger.size = t.size ? 2 * t.size : 64;
		larger.keys = (char **)calloc(larger.size, sizeof(char *));
		larger.values = (order **)calloc(larger.size, sizeof(order *));
		larger.hashes = (unsigned *)calloc(larger.size, sizeof(unsigned));
		larger.used = t.used;
		for (size_t k = 0; k < t.size; k++)
			if (t.keys[k]) place(larger, t.keys[k], t.values[k], t.hashes[k]);
		free(t.keys);
		free(t.values);
		free(t.hashes);
		t = larger;
	}
	char key[32];
	snprintf(key, sizeof key, "order %d", i);
	place(t, strdup(key), make_order(i), hash_of(i));
	t.used++;
}

__attribute__((noinline)) static void add(const std::string &kind, int i) {
	if (kind == "list") {
		order *o = make_order(i);
		o->next = order_list;
		__atomic_store_n(&order_list, o, __ATOMIC_RELEASE);
	} else if (kind == "buckets") {
		order *o = make_order(i), *&bucket = order_buckets[hash_of(i) >> 20];
		o->next = bucket;
		bucket = o;
	} else if (kind == "unordered_map") {
		names_by_number[i] = std::string(90, 'n');
	} else if (kind == "table") {
		insert(open_table, i);
	} else if (kind == "map") {
		char name[64];
		snprintf(name, sizeof name, "peer %09d with a rather long name", i);
		peers_by_name[name] = new secure_peer;
	} else if (kind == "deque") {
		waiting.push_back(make_order(i));
	} else if (kind == "service") {
		the_service->peers[i] = std::make_unique<secure_peer>();
	} else if (kind == "pages") {
		page *p = (page *)calloc(1, sizeof *p);
		p->older = newest_page;
		if (newest_page) newest_page->newer = p;
		else oldest_page = p;
		newest_page = p;
	} else if (kind == "peers") {
		peer_list.push_back(new secure_peer);
	}
}

struct work {
	std::string kind;
	int count, pace;
};

__attribute__((noinline)) static void *grow(void *argument) {
	work *w = (work *)argument;
	std::vector<order *> local;
	auto step = [&](int i) {
		if (w->kind == "stack") local.push_back(make_order(i));
		else add(w->kind, i);
	};
	int i = 0;
	while (i < w->count) step(i++);
	puts("ready holders");
	fflush(stdout);
	for (;;) {
		usleep(1000);
		// It ends some day, or whoever looks more slowly than this grows would never come to an end.
		for (int k = 0; k < w->pace && i < w->count + 20000; k++) step(i++);
	}
	return local.data();
}

int main(int, char **argv) {
	work *w = new work{argv[1], atoi(argv[2]), atoi(argv[3])};
	the_service = new service;
	for (int i = 0; i < 2000; i++) settings.push_back(std::string(60, 'c'));
	for (char *&s : steady) s = (char *)calloc(1, 100);
	pthread_t thread;
	pthread_create(&thread, nullptr, grow, w);
	pthread_setname_np(thread, "grower");
	pthread_join(thread, nullptr);
}
