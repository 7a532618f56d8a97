// PUT and PUTB: readings into the store, acks when they are settled.
#include "record/partitioner.h"
#include "server/compact/hub.h"
#include "server/compact/session.h"

namespace rivulet::server::compact {

namespace {

// Years until 292,278,994: beyond, sums of times would wrap. Kafka's clients use times of this size, too.
constexpr std::int64_t time_max = std::int64_t{1} << 53;

}  // namespace

Session::Progress Session::handle_put(InHand& hand, Budget& budget) {
    if (!hand.reading) {
        const auto puts = frames::decode_puts(hand.frame, s_.puts);
        if (!puts) return fail(puts.failure(), "in PUT or PUTB");
        hand.puts = *puts;
        hand.reading.emplace(hand.puts.readings.begin());
        hand.index = 0;
        hub_.env().charge(hand.frame.raw.size());
    }
    const Alias* const found = hub_.aliases().find(s_.aliases, hand.puts.alias);
    if (!found) return fail(rivulet::fail(Error::unknown_alias, static_cast<std::int64_t>(hand.puts.alias)));
    const Alias alias = *found;
    for (; hand.index < hand.puts.readings.size(); ++hand.index, ++*hand.reading) {
        if (budget.readings == 0) {
            wake();
            return Progress::blocked;
        }
        --budget.readings;
        const Progress progress = take_reading(alias, **hand.reading, hand.puts.sequence_first + hand.index);
        if (progress != Progress::done) return progress;
    }
    s_.settling.spend(static_cast<std::uint32_t>(hand.frame.raw.size()));
    if (s_.settling.credit() != 0 || s_.settling.settled() != s_.puts.acked()) hub_.flush_soon(*this);
    hand.reading.reset();
    return Progress::done;
}

Session::Progress Session::take_reading(const Alias& alias, const frames::Reading& reading, std::uint64_t sequence) {
    broker::Broker& broker = hub_.broker();
    if (alias.error != Error::none) return refuse(sequence, alias.error);
    if (reading.stamped && (reading.time.value < 0 || reading.time.value > time_max)) return refuse(sequence, Error::invalid_timestamp);

    record::Reading record;
    record.timestamp = reading.stamped ? reading.time : Timestamp(-1);
    record.has_key = reading.has_key;
    record.key = reading.key;
    record.has_value = reading.has_value;
    record.value = reading.value;
    record.headers_raw = reading.headers.encoded();
    record.header_count = static_cast<std::int32_t>(reading.headers.size());
    auto partition = static_cast<std::uint64_t>(alias.partition);
    if (!reading.has_key && alias.placement == frames::Placement::key) {
        record.has_key = true;
        record.key = hub_.aliases().key(s_.aliases, hub_.scratch());
    } else if (reading.has_key && alias.placement != frames::Placement::partition) {
        partition = static_cast<std::uint64_t>(record::partition_for_key(reading.key, static_cast<int>(alias.partitions)));
    }
    store::Log* const log = log_of(alias, partition);
    if (!log) return refuse(sequence, Error::unknown_topic_or_partition);

    const auto appended = broker.append(*log, record, {s_.id, s_.incarnation, sequence, &hold_});
    if (appended) {
        HubStatistics& count = hub_.count();
        if (appended->base.value < 0) ++count.duplicates;
        ++count.readings;
        count.reading_bytes += reading.key.size() + reading.value.size() + record.headers_raw.size();
        s_.settling.take(sequence, alias.settles_at_once ? 0 : appended->ticket, broker.durable_ticket());
        broker::CommitWaiter& commit = *this;
        if (s_.settling.waiting() && !commit.linked()) {
            commit.ticket = s_.settling.ticket();
            broker.wait_for_commit(commit);
        }
        return Progress::done;
    }
    switch (appended.error()) {
        case Error::busy:
            s_.held_off = log->intake == store::Log::Intake::refused;
            broker.wait_for_room(*this);
            return Progress::blocked;
        case Error::shutting_down:
            drain(Error::shutting_down);
            return Progress::ended;
        case Error::too_many_sessions:
            return fail(appended.failure(), "limits.sessions is reached, and all others are open");
        case Error::store_offline:
        case Error::io:
        case Error::no_space:
        case Error::file_too_large:
            return fail(appended.failure());
        default:
            return refuse(sequence, appended.error());
    }
}

// Final: the number is consumed. Ranges of one error go as one.
Session::Progress Session::refuse(std::uint64_t sequence, Error error) {
    frames::Refusal& refusal = s_.refusal;
    const bool goes_on = refusal.count != 0 && refusal.error == error && refusal.first + refusal.count == sequence;
    if (refusal.count != 0 && !goes_on && !write_refusal()) return Progress::blocked;
    if (!goes_on) refusal = {sequence, 0, error};
    ++refusal.count;
    ++hub_.count().refused;
    s_.settling.take(sequence, 0, hub_.broker().durable_ticket());
    hub_.flush_soon(*this);
    return Progress::done;
}

void Session::on_committed(Error error) {
    if (error != Error::none) return static_cast<void>(fail(rivulet::fail(error)));
    s_.settling.settle(hub_.broker().durable_ticket());
    if (s_.settling.waiting()) {
        broker::CommitWaiter& commit = *this;
        commit.ticket = s_.settling.ticket();
        hub_.broker().wait_for_commit(commit);
    }
    hub_.flush_soon(*this);
}

}  // namespace rivulet::server::compact
