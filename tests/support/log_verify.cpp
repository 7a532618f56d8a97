// The comparison of log_model.h.
#include <algorithm>

#include "base/crc32c.h"
#include "record/record.h"
#include "support/log_model.h"

namespace rivulet::test {

namespace {

// What a log holds: batches and readings by ascending offset.
using Content = std::vector<const Sent*>;

std::string where(std::uint64_t id, Offset offset) { return "log " + std::to_string(id) + " offset " + std::to_string(offset.value) + ": "; }

void apply(Content& content, Offset& end, Offset& start, const Sent& sent) {
    switch (sent.kind) {
        case Sent::batch:
        case Sent::reading:
            content.push_back(&sent);
            end = sent.base + sent.count;
            break;
        case Sent::truncate:
            while (!content.empty() && content.back()->base >= sent.base) content.pop_back();
            end = sent.base;
            break;
        case Sent::start: start = std::max(start, sent.base); break;
        case Sent::jump: end = sent.base; break;
        case Sent::clean: std::erase_if(content, [&](const Sent* s) { return std::find(sent.dropped.begin(), sent.dropped.end(), s->base) != sent.dropped.end(); }); break;
    }
}

// A served batch against what it must be; `at` moves past what it covers. `found` false: nothing like it was sent at that offset.
std::string compare(std::uint64_t id, const ServedBatch& served, const Content& content, std::size_t& at) {
    const Offset base = served.header.base_offset;
    while (at < content.size() && content[at]->base + content[at]->count <= base) ++at;
    if (at == content.size()) return where(id, base) + "nothing was ever there";
    if (content[at]->kind == Sent::batch) {
        if (content[at]->base != base || !equal(served.bytes, content[at]->bytes)) 
            return where(id, base) + "the batch is not the one that was sent, which has base " + std::to_string(content[at]->base.value) + " and " +
                   std::to_string(content[at]->bytes.size()) + " bytes, not " + std::to_string(served.bytes.size());
        ++at;
        return {};
    }
    record::BatchCrc crc;
    crc.update(Bytes(served.bytes).subspan(record::batch_crc_start));
    if (crc.value() != served.header.crc) return where(id, base) + "the CRC of the pack is wrong";
    record::RecordReader records(Bytes(served.bytes).subspan(record::batch_header_bytes), served.header.record_count);
    while (const auto record = records.next()) {
        const Offset offset = base + record->offset_delta;
        if (at == content.size() || content[at]->kind != Sent::reading || content[at]->base != offset) return where(id, offset) + "no such reading was sent";
        const Sent& sent = *content[at++];
        if (!equal(record->value, sent.bytes)) return where(id, offset) + "the reading is not the one that was sent";
        if (served.header.timestamp_of(record->timestamp_delta) != sent.timestamp) return where(id, offset) + "its timestamp is not the one that was sent";
    }
    return records.error() == Error::none ? std::string() : where(id, base) + "the pack is malformed";
}

class LogVerifier {
public:
    LogVerifier(StoreHarness& harness, std::uint64_t id, LogHistory& history, const History& all, FaultClass fault)
        : harness_(harness), id_(id), history_(history), durable_(all.durable_ticket), proved_(all.proved_ticket), fault_(fault) {}

    std::string run() {
        store::Log* const log = harness_.store().find(LogId(id_));
        const bool removed = history_.removed != UINT64_MAX;
        const store::Damage& damage = harness_.store().state().damage;
        const bool may_lose = fault_ == FaultClass::d || fault_ == FaultClass::d_later ||
                              (fault_ == FaultClass::b && (damage.corrupt_groups + damage.corrupt_extents != 0 || history_.created > proved_));
        if (!log) {
            if (removed || history_.created > durable_ || may_lose) return gone();
            return "log " + std::to_string(id_) + " is lost";
        }
        if (removed && history_.removed <= durable_ && !may_lose && !(fault_ == FaultClass::b && history_.removed > proved_)) return "log " + std::to_string(id_) + " was deleted and is back";
        served_ = harness_.read(LogId(id_));
        if (!harness_.failure().empty()) return harness_.failure();
        if (log->memory != history_.memory && fault_ == FaultClass::a) return "log " + std::to_string(id_) + " changed its durability";
        std::string wrong = fault_ == FaultClass::a ? strong(*log) : fault_ == FaultClass::b ? damaged(*log) : lied_to(*log);
        if (wrong.empty() && fault_ == FaultClass::a) wrong = sessions();
        if (wrong.empty() && fault_ == FaultClass::a) wrong = producers();
        history_.created = 0;
        history_.removed = UINT64_MAX;
        history_.start = log->start;
        history_.end = log->end;
        return wrong;
    }

private:
    std::string gone() {
        history_.entries.clear();
        history_.removed = 0;
        return {};
    }

    // Acknowledged entries are all there, and of the others a prefix: some number of entries explains all that is served.
    std::string strong(const store::Log& log) {
        Content content;
        Offset end{0};
        Offset start{0};
        std::size_t taken = 0;
        for (; taken < history_.entries.size() && history_.entries[taken].ticket <= durable_; ++taken) apply(content, end, start, *history_.entries[taken].sent);
        const Offset acknowledged_start = start;
        std::string wrong;
        expected_ = &content;
        for (;; ++taken) {
            wrong = matches(log, content, end, acknowledged_start);
            if (wrong.empty() || taken == history_.entries.size()) break;
            if (first_wrong_.empty() || end == log.end) first_wrong_ = wrong;
            apply(content, end, start, *history_.entries[taken].sent);
        }
        expected_ = nullptr;
        if (!wrong.empty()) return log.memory || first_wrong_.empty() ? wrong : first_wrong_;
        settle(taken, log, end);
        return {};
    }

    std::string matches(const store::Log& log, const Content& content, Offset end, Offset acknowledged_start) const {
        const std::string name = "log " + std::to_string(id_);
        const bool resumes = log.memory && log.end >= history_.end && log.end >= end;
        if (log.end != end && !resumes)
            return name + " ends at " + std::to_string(log.end.value) + ", not at " + std::to_string(end.value);
        if (log.durable_end < end) return name + " has durable_end " + std::to_string(log.durable_end.value) + " below " + std::to_string(end.value);
        if (log.start < acknowledged_start) return name + " starts below its acknowledged start";
        if (log.start > std::max(history_.start, acknowledged_start)) return name + " starts at " + std::to_string(log.start.value) + ", it was at " + std::to_string(history_.start.value);
        std::size_t at = 0;
        Offset next = log.start;
        // A start within a batch serves that batch whole.
        while (at < content.size() && content[at]->base + content[at]->count <= log.start) ++at;
        if (at < content.size() && content[at]->kind == Sent::reading && !served_.empty()) {
            while (at > 0 && content[at]->base > served_[0].header.base_offset && content[at - 1]->kind == Sent::reading) --at;
        }
        for (const ServedBatch& batch : served_) {
            if (batch.header.base_offset > next && !jumped(next, batch.header.base_offset)) return where(id_, next) + "missing up to " + std::to_string(batch.header.base_offset.value);
            if (batch.header.base_offset < next && next != log.start) return where(id_, batch.header.base_offset) + "served twice";
            if (std::string wrong = compare(id_, batch, content, at); !wrong.empty()) return wrong;
            next = batch.header.last_offset() + 1;
        }
        if (at != content.size()) return where(id_, content[at]->base) + "not served, the log ends at " + std::to_string(log.end.value);
        return {};
    }

    // Whether the log went over these offsets by itself: a memory log after an unclean stop, or all that was there was left out by a cleaning pass.
    bool jumped(Offset from, Offset to) const {
        if (behind_left_out(from) >= to) return true;
        Offset end{0};
        for (const LogHistory::Entry& entry : history_.entries) {
            if (entry.sent->kind == Sent::jump && end <= from && to <= entry.sent->base) return true;
            if (entry.sent->kind == Sent::batch || entry.sent->kind == Sent::reading) end = entry.sent->base + entry.sent->count;
            if (entry.sent->kind == Sent::truncate) end = entry.sent->base;
        }
        return false;
    }

    // Where what cleaning passes left out from there on ends.
    Offset behind_left_out(Offset next) const {
        for (const LogHistory::Entry& entry : history_.entries) {
            if (entry.sent->kind != Sent::batch || entry.sent->base + entry.sent->count <= next || entry.sent->base > next) continue;
            const bool expected = expected_ && std::find(expected_->begin(), expected_->end(), entry.sent.get()) != expected_->end();
            if (!expected && left_out(*entry.sent)) next = entry.sent->base + entry.sent->count;
        }
        return next;
    }

    // By some cleaning pass.
    bool left_out(const Sent& sent) const {
        return std::any_of(history_.entries.begin(), history_.entries.end(), [&](const LogHistory::Entry& e) {
            return e.sent->kind == Sent::clean && std::find(e.sent->dropped.begin(), e.sent->dropped.end(), sent.base) != e.sent->dropped.end();
        });
    }

    // Class b: right bytes or a reported range, up to the end of some prefix that has all that is proved.
    std::string damaged(const store::Log& log) {
        Content content;
        std::string wrong = explained(log, content, false);
        // Where whole groups are lost, so may be the record that cut the log: what had been there before is back.
        const bool cut_lost = !wrong.empty() && harness_.store().state().damage.corrupt_groups != 0;
        if (cut_lost) wrong = explained(log, content, true);
        if (!wrong.empty()) return wrong;
        if (!cut_lost) {
            std::vector<LogHistory::Entry> left;
            for (const LogHistory::Entry& entry : history_.entries)
                if (std::find(content.begin(), content.end(), entry.sent.get()) != content.end() || entry.sent->kind == Sent::clean || left_out(*entry.sent)) left.push_back(entry);
            history_.entries = std::move(left);
        }
        content_after_fault(log);
        return {};
    }

    bool proved(const LogHistory::Entry& entry) const { return entry.ticket <= proved_ && (!entry.late || durable_ != 0); }

    std::string explained(const store::Log& log, Content& content, bool any_version) const {
        content.clear();
        Offset end{0};
        Offset start{0};
        std::size_t taken = 0;
        for (; taken < history_.entries.size() && proved(history_.entries[taken]); ++taken) apply(content, end, start, *history_.entries[taken].sent);
        std::string wrong;
        for (;; ++taken) {
            std::string now = right_or_reported(log, content, end, any_version);
            if (now.empty()) return {};
            if (wrong.empty() || end == log.end) wrong = now;
            if (taken == history_.entries.size()) return wrong;
            apply(content, end, start, *history_.entries[taken].sent);
        }
    }

    std::string right_or_reported(const store::Log& log, const Content& content, Offset end, bool any_version) const {
        // What a lost group may have held is estimated by dense batches, which those of the test's memory logs are not.
        if (log.end < end && !history_.memory) return "log " + std::to_string(id_) + " ends at " + std::to_string(log.end.value) + ", it was at " + std::to_string(end.value);
        Offset next = log.start;
        std::size_t at = 0;
        for (const ServedBatch& batch : served_) {
            const Offset base = batch.header.base_offset;
            if (base < next && next != log.start) return where(id_, base) + "served twice";
            if (std::string wrong = reported(next, base); !wrong.empty()) return wrong;
            while (at < content.size() && content[at]->base + content[at]->count <= base) ++at;
            std::string wrong = compare(id_, batch, content, at);
            if (!wrong.empty() && any_version && once(batch)) wrong.clear();
            if (!wrong.empty()) return wrong;
            next = batch.header.last_offset() + 1;
        }
        return reported(next, log.end);
    }

    // Class d: whatever is served was sent at that offset, in order.
    std::string lied_to(const store::Log& log) {
        Offset next = log.start;
        for (const ServedBatch& batch : served_) {
            const Offset base = batch.header.base_offset;
            if (base < next && next != log.start) return where(id_, base) + "served twice";
            if (!once(batch)) return where(id_, base) + "this was never sent";
            next = batch.header.last_offset() + 1;
        }
        for (const LogHistory::Entry& entry : history_.entries) {
            const Sent& sent = *entry.sent;
            const bool is_data = sent.kind == Sent::batch || sent.kind == Sent::reading;
            if (fault_ == FaultClass::d_later && is_data && entry.ticket != 0 && entry.ticket <= durable_ && sent.base >= log.start && !served(sent.base))
                return where(id_, sent.base) + "acknowledged after the fault, and lost";
        }
        content_after_fault(log);
        return {};
    }

    bool served(Offset offset) const {
        return std::any_of(served_.begin(), served_.end(), [&](const ServedBatch& b) { return b.header.base_offset <= offset && offset <= b.header.last_offset(); });
    }

    // Class d: any version of what was at an offset, before a truncation that the disk forgot.
    bool once(const ServedBatch& batch) const {
        for (std::size_t i = 0; i < history_.entries.size(); ++i) {
            const Sent& sent = *history_.entries[i].sent;
            if ((sent.kind != Sent::batch && sent.kind != Sent::reading) || sent.base != batch.header.base_offset) continue;
            Content from;
            for (std::size_t k = i; k < history_.entries.size() && history_.entries[k].sent->kind == sent.kind; ++k) from.push_back(history_.entries[k].sent.get());
            std::size_t at = 0;
            if (compare(id_, batch, from, at).empty()) return true;
        }
        return false;
    }

    std::string reported(Offset from, Offset to) const {
        if (from >= to || jumped(from, to)) return {};
        const store::Fences& fences = harness_.store().state().fences;
        Offset next = behind_left_out(from);
        for (std::size_t i = 0; i < fences.count() && next < to; ++i) {
            const store::FenceImage& fence = fences.at(i);
            if (fence.log == LogId(id_) && fence.from <= next && fence.to > next) next = behind_left_out(fence.to);
        }
        return next >= to ? std::string() : where(id_, next) + "missing up to " + std::to_string(to.value) + " and not reported";
    }

    // What is served is what there is from now on.
    void content_after_fault(const store::Log& log) {
        std::vector<LogHistory::Entry> left;
        for (LogHistory::Entry& entry : history_.entries) {
            const Sent& sent = *entry.sent;
            if (sent.kind == Sent::clean) {
                Sent pass = sent;
                std::erase_if(pass.dropped, [&](Offset base) { return served(base); });
                left.push_back({std::make_shared<const Sent>(pass), 0});
            }
            if (sent.kind != Sent::batch && sent.kind != Sent::reading) continue;
            if (served(sent.base) || left_out(sent)) left.push_back({entry.sent, 0});
        }
        Sent jump;
        jump.kind = Sent::jump;
        jump.base = log.end;
        left.push_back({std::make_shared<const Sent>(jump), 0});
        history_.entries = std::move(left);
    }

    void settle(std::size_t taken, const store::Log& log, Offset end) {
        history_.entries.resize(taken);
        for (LogHistory::Entry& entry : history_.entries) entry.ticket = 0;
        if (log.end == end) return;
        Sent jump;
        jump.kind = Sent::jump;
        jump.base = log.end;
        history_.entries.push_back({std::make_shared<const Sent>(jump), 0});
    }

    // A session's last sequence is that of its last reading that the log has, or had before its start moved.
    std::string sessions() const {
        std::map<std::uint64_t, std::uint64_t> last;
        std::map<std::uint64_t, std::uint64_t> ever;
        // A truncation may make the store forget what sessions had before it.
        std::map<std::uint64_t, bool> loose;
        for (const LogHistory::Entry& entry : history_.entries) {
            if (entry.sent->kind == Sent::truncate)
                for (const auto& [session, sequence] : last) loose[session] = true;
            if (entry.sent->session == 0) continue;
            last[entry.sent->session] = entry.sent->sequence;
            loose[entry.sent->session] = false;
        }
        const store::SessionTable& table = harness_.store().sessions();
        store::SessionImage image;
        for (std::uint32_t i = 0; i < table.capacity(); ++i) {
            if (!table.image_at(i, image) || image.log != LogId(id_)) continue;
            ever[image.session] = image.last_sequence;
        }
        const std::string name = "log " + std::to_string(id_) + " session ";
        for (const auto& [session, sequence] : last) {
            const auto found = ever.find(session);
            const std::uint64_t known = found == ever.end() ? 0 : found->second;
            if (known < sequence && !loose[session]) return name + std::to_string(session) + " is known up to " + std::to_string(known) + ", the log has " + std::to_string(sequence);
            if (known > sequence) return name + std::to_string(session) + " is known up to " + std::to_string(known) + ", the log has only " + std::to_string(sequence);
        }
        for (const auto& [session, sequence] : ever)
            if (!last.contains(session) && sequence != 0) return name + std::to_string(session) + " is known and has no reading";
        return {};
    }

    // The last five batches of a producer that the log has are known, and nothing else is.
    std::string producers() const {
        // A truncation takes known batches, a memory log that lost some forgets all.
        const bool loose = std::any_of(history_.entries.begin(), history_.entries.end(), [](const LogHistory::Entry& e) { return e.sent->kind == Sent::truncate || e.sent->kind == Sent::jump; });
        const store::ProducerTable& table = harness_.store().producers();
        const std::vector<std::int64_t> all = producers_of(history_);
        store::ProducerImage image;
        std::size_t found = 0;
        for (std::uint32_t i = 0; i < table.capacity(); ++i) {
            if (!table.image_at(i, image) || image.log != LogId(id_)) continue;
            ++found;
            const std::string name = "log " + std::to_string(id_) + " producer " + std::to_string(image.producer);
            const std::vector<const Sent*> sent = produced(history_, image.producer);
            if (image.count > sent.size() || (!loose && image.count < std::min(sent.size(), store::producer_batches_max)))
                return name + " has " + std::to_string(image.count) + " known batches of " + std::to_string(sent.size());
            std::int64_t sequence = image.first_sequence;
            for (std::uint32_t k = 0; k < image.count; ++k) {
                const Sent& batch = *sent[sent.size() - image.count + k];
                if (sequence != batch.first_sequence || image.bases[k] != batch.base || image.spans[k] + 1 != static_cast<std::uint32_t>(batch.count))
                    return name + " has sequence " + std::to_string(sequence) + " at " + std::to_string(image.bases[k].value) + ", sent was " + std::to_string(batch.first_sequence) + " at " +
                           std::to_string(batch.base.value);
                sequence += image.spans[k] + 1;
            }
        }
        const auto known = static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](std::int64_t p) { return !produced(history_, p).empty(); }));
        if (found < known && !loose) return "log " + std::to_string(id_) + " knows " + std::to_string(found) + " producers of " + std::to_string(known);
        return {};
    }

    StoreHarness& harness_;
    std::uint64_t id_;
    LogHistory& history_;
    std::uint64_t durable_;
    std::uint64_t proved_;
    FaultClass fault_;
    std::vector<ServedBatch> served_;
    const Content* expected_ = nullptr;  // what must not have been left out
    std::string first_wrong_;
};

}  // namespace

std::string verify(StoreHarness& harness, History& history, FaultClass fault) {
    if (!harness.running() || !harness.program().serving()) return "the store does not start";
    for (auto entry = history.logs.begin(); entry != history.logs.end();) {
        LogVerifier log(harness, entry->first, entry->second, history, fault);
        if (std::string wrong = log.run(); !wrong.empty()) return wrong;
        entry = entry->second.removed != UINT64_MAX ? history.logs.erase(entry) : std::next(entry);
    }
    history.durable_ticket = history.proved_ticket = 0;
    for (std::uint32_t rank = 0; rank < harness.store().log_count(); ++rank) {
        const LogId id = harness.store().log_at(rank).id;
        if (harness.store().log_at(rank).clean_part) continue;
        if (!history.logs.contains(id.value)) return "log " + std::to_string(id.value) + " was never created";
        const auto topic = harness.program().topics.upper_bound(id.value);
        const bool named = topic != harness.program().topics.begin() && id.value < std::prev(topic)->first + std::prev(topic)->second.count;
        if (!named && fault == FaultClass::a) return "log " + std::to_string(id.value) + " has no topic";
    }
    return harness.failure();
}

}  // namespace rivulet::test
