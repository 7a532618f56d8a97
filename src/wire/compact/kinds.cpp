#include "wire/compact/kinds.h"

#include <array>

namespace rivulet::wire::compact {

namespace {

constexpr auto make_table() {
    std::array<KindInfo, kinds_max> table{};
    for (std::size_t i = 0; i < kinds_max; ++i) table[i].kind = static_cast<Kind>(i);
#define RIVULET_FRAME(number, name, wire_name, sent_by, when, correlation, summed, flags_up, flags_down, text) \
    table[number] = {Kind::name, wire_name, Side::sent_by, When::when, true, correlation, summed, flags_up, flags_down, text};
#define RIVULET_FRAME_RESERVED(number, name, wire_name, writer) \
    table[number] = {Kind::name, wire_name, Side::either, When::open, false, false, false, 0, 0, writer};
#include "wire/compact/kinds.def"
#undef RIVULET_FRAME
#undef RIVULET_FRAME_RESERVED
    return table;
}
constexpr auto table = make_table();

}  // namespace

const KindInfo& kind_info(Kind kind) {
    const auto index = static_cast<std::size_t>(kind);
    return table[index < kinds_max ? index : 0];
}

Admission admit(Kind kind, Side receiver, State state) {
    const KindInfo& info = kind_info(kind);
    if (!info.defined || info.sent_by == receiver) return Admission::refuse;
    // What a client still had on its way when the broker said CLOSE is dropped; acks and answers to a closing client are not.
    if (state == State::closing) return receiver == Side::broker || info.when == When::fresh ? Admission::discard : Admission::take;
    if (info.when == When::always) return Admission::take;
    return (info.when == When::fresh) == (state == State::fresh) ? Admission::take : Admission::refuse;
}

}  // namespace rivulet::wire::compact
