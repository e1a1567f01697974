// Objects of classes, with their names. Some have the same words as an object without being one.
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>

namespace shop {
struct Item {
	virtual ~Item() {}
	virtual int price() { return 1; }
};
template <class T>
struct Box : Item {
	T content{};
};
struct Left {
	virtual ~Left() {}
	long l = 1;
};
struct Both : Item, Left {};
struct Deep : virtual Both {};
namespace {
struct Hidden : Item {};
}  // namespace
}  // namespace shop

static void object(const void *p, const char *name) { printf("%lx %s\n", (unsigned long)p, name); }

int main() {
	puts("ready classes");
	fflush(stdout);
	char line[16];
	if (!fgets(line, sizeof line, stdin)) return 1;
	object(new shop::Item, "shop::Item");
	object(new shop::Box<int>, "shop::Box<int>");
	object(new shop::Box<std::pair<char, long>>, "shop::Box<std::pair<char, long> >");
	object(new shop::Both, "shop::Both");
	object(new shop::Deep, "shop::Deep");
	object(new shop::Hidden, "shop::(anonymous namespace)::Hidden");
	object(new std::runtime_error("an error"), "std::runtime_error");
	static int variable;
	static void (*functions[4])(void *) = {free, free, free, free};
	struct plain {
		const void *first;
		long rest[8];
	};
	auto one = [](const void *first) { return new plain{first, {}}; };
	object(one("text"), "-");
	object(one(&variable), "-");
	object(one((void *)main), "-");
	object(one(&functions[2]), "-");
	object(one(stdout), "-");
	object(one((void *)1), "-");
	object(one(malloc(8)), "-");
	puts("done");
	fflush(stdout);
	getchar();
}
