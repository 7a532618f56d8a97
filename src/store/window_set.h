// The windows of all catch-up reads, and who waits for which to be loaded.
// Owns:     StoreOptions::windows windows, the list of waiters, one timer.
// Bounds:   loads_at_once loads under way. A call walks the windows and the waiters, and looks_max times those and the expected positions; a waiter is called at most
//           once per load.
// Guarantee: one scan serves the readers that are within convoy_bytes of each other.
//           - The rearmost of those that wait is loaded for first.
//           - Who is ahead waits while readers behind it are expected back: holding_ns at most for each load, and quiet_ns once no reader comes or is served. (Those who are
//             expected may be one client's, who asks for more only when it has what is held.)
//           - The next load after patience_ns is for who waits then, wherever it is.
//           - A window with pins is not loaded anew, nor one that a reader is at or was called for, as long as that comes within patience_ns; of the others those go first
//             that nobody comes to.
//           - Who reads from within on_read_ready() finds its window there; of those that read later at least one does, if it comes within patience_ns. So every load
//             brings somebody forward, however few windows there are.
// Source:   grouping and throttling of scans after Lang et al., "Increasing Buffer-Locality for Multiple Relational Table Scans through Grouping and Throttling", ICDE 2007.
// Thread:   loop only.
#pragma once

#include "store/reader_positions.h"
#include "store/window.h"

namespace rivulet::store {

class ReadWaiter : public ListNode<ReadWaiter> {
public:
    // What was pending may be read again now; called on the loop, not from within a call of this reader's user. The waiter is off the list. Best read at once: what
    // was loaded may be replaced later.
    virtual void on_read_ready() = 0;

    // For the Reader: how far it looked for this offset.
    LogId log{0};
    Offset from{0};
    Lsn wanted{0};
    Instant since;  // it waits
    bool goes_on = false;  // a reader that comes back, not the first read of one

protected:
    ~ReadWaiter() = default;
};

class WindowSetOwner {
public:
    // Before its waiters are called.
    virtual void on_window_loaded(Window& window) = 0;

protected:
    ~WindowSetOwner() = default;
};

class WindowSet final : private WindowOwner, private env::Timer {
public:
    static constexpr std::int64_t patience_ns = 50 * ns_per_ms;
    static constexpr std::int64_t holding_ns = 10 * ns_per_ms;
    static constexpr std::int64_t quiet_ns = ns_per_ms;
    static constexpr int looks_max = 8;  // for who comes after a waiter, in one call: further convoys are not held together
    static constexpr std::uint64_t convoy_bytes = 16U << 20;
    static constexpr int loads_at_once = env::job_slots[static_cast<int>(env::JobKind::read)];

    WindowSet(env::Env& env, Arena& arena, State& state, ReaderPositions& positions, WindowSetOwner& owner);
    static std::size_t memory_bytes(const StoreOptions& options);

    // The loaded window that has this position, counted as used; nullptr if there is none.
    Window* covering(Lsn lsn);
    // LSN of a loaded group with an extent that holds the offset, perhaps a void one: what is in force then lies beyond. Lsn(0) if there is none.
    Lsn holding(const Log& log, Offset offset) const;
    void wait(ReadWaiter& waiter);  // for waiter.wanted
    // Loads what follows this window, if it is part of a forward scan and a spare window is there.
    void read_ahead(Window& window);

    bool wanted() const { return starved_; }
    void pin(Window& window) {
        ++window.pins;
        active_ = env_.now();
    }
    void unpin(std::int32_t number);
    MutableBytes scratch() { return windows_[0]->buffer(); }

private:
    using Use = Window::Use;
    // The rearmost readers of a convoy: of those that wait, and of those that are expected back.
    struct Rear {
        Lsn waiting;
        Lsn expected;
    };

    void on_loaded(Window& window) override;
    void on_timer() override;
    Instant held_until(const ReadWaiter& waiter) const { return std::min(waiter.since + holding_ns, active_ + quiet_ns); }
    bool live(const Window& window) const { return window.loaded() && window.sequence() >= state_.head.first_live; }
    bool under_way(Lsn lsn) const;
    static bool behind(Lsn lsn, Lsn other) { return lsn < other && other - lsn <= convoy_bytes; }
    void schedule();
    Rear rearmost(Lsn wanted);
    void find_uses();
    Window* spare(Use most);
    Window* farthest(Lsn ahead_of);
    void load(Window& window, Lsn begin, bool goes_on);
    void wake_at(Instant at);

    env::Env& env_;
    State& state_;
    ReaderPositions& positions_;
    WindowSetOwner& owner_;
    std::span<Window*> windows_;
    List<ReadWaiter> waiters_;  // longest waiting first
    int loading_ = 0;
    bool calling_ = false;      // waiters are being called
    bool starved_ = false;      // somebody waits for a window to become free
    bool held_ = false;         // ... or for those behind it: all others are served
    Lsn held_for_{0};           // the rearmost of them
    std::uint64_t uses_ = 0;
    Instant active_;            // a reader came, or was served
};

}  // namespace rivulet::store
