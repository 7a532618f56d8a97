// Reads what a fetch has given from its first byte on, over the seams between its pieces, refilling where there is more.
// Owns:     nothing. Bounds: no allocation. Errors: none but the end of the view. Thread: loop only.
#pragma once

#include "store/read_view.h"

namespace rivulet::broker {

class Broker;

class ViewCursor {
public:
    ViewCursor(Broker& broker, store::ReadView& view) : broker_(broker), view_(view) {}

    // False: the view ends.
    bool read(MutableBytes into) {
        for (std::size_t done = 0; done < into.size();) {
            const Bytes here = rest();
            if (here.empty()) return false;
            const std::size_t n = here.size() < into.size() - done ? here.size() : into.size() - done;
            copy(here.first(n), into.subspan(done, n));
            done += n;
            taken_ += n;
            at_ += n;
        }
        return true;
    }
    bool skip(std::uint64_t bytes) {
        while (bytes != 0) {
            const std::size_t here = rest().size();
            if (here == 0) return false;
            const std::size_t n = here < bytes ? here : static_cast<std::size_t>(bytes);
            bytes -= n;
            taken_ += n;
            at_ += n;
        }
        return true;
    }
    // The next bytes, at most so many, as they lie; empty: the view ends.
    Bytes take(std::uint64_t most) {
        const Bytes here = rest();
        const Bytes piece = here.first(here.size() < most ? here.size() : static_cast<std::size_t>(most));
        taken_ += piece.size();
        at_ += piece.size();
        return piece;
    }
    bool zigzag(std::int64_t& value) {
        std::uint64_t raw = 0;
        for (unsigned shift = 0; shift < 64; shift += 7) {
            std::uint8_t byte = 0;
            if (!read({&byte, 1})) return false;
            raw |= std::uint64_t{byte & 0x7fU} << shift;
            if ((byte & 0x80) != 0) continue;
            value = static_cast<std::int64_t>(raw >> 1) ^ -static_cast<std::int64_t>(raw & 1);
            return true;
        }
        return false;
    }
    std::uint64_t taken() const { return taken_; }
    // Before the header is read, which is never in more than one piece if it was patched.
    bool time_unknown() { return view_.time_unknown(rest().data()); }

private:
    // view_cursor.cpp
    bool refill();
    Bytes rest() {
        while (piece_ == view_.piece_count || at_ == view_.pieces[piece_].size()) {
            at_ = 0;
            if (piece_ < view_.piece_count) ++piece_;
            if (piece_ < view_.piece_count) continue;
            if (!refill()) return {};
        }
        return view_.pieces[piece_].subspan(at_);
    }

    Broker& broker_;
    store::ReadView& view_;
    std::size_t piece_ = 0;
    std::size_t at_ = 0;
    std::uint64_t taken_ = 0;
};

}  // namespace rivulet::broker
