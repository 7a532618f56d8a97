#include "support/log_model.h"

#include <algorithm>

#include "base/crc32c.h"
#include "record/pack.h"

namespace rivulet::test {

std::vector<const Sent*> produced(const LogHistory& log, std::int64_t producer) {
    std::vector<const Sent*> found;
    for (const LogHistory::Entry& entry : log.entries) {
        const Sent& sent = *entry.sent;
        if (sent.kind == Sent::batch && sent.producer == producer) found.push_back(&sent);
        if (sent.kind == Sent::truncate)
            while (!found.empty() && found.back()->base >= sent.base) found.pop_back();
    }
    return found;
}

std::vector<std::int64_t> producers_of(const LogHistory& log) {
    std::vector<std::int64_t> found;
    for (const LogHistory::Entry& entry : log.entries)
        if (entry.sent->producer >= 0 && std::find(found.begin(), found.end(), entry.sent->producer) == found.end()) found.push_back(entry.sent->producer);
    return found;
}

// ---- Driver ----

Buffer Driver::value(std::size_t bytes) {
    Buffer value(std::max<std::size_t>(bytes, 8));
    std::uint64_t x = ++ids_ * 0x9e3779b97f4a7c15ULL;
    for (std::size_t i = 0; i < value.size(); ++i) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        value[i] = static_cast<std::uint8_t>(x >> 32);
    }
    store_le(value.data(), ids_);
    return value;
}

void Driver::add(LogId id, Sent sent, std::uint64_t ticket) {
    history.logs[id.value].entries.push_back({std::make_shared<const Sent>(std::move(sent)), ticket});
}

std::uint64_t Driver::create(std::uint32_t count, bool memory) {
    const LogId first = harness_.store().next_log_id();
    Buffer block(24, static_cast<std::uint8_t>(first.value));
    const Result<std::uint64_t> ticket = harness_.act([&] { return harness_.store().create_logs(count, memory, block); });
    last_error = ticket.error();
    if (!ticket) return 0;
    harness_.program().topics[first.value] = {count, block};
    last_created_ = first;
    for (std::uint32_t i = 0; i < count; ++i) {
        LogHistory& log = history.logs[first.value + i];
        log.memory = memory;
        log.created = *ticket;
    }
    return *ticket;
}

std::uint64_t Driver::remove(LogId id) {
    const Result<std::uint64_t> ticket = harness_.act([&] { return harness_.store().delete_logs(id, 1); });
    last_error = ticket.error();
    if (!ticket) return 0;
    harness_.program().topics.erase(id.value);
    history.logs[id.value].removed = *ticket;
    return *ticket;
}

// `records` of new contents over the offsets, and of the producer, that `sent` says.
Buffer Driver::batch(const Sent& sent, std::int32_t records, std::size_t value_bytes) {
    Buffer body(static_cast<std::size_t>(records) * (value_bytes + 64) + record::batch_header_bytes);
    Writer out(MutableBytes(body).subspan(record::batch_header_bytes));
    record::Pack pack;
    for (std::int32_t i = 0; i < records; ++i) {
        record::Reading reading;
        const Buffer bytes = value(value_bytes);
        reading.value = bytes;
        reading.timestamp = sent.timestamp;
        RIVULET_CHECK(pack.add(reading, out));
    }
    body.resize(record::batch_header_bytes + out.size());
    record::BatchHeader header = pack.close();
    header.last_offset_delta = sent.count - 1;
    if (sent.producer >= 0) {
        header.producer_id = sent.producer;
        header.producer_epoch = 0;
        header.base_sequence = sent.first_sequence;
    }
    record::encode_header(header, body);
    header.crc = crc32c(Bytes(body).subspan(record::batch_crc_start));
    record::encode_header(header, body);
    return body;
}

Result<store::Appended> Driver::send(store::Log& log, Bytes bytes, bool staged) {
    return harness_.act([&]() -> Result<store::Appended> {
        if (!staged) return harness_.store().append(log, bytes);
        constexpr std::size_t piece = 700;
        store::Stage stage;
        RIVULET_TRY(harness_.store().begin_stage(stage, bytes.size()));
        for (Bytes left = bytes; !left.empty(); left = left.subspan(std::min(piece, left.size()))) stage.put(left.first(std::min(piece, left.size())));
        const Result<store::Appended> done = harness_.store().append(log, stage);
        harness_.store().drop(stage);
        return done;
    });
}

std::uint64_t Driver::send(LogId id, Sent sent, Buffer bytes, bool staged) {
    store::Log* const found = harness_.store().find(id);
    last_error = Error::not_found;
    if (!found) return 0;
    store::Log& log = *found;
    const Result<store::Appended> done = send(log, bytes, staged);
    last_error = done.error();
    if (!done) return 0;
    RIVULET_CHECK(!done->duplicate);
    record::patch_base_offset(bytes.data(), done->base);
    record::patch_leader_epoch(bytes.data(), log.epoch);
    sent.base = done->base;
    sent.bytes = std::move(bytes);
    add(id, std::move(sent), done->ticket);
    return done->ticket;
}

std::uint64_t Driver::append(LogId id, std::int32_t records, std::size_t value_bytes, std::int32_t span) {
    Sent sent;
    sent.count = span > records ? span : records;
    sent.timestamp = Timestamp(1'700'000'000'000);
    Buffer bytes = batch(sent, records, value_bytes);
    return send(id, std::move(sent), std::move(bytes), false);
}

std::uint64_t Driver::produce(LogId id, std::int64_t producer, std::int32_t records, std::size_t value_bytes, bool staged) {
    Sent sent;
    sent.count = records;
    sent.timestamp = Timestamp(1'700'000'000'000);
    sent.producer = producer;
    const std::vector<const Sent*> before = produced(history.logs[id.value], producer);
    sent.first_sequence = before.empty() ? 0 : before.back()->first_sequence + before.back()->count;
    Buffer bytes = batch(sent, records, value_bytes);
    return send(id, std::move(sent), std::move(bytes), staged);
}

std::string Driver::resend(LogId id) {
    store::Log& log = harness_.log(id);
    const auto& entries = history.logs[id.value].entries;
    // A memory log has forgotten all, which it may.
    if (std::any_of(entries.begin(), entries.end(), [](const LogHistory::Entry& entry) { return entry.sent->kind == Sent::jump; })) return {};
    for (const std::int64_t producer : producers_of(history.logs[id.value])) {
        const std::vector<const Sent*> sent = produced(history.logs[id.value], producer);
        if (sent.empty()) continue;
        const Result<store::Appended> again = send(log, sent.back()->bytes, sent.size() % 2 == 0);
        const std::string name = "log " + std::to_string(id.value) + " producer " + std::to_string(producer) + ": a batch that comes again ";
        if (!again) return name + "is refused: " + error_info(again.error()).name;
        if (!again->duplicate) return name + "is stored again";
        if (again->base != sent.back()->base) return name + "is said to be at " + std::to_string(again->base.value) + ", it is at " + std::to_string(sent.back()->base.value);
    }
    return {};
}

std::uint64_t Driver::put(LogId id, std::size_t value_bytes, std::uint64_t session, bool untrusted) {
    Sent sent;
    sent.kind = Sent::reading;
    sent.bytes = value(value_bytes);
    sent.timestamp = Timestamp(1'700'000'000'000 + static_cast<std::int64_t>(ids_));
    sent.session = session;
    sent.incarnation = 7;
    if (session != 0) sent.sequence = sequences_[{session, id.value}] + 1;
    record::Reading reading;
    reading.timestamp = sent.timestamp;
    reading.value = sent.bytes;
    store::Log* const found = harness_.store().find(id);
    last_error = Error::not_found;
    if (!found) return 0;
    store::Log& log = *found;
    const Result<store::Appended> done =
        harness_.act([&] { return harness_.store().append(log, reading, untrusted, {sent.session, sent.incarnation, sent.sequence}); });
    last_error = done.error();
    if (!done) return 0;
    if (session != 0) sequences_[{session, id.value}] = sent.sequence;
    sent.base = done->base;
    add(id, std::move(sent), done->ticket);
    return done->ticket;
}

std::uint64_t Driver::truncate(LogId id, Offset end, Epoch epoch) {
    store::Log* const found = harness_.store().find(id);
    last_error = Error::not_found;
    if (!found) return 0;
    store::Log& log = *found;
    const Result<std::uint64_t> ticket = harness_.act([&] { return harness_.store().truncate(log, end, epoch); });
    last_error = ticket.error();
    if (!ticket) return 0;
    Sent sent;
    sent.kind = Sent::truncate;
    sent.base = end;
    add(id, std::move(sent), *ticket);
    return *ticket;
}

std::uint64_t Driver::set_start(LogId id, Offset start) {
    store::Log* const found = harness_.store().find(id);
    last_error = Error::not_found;
    if (!found) return 0;
    store::Log& log = *found;
    const Result<std::uint64_t> ticket = harness_.act([&] { return harness_.store().set_start(log, start); });
    last_error = ticket.error();
    if (!ticket) return 0;
    Sent sent;
    sent.kind = Sent::start;
    sent.base = start;
    add(id, std::move(sent), *ticket);
    return *ticket;
}

template <class Try>
std::uint64_t Driver::patiently(Try one) {
    for (int tries = 0; tries < 200; ++tries) {
        if (const std::uint64_t ticket = one()) return ticket;
        if (last_error != Error::busy) return 0;
        const std::uint64_t commits = harness_.program().commits;
        harness_.run_until([&] { return harness_.program().commits != commits || harness_.store().offline(); }, ns_per_s);
    }
    return 0;
}

std::uint64_t Driver::relocate(Bytes bytes) {
    const Result<std::uint64_t> ticket = harness_.act([&]() -> Result<std::uint64_t> {
        store::Stage stage;
        RIVULET_TRY(harness_.store().begin_stage(stage, bytes.size()));
        stage.put(bytes);
        const Result<std::uint64_t> done = harness_.store().relocate(stage);
        harness_.store().drop(stage);
        return done;
    });
    last_error = ticket.error();
    return ticket ? *ticket : 0;
}

std::uint64_t Driver::relocate_kept(LogId id, const std::function<bool(std::size_t)>& keep, std::size_t most, Sent& sent) {
    Offset from(0);
    const std::uint64_t begun = patiently([&]() -> std::uint64_t {
        const Result<const store::Log*> made = harness_.act([&] { return harness_.store().begin_clean(harness_.log(id)); });
        last_error = made.error();
        if (!made) return 0;
        from = (*made)->end;
        return harness_.store().durable_ticket() + 1;
    });
    if (begun == 0) return 0;
    sent.base = harness_.log(id).durable_end;
    std::uint64_t last = from == Offset(0) ? 0 : begun;
    std::size_t n = 0;
    std::size_t written = 0;
    for (const ServedBatch& batch : harness_.read(id)) {
        if (batch.header.base_offset >= sent.base || written == most) break;
        if (!keep(n++)) {
            sent.dropped.push_back(batch.header.base_offset);
            continue;
        }
        if (batch.header.base_offset < from) continue;
        const bool first = last == 0;
        last = patiently([&] { return relocate(batch.bytes); });
        if (last == 0 || (first && !harness_.settle(last))) return 0;
        ++written;
    }
    return last;
}

std::uint64_t Driver::begin_to_clean(LogId id, const std::function<bool(std::size_t)>& keep, std::size_t most) {
    Sent sent;
    return relocate_kept(id, keep, most, sent);
}

std::uint64_t Driver::clean(LogId id, const std::function<bool(std::size_t)>& keep) {
    Sent sent;
    sent.kind = Sent::clean;
    if (relocate_kept(id, keep, SIZE_MAX, sent) == 0) return 0;
    const Offset end = sent.base;
    // Refused until all of it is durable.
    const std::uint64_t ticket = patiently([&]() -> std::uint64_t {
        const Result<std::uint64_t> done = harness_.act([&] { return harness_.store().finish_clean(harness_.log(id), end, 0); });
        last_error = done.error();
        return done ? *done : 0;
    });
    if (ticket != 0) add(id, std::move(sent), ticket);
    return ticket;
}

std::uint64_t Driver::append_patiently(LogId id, std::int32_t records, std::size_t value_bytes) {
    return patiently([&] { return append(id, records, value_bytes); });
}

std::uint64_t Driver::put_patiently(LogId id, std::size_t value_bytes, std::uint64_t session) {
    return patiently([&] { return put(id, value_bytes, session); });
}

std::uint64_t Driver::produce_patiently(LogId id, std::int64_t producer, std::int32_t records, std::size_t value_bytes, bool staged) {
    return patiently([&] { return produce(id, producer, records, value_bytes, staged); });
}

void Driver::resume(const History& survived) {
    history = survived;
    ids_ += std::uint64_t{1} << 32;
    sequences_.clear();
    for (const auto& [id, log] : history.logs)
        for (const LogHistory::Entry& entry : log.entries)
            if (entry.sent->session != 0) sequences_[{entry.sent->session, id}] = entry.sent->sequence;
}

void Driver::note_now() {
    history.durable_ticket = harness_.store().durable_ticket();
    history.proved_ticket = history.durable_ticket == 0 ? 0 : history.durable_ticket - 1;
    for (auto& [id, log] : history.logs) {
        const store::Log* const live = harness_.store().find(LogId(id));
        if (!live) continue;
        log.start = live->start;
        log.end = live->end;
    }
}

}  // namespace rivulet::test
