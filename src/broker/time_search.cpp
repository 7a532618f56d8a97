#include "broker/time_search.h"

namespace rivulet::broker {

namespace {

// Reads a view from its first byte on, over the seams between its pieces.
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
    Bytes rest() {
        while (piece_ == view_.piece_count || at_ == view_.pieces[piece_].size()) {
            at_ = 0;
            if (piece_ < view_.piece_count) ++piece_;
            if (piece_ < view_.piece_count) continue;
            if (!view_.more() || !broker_.refill(view_)) return {};
            piece_ = 0;
        }
        return view_.pieces[piece_].subspan(at_);
    }

    Broker& broker_;
    store::ReadView& view_;
    std::size_t piece_ = 0;
    std::size_t at_ = 0;
    std::uint64_t taken_ = 0;
};

std::optional<TimeFound> find_record(ViewCursor& in, const record::BatchHeader& header, Offset from, Timestamp at) {
    for (std::int32_t i = 0; i < header.record_count; ++i) {
        std::int64_t bytes = 0;
        if (!in.zigzag(bytes)) return std::nullopt;
        const std::uint64_t begin = in.taken();
        std::int64_t time_delta = 0;
        std::int64_t offset_delta = 0;
        if (!in.skip(1) || !in.zigzag(time_delta) || !in.zigzag(offset_delta)) return std::nullopt;
        const Offset offset = header.base_offset + offset_delta;
        const Timestamp time = header.timestamp_of(time_delta);
        if (offset >= from && time >= at) return TimeFound{offset, time};
        const std::uint64_t head = in.taken() - begin;
        if (bytes < 0 || static_cast<std::uint64_t>(bytes) < head || !in.skip(static_cast<std::uint64_t>(bytes) - head)) return std::nullopt;
    }
    return std::nullopt;
}

}  // namespace

std::optional<TimeFound> find_time(Broker& broker, store::ReadView& view, Offset from, Timestamp at) {
    ViewCursor in(broker, view);
    std::optional<TimeFound> found;
    for (std::size_t i = 0; i < view.batches && !found; ++i) {
        const bool unknown = in.time_unknown();
        std::uint8_t bytes[record::batch_header_bytes];
        if (!in.read(bytes)) break;
        const record::BatchHeader header = record::decode_header(bytes);
        const std::uint64_t end = in.taken() + header.body_bytes();
        const bool candidate = !unknown && header.max_timestamp >= at && header.last_offset() >= from && !header.control();
        const Offset first = header.base_offset < from ? from : header.base_offset;
        if (candidate && header.log_append_time()) found = TimeFound{first, header.max_timestamp};
        else if (candidate && header.compression() != record::Compression::none) found = TimeFound{first, header.base_timestamp};
        else if (candidate) found = find_record(in, header, from, at);
        if (!found && !in.skip(end - in.taken())) break;
    }
    broker.env().charge(in.taken());
    return found;
}

}  // namespace rivulet::broker
