// Members of many consumer groups, a connection each, which speak Kafka's protocol as the Java client does: one thread, one request under way each.
// usage: bench_groups --port N [--name value]...   prints JSON, an object a line, with marks where counters are to be read; groups.py is its user
//   --members, --groups; --topics and --partitions of each: group G reads all partitions of topic NAME-(G modulo topics)
//   --heartbeats N: that many heartbeats once all groups are formed, then the end; otherwise all phases, of --seconds and the last of --soak seconds
#include <sys/epoll.h>

#include <algorithm>
#include <memory>
#include <string>

#include "bench/connection.h"
#include "bench/options.h"
#include "support/kafka_consumer_protocol.h"
#include "wire/kafka/apis.h"
#include "wire/kafka/heartbeat.h"
#include "wire/kafka/join_group.h"
#include "wire/kafka/leave_group.h"
#include "wire/kafka/offset_commit.h"
#include "wire/kafka/sync_group.h"

namespace rivulet::bench {
namespace {

namespace kafka = wire::kafka;
using kafka::Api;

// The codes of Kafka's protocol that a member answers by joining again.
namespace code {
constexpr std::int16_t illegal_generation = 22, unknown_member = 25, rebalance_in_progress = 27, member_id_required = 79;
}
constexpr std::int32_t session_ms = 300'000;  // nobody is to be missed, however slow the machine is

struct Member {
    std::size_t number = 0;
    std::size_t group = 0;
    int fd = -1;
    std::string id;
    std::int32_t generation = -1;
    std::vector<std::int32_t> partitions;
    Api pending{};
    bool waits = false;    // for the answer to `pending`
    bool stable = false;   // has its part of the generation
    bool rejoins = false;  // once the answer that it waits for is there
    std::int32_t correlation = 0;
    double due = 0;        // its next heartbeat
    std::uint32_t beats = 0;
    std::vector<std::uint8_t> held;
};

struct Group {
    std::string name;
    std::string topic;
    std::size_t stable = 0;
    double formed = 0;
};

unsigned long long number(std::uint64_t n) { return n; }

class Groups {
public:
    explicit Groups(const Options& options)
        : members_(options.count("members", 1000)), groups_(options.count("groups", 100)), partitions_(options.count("partitions", 10)), scratch_(256 * 1024), arrivals_(256 * 1024),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
        const std::size_t topics = options.count("topics", static_cast<double>(groups_.size()));
        for (std::size_t i = 0; i < groups_.size(); ++i) {
            groups_[i].name = "group-" + std::to_string(i);
            groups_[i].topic = options.topic() + "-" + std::to_string(i % topics);
        }
        for (std::size_t i = 0; i < members_.size(); ++i) {
            Member& member = members_[i];
            member.number = i;
            member.group = i % groups_.size();
            member.fd = connect_loopback(options.port(), now() + 10);
            if (member.fd < 0) die("nobody listens on port %u", options.port());
            const int one = 1;
            ::setsockopt(member.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            ::fcntl(member.fd, F_SETFL, ::fcntl(member.fd, F_GETFL) | O_NONBLOCK);
            epoll_event event{};
            event.events = EPOLLIN;
            event.data.u32 = static_cast<std::uint32_t>(i);
            ::epoll_ctl(epoll_, EPOLL_CTL_ADD, member.fd, &event);
        }
    }

    int run(const Options& options) {
        const double begin = now();
        for (Member& member : members_) join(member);
        settle();
        std::printf("{\"mark\": \"formed\", \"seconds\": %.3f}\n", now() - begin);
        std::fflush(stdout);
        const std::uint64_t wanted = options.count("heartbeats", 0);
        if (wanted != 0) {
            closed_loop([&] { return beats_ + waiting() < wanted; });
            settle();
            return 0;
        }
        const double seconds = options.number("seconds", 5);
        mark("paced begin");
        pace(now() + seconds, false);
        mark("paced end");
        mark("closed begin");
        const double end = now() + seconds;
        closed_loop([&] { return now() < end; });
        mark("closed end");
        settle();
        rebalances("one group", options.count("repeat", 20), 1);
        rebalances("all groups", options.count("repeat", 20) / 4 + 1, groups_.size());
        // The first lap: whatever is lent for this pattern of requests is lent.
        pace(now() + options.number("soak", 60) / 6 + 6, true);
        mark("soak begin");
        pace(now() + options.number("soak", 60), true);
        mark("soak end");
        return 0;
    }

private:
    std::size_t members_of(std::size_t group) const { return (members_.size() - group + groups_.size() - 1) / groups_.size(); }
    std::uint64_t waiting() const { return static_cast<std::uint64_t>(std::count_if(members_.begin(), members_.end(), [](const Member& m) { return m.waits; })); }

    void mark(const char* name) const {
        std::printf("{\"mark\": \"%s\", \"time\": %.6f, \"heartbeats\": %llu, \"commits\": %llu, \"rebalances\": %llu}\n", name, now(), number(beats_), number(commits_), number(formations_));
        std::fflush(stdout);
    }

    // --- phases
    // Until nobody waits for an answer and all groups are formed. Who is told by a heartbeat that its group forms anew, joins.
    void settle() {
        const double deadline = now() + 300;
        double next = now() + 0.05;
        while (waiting() != 0 || std::any_of(groups_.begin(), groups_.end(), [](const Group& g) { return g.formed == 0; })) {
            turn(0.01);
            if (now() < next) continue;
            next = now() + 0.05;
            for (Member& member : members_)
                if (member.stable && !member.waits && groups_[member.group].formed == 0) heartbeat(member);
            if (now() > deadline) die("groups are not formed after 300 s");
        }
    }
    // Each member sends its next heartbeat when the last is answered.
    template <class Condition>
    void closed_loop(Condition more) {
        again_ = true;
        for (Member& member : members_)
            if (more()) heartbeat(member);
        while (more()) turn(0.1);
        again_ = false;
    }
    // A heartbeat a second each, at its own time; `busy`: it commits each fifth second, and each second a member of another group leaves and comes back.
    void pace(double end, bool busy) {
        const double begin = now();
        for (Member& member : members_) member.due = begin + static_cast<double>(member.number) / static_cast<double>(members_.size());
        double change = begin + 0.5;
        std::size_t next = 0;
        while (now() < end) {
            Member& member = members_[next];
            while (now() < member.due && now() < end) turn(std::min(member.due, end) - now());
            if (now() >= end) break;
            if (!member.waits && member.stable) {
                if (busy && ++member.beats % 5 == 0) commit(member);
                else heartbeat(member);
            }
            member.due += 1;
            next = (next + 1) % members_.size();
            if (busy && now() >= change) {
                Member& goes = members_[changes_++ % members_.size()];
                if (!goes.waits && goes.stable) leave(goes);
                change += 1;
            }
        }
        settle();
    }
    // All members of so many groups join at once, as after a change of what they subscribe to.
    void rebalances(const char* name, std::size_t repeat, std::size_t count) {
        std::vector<double> took;
        for (std::size_t r = 0; r < repeat; ++r) {
            std::vector<std::size_t> which;
            for (std::size_t i = 0; i < count; ++i) which.push_back((r + i) % groups_.size());
            const double begin = now();
            for (Member& member : members_)
                if (std::find(which.begin(), which.end(), member.group) != which.end()) join(member);
            settle();
            double last = begin;
            for (const std::size_t group : which) last = std::max(last, groups_[group].formed);
            took.push_back(last - begin);
        }
        std::sort(took.begin(), took.end());
        std::printf("{\"mark\": \"%s\", \"median_ms\": %.3f, \"most_ms\": %.3f}\n", name, took[took.size() / 2] * 1e3, took.back() * 1e3);
        std::fflush(stdout);
    }

    // --- requests
    template <class Request>
    void send(Member& member, Api api, Request& request) {
        const kafka::ApiInfo& info = kafka::api_info(api);
        Writer out(scratch_);
        kafka::begin_request(out, api, info.highest, ++member.correlation, "bench");
        kafka::Codec codec(out, info.highest, info.flexible(info.highest));
        request.describe(codec);
        kafka::finish_frame(out, 0);
        if (!out.ok()) die("a request is too large");
        if (member.waits) die("two requests at once");
        if (::send(member.fd, scratch_.data(), out.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(out.size())) die("send: errno %d", errno);
        member.pending = api;
        member.waits = true;
    }

    void unsettle(Member& member) {
        if (member.stable) --groups_[member.group].stable;
        member.stable = false;
        groups_[member.group].formed = 0;
    }

    void join(Member& member) {
        unsettle(member);
        if (member.waits) {
            member.rejoins = true;
            return;
        }
        std::uint8_t metadata[256];
        Writer out(metadata);
        kafka::ConsumerProtocolSubscription subscription;
        auto topics = [&](std::size_t, std::string_view& topic) { topic = groups_[member.group].topic; };
        subscription.topics = kafka::Array<std::string_view>::of(1, topics);
        kafka::encode_versioned(out, subscription);
        kafka::JoinGroupRequest request;
        request.group_id = groups_[member.group].name;
        request.session_timeout_ms = session_ms;
        request.rebalance_timeout_ms = session_ms;
        request.member_id = member.id;
        request.protocol_type = kafka::consumer_protocol_type;
        auto protocols = [&](std::size_t, kafka::JoinGroupRequest::Protocol& protocol) {
            protocol.name = "range";
            protocol.metadata = out.written();
        };
        request.protocols = kafka::Array<kafka::JoinGroupRequest::Protocol>::of(1, protocols);
        send(member, Api::join_group, request);
    }

    void sync(Member& member, const std::vector<std::string>& ids) {
        kafka::SyncGroupRequest request;
        request.group_id = groups_[member.group].name;
        request.generation_id = member.generation;
        request.member_id = member.id;
        request.protocol_type = kafka::consumer_protocol_type;
        request.protocol_name = "range";
        std::vector<std::uint8_t> bytes(partitions_ * 4 + 256);
        auto assignments = [&](std::size_t index, kafka::SyncGroupRequest::Assignment& assignment) {
            Writer out(bytes);
            const std::size_t first = partitions_ * index / ids.size(), end = partitions_ * (index + 1) / ids.size();
            auto numbers = [&](std::size_t i, std::int32_t& partition) { partition = static_cast<std::int32_t>(first + i); };
            auto topics = [&](std::size_t, kafka::ConsumerProtocolPartitions& topic) {
                topic.topic = groups_[member.group].topic;
                topic.partitions = kafka::Array<std::int32_t>::of(end - first, numbers);
            };
            kafka::ConsumerProtocolAssignment part;
            part.assigned_partitions = kafka::Array<kafka::ConsumerProtocolPartitions>::of(1, topics);
            kafka::encode_versioned(out, part);
            assignment.member_id = ids[index];
            assignment.assignment = out.written();
        };
        request.assignments = kafka::Array<kafka::SyncGroupRequest::Assignment>::of(ids.size(), assignments);
        send(member, Api::sync_group, request);
    }

    void heartbeat(Member& member) {
        kafka::HeartbeatRequest request;
        request.group_id = groups_[member.group].name;
        request.generation_id = member.generation;
        request.member_id = member.id;
        send(member, Api::heartbeat, request);
    }

    void commit(Member& member) {
        kafka::OffsetCommitRequest request;
        request.group_id = groups_[member.group].name;
        request.generation_id_or_member_epoch = member.generation;
        request.member_id = member.id;
        auto partitions = [&](std::size_t index, kafka::OffsetCommitRequest::Partition& partition) {
            partition.partition_index = member.partitions[index];
            partition.committed_offset = Offset(static_cast<std::int64_t>(member.beats));
            partition.committed_metadata = "";
        };
        auto topics = [&](std::size_t, kafka::OffsetCommitRequest::Topic& topic) {
            topic.name = groups_[member.group].topic;
            topic.partitions = kafka::Array<kafka::OffsetCommitRequest::Partition>::of(member.partitions.size(), partitions);
        };
        request.topics = kafka::Array<kafka::OffsetCommitRequest::Topic>::of(1, topics);
        send(member, Api::offset_commit, request);
    }

    void leave(Member& member) {
        unsettle(member);
        kafka::LeaveGroupRequest request;
        request.group_id = groups_[member.group].name;
        auto members = [&](std::size_t, kafka::LeaveGroupRequest::Member& item) { item.member_id = member.id; };
        request.members = kafka::Array<kafka::LeaveGroupRequest::Member>::of(1, members);
        send(member, Api::leave_group, request);
    }

    // --- answers
    void turn(double seconds) {
        epoll_event events[256];
        const timespec timeout{static_cast<time_t>(seconds), static_cast<long>(std::max(0.0, seconds - static_cast<double>(static_cast<time_t>(seconds))) * 1e9)};
        const int n = ::epoll_pwait2(epoll_, events, 256, &timeout, nullptr);
        for (int i = 0; i < n; ++i) receive(members_[events[i].data.u32]);
    }

    void receive(Member& member) {
        const ssize_t n = ::recv(member.fd, arrivals_.data(), arrivals_.size(), 0);
        if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
        if (n <= 0) die("the broker closed a connection");
        Bytes bytes = Bytes(arrivals_).first(static_cast<std::size_t>(n));
        if (!member.held.empty()) {
            member.held.insert(member.held.end(), bytes.begin(), bytes.end());
            bytes = member.held;
        }
        const bool whole = bytes.size() >= 4 && bytes.size() >= 4 + static_cast<std::size_t>(load_be<std::int32_t>(bytes.data()));
        if (!whole) {
            if (member.held.empty()) member.held.assign(bytes.begin(), bytes.end());
            return;
        }
        if (!member.waits || load_be<std::int32_t>(bytes.data() + 4) != member.correlation) die("an answer that nobody waits for");
        const std::vector<std::uint8_t> answer(bytes.begin() + 8, bytes.end());
        member.held.clear();
        member.waits = false;
        take(member, answer);
        if (member.rejoins && !member.waits) {
            member.rejoins = false;
            join(member);
        }
    }

    template <class Response>
    Response decode(Bytes answer, Api api) {
        const kafka::ApiInfo& info = kafka::api_info(api);
        const bool flexible = info.flexible(info.highest);
        const Result<Response> response = kafka::decode<Response>(answer.subspan(flexible ? 1 : 0), info.highest, flexible);
        if (!response) die("a bad answer to API %d", static_cast<int>(api));
        return response.value();
    }

    // What a member does about an error. False: none.
    bool outdated(Member& member, std::int16_t error) {
        if (error == 0) return false;
        if (error == code::unknown_member) member.id.clear();
        else if (error != code::rebalance_in_progress && error != code::illegal_generation && error != code::member_id_required)
            die("error %d to API %d of %s", error, static_cast<int>(member.pending), groups_[member.group].name.c_str());
        join(member);
        return true;
    }

    void take(Member& member, Bytes answer) {
        switch (member.pending) {
            case Api::join_group: {
                const auto response = decode<kafka::JoinGroupResponse>(answer, Api::join_group);
                if (response.error_code == code::member_id_required) member.id = response.member_id;
                if (outdated(member, response.error_code)) return;
                member.id = response.member_id;
                member.generation = response.generation_id;
                std::vector<std::string> ids;
                if (response.leader == response.member_id)
                    for (const auto& other : response.members) ids.emplace_back(other.member_id);
                return sync(member, ids);
            }
            case Api::sync_group: {
                const auto response = decode<kafka::SyncGroupResponse>(answer, Api::sync_group);
                if (outdated(member, response.error_code)) return;
                const auto part = kafka::decode_versioned<kafka::ConsumerProtocolAssignment>(response.assignment);
                if (!part) die("a bad assignment");
                member.partitions.clear();
                for (const auto& topic : part->assigned_partitions)
                    for (const std::int32_t partition : topic.partitions) member.partitions.push_back(partition);
                if (member.rejoins) return;
                member.stable = true;
                Group& group = groups_[member.group];
                if (++group.stable == members_of(member.group) && same_generation(member)) {
                    group.formed = now();
                    ++formations_;
                }
                return;
            }
            case Api::heartbeat: {
                const auto response = decode<kafka::HeartbeatResponse>(answer, Api::heartbeat);
                ++beats_;
                if (outdated(member, response.error_code)) return;
                if (again_) heartbeat(member);
                return;
            }
            case Api::offset_commit: {
                const auto response = decode<kafka::OffsetCommitResponse>(answer, Api::offset_commit);
                for (const auto& topic : response.topics)
                    for (const auto& partition : topic.partitions)
                        if (outdated(member, partition.error_code)) return;
                ++commits_;
                return;
            }
            case Api::leave_group: {
                const auto response = decode<kafka::LeaveGroupResponse>(answer, Api::leave_group);
                if (response.error_code != 0) die("error %d to a leave", response.error_code);
                member.id.clear();
                return join(member);
            }
            default: die("an answer to nothing");
        }
    }

    bool same_generation(const Member& like) const {
        return std::all_of(members_.begin(), members_.end(), [&](const Member& m) { return m.group != like.group || m.generation == like.generation; });
    }

    std::vector<Member> members_;
    std::vector<Group> groups_;
    std::size_t partitions_;  // of a topic
    std::vector<std::uint8_t> scratch_;
    std::vector<std::uint8_t> arrivals_;
    int epoll_;
    bool again_ = false;
    std::uint64_t beats_ = 0;
    std::uint64_t commits_ = 0;
    std::uint64_t formations_ = 0;
    std::size_t changes_ = 0;
};

}  // namespace
}  // namespace rivulet::bench

int main(int argc, char** argv) {
    const rivulet::bench::Options options(argc, argv, 1);
    return rivulet::bench::Groups(options).run(options);
}
