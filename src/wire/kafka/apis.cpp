#include "wire/kafka/apis.h"

namespace rivulet::wire::kafka {

namespace {

constexpr ApiInfo table[] = {
#define RIVULET_KAFKA_API(key, name, lowest, highest, flexible_from) {Api::name, #name, lowest, highest, flexible_from},
#include "wire/kafka/apis.def"
#undef RIVULET_KAFKA_API
};

}  // namespace

std::span<const ApiInfo> apis() { return table; }

const ApiInfo* find_api(std::int16_t key) {
    for (const ApiInfo& info : table)
        if (static_cast<std::int16_t>(info.api) == key) return &info;
    return nullptr;
}

Result<RequestHeader> decode_request_header(Bytes frame) {
    if (frame.size() < request_head_bytes) return fail(Error::malformed);
    RequestHeader header;
    const auto key = load_be<std::int16_t>(frame.data());
    const ApiInfo* const info = find_api(key);
    header.version = load_be<std::int16_t>(frame.data() + 2);
    header.correlation = load_be<std::int32_t>(frame.data() + 4);
    if (!info) return fail(Error::unsupported_version, key);
    header.api = info->api;
    header.served = info->serves(header.version);
    if (!header.served) {
        if (header.api != Api::api_versions) return fail(Error::unsupported_version, key);
        header.bytes = request_head_bytes;
        return header;
    }
    header.flexible = info->flexible(header.version);
    Codec codec(frame.subspan(request_head_bytes), header.version, header.flexible);
    codec.short_text(header.client);
    codec.tags();
    if (!codec.ok()) return fail(Error::malformed, static_cast<std::int64_t>(request_head_bytes));
    header.bytes = request_head_bytes + codec.position();
    return header;
}

void begin_request(Writer& out, Api api, std::int16_t version, std::int32_t correlation, std::string_view client) {
    out.be(std::int32_t{0});
    out.be(static_cast<std::int16_t>(api));
    out.be(version);
    out.be(correlation);
    Codec codec(out, version, api_info(api).flexible(version));
    std::optional<std::string_view> text = client;
    codec.short_text(text);
    codec.tags();
}

void begin_response(Writer& out, const RequestHeader& request) {
    out.be(std::int32_t{0});
    out.be(request.correlation);
    if (request.flexible && request.api != Api::api_versions) out.u8(0);
}

void finish_frame(Writer& out, std::size_t start, std::size_t inserted) {
    if (!out.ok()) return;
    store_be(out.buffer().data() + start, static_cast<std::int32_t>(out.size() - start - 4 + inserted));
}

}  // namespace rivulet::wire::kafka
