#include "store/window_set.h"

#include <algorithm>

namespace rivulet::store {

WindowSet::WindowSet(env::Env& env, Arena& arena, State& state, WindowSetOwner& owner)
    : env_(env), state_(state), owner_(owner), windows_(arena.make_array<Window*>(state.options.windows)) {
    for (std::size_t i = 0; i < windows_.size(); ++i) {
        windows_[i] = &arena.make<Window>(arena, state.options, static_cast<WindowOwner&>(*this));
        windows_[i]->number = static_cast<std::int32_t>(i);
    }
}

std::size_t WindowSet::memory_bytes(const StoreOptions& options) {
    return options.windows * (Window::memory_bytes(options) + sizeof(Window*)) + 64;
}

Window* WindowSet::covering(Lsn lsn) {
    for (Window* const window : windows_) {
        if (!live(*window) || !window->covers(lsn)) continue;
        window->last_use = ++uses_;
        window->fresh = false;
        return window;
    }
    return nullptr;
}

Lsn WindowSet::holding(const Log& log, Offset offset) const {
    for (const Window* const window : windows_) {
        if (!live(*window)) continue;
        for (auto i = window->find(log.id, offset); i != Window::no_entry; i = window->next(i)) {
            const Window::Entry& entry = window->entry(i);
            if (entry.bad || entry.stale || offset < entry.first_offset() || offset > entry.last_offset()) continue;
            return window->lsn(entry);
        }
    }
    return Lsn(0);
}

void WindowSet::wait(ReadWaiter& waiter) {
    waiters_.push_back(waiter);
    if (!under_way(waiter.wanted)) schedule();
}

void WindowSet::unpin(std::int32_t number) {
    Window& window = *windows_[static_cast<std::size_t>(number)];
    RIVULET_CHECK(window.pins != 0);
    if (--window.pins == 0 && starved_) schedule();
}

// ---- loads ----

bool WindowSet::under_way(Lsn lsn) const {
    return std::any_of(windows_.begin(), windows_.end(), [&](const Window* w) { return w->loading() && w->covers(lsn); });
}

void WindowSet::schedule() {
    if (calling_) return;
    starved_ = false;
    const Lsn oldest_live = state_.geometry.first_group(state_.head.first_live);
    for (ReadWaiter* waiter = waiters_.front(); waiter && loading_ < loads_at_once; waiter = waiters_.next(*waiter)) {
        waiter->wanted = std::max(waiter->wanted, oldest_live);
        if (under_way(waiter->wanted)) continue;
        Window* const window = spare();
        if (!window) {
            starved_ = true;
            if (!armed()) env_.arm(*this, env_.now() + patience_ns);
            return;
        }
        load(*window, load_begin(*waiter));
    }
}

// Whoever was called for them has had its time.
void WindowSet::on_timer() {
    for (Window* const window : windows_) window->fresh = false;
    schedule();
}

// Those that wait for something a little before share the load.
Lsn WindowSet::load_begin(const ReadWaiter& oldest) {
    constexpr std::uint64_t reach = Window::load_bytes / 2;
    Lsn begin = oldest.wanted;
    for (ReadWaiter* waiter = waiters_.front(); waiter; waiter = waiters_.next(*waiter)) {
        const Lsn wanted = waiter->wanted;
        if (wanted >= begin || oldest.wanted - wanted > reach) continue;
        if (state_.geometry.sequence(wanted) == state_.geometry.sequence(oldest.wanted) && !under_way(wanted)) begin = wanted;
    }
    return begin;
}

Window* WindowSet::spare() {
    Window* best = nullptr;
    for (Window* const window : windows_) {
        if (window->loading() || window->pins != 0) continue;
        if (!live(*window)) return window;
        if (window->fresh || owner_.is_due(*window)) continue;
        if (!best || window->last_use < best->last_use) best = window;
    }
    return best;
}

void WindowSet::load(Window& window, Lsn begin) {
    window.sequential = std::any_of(windows_.begin(), windows_.end(), [&](const Window* w) { return live(*w) && w->end() == begin; });
    ++loading_;
    const std::size_t bytes = window.sequential ? Window::scan_bytes : Window::load_bytes;
    window.load(env_, {state_.journal, state_.geometry, begin, state_.head.durable, bytes, state_.head.salt, state_.head.run_start});
}

// Its forerunner, which slower readers still use, is not given up for it.
void WindowSet::read_ahead(Window& window) {
    if (!window.sequential || window.followed || loading_ != 0 || !waiters_.empty()) return;
    const Lsn begin = window.end();
    if (begin >= state_.head.durable || covering(begin)) return;
    Window* const next = spare();
    if (!next || (live(*next) && next->end() == window.begin())) return;
    window.followed = true;
    load(*next, begin);
}

void WindowSet::on_loaded(Window& window) {
    --loading_;
    window.last_use = ++uses_;
    owner_.on_window_loaded(window);
    List<ReadWaiter> ready;
    for (ReadWaiter* waiter = waiters_.front(); waiter;) {
        ReadWaiter* const next = waiters_.next(*waiter);
        env_.charge(16);
        if (window.covers(waiter->wanted)) {
            List<ReadWaiter>::remove(*waiter);
            ready.push_back(*waiter);
        }
        waiter = next;
    }
    window.fresh = !ready.empty();
    calling_ = true;
    while (ReadWaiter* const waiter = ready.pop_front()) waiter->on_read_ready();
    calling_ = false;
    schedule();
}

}  // namespace rivulet::store
