// A small store with logs that are cleaned, and a model of what has to be in them.
#pragma once

#include <doctest/doctest.h>

#include "support/log_model.h"
#include "unit/store/store_calls.h"

namespace rivulet::test {

inline constexpr LogId first{16};

struct Cleaned {
    explicit Cleaned(std::uint32_t logs = 2) : h(1, small_store()), d(h) {
        REQUIRE(h.boot());
        for (std::uint32_t i = 0; i < logs; ++i) REQUIRE(h.settle(d.create(1)));
    }
    void fill(LogId id, int batches, std::size_t bytes = 300) {
        for (int i = 0; i < batches; ++i) REQUIRE(d.append_patiently(id, 2, bytes) != 0);
        REQUIRE(h.settle());
    }
    void clean(std::size_t every = 3) {
        const std::uint64_t ticket = d.clean(first, [every](std::size_t n) { return n % every == 0; });
        REQUIRE(ticket != 0);
        REQUIRE(h.settle(ticket));
    }
    std::string check() {
        d.note_now();
        History moment = d.history;
        const std::string wrong = verify(h, moment, FaultClass::a);
        return wrong;
    }
    std::string restart(bool clean_stop = false) {
        d.note_now();
        if (clean_stop) REQUIRE(h.stop());
        else h.cut();
        REQUIRE(h.boot());
        History moment = d.history;
        const std::string wrong = verify(h, moment, FaultClass::a);
        d.resume(moment);
        return wrong;
    }
    const store::Log& log() { return h.log(first); }

    StoreHarness h;
    Driver d;
};

}  // namespace rivulet::test
