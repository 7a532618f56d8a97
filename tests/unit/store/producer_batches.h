// Batches as producers send them, whole and staged.
#pragma once

#include <doctest/doctest.h>

#include "unit/record/batches.h"
#include "unit/store/store_calls.h"

namespace rivulet::test {

struct From {
    std::int64_t producer = -1;
    std::int16_t epoch = -1;
    std::int32_t sequence = -1;
};

inline Buffer from_producer(Bytes packed, const From& from) {
    record::BatchHeader header = record::decode_header(packed);
    header.producer_id = from.producer;
    header.producer_epoch = from.epoch;
    header.base_sequence = from.sequence;
    return seal(header, body_of(packed));
}

// A valid batch of one record and that many bytes, from 80 on; a byte or two less where its length inside grows by one.
inline Buffer sized_batch(std::size_t bytes, std::uint8_t fill = 'v') {
    for (std::size_t value = bytes - 60;; --value) {
        const std::string text(value, static_cast<char>(fill));
        if (const Buffer packed = pack({reading(1000, "", text)}); packed.size() <= bytes) return packed;
    }
}

inline Buffer producer_batch(const From& from, std::int32_t records = 1, std::string_view value = "value") {
    return from_producer(pack(std::vector<record::Reading>(static_cast<std::size_t>(records), reading(1000, "key", value))), from);
}

// As it is stored at `base`.
inline Buffer stored_at(Buffer batch, Offset base, Epoch epoch) {
    record::patch_base_offset(batch.data(), base);
    record::patch_leader_epoch(batch.data(), epoch);
    return batch;
}

inline Result<store::Appended> send(StoreHarness& h, LogId id, const Buffer& batch) {
    return h.act([&] { return h.store().append(h.log(id), batch); });
}

inline void put_in_place(store::Stage& stage, Bytes part) {
    MutableBytes places[8];
    const std::size_t count = stage.lend(places);
    std::size_t room = 0;
    for (std::size_t i = 0; i < count; ++i) {
        REQUIRE_FALSE(places[i].empty());
        for (std::size_t k = 0; k < places[i].size(); ++k, ++room) places[i][k] = room < part.size() ? part[room] : 0xee;
    }
    REQUIRE((room == stage.room() || count == 8));
    REQUIRE(stage.lent() == room);
    REQUIRE(stage.take_back() == room);
    REQUIRE(stage.lent() == 0);
    for (std::size_t left = part.size(); left != 0;) {
        const std::size_t size = stage.size();
        const std::size_t n = stage.extend(left).size();
        REQUIRE(n != 0);
        CHECK(stage.size() == size + n);
        left -= n;
    }
}

// The same through a stage, in pieces; in_place: written to where they stay, by somebody who may write more than counts.
inline Result<store::Appended> send_staged(StoreHarness& h, LogId id, const Buffer& batch, std::size_t piece = 1000, bool in_place = false) {
    store::Stage stage;
    return h.act([&]() -> Result<store::Appended> {
        RIVULET_TRY(h.store().begin_stage(stage, batch.size()));
        for (std::size_t at = 0; at < batch.size(); at += piece) {
            const Bytes part = Bytes(batch).subspan(at, std::min(piece, batch.size() - at));
            if (in_place) put_in_place(stage, part);
            else stage.put(part);
        }
        const Result<store::Appended> done = h.store().append(h.log(id), stage);
        CHECK(stage.active() == !done);
        h.store().drop(stage);
        return done;
    });
}

}  // namespace rivulet::test
