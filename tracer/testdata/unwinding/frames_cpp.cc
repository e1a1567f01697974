// build: g++ -std=c++17 -O2 -Wall -Wextra -fomit-frame-pointer -pthread
// SPDX-License-Identifier: Apache-2.0
//
// frames.c for C++: templates, virtual calls, exceptions with destructors that
// allocate, containers, callbacks, threads.

#include <algorithm>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <unistd.h>
#include <vector>

#define FRAME __attribute__((noinline, noclone))

// Above the mmap threshold that the tests set.
constexpr size_t size = 300000, end_size = 0xbeef000;
static volatile long sink;
static void *volatile mark; // keeps the compiler from removing malloc

struct Node {
    virtual ~Node() = default;
    virtual void visit(unsigned path, int depth) = 0;
};

FRAME static void take()
{
    std::vector<char> v(size);
    sink = sink + v[7];
    std::string s(size, 'x');
    sink = sink + s[7];
}

static Node *node(unsigned path);

struct Vector : Node {
    FRAME void visit(unsigned path, int depth) override
    {
        std::vector<std::string> names{"a", "b", std::string(size, 'c')};
        if (depth > 0)
            node(path)->visit(path / 3 + 17, depth - 1);
        else
            take();
        sink = sink + names.size();
    }
};

struct Throwing : Node {
    struct OnExit {
        ~OnExit() { take(); }
    };
    FRAME void visit(unsigned path, int depth) override
    {
        try {
            OnExit guard;
            if (depth > 0)
                node(path)->visit(path / 3 + 29, depth - 1);
            throw std::runtime_error(std::string(size, 'e'));
        } catch (const std::exception &e) {
            sink = sink + e.what()[0];
            take();
        }
    }
};

struct Sorting : Node {
    FRAME void visit(unsigned path, int depth) override
    {
        std::vector<int> v{5, 3, 1, 4};
        int left = 1;
        std::sort(v.begin(), v.end(), [&](int a, int b) {
            if (left-- > 0) {
                if (depth > 0)
                    node(path)->visit(path / 3 + 41, depth - 1);
                else
                    take();
            }
            return a < b;
        });
    }
};

static Node *node(unsigned path)
{
    static Vector a;
    static Throwing b;
    static Sorting c;
    static Node *all[] = {&a, &b, &c};
    return all[path % 3];
}

template <int N> struct Tower {
    FRAME static void climb(const std::function<void()> &f)
    {
        std::function<void()> g = [&] { f(); sink = sink + N; };
        Tower<N - 1>::climb(g);
    }
};
template <> struct Tower<0> {
    static void climb(const std::function<void()> &f) { f(); }
};

FRAME static void library()
{
    std::ostringstream out;
    std::map<std::string, std::unique_ptr<std::string>> map;
    for (int i = 0; i < 5; i++) {
        map[std::string(size + i, 'k')] = std::make_unique<std::string>(size + i, 'v');
        out << std::string(size, 'o') << i;
    }
    sink = sink + out.str().size() + map.size();
}

FRAME static void paths(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        node(i)->visit(i * 7919, i % 8);
    Tower<15>::climb(take);
    library();
}

int main()
{
    std::cout << "ready " << getpid() << std::endl;
    for (std::string line; std::getline(std::cin, line);) {
        unsigned n = line == "go" ? 60 : 6;
        paths(n);
        std::thread a(paths, n / 3), b(paths, n / 3 + 1);
        a.join();
        b.join();
        mark = std::malloc(end_size);
        std::free(mark);
        std::cout << "done" << std::endl;
    }
}
