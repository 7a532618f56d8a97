#include "server/kafka/hub.h"

#include "env/log.h"

namespace rivulet::server::kafka {

Hub::Hub(env::Env& env, Arena& arena, broker::Broker& broker, broker::Coordinator& groups, const HubOptions& options)
    : ConnectionHub(env, arena, options.for_connections()),
      broker_(broker),
      groups_(groups),
      options_(options),
      large_outputs_(arena, options.large_outputs(), options.response_bytes),
      produces_(arena, options.sessions()),
      plans_(arena, options.sessions()),
      group_waits_(arena, options.sessions()),
      cells_(arena, options.connections == 0 ? 0 : options.fetch_partitions),
      streams_(arena, options.streams()),
      searches_(arena, options.searches()) {}

ProduceInHand* Hub::take_produce() {
    ProduceInHand* const produce = produces_.take();
    RIVULET_CHECK(produce);
    return produce;
}

GroupWait* Hub::take_group_wait() {
    GroupWait* const wait = group_waits_.take(*this);
    RIVULET_CHECK(wait);
    return wait;
}

FetchPlan* Hub::take_plan() {
    FetchPlan* const plan = plans_.take(*this);
    RIVULET_CHECK(plan);
    return plan;
}

FetchCell* Hub::take_cell() {
    FetchCell* const cell = cells_.take();
    RIVULET_CHECK(cell);
    return cell;
}

void Hub::give_cell(FetchCell& cell) {
    cells_.give(cell);
    cell_room();
}

// On a turn of its own. It stays the first until it has what it needs.
void Hub::cell_room() {
    if (FetchWaiter* const waiter = cell_waiters_.front()) waiter->on_fetch_room();
}

void Hub::give_stream(Stream& stream) {
    if (!stream.view.empty()) broker_.release(stream.view);
    streams_.give(stream);
    if (FetchWaiter* const waiter = stream_waiters_.pop_front()) waiter->on_fetch_room();
}

void Hub::give_search(OffsetSearch& search) {
    searches_.give(search);
    if (FetchWaiter* const waiter = search_waiters_.pop_front()) waiter->on_fetch_room();
}

void Hub::wait_for_cells(FetchWaiter& waiter) {
    FetchWaiter* in_line = cell_waiters_.front();
    while (in_line && in_line != &waiter) in_line = cell_waiters_.next(*in_line);
    if (!in_line) {
        // It may still stand where it waited for a search: it has been woken by something else, and there is one.
        if (waiter.linked()) List<FetchWaiter>::remove(waiter);
        cell_waiters_.push_back(waiter);
    }
    hurry_longest();
}

void Hub::wait_for_stream(FetchWaiter& waiter) {
    if (!waiter.linked()) stream_waiters_.push_back(waiter);
    hurry_longest();
}

void Hub::thin_out_answers() {
    for (const bool large : {false, true}) {
        const BufferPool& pool = large ? large_outputs_ : output_pool();
        if (!pool.starving()) continue;
        env().charge(sessions_open() * 64);
        const Instant due = env().now() - ReceivePool::crowd_ns_max;
        std::size_t halves = 0;
        bool lacking = false;
        for_each_newest_first([&](const Session& session) {
            halves += session.half_answers(large);
            lacking |= session.lacks_output_since(large, due);
        });
        for_each_newest_first([&](Session& session) {
            if (!lacking || halves <= pool.count() / 2 || !session.half_answers_since(large, due)) return;
            --halves;
            session.give_up_frame();
        });
    }
}

void Hub::tell_slow(const env::Address& peer) {
    ++slow_untold_;
    if (env().now() < slow_due_) return;
    slow_due_ = env().now() + refusals_ns;
    env::LogLine(env(), env::LogLevel::warning) << peer << " is cut off: its batch stands still or comes at less than 16 KB/s, while others wait for memory; so were " << std::exchange(slow_untold_, 0) << " in all since this was told last";
}

void Hub::hurry_longest() {
    holders_wanted();
    if (FetchPlan* const longest = parked_.front()) longest->hurry();
}

}  // namespace rivulet::server::kafka
