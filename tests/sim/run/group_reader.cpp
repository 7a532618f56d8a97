// What a member reads and commits.
#include "sim/run/group_member.h"
#include "wire/kafka/offset_commit.h"

namespace rivulet::sim {

namespace {

constexpr std::int32_t fetch_wait_ms = 400;
constexpr std::int16_t fetch_by_id = 13;
constexpr std::int16_t groups_from = 8;  // of OffsetFetch

std::map<std::size_t, std::vector<std::size_t>> by_topic(const auto& places) {
    std::map<std::size_t, std::vector<std::size_t>> topics;
    for (const auto& [place, value] : places) topics[place.first].push_back(place.second);
    return topics;
}

}  // namespace

void GroupMember::adopt(const KafkaHistory::Partitions& assigned) {
    std::erase_if(positions_, [&](const auto& item) { return !assigned.contains(item.first); });
    for (const Place& place : assigned) positions_.try_emplace(place);
}

// ---- from where ----

void GroupMember::ask_offsets() {
    std::map<Place, Position> wanted;
    for (const auto& [place, position] : positions_)
        if (!position.known) wanted.emplace(place, position);
    if (wanted.empty() || offsets_asked_) return;
    offsets_asked_ = true;
    std::map<std::size_t, Items<std::int32_t>> partitions;
    for (const auto& [place, position] : wanted) partitions[place.first].add(static_cast<std::int32_t>(place.second));
    Items<kafka::OffsetFetchRequest::Topic> topics;
    for (auto& [topic, list] : partitions) topics.add({topic_name(topic), list});
    Items<kafka::OffsetFetchRequest::Group> groups({{group_.name, std::nullopt, -1, topics}});
    kafka::OffsetFetchRequest request;
    request.group_id = group_.name;
    request.topics = topics;
    request.groups = groups;
    const std::int16_t version = some_version(random_, Api::offset_fetch, 1);
    const std::int64_t asked_at = world_.now();
    control_.call<kafka::OffsetFetchResponse>(Api::offset_fetch, version, request, [this, version, asked_at](const kafka::OffsetFetchResponse& response) {
        offsets_asked_ = false;
        std::int16_t error = response.error_code;
        kafka::Array<kafka::OffsetFetchResponse::Topic> answered = response.topics;
        if (version >= groups_from) {
            if (response.groups.size() != 1) return control_.broken("OffsetFetch");
            const auto group = *response.groups.begin();
            error = group.error_code;
            answered = group.topics;
        }
        if (error != 0 && !passes(error)) return control_.broken("OffsetFetch: error " + std::to_string(error));
        for (const auto& topic : answered)
            for (const auto& partition : topic.partitions) take_offset(asked_at, topic.name, partition);
    });
}

void GroupMember::take_offset(std::int64_t asked_at, std::string_view topic, const kafka::OffsetFetchResponse::Partition& partition) {
    if (partition.error_code != 0) {
        if (!passes(partition.error_code)) control_.broken("OffsetFetch: error " + std::to_string(partition.error_code) + " of a partition");
        return;
    }
    const Place place{topic_index(topic), static_cast<std::size_t>(partition.partition_index)};
    history_.found(own_.group, place.first, place.second, asked_at, partition.committed_offset.value, partition.metadata.value_or(std::string_view()));
    const auto found = positions_.find(place);
    if (found == positions_.end() || found->second.known) return;
    found->second.known = true;
    found->second.committed = partition.committed_offset.value;
    found->second.next = std::max<std::int64_t>(0, partition.committed_offset.value);
}

// ---- records ----

void GroupMember::fetch() {
    if (!data_.up() || data_.waiting() != 0) return;
    std::map<Place, std::pair<std::int64_t, std::int64_t>> asked;  // from where, high watermark
    for (const auto& [place, position] : positions_)
        if (position.known) asked[place] = {position.next, history_.high_watermark(place.first, place.second)};
    if (asked.empty()) return;
    std::map<std::size_t, Items<kafka::FetchRequest::Partition>> partitions;
    for (const auto& [place, from] : asked) {
        kafka::FetchRequest::Partition partition;
        partition.partition = static_cast<std::int32_t>(place.second);
        partition.fetch_offset = Offset(from.first);
        partition.partition_max_bytes = 16 << 10;
        partitions[place.first].add(partition);
    }
    Items<kafka::FetchRequest::Topic> topics;
    for (auto& [topic, list] : partitions) topics.add({topic_name(topic), ids_[topic], list});
    kafka::FetchRequest request;
    request.max_wait_ms = fetch_wait_ms;
    request.min_bytes = 1;
    request.max_bytes = 64 << 10;
    request.topics = topics;
    const std::int16_t version = some_version(random_, Api::fetch, fetch_lowest_);
    data_.call<kafka::FetchResponse>(Api::fetch, version, request, [this, version, asked](const kafka::FetchResponse& response) { take_fetch(version, asked, response); }, 12 * ns_per_s);
}

void GroupMember::take_fetch(std::int16_t version, const std::map<Place, std::pair<std::int64_t, std::int64_t>>& asked, const kafka::FetchResponse& response) {
    if (response.error_code != 0) return data_.broken("Fetch: error " + std::to_string(response.error_code));
    std::size_t answered = 0;
    for (const auto& topic : response.responses) {
        std::size_t index = topic_index(topic.topic);
        for (std::size_t t = 0; version >= fetch_by_id && t < ids_.size(); ++t)
            if (ids_[t] == topic.topic_id) index = t;
        for (const auto& partition : topic.partitions) {
            const Place place{index, static_cast<std::size_t>(partition.partition_index)};
            const auto from = asked.find(place);
            if (from == asked.end()) return data_.broken("Fetch: a partition that was not asked for");
            ++answered;
            const std::string where = topic_name(index) + "[" + std::to_string(place.second) + "] from " + std::to_string(from->second.first);
            const bool lost = partition.error_code == code::offset_out_of_range &&
                              (from->second.first > partition.high_watermark.value || (version >= 5 && from->second.first >= partition.log_start_offset.value));
            if (lost || (partition.error_code != 0 && partition.error_code != code::offset_out_of_range && !passes(partition.error_code)))
                return data_.broken("Fetch of " + where + ": error " + std::to_string(partition.error_code) + ", high watermark " + std::to_string(partition.high_watermark.value));
            const auto found = positions_.find(place);
            const bool mine = found != positions_.end() && found->second.known && found->second.next == from->second.first;
            if (partition.error_code == code::offset_out_of_range && mine && version >= 5) found->second.next = std::max(partition.log_start_offset.value, from->second.first);
            if (partition.error_code == code::offset_out_of_range) fetch_lowest_ = 5;  // from which on it is told where the log begins
            if (partition.error_code != 0) continue;
            const KafkaEnds ends{partition.high_watermark.value, version >= 5 ? partition.log_start_offset.value : -1};
            const std::int64_t next = history_.fetched(place.first, place.second, from->second.first, from->second.second, ends, partition.records.bytes);
            if (world_.failed() || !mine) continue;
            history_.delivered(own_.group, place.first, place.second, from->second.first, next);
            found->second.next = next;
        }
    }
    if (answered != asked.size()) data_.broken("Fetch: a partition is not answered");
}

// ---- commits ----

void GroupMember::commit() {
    commit_at_ = world_.now() + own_.commit_ns;
    if (commit_asked_) return;
    std::vector<std::pair<Place, std::int64_t>> offsets;
    for (const auto& [place, position] : positions_)
        if (position.known && position.next > position.committed) offsets.emplace_back(place, position.next);
    if (!offsets.empty()) send_commit(offsets, generation_, id_, true);
}

void GroupMember::send_commit(const std::vector<std::pair<Place, std::int64_t>>& offsets, std::int32_t generation, const std::string& id, bool own) {
    const std::string instance = id.empty() ? std::string() : own_.instance;
    std::map<Place, std::uint64_t> numbers;
    std::map<std::size_t, Items<kafka::OffsetCommitRequest::Partition>> partitions;
    std::deque<std::string> texts;
    for (const auto& [place, offset] : offsets) {
        const std::uint64_t number = history_.committing(own_.group, place.first, place.second, offset, generation, id, instance);
        numbers[place] = number;
        texts.push_back("c" + std::to_string(number));
        partitions[place.first].add({static_cast<std::int32_t>(place.second), Offset(offset), Epoch(-1), std::string_view(texts.back())});
    }
    Items<kafka::OffsetCommitRequest::Topic> topics;
    for (auto& [topic, list] : partitions) topics.add({topic_name(topic), list});
    kafka::OffsetCommitRequest request;
    request.group_id = group_.name;
    request.generation_id_or_member_epoch = generation;
    request.member_id = id;
    if (!instance.empty()) request.group_instance_id = instance;
    request.topics = topics;
    if (own) commit_asked_ = true;
    const std::map<Place, std::int64_t> wanted(offsets.begin(), offsets.end());
    control_.call<kafka::OffsetCommitResponse>(Api::offset_commit, some_version(random_, Api::offset_commit, instance.empty() ? 2 : 7), request,
                                               [this, numbers, wanted, generation, own](const kafka::OffsetCommitResponse& response) {
                                                   if (own) commit_asked_ = false;
                                                   std::int16_t worst = 0;
                                                   std::size_t answered = 0;
                                                   for (const auto& topic : response.topics) {
                                                       for (const auto& partition : topic.partitions) {
                                                           const Place place{topic_index(topic.name), static_cast<std::size_t>(partition.partition_index)};
                                                           const auto number = numbers.find(place);
                                                           if (number == numbers.end()) return control_.broken("OffsetCommit: a partition that was not committed");
                                                           ++answered;
                                                           history_.committed(number->second, partition.error_code == 0);
                                                           if (partition.error_code != 0) worst = partition.error_code;
                                                           const auto found = positions_.find(place);
                                                           if (own && partition.error_code == 0 && found != positions_.end()) found->second.committed = wanted.at(place);
                                                       }
                                                   }
                                                   if (answered != numbers.size()) return control_.broken("OffsetCommit: a partition is not answered");
                                                   if (own && worst != 0 && step_ == Step::running && generation == generation_) rejoin(worst);
                                               });
}

void GroupMember::misbehave() {
    const std::uint64_t dice = random_.below(8);
    if (dice == 0) return control_.hang_up();
    if (dice == 1) return data_.hang_up();
    if (positions_.empty() || group_.lone) return;
    const std::vector<std::pair<Place, std::int64_t>> begin{{positions_.begin()->first, 0}};
    // Of a generation that is over, of one that it was before, of nobody.
    if (dice == 2 || dice == 3) return send_commit(begin, generation_ - 1, id_, random_.chance(1, 2));
    const std::string other = own_.instance.empty() ? other_id_ : history_.fenced_of(own_.group, own_.instance);
    if (dice == 4 && !other.empty()) return send_commit(begin, generation_, other, false);
    if (dice == 5) return send_commit(begin, -1, std::string(), false);
    if (dice == 6) step_ = Step::idle;
    if (dice == 7 && own_.instance.empty()) leave();
}

}  // namespace rivulet::sim
