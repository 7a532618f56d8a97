// Any bytes as what one end of a compact connection receives. The first byte chooses: bit 0 the sender (0 client, 1 broker), bit 1
// whether checks hold (they rarely do in random bytes), bits 2-7 how the rest is cut into pieces. What must hold besides no crash:
//   - frames do not depend on the pieces, and need_more never asks beyond the limit;
//   - what a decoder takes, the encoder writes again to the same bytes (puts: to the same readings);
//   - both ends' put states agree.
#include <cstdlib>
#include <vector>

#include "wire/compact/admin_frames.h"
#include "wire/compact/frame_reader.h"
#include "wire/compact/group_frames.h"
#include "wire/compact/member_frames.h"
#include "wire/compact/push_frames.h"
#include "wire/compact/put_state.h"

using namespace rivulet;
using namespace rivulet::wire::compact;

namespace {

using Buffer = std::vector<std::uint8_t>;
constexpr std::size_t limit = 4096;

void require(bool condition) {
    if (!condition) std::abort();
}

struct End {
    PutState state;         // of the end that reads
    PutState again_writer;  // of puts that are written again ...
    PutState again_reader;  // ... and read again
    unsigned readings = 0;
};

// The frame as `encode` writes it, compared with what was read, checks aside.
template <class Encode>
void same_again(const FrameView& frame, Encode encode) {
    static std::uint8_t bytes[2 * limit];
    Writer out(bytes);
    RunningCrc sum;
    sum.set_on(false);  // OPEN has its check all the same
    encode(out, sum);
    require(out.ok());
    Bytes sent = frame.raw;
    Bytes again = out.written();
    if (frame.body.data() + frame.body.size() != sent.data() + sent.size()) {  // with a check: the lengths differ by it
        sent = frame.body;
        again = again.subspan(frame.kind == Kind::open ? 2 : again.size() - sent.size(), sent.size());
    }
    require(equal(sent, again));
}

void same_reading(const Reading& a, const Reading& b) {
    require(a.stamped == b.stamped && a.time == b.time && a.has_key == b.has_key && a.has_value == b.has_value);
    require(equal(a.key, b.key) && equal(a.value, b.value));
    require(a.headers.size() == b.headers.size() && equal(a.headers.encoded(), b.headers.encoded()));
    std::size_t n = 0;
    for (const Header& header : a.headers) n += header.key.size() + header.value.size();
    require(n <= a.headers.encoded().size());
}

void puts(const FrameView& frame, End& end) {
    const std::uint64_t sequence = end.state.sequence_next();
    const auto read = decode_puts(frame, end.state);
    if (!read) return;
    require(read->sequence_first == sequence && read->readings.size() != 0);
    require(end.state.sequence_next() == sequence + read->readings.size());
    static std::uint8_t bytes[2 * limit];
    for (const Reading& reading : read->readings) {
        if (++end.readings > 20000) return;
        Writer out(bytes);
        RunningCrc sum;
        end.again_writer.grant(2 * limit);
        end.again_reader.grant(2 * limit);
        const bool packed = frame.kind == Kind::put_packed && (reading.has_value || reading.has_key);
        if (packed) {
            PackedPutEncoder encoder(out, sum, end.again_writer, read->alias, 2 * limit);
            require(encoder.add(reading));
            encoder.finish();
        } else {
            require(encode_put(out, sum, end.again_writer, read->alias, reading).ok());
        }
        FrameReader reader(Side::client);
        reader.set_frame_bytes_max(2 * limit);
        const auto step = reader.next(out.written());
        require(step.outcome == FrameReader::Outcome::frame && step.bytes == out.size());
        const auto again = decode_puts(step.frame, end.again_reader);
        require(again.ok() && again->alias == read->alias && again->readings.size() == 1);
        same_reading(reading, again->readings.front());
        require(end.again_writer.credit() == end.again_reader.credit());
    }
}

void from_client(const FrameView& frame, End& end) {
    const Bytes body = frame.body;
    const std::uint64_t id = frame.correlation;
    const auto again = [&](auto encode) { same_again(frame, encode); };
    switch (frame.kind) {
    case Kind::open:
        if (const auto x = decode_open(body)) again([&](Writer& out, RunningCrc& sum) { encode_open(out, sum, *x); });
        break;
    case Kind::alias:
        if (const auto x = decode_alias(body, frame.flags)) again([&](Writer& out, RunningCrc& sum) { encode_alias(out, sum, *x); });
        break;
    case Kind::put:
    case Kind::put_packed: puts(frame, end); break;
    case Kind::fetch:
        if (const auto x = decode_fetch(body, frame.flags)) again([&](Writer& out, RunningCrc&) { encode_fetch(out, id, *x); });
        break;
    case Kind::offsets:
        if (const auto x = decode_offsets(body)) again([&](Writer& out, RunningCrc&) { encode_offsets(out, id, *x); });
        break;
    case Kind::metadata: require(decode_metadata(body).ok() == body.empty()); break;
    case Kind::topic_create:
        if (const auto x = decode_topic_create(body)) {
            std::vector<ConfigPair> config;
            for (const ConfigPair& pair : x->config) config.push_back(pair);
            again([&](Writer& out, RunningCrc&) { encode_topic_create(out, id, *x, config); });
        }
        break;
    case Kind::topic_list:
        if (const auto x = decode_topic_list(body)) again([&](Writer& out, RunningCrc&) { encode_topic_list(out, id, *x); });
        break;
    case Kind::topic_describe:
        if (const auto x = decode_topic_describe(body)) again([&](Writer& out, RunningCrc&) { encode_topic_describe(out, id, *x); });
        break;
    case Kind::topic_delete:
        if (const auto x = decode_topic_delete(body)) again([&](Writer& out, RunningCrc&) { encode_topic_delete(out, id, *x); });
        break;
    case Kind::topic_alter:
        if (const auto x = decode_topic_alter(body)) {
            std::vector<ConfigPair> config;
            for (const ConfigPair& pair : x->config) config.push_back(pair);
            again([&](Writer& out, RunningCrc&) { encode_topic_alter(out, id, *x, config); });
        }
        break;
    case Kind::subscribe:
        if (const auto x = decode_subscribe(body, frame.flags)) again([&](Writer& out, RunningCrc&) { encode_subscribe(out, id, *x); });
        break;
    case Kind::credit:
        if (const auto x = decode_credit(body, frame.flags)) {
            std::vector<Position> positions;
            for (const Position& position : x->positions) positions.push_back(position);
            again([&](Writer& out, RunningCrc&) { encode_credit(out, id, *x, positions); });
        }
        break;
    case Kind::assign:
        if (const auto x = decode_assign(body)) {
            std::vector<std::string_view> topics;
            for (const TopicName& topic : x->topics) topics.push_back(topic.name);
            std::vector<std::uint64_t> slots;
            for (const Slot& slot : x->slots) slots.push_back(slot.number);
            again([&](Writer& out, RunningCrc&) {
                switch (x->what) {
                case MemberRequest::join: return encode_join_group(out, id, x->join, topics);
                case MemberRequest::topics: return encode_topics_of_member(out, id, topics);
                case MemberRequest::release: return encode_release(out, id, slots);
                case MemberRequest::seek: return encode_seek(out, id, x->slot, x->offset);
                }
            });
        }
        break;
    case Kind::commit:
        if (const auto x = decode_commit(body, frame.flags)) {
            std::vector<SlotCommit> slots;
            for (const SlotCommit& commit : x->slots) slots.push_back(commit);
            std::vector<CommitEntry> entries;
            for (const CommitEntry& entry : x->entries) entries.push_back(entry);
            again([&](Writer& out, RunningCrc&) { x->by_slot ? encode_commit(out, id, x->member, slots) : encode_commit(out, id, x->group, entries); });
        }
        break;
    case Kind::group:
        if (const auto x = decode_group_request(body))
            again([&](Writer& out, RunningCrc&) {
                if (x->operation != GroupOperation::set) return encode_group_request(out, id, *x);
                GroupSetEncoder set(out, id, x->group);
                for (const TopicOffsets& of : x->offsets) {
                    std::vector<PartitionOffset> partitions;
                    for (const PartitionOffset& at : of.partitions) partitions.push_back(at);
                    set.add(of.topic, partitions);
                }
                set.finish();
            });
        break;
    default: break;
    }
}

// An answer does not say which operation it is to: each page is tried.
template <class Page>
void group_page(const FrameView& frame, const Page& page, const GroupHead* head) {
    if (!page) return;
    same_again(frame, [&](Writer& out, RunningCrc&) {
        GroupPageEncoder again(out, frame.correlation, limit);
        if (head) require(again.head(*head));
        for (const auto& entry : page->entries) require(again.add(entry));
        again.finish(page->more);
    });
}

void answers(const FrameView& frame) {
    const auto answer = decode_answer(frame.body);
    if (!answer || answer->error != Error::none) return;
    const Bytes rest = answer->rest;
    const std::uint64_t id = frame.correlation;
    const auto again = [&](auto encode) { same_again(frame, encode); };
    switch (frame.kind) {
    case Kind::fetch:
        if (const auto x = decode_fetched(rest))
            again([&](Writer& out, RunningCrc&) {
                encode_fetched_head(out, id, *x, x->batches.size());
                out.bytes(x->batches);
            });
        break;
    case Kind::subscribe:
        if (const auto x = decode_subscribed(rest)) again([&](Writer& out, RunningCrc&) { encode_subscribed(out, id, *x); });
        break;
    case Kind::offsets:
        if (const auto x = decode_offset_found(rest)) again([&](Writer& out, RunningCrc&) { encode_offset_found(out, id, *x); });
        break;
    case Kind::assign:
        if (const auto x = decode_assigned(rest, frame.flags)) {
            if (x->failure.error == Error::unknown) return;  // of a number that this build does not know
            again([&](Writer& out, RunningCrc&) {
                switch (x->what) {
                case MemberNews::joined: return encode_joined(out, id, x->member, x->generation);
                case MemberNews::sought: return encode_sought(out, id, x->slot, x->failure, x->offset, x->log_start, x->high_watermark);
                case MemberNews::assigned: {
                    AssignedEncoder page(out, id, limit, x->generation);
                    for (const AssignedPartition& partition : x->partitions) require(page.add(partition));
                    return page.finish(x->more);
                }
                case MemberNews::revoked: {
                    AssignedEncoder page(out, id, limit);
                    for (const Slot& slot : x->slots) require(page.add(slot.number));
                    return page.finish(false);
                }
                }
            });
        }
        break;
    case Kind::metadata:
        if (const auto x = decode_metadata_answer(rest)) {
            std::vector<Node> nodes;
            for (const Node& node : x->nodes) nodes.push_back(node);
            again([&](Writer& out, RunningCrc&) { encode_metadata_answer(out, id, *x, nodes); });
        }
        break;
    case Kind::group: {
        group_page(frame, decode_group_listed(rest, frame.flags), nullptr);
        group_page(frame, decode_group_positions(rest, frame.flags), nullptr);
        const auto described = decode_group_described(rest, frame.flags);
        group_page(frame, described, described ? &described->head : nullptr);
        break;
    }
    case Kind::topic_create:
        if (const auto x = decode_topic_created(rest)) again([&](Writer& out, RunningCrc&) { encode_topic_created(out, id, *x); });
        break;
    case Kind::topic_list:
        if (const auto x = decode_topic_listed(rest, frame.flags))
            again([&](Writer& out, RunningCrc&) {
                TopicListEncoder page(out, id, limit);
                for (const TopicEntry& topic : x->topics) require(page.add(topic));
                page.finish(x->more);
            });
        break;
    case Kind::topic_describe:
        if (const auto x = decode_topic_described(rest, frame.flags)) {
            for (const PartitionEntry& entry : x->partitions)
                if (entry.fenced.size() > fenced_listed_max) return;  // read, but not written
            again([&](Writer& out, RunningCrc&) {
                TopicDescribeEncoder page(out, id, limit, x->topic);
                for (const ConfigPair& pair : x->config) require(page.add_config(pair));
                for (const PartitionEntry& entry : x->partitions) {
                    std::vector<std::uint64_t> replicas, in_sync;
                    std::vector<FencedRange> fenced;
                    for (const NodeId node : entry.replicas) replicas.push_back(node.value);
                    for (const NodeId node : entry.in_sync) in_sync.push_back(node.value);
                    for (const FencedRange& range : entry.fenced) fenced.push_back(range);
                    require(page.add_partition(entry, replicas, in_sync, fenced));
                }
                page.finish(x->more);
            });
        }
        break;
    default: break;
    }
}

void from_broker(const FrameView& frame, End& end) {
    const Bytes body = frame.body;
    if (frame.kind == Kind::data && (frame.flags & flag::data_end) == 0) {
        if (const auto x = decode_data(body, frame.flags))
            same_again(frame, [&](Writer& out, RunningCrc&) {
                encode_data_head(out, frame.correlation, *x, x->batches.size());
                out.bytes(x->batches);
            });
        return;
    }
    if (kind_info(frame.kind).correlation) return answers(frame);
    switch (frame.kind) {
    case Kind::open:
        if (const auto x = decode_opened(body, frame.flags))
            same_again(frame, [&](Writer& out, RunningCrc& sum) { encode_opened(out, sum, *x); });
        break;
    case Kind::alias:
        if (const auto x = decode_aliased(body); x && x->error != Error::unknown)
            same_again(frame, [&](Writer& out, RunningCrc& sum) { encode_aliased(out, sum, *x); });
        break;
    case Kind::ack:
        if (const auto x = decode_ack(frame, end.state)) require(x->sequence < end.state.sequence_next());
        break;
    default: break;
    }
}

void either(const FrameView& frame) {
    if (frame.kind == Kind::ping || frame.kind == Kind::pong) {
        if (const auto x = decode_ping(frame.body)) same_again(frame, [&](Writer& out, RunningCrc&) { frame.kind == Kind::ping ? encode_ping(out, *x) : encode_pong(out, *x); });
    } else if (frame.kind == Kind::error) {
        if (const auto x = decode_error(frame.body)) require(x->text.size() < frame.body.size());
    } else if (frame.kind == Kind::close) {
        (void)decode_close(frame.body).ok();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size == 0) return 0;
    const Side sender = (data[0] & 1U) == 0 ? Side::client : Side::broker;
    const std::size_t piece = 1U + (data[0] >> 2);
    const Buffer bytes(data + 1, data + size);
    FrameReader whole(sender), cut(sender);
    for (FrameReader* reader : {&whole, &cut}) {
        reader->set_frame_bytes_max(limit);
        reader->set_integrity((data[0] & 2U) != 0);
    }
    End end;
    std::size_t done = 0, arrived = 0;
    for (;;) {
        const Bytes left = Bytes(bytes).subspan(done);
        const auto step = whole.next(left);
        // The same by pieces: from a buffer of its own, so that a read beyond it is seen.
        auto other = cut.next(Buffer(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(arrived > done ? arrived - done : 0)));
        while (other.outcome == FrameReader::Outcome::need_more && arrived < bytes.size()) {
            require(other.bytes > arrived - done && other.bytes <= limit);
            arrived = arrived + piece < bytes.size() ? arrived + piece : bytes.size();
            other = cut.next(Buffer(left.begin(), left.begin() + static_cast<std::ptrdiff_t>(arrived - done)));
        }
        require(other.outcome == step.outcome && other.bytes == step.bytes && other.failure.error == step.failure.error);
        if (step.outcome != FrameReader::Outcome::frame) break;
        require(step.bytes > 1 && step.bytes <= left.size());
        end.state.grant(step.bytes);
        if (sender == Side::client) from_client(step.frame, end);
        else from_broker(step.frame, end);
        either(step.frame);
        done += step.bytes;
        if (arrived < done) arrived = done;
    }
    return 0;
}
