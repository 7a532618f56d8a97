#include "base/list.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <deque>
#include <vector>

#include "unit/base/death.h"
#include "unit/base/random.h"

using namespace rivulet;

namespace {

struct ByAge;
struct ByName;

struct Item : ListNode<Item, ByAge>, ListNode<Item, ByName> {
    explicit Item(int n) : number(n) {}
    int number;
};
using AgeList = List<Item, ByAge>;
using NameList = List<Item, ByName>;

template <class L>
std::vector<int> numbers(L& list) {
    std::vector<int> out;
    for (Item* i = list.front(); i; i = list.next(*i)) out.push_back(i->number);
    return out;
}

bool aged(const Item& item) { return static_cast<const ListNode<Item, ByAge>&>(item).linked(); }

}  // namespace

TEST_CASE("list: order of pushes, and the ends") {
    AgeList list;
    Item a(1), b(2), c(3), d(4);
    CHECK(list.empty());
    CHECK(list.front() == nullptr);
    CHECK(list.back() == nullptr);
    CHECK(list.pop_front() == nullptr);
    list.push_back(b);
    list.push_front(a);
    list.push_back(d);
    list.insert_before(d, c);
    CHECK(numbers(list) == std::vector{1, 2, 3, 4});
    CHECK(list.front() == &a);
    CHECK(list.back() == &d);
    CHECK(list.pop_front() == &a);
    CHECK_FALSE(aged(a));
    AgeList::remove(c);
    CHECK(numbers(list) == std::vector{2, 4});
    list.push_back(c);
    CHECK(numbers(list) == std::vector{2, 4, 3});
    while (list.pop_front()) {}
    CHECK(list.empty());
}

TEST_CASE("list: an element may be on one list per tag") {
    AgeList ages;
    NameList names;
    Item a(1), b(2);
    ages.push_back(a);
    ages.push_back(b);
    names.push_back(b);
    names.push_back(a);
    CHECK(numbers(ages) == std::vector{1, 2});
    CHECK(numbers(names) == std::vector{2, 1});
    AgeList::remove(b);
    CHECK(numbers(ages) == std::vector{1});
    CHECK(numbers(names) == std::vector{2, 1});
}

TEST_CASE("list: linking twice or unlinking what is not linked aborts") {
    AgeList list, other;
    Item a(1), b(2);
    list.push_back(a);
    CHECK(test::aborts([&] { list.push_back(a); }));
    CHECK(test::aborts([&] { other.push_front(a); }));
    CHECK(test::aborts([&] { AgeList::remove(b); }));
}

TEST_CASE("list: random operations against a deque") {
    test::Random random(4);
    std::deque<Item> items;
    for (int i = 0; i < 20; ++i) items.emplace_back(i);
    AgeList list;
    std::deque<int> model;
    for (int step = 0; step < 5000; ++step) {
        Item& item = items[random.below(items.size())];
        const auto in_model = std::find(model.begin(), model.end(), item.number);
        if (in_model != model.end()) {
            AgeList::remove(item);
            model.erase(in_model);
        } else if (random.below(2) == 0) {
            list.push_back(item);
            model.push_back(item.number);
        } else {
            list.push_front(item);
            model.push_front(item.number);
        }
        REQUIRE(numbers(list) == std::vector<int>(model.begin(), model.end()));
        REQUIRE(list.empty() == model.empty());
    }
}
