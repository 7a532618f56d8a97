#include "support/store_program.h"

namespace rivulet::test {

using store::Section;

namespace {

constexpr Section passed_section{33};
constexpr Section sections[] = {Section::catalogue, passed_section};

Buffer buffer_of(Bytes bytes) { return Buffer(bytes.begin(), bytes.end()); }

}  // namespace

StoreProgram::StoreProgram(sim::NodeEnv& env, const store::StoreOptions& options)
    : env_(env),
      memory_(std::make_unique_for_overwrite<std::uint8_t[]>(store::Store::memory_bytes(options) + 64)),
      arena_(MutableBytes(memory_.get(), store::Store::memory_bytes(options) + 64)) {
    store_ = &arena_.make<store::Store>(env, arena_, options, static_cast<store::CheckpointSource&>(*this));
    arena_.seal();
    // Nothing may allocate once it serves, the test's own notes included.
    offline.reserve(16);
    stopped.reserve(16);
    opened = store_->open(*this);
    if (!opened) return;
    env.serving();
    store_->serve(*this);
}

std::span<const Section> StoreProgram::checkpoint_sections() const { return sections; }

// Catalogue: first log id, count, block. The cursor is the id to go on from, or the index of the record.
bool StoreProgram::encode_checkpoint(Section section, LogId bound, std::uint64_t& cursor, Writer& out) {
    const sim::AllocationGuard::SimCode scope;
    if (section == passed_section) {
        for (; cursor < passed.size(); ++cursor) {
            if (out.room() < passed[cursor].size() + 16) return true;
            out.block(passed[cursor]);
        }
        return false;
    }
    for (auto topic = topics.lower_bound(cursor); topic != topics.end() && topic->first < bound.value; ++topic) {
        if (out.room() < topic->second.block.size() + 32) return true;
        out.varint(topic->first);
        out.varint(topic->second.count);
        out.block(topic->second.block);
        cursor = topic->first + 1;
    }
    return false;
}

Status StoreProgram::on_checkpoint_chunk(Section section, Bytes chunk) {
    const sim::AllocationGuard::SimCode scope;
    for (Reader in(chunk); !in.at_end();) {
        if (section == passed_section) {
            passed.push_back(buffer_of(in.block()));
        } else {
            const std::uint64_t first = in.varint();
            Topic& topic = topics[first];
            topic.count = static_cast<std::uint32_t>(in.varint());
            topic.block = buffer_of(in.block());
        }
        if (!in.ok()) return fail(Error::corrupt);
    }
    return {};
}

Status StoreProgram::on_record(store::RecordType type, LogId first, std::uint32_t count, Bytes body) {
    const sim::AllocationGuard::SimCode scope;
    if (type == store::RecordType::log_create) topics[first.value] = {count, buffer_of(body)};
    else if (type == store::RecordType::log_delete) topics.erase(first.value);
    else passed.push_back(buffer_of(body));
    return {};
}

Status StoreProgram::on_orphan(store::Log& log) {
    const sim::AllocationGuard::SimCode scope;
    orphans.push_back(log.id.value);
    topics[log.id.value] = {1, {}};
    return {};
}

}  // namespace rivulet::test
