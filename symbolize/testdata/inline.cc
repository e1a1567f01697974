// A program with inlined calls of several levels, templates, lambdas, local
// linkage and a cold path, for comparison with addr2line.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace shop {

struct Item {
  std::string name;
  int price;
};

static inline int squared(int v) { return v * v; }

template <typename T, int N>
struct Basket {
  std::vector<T> items;
  void add(T item) {
    if (items.size() > N) throw std::runtime_error("full");
    items.push_back(std::move(item));
  }
  template <typename F>
  int total(F price) const {
    int sum = 0;
    for (auto &i : items) sum += squared(price(i));
    return sum;
  }
};

namespace {
__attribute__((noinline)) int cheapest(const std::map<std::string, Item> &all) {
  auto it = std::min_element(all.begin(), all.end(), [](auto &a, auto &b) {
    return a.second.price < b.second.price;
  });
  return it == all.end() ? -1 : it->second.price;
}
}  // namespace

class Shop {
 public:
  explicit Shop(int n) {
    for (int i = 0; i < n; i++) {
      Item item{std::to_string(i), i * 7 % 13};
      all_[item.name] = item;
      basket_.add(item);
    }
  }
  virtual ~Shop() { std::printf("%d\n", cheapest(all_)); }
  int total() const {
    return basket_.total([](const Item &i) { return i.price; });
  }

 private:
  std::map<std::string, Item> all_;
  Basket<Item, 1000> basket_;
};

}  // namespace shop

int main(int argc, char **argv) {
  auto s = std::make_unique<shop::Shop>(argc > 1 ? std::atoi(argv[1]) : 7);
  std::printf("%d\n", s->total());
  return 0;
}
