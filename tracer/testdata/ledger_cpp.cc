// build: g++ -std=gnu++17 -O1 -g -Wall -Wextra -fno-omit-frame-pointer -fno-optimize-sibling-calls -fno-builtin -pthread -Wl,--no-as-needed -ldl
// SPDX-License-Identifier: Apache-2.0
//
// The C++ companion of ledger.c: all variants of operator new and delete,
// std::string and std::vector, mixed with malloc. See ledger.h for the
// protocol and for which of these a frame-pointer walk can attribute.
//
// The sizes are chosen so that the library asks malloc for just what is in the ledger:
// at least 1 byte for new, and a multiple of the alignment for aligned new.

#define SITES(X) \
    X(malloc) X(new) X(new_array) X(new_nothrow) X(new_array_nothrow) \
    X(new_aligned) X(new_array_aligned) X(new_object) X(placement) \
    X(vector_reserve) X(vector_grow) X(string) X(string_grow) \
    X(failed_new) X(failed_new_nothrow) X(thrown) X(child)
#include "ledger.h"

#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "engine.h"

namespace {

enum how { BY_FREE, BY_DELETE, BY_DELETE_ARRAY, BY_ALIGNED, BY_ALIGNED_ARRAY, BY_OBJECT, BY_PLACEMENT, BY_VECTOR, BY_STRING };

using bytes = std::vector<char>;

// An object with a constructor and a destructor, for new expressions.
struct object {
    explicit object(uint64_t v) : value(v), inverse(~v) {}
    ~object() { check(inverse == ~value, "object"); }

    uint64_t value, inverse;
    char padding[88] = {};
};

static_assert(sizeof(bytes) <= sizeof(slot::object), "a vector fits a slot");
static_assert(sizeof(std::string) <= sizeof(slot::object), "a string fits a slot");

size_t random_new_size(rng *r)
{
    size_t n = random_size(r);

    return n ? n : 1;
}

// object_in is the vector or string that lives in a slot.
template <class T> T *object_in(slot *s)
{
    return std::launder(reinterpret_cast<T *>(s->object));
}

std::align_val_t align_of(const slot *s)
{
    return std::align_val_t(s->object[0]);
}

} // namespace

SITE void *site_malloc(size_t n)
{
    return malloc(n);
}

FRAME void *call_new(size_t n)
{
    return ::operator new(n);
}

SITE void *site_new(size_t n)
{
    return call_new(n);
}

FRAME void *call_new_array(size_t n)
{
    return ::operator new[](n);
}

SITE void *site_new_array(size_t n)
{
    return call_new_array(n);
}

FRAME void *call_new_nothrow(size_t n)
{
    return ::operator new(n, std::nothrow);
}

SITE void *site_new_nothrow(size_t n)
{
    return call_new_nothrow(n);
}

FRAME void *call_new_array_nothrow(size_t n)
{
    return ::operator new[](n, std::nothrow);
}

SITE void *site_new_array_nothrow(size_t n)
{
    return call_new_array_nothrow(n);
}

FRAME void *call_new_aligned(size_t n, std::align_val_t align)
{
    return ::operator new(n, align);
}

SITE void *site_new_aligned(size_t n, std::align_val_t align)
{
    return call_new_aligned(n, align);
}

FRAME void *call_new_array_aligned(size_t n, std::align_val_t align)
{
    return ::operator new[](n, align);
}

SITE void *site_new_array_aligned(size_t n, std::align_val_t align)
{
    return call_new_array_aligned(n, align);
}

FRAME object *call_new_object(uint64_t v)
{
    return new object(v);
}

SITE void *site_new_object(uint64_t v)
{
    return call_new_object(v);
}

// Placement new does not allocate: the block is malloc's.
SITE void *site_placement(uint64_t v)
{
    void *p = malloc(sizeof(object));

    return p ? new (p) object(v) : nullptr;
}

FRAME void call_vector_reserve(void *where, size_t n)
{
    (new (where) bytes)->reserve(n);
}

SITE void site_vector_reserve(void *where, size_t n)
{
    call_vector_reserve(where, n);
}

FRAME void call_vector_grow(bytes *v)
{
    v->resize(v->capacity());
    v->push_back('x'); // one more than fits
}

SITE void site_vector_grow(bytes *v)
{
    call_vector_grow(v);
}

FRAME void call_string(void *where, size_t n)
{
    new (where) std::string(n, 'x');
}

SITE void site_string(void *where, size_t n)
{
    call_string(where, n);
}

FRAME void call_string_grow(std::string *s)
{
    s->resize(s->capacity(), 'y');
    s->push_back('z');
}

SITE void site_string_grow(std::string *s)
{
    call_string_grow(s);
}

FRAME int call_failed_new(size_t n)
{
    try {
        ::operator delete(::operator new(n));
    } catch (const std::bad_alloc &) {
        return 1;
    }
    return 0;
}

// On the way, the exception object is allocated and freed.
SITE int site_failed_new(size_t n)
{
    return call_failed_new(n);
}

FRAME void *call_failed_new_nothrow(size_t n)
{
    return ::operator new(n, std::nothrow);
}

SITE void *site_failed_new_nothrow(size_t n)
{
    return call_failed_new_nothrow(n);
}

FRAME int call_thrown(const char *text)
{
    try {
        throw std::runtime_error(text);
    } catch (const std::exception &e) {
        return strcmp(e.what(), text) == 0;
    }
}

SITE int site_thrown(const char *text)
{
    return call_thrown(text);
}

SITE void *site_child(size_t n)
{
    return malloc(n);
}

FRAME void release(struct slot *s)
{
    if (!s->pinned && s->how != BY_OBJECT && s->how != BY_PLACEMENT)
        check_stamp(s->ptr, s->ptr, s->size);
    drop(s->site, s->size);
    called(1);
    switch (s->how) {
    case BY_FREE:
        free(s->ptr);
        break;
    case BY_DELETE: // half of the blocks by the sized form
        if (s->size % 2)
            ::operator delete(s->ptr);
        else
            ::operator delete(s->ptr, s->size);
        break;
    case BY_DELETE_ARRAY:
        if (s->size % 2)
            ::operator delete[](s->ptr);
        else
            ::operator delete[](s->ptr, s->size);
        break;
    case BY_ALIGNED:
        ::operator delete(s->ptr, align_of(s));
        break;
    case BY_ALIGNED_ARRAY:
        ::operator delete[](s->ptr, align_of(s));
        break;
    case BY_OBJECT:
        delete static_cast<object *>(s->ptr);
        break;
    case BY_PLACEMENT:
        static_cast<object *>(s->ptr)->~object();
        free(s->ptr);
        break;
    case BY_VECTOR:
        object_in<bytes>(s)->~bytes();
        break;
    case BY_STRING:
        object_in<std::string>(s)->~basic_string();
        break;
    default:
        wrong("slot");
    }
    s->ptr = nullptr;
}

FRAME void child_allocates(struct rng *r)
{
    for (int i = 0; i < 32; i++)
        check(site_child((size_t)rng_below(r, 4096)) != nullptr, "malloc in a child");
}

namespace {

// own records the block of an object that lives in the slot. The block's contents are
// the object's, so it has no stamp, and the slot must not move.
void own(slot *s, enum site site, void *p, size_t size, int how)
{
    check(p != nullptr, "no block");
    s->ptr = p;
    s->size = size;
    s->site = site;
    s->how = how;
    s->pinned = 1;
    hold(site, size);
}

void own_vector(slot *s, enum site site)
{
    auto *v = object_in<bytes>(s);

    own(s, site, v->data(), v->capacity(), BY_VECTOR);
}

void own_string(slot *s, enum site site)
{
    auto *t = object_in<std::string>(s);

    own(s, site, t->data(), t->capacity() + 1, BY_STRING);
}

void do_malloc(rng *r, slot *s)
{
    size_t n = random_size(r);

    called(1);
    fill(s, S_malloc, site_malloc(n), n, BY_FREE);
}

void do_new(rng *r, slot *s)
{
    size_t n = random_new_size(r);

    called(1);
    fill(s, S_new, site_new(n), n, BY_DELETE);
}

void do_new_array(rng *r, slot *s)
{
    size_t n = random_new_size(r);

    called(1);
    fill(s, S_new_array, site_new_array(n), n, BY_DELETE_ARRAY);
}

void do_new_nothrow(rng *r, slot *s)
{
    size_t n = random_new_size(r);

    called(1);
    fill(s, S_new_nothrow, site_new_nothrow(n), n, BY_DELETE);
}

void do_new_array_nothrow(rng *r, slot *s)
{
    size_t n = random_new_size(r);

    called(1);
    fill(s, S_new_array_nothrow, site_new_array_nothrow(n), n, BY_DELETE_ARRAY);
}

void do_new_aligned(rng *r, slot *s)
{
    size_t align = (size_t)32 << rng_below(r, 8);
    size_t n = (random_new_size(r) + align - 1) / align * align;

    called(1);
    fill(s, S_new_aligned, site_new_aligned(n, std::align_val_t(align)), n, BY_ALIGNED);
    s->object[0] = align;
}

void do_new_array_aligned(rng *r, slot *s)
{
    size_t align = (size_t)32 << rng_below(r, 8);
    size_t n = (random_new_size(r) + align - 1) / align * align;

    called(1);
    fill(s, S_new_array_aligned, site_new_array_aligned(n, std::align_val_t(align)), n, BY_ALIGNED_ARRAY);
    s->object[0] = align;
}

void do_new_object(rng *r, slot *s)
{
    called(1);
    own(s, S_new_object, site_new_object(rng_next(r)), sizeof(object), BY_OBJECT);
    s->pinned = 0;
}

void do_placement(rng *r, slot *s)
{
    called(1);
    own(s, S_placement, site_placement(rng_next(r)), sizeof(object), BY_PLACEMENT);
    s->pinned = 0;
}

void do_vector(rng *r, slot *s)
{
    called(1);
    site_vector_reserve(s->object, random_new_size(r));
    own_vector(s, S_vector_reserve);
}

void do_string(rng *r, slot *s)
{
    called(1);
    site_string(s->object, 16 + random_size(r)); // up to 15 bytes fit the object itself
    own_string(s, S_string);
}

// Frees the block, but half of the time lets it grow if it can.
void do_grow_or_release(rng *r, slot *s)
{
    if (s->size > 1024 * 1024 || rng_below(r, 2) || (s->how != BY_VECTOR && s->how != BY_STRING)) {
        release(s);
        return;
    }
    called(2);
    drop(s->site, s->size);
    if (s->how == BY_VECTOR) {
        site_vector_grow(object_in<bytes>(s));
        own_vector(s, S_vector_grow);
    } else {
        site_string_grow(object_in<std::string>(s));
        own_string(s, S_string_grow);
    }
}

void do_failed_new(rng *r, slot *)
{
    if (opt_no_throw)
        return;
    called(1);
    check(site_failed_new((size_t)PTRDIFF_MAX + 1 + (size_t)rng_below(r, 1024)), "new of too much");
}

void do_failed_new_nothrow(rng *r, slot *)
{
    called(1);
    check(site_failed_new_nothrow((size_t)PTRDIFF_MAX + 1 + (size_t)rng_below(r, 1024)) == nullptr, "nothrow new of too much");
}

void do_thrown(rng *, slot *)
{
    called(1);
    check(site_thrown("some text that is longer than a short string"), "exception");
}

void do_delete_null(rng *, slot *)
{
    void *volatile none = nullptr;

    called(2);
    ::operator delete(none);
    free(none);
}

} // namespace

// extern, because const alone would be internal in C++
extern const struct action actions[] = {
    {do_malloc, ON_EMPTY, 20, 0},
    {do_new, ON_EMPTY, 30, 0},
    {do_new_array, ON_EMPTY, 20, 0},
    {do_new_nothrow, ON_EMPTY, 8, 0},
    {do_new_array_nothrow, ON_EMPTY, 8, 0},
    {do_new_aligned, ON_EMPTY, 8, 1},
    {do_new_array_aligned, ON_EMPTY, 8, 1},
    {do_new_object, ON_EMPTY, 15, 0},
    {do_placement, ON_EMPTY, 8, 0},
    {do_vector, ON_EMPTY, 15, 0},
    {do_string, ON_EMPTY, 15, 1},
    {do_grow_or_release, ON_FULL, 1, 0},
    {do_failed_new, ON_ANY, 2, 0},
    {do_failed_new_nothrow, ON_ANY, 2, 0},
    {do_thrown, ON_ANY, 2, 0},
    {do_delete_null, ON_ANY, 4, 0},
};
extern const size_t action_count = sizeof(actions) / sizeof(actions[0]);

int main(int argc, char **argv)
{
    return run_engine(argc, argv);
}
