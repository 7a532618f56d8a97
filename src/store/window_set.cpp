#include "store/window_set.h"

#include <algorithm>

namespace rivulet::store {

WindowSet::WindowSet(env::Env& env, Arena& arena, State& state, ReaderPositions& positions, WindowSetOwner& owner)
    : env_(env), state_(state), positions_(positions), owner_(owner), windows_(arena.make_array<Window*>(state.options.windows)) {
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
        window->fresh_until = {};
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
    waiter.since = active_ = env_.now();
    waiters_.push_back(waiter);
    if (!under_way(waiter.wanted)) schedule();
}

void WindowSet::unpin(std::int32_t number) {
    Window& window = *windows_[static_cast<std::size_t>(number)];
    RIVULET_CHECK(window.pins != 0);
    if (--window.pins == 0 && (starved_ || held_)) schedule();
}

// ---- loads ----

bool WindowSet::under_way(Lsn lsn) const {
    return std::any_of(windows_.begin(), windows_.end(), [&](const Window* w) { return w->loading() && w->covers(lsn); });
}

void WindowSet::schedule() {
    if (calling_) return;
    starved_ = held_ = false;
    int looks = 0;
    const Instant now = env_.now();
    const Lsn oldest_live = state_.geometry.first_group(state_.head.first_live);
    for (ReadWaiter* waiter = waiters_.front(); waiter; waiter = waiters_.next(*waiter)) waiter->wanted = std::max(waiter->wanted, oldest_live);
    for (ReadWaiter* waiter = waiters_.front(); waiter && loading_ < loads_at_once; waiter = waiters_.next(*waiter)) {
        if (under_way(waiter->wanted)) continue;
        if (held_ && now < held_until(*waiter) && behind(held_for_, waiter->wanted)) continue;
        Lsn begin = waiter->wanted;
        const bool patient = now - waiter->since < patience_ns;
        if (patient && looks++ < looks_max) {
            const Rear rear = rearmost(begin);
            if (rear.expected < rear.waiting && now < held_until(*waiter)) {
                if (!held_) wake_at(held_until(*waiter));
                held_ = true;
                held_for_ = rear.expected;
                continue;
            }
            begin = rear.waiting;
            if (under_way(begin)) {
                wake_at(waiter->since + patience_ns);
                continue;
            }
        }
        find_uses();
        Window* window = spare(patient ? Use::later : Use::now);
        if (!window && patient) window = farthest(begin);
        if (!window) {
            starved_ = true;
            return wake_at(now + patience_ns);
        }
        load(*window, begin, waiter->goes_on);
    }
}

void WindowSet::on_timer() { schedule(); }

void WindowSet::wake_at(Instant at) {
    if (armed() && due() <= at) return;
    env_.disarm(*this);
    env_.arm(*this, at);
}

// Of those that read what leads up to here, and of the one that waits for it.
WindowSet::Rear WindowSet::rearmost(Lsn wanted) {
    Rear rear{wanted, wanted};
    const auto look = [&](Lsn lsn, Lsn& lowest) {
        env_.charge(16);
        if (lsn < lowest && behind(lsn, wanted)) lowest = lsn;
    };
    for (ReadWaiter* waiter = waiters_.front(); waiter; waiter = waiters_.next(*waiter)) look(waiter->wanted, rear.waiting);
    const Instant now = env_.now();
    positions_.expected(now - holding_ns, [&](Lsn lsn) { look(lsn, rear.expected); });
    for (const Window* const window : windows_)
        if (live(*window) && window->fresh_until > now) look(window->begin(), rear.expected);
    return rear;
}

void WindowSet::find_uses() {
    const Instant now = env_.now();
    for (Window* const window : windows_) window->use = window->fresh_until > now ? Use::now : Use::none;
    const auto look = [&](Lsn lsn) {
        for (Window* const window : windows_) {
            const Use use = window->covers(lsn) ? Use::now : behind(lsn, window->begin()) ? Use::later : Use::none;
            window->use = std::max(window->use, use);
        }
    };
    for (ReadWaiter* waiter = waiters_.front(); waiter; waiter = waiters_.next(*waiter)) look(waiter->wanted);
    positions_.expected(now - patience_ns, look);
}

// A window to load anew, of no more use than that: the one of least use, and of those the one used longest ago or, if somebody comes to them, the farthest ahead.
Window* WindowSet::spare(Use most) {
    Window* best = nullptr;
    for (Window* const window : windows_) {
        if (window->loading() || window->pins != 0) continue;
        if (!live(*window)) return window;
        if (window->fresh_until > env_.now() || window->use > most) continue;
        const bool later = window->use == Use::later;
        const bool better = !best || window->use < best->use || (window->use == best->use && (later ? window->begin() > best->begin() : window->last_use < best->last_use));
        if (better) best = window;
    }
    return best;
}

// Those who are at a window ahead of the rearmost can wait for it; what it waits for longer, they get ahead by.
Window* WindowSet::farthest(Lsn ahead_of) {
    Window* best = nullptr;
    for (Window* const window : windows_) {
        const bool spare = !window->loading() && window->pins == 0 && window->fresh_until <= env_.now() && behind(ahead_of, window->begin());
        if (spare && (!best || window->begin() > best->begin())) best = window;
    }
    return best;
}

void WindowSet::load(Window& window, Lsn begin, bool goes_on) {
    window.sequential = std::any_of(windows_.begin(), windows_.end(), [&](const Window* w) { return live(*w) && w->end() == begin; });
    ++loading_;
    const std::size_t bytes = window.sequential || goes_on ? Window::scan_bytes : Window::load_bytes;
    window.load(env_, {state_.journal, state_.geometry, begin, state_.head.durable, bytes, state_.head.salt, state_.head.run_start});
}

void WindowSet::read_ahead(Window& window) {
    if (!window.sequential || window.followed || loading_ != 0 || (!waiters_.empty() && !held_)) return;
    const Lsn begin = window.end();
    if (begin >= state_.head.durable || covering(begin)) return;
    for (ReadWaiter* waiter = waiters_.front(); waiter; waiter = waiters_.next(*waiter))
        if (behind(waiter->wanted, window.begin())) return;
    find_uses();
    Window* const next = spare(Use::none);
    if (!next) return;
    window.followed = true;
    load(*next, begin, true);
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
    window.fresh_until = ready.empty() ? Instant() : env_.now() + patience_ns;
    calling_ = true;
    while (ReadWaiter* const waiter = ready.pop_front()) waiter->on_read_ready();
    calling_ = false;
    schedule();
}

}  // namespace rivulet::store
