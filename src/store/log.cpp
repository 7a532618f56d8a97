#include "store/log.h"

namespace rivulet::store {

bool Log::Refused::before(const record::BatchHeader& header) const {
    const std::uint32_t distance = (static_cast<std::uint32_t>(header.base_sequence) - static_cast<std::uint32_t>(sequence)) & 0x7fffffffU;
    return header.producer_id == producer && header.producer_epoch == epoch && distance != 0 && distance < (1U << 30);
}

Epoch Log::epoch_at(Offset offset) const {
    for (std::uint32_t i = epoch_count; i-- > 0;)
        if (epoch_starts[i] <= offset) return epochs[i];
    return Epoch(-1);
}

void Log::note_epoch(Epoch of, Offset from) {
    if (epoch_count != 0 && epochs[epoch_count - 1] >= of) return;
    if (epoch_count == log_epochs_max) {
        for (std::uint32_t i = 1; i < epoch_count; ++i) {
            epochs[i - 1] = epochs[i];
            epoch_starts[i - 1] = epoch_starts[i];
        }
        --epoch_count;
    }
    epochs[epoch_count] = of;
    epoch_starts[epoch_count] = from;
    ++epoch_count;
}

void Log::truncate_epochs(Offset at) {
    while (epoch_count != 0 && epoch_starts[epoch_count - 1] >= at) --epoch_count;
}

}  // namespace rivulet::store
