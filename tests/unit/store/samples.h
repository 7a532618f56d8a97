// One example of every structure of the format: those of FORMAT.md, whose bytes tests/golden/store_test.cpp freezes.
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "base/crc32c.h"
#include "store/checkpoint_file.h"
#include "store/footer.h"
#include "store/group.h"
#include "store/journal_record.h"
#include "store/segment_header.h"
#include "store/session_trailer.h"
#include "store/super_block.h"

namespace rivulet::test {

using Buffer = std::vector<std::uint8_t>;
using StorePage = std::array<std::uint8_t, store::page_bytes>;

inline Buffer as_buffer(Bytes bytes) { return {bytes.begin(), bytes.end()}; }

// Hexadecimal with blanks anywhere.
inline Buffer from_spaced_hex(std::string_view hex) {
    const auto digit = [](char c) { return c <= '9' ? c - '0' : c - 'a' + 10; };
    Buffer out;
    int high = -1;
    for (const char c : hex) {
        if (c == ' ' || c == '\n') continue;
        if (high < 0) {
            high = digit(c);
        } else {
            out.push_back(static_cast<std::uint8_t>(high * 16 + digit(c)));
            high = -1;
        }
    }
    return out;
}

namespace sample {

constexpr std::uint64_t salt = 0x1122334455667788;
constexpr Lsn run_start{0x1003000};

inline store::Geometry geometry() {
    store::Geometry g;
    for (std::size_t i = 0; i < 16; ++i) g.store_id.bytes[i] = static_cast<std::uint8_t>(i * 0x11);
    g.segment_bytes = 8 << 20;
    g.segment_count = 32;
    g.checkpoint_area_bytes = 1 << 20;
    g.group_bytes_max = 0x110000;
    return g;
}

inline Uuid boot_id() {
    Uuid id;
    for (std::size_t i = 0; i < 16; ++i) id.bytes[i] = static_cast<std::uint8_t>(0xa0 + i);
    return id;
}

inline store::SuperBlock super() {
    store::SuperBlock s;
    s.geometry = geometry();
    s.sequence = 7;
    s.clean = true;
    s.run = 3;
    s.salt = salt;
    s.run_start = run_start;
    s.end = Lsn(0x1802000);
    return s;
}

inline store::SegmentHeader segment_header() {
    store::SegmentHeader h;
    h.geometry = geometry();
    h.sequence = 3;
    h.run = 3;
    h.salt = salt;
    h.previous_end = Lsn(0x17f5000);
    return h;
}

inline Buffer trailer() {
    Buffer out(64);
    Writer w(out);
    store::encode_trailer_count(2, w);
    store::encode_trailer_entry({0xfeedfacecafebeef, 0x01020304, 300}, w);
    store::encode_trailer_entry({0x10, 0x20, 7}, w);
    out.resize(w.size());
    return out;
}

struct Group {
    store::GroupHeader header;
    Buffer trailer;
    std::vector<store::Extent> extents;
    Buffer table;
    Buffer payload;
    Buffer bytes() const {
        Buffer out(header.total_bytes);
        store::encode_group_header(header, std::span(out).first<store::group_header_bytes>());
        copy(table, std::span(out).subspan(store::group_header_bytes));
        copy(payload, std::span(out).subspan(header.payload_position()));
        return out;
    }
};

// The first group of segment 3: a CEILING record, a batch of log 16, a packed one of log 17 from a boot without a clock.
inline Group group() {
    Group g;
    g.trailer = trailer();
    g.payload.resize(256);
    Writer payload(g.payload);
    store::encode(store::CeilingRecord{LogId(17), Offset(1000)}, payload);
    const std::size_t records = payload.size();
    payload.bytes(as_bytes("batch-a"));
    payload.bytes(as_bytes("batches-b"));
    g.payload.resize(payload.size());

    store::Extent control, plain, packed;
    control.flags = store::extent_control;
    control.bytes = static_cast<std::uint32_t>(records);
    control.max_timestamp = Timestamp(1'700'000'000'000);
    plain.log = LogId(16);
    plain.base = Offset(500);
    plain.offset_span = 2;
    plain.epoch = Epoch(3);
    plain.bytes = 7;
    plain.max_timestamp = Timestamp(1'700'000'000'005);
    packed.log = LogId(17);
    packed.flags = store::extent_packed | store::extent_clock_untrusted;
    packed.base = Offset(0);
    packed.offset_span = 9;
    packed.epoch = Epoch(3);
    packed.bytes = 9;
    packed.max_timestamp = Timestamp(1'699'999'999'999);
    packed.boot = 2;
    packed.trailer = g.trailer;
    g.extents = {control, plain, packed};

    g.table.resize(512);
    store::TableWriter table(g.table, Timestamp(1'700'000'000'000));
    std::uint32_t position = 0;
    for (store::Extent& e : g.extents) {
        e.position = position;
        e.crc = crc32c(Bytes(g.payload).subspan(position, e.bytes));
        position += e.bytes;
        std::uint32_t crc_at = 0;
        table.add(e, crc_at);
    }
    g.table.resize(table.bytes());

    g.header.salt = salt;
    g.header.lsn = Lsn(0x1801000);
    g.header.durable = Lsn(0x17f3000);
    g.header.run_start_lsn = run_start;
    g.header.previous_end = Lsn(0x17f5000);
    g.header.base_timestamp = Timestamp(1'700'000'000'000);
    g.header.total_bytes = store::page_bytes;
    g.header.table_bytes = static_cast<std::uint32_t>(g.table.size());
    g.header.payload_bytes = static_cast<std::uint32_t>(g.payload.size());
    g.header.extent_count = table.count();
    g.header.table_crc = store::table_crc(salt, g.table);
    return g;
}

inline std::vector<store::FooterEntry> footer_entries() {
    store::FooterEntry a, b;
    a.log = LogId(16);
    a.first = Offset(500);
    a.last = Offset(749);
    a.extents = 100;
    a.bytes = 20000;
    a.page = 1;
    a.min_timestamp = Timestamp(1'700'000'000'000);
    a.max_timestamp = Timestamp(1'700'000'100'000);
    b.log = LogId(17);
    b.first = Offset(0);
    b.last = Offset(9);
    b.extents = 1;
    b.bytes = 9;
    b.page = 3;
    b.min_timestamp = Timestamp(12);
    b.max_timestamp = Timestamp(15);
    b.clock_untrusted = true;
    return {a, b};
}

// The last pages of sealed segment 3.
inline Buffer footer() {
    Buffer out(store::footer_room(2));
    store::FooterWriter writer(out);
    for (const store::FooterEntry& entry : footer_entries()) writer.add(entry);
    return as_buffer(writer.finish(3, Lsn(0x1ff0000), salt, false));
}

inline Buffer catalogue_entry() {
    Buffer out(128);
    Writer w(out);
    w.bytes(boot_id().bytes);  // the topic id
    w.text("meters");
    w.varint(16);
    w.varint(2);
    w.varint(0);
    w.varint(1);
    w.varint(1);
    w.zigzag_varint(86'400'000);
    out.resize(w.size());
    return out;
}

inline Buffer log_image(std::uint32_t epochs = 2) {
    store::LogImage image;
    image.log = LogId(16);
    image.memory = true;
    image.start = Offset(100);
    image.end = Offset(750);
    image.last_stable = Offset(740);
    image.bytes = 20000;
    image.last_extent = Lsn(0x1801000);
    image.ceiling = Offset(1000);
    image.epoch_count = epochs;
    for (std::uint32_t i = 0; i < epochs; ++i) image.epochs[i] = {Epoch(static_cast<std::int32_t>(i + 2)), Offset(500 * i)};
    Buffer out(store::log_image_bytes_max);
    Writer w(out);
    store::encode_log_image(image, w);
    out.resize(w.size());
    return out;
}

inline void add_chunk(Buffer& body, store::Section section, Bytes content) {
    std::uint8_t header[store::chunk_header_bytes];
    store::encode_chunk_header({section, static_cast<std::uint32_t>(content.size())}, header);
    body.insert(body.end(), header, header + sizeof header);
    body.insert(body.end(), content.begin(), content.end());
}

// One chunk of every section with one entry.
inline Buffer checkpoint_body() {
    Buffer body;
    add_chunk(body, store::Section::logs, log_image());
    Buffer scratch(256);
    const auto chunk = [&](store::Section section, const auto& fill) {
        Writer w(scratch);
        fill(w);
        add_chunk(body, section, w.written());
    };
    chunk(store::Section::truncations, [](Writer& w) { store::encode_truncation({LogId(16), Offset(600), Lsn(0x1801000)}, w); });
    chunk(store::Section::fences, [](Writer& w) { store::encode_fence({LogId(17), Offset(3), Offset(9), store::FenceCause::lost_group}, w); });
    chunk(store::Section::boots, [](Writer& w) { store::encode_boot({2, boot_id(), true, 1'700'000'000'000}, w); });
    chunk(store::Section::sessions, [](Writer& w) { store::encode_session({0xfeedfacecafebeef, 0x01020304, LogId(17), 300}, w); });
    chunk(store::Section::producers, [](Writer& w) { store::encode_producer({0x300000001, LogId(16), 1, 300, 2, {2, 0}, {Offset(740), Offset(747)}}, w); });
    chunk(store::Section::catalogue, [](Writer& w) { w.block(catalogue_entry()); });
    return body;
}

inline store::CheckpointHeader checkpoint_header() {
    const Buffer body = checkpoint_body();
    store::CheckpointHeader h;
    h.geometry = geometry();
    h.sequence = 5;
    h.replay_from = Lsn(0x1801000);
    h.salt = salt;
    h.run_start = run_start;
    h.run = 3;
    h.durable = Lsn(0x1802000);
    h.first_live = 1;
    h.zeroed_through = 32;
    h.next_log_id = 18;
    h.body_bytes = static_cast<std::uint32_t>(body.size());
    h.body_crc = crc32c(body);
    return h;
}

// One journal record of every type.
inline Buffer journal_records() {
    Buffer out(512);
    Writer w(out);
    const Buffer entry = catalogue_entry();
    store::encode(store::RunStartRecord{3, 0x0102030405060708, Lsn(0x1003000), boot_id(), 2, true}, w);
    store::encode(store::LogCreateRecord{LogId(16), 2, true, entry}, w);
    store::encode(store::LogDeleteRecord{LogId(18), 4}, w);
    store::encode(store::LogStartRecord{LogId(16), Offset(100)}, w);
    store::encode(store::TruncateRecord{LogId(16), Offset(600), Epoch(3)}, w);
    store::encode(store::CeilingRecord{LogId(17), Offset(1000)}, w);
    std::uint8_t retired[32];
    Writer entries(retired);
    LogId previous(0);
    store::append_retire_entry(entries, previous, {LogId(16), Offset(500)});
    store::append_retire_entry(entries, previous, {LogId(17), Offset(0)});
    store::encode(store::RetireRecord{2, 2, entries.written()}, w);
    store::encode(store::ClockRecord{2, 1'700'000'000'000}, w);
    store::encode(store::FenceImage{LogId(17), Offset(3), Offset(9), store::FenceCause::damage}, w);
    store::encode(store::EpochRecord{LogId(16), Epoch(4), Offset(750)}, w);
    store::encode(store::JumpRecord{LogId(17), Offset(9), Offset(12)}, w);
    Buffer block(64);
    Writer b(block);
    b.block(entry);
    store::encode_passed(store::RecordType::topic, b.written(), w);
    out.resize(w.size());
    return out;
}

}  // namespace sample
}  // namespace rivulet::test
