// The APIs of Kafka that are served, their versions, and the headers of requests and responses.
// Bounds:   no allocation. Errors: decode_request_header: malformed, unsupported_version (key or version), with the position or the key.
// Thread:   any. Format: Kafka's protocol; request header 1, flexible 2; response header 0, flexible 1, of ApiVersions always 0.
#pragma once

#include "wire/kafka/codec.h"

namespace rivulet::wire::kafka {

enum class Api : std::int16_t {
#define RIVULET_KAFKA_API(key, name, lowest, highest, flexible_from) name = key,
#include "wire/kafka/apis.def"
#undef RIVULET_KAFKA_API
};

struct ApiInfo {
    Api api{};
    std::string_view name;
    std::int16_t lowest = 0;
    std::int16_t highest = 0;
    std::int16_t flexible_from = 0;
    bool serves(std::int16_t version) const { return version >= lowest && version <= highest; }
    bool flexible(std::int16_t version) const { return version >= flexible_from; }
};

// In ascending order of their keys.
std::span<const ApiInfo> apis();
const ApiInfo* find_api(std::int16_t key);
inline const ApiInfo& api_info(Api api) { return *find_api(static_cast<std::int16_t>(api)); }

struct RequestHeader {
    Api api{};
    std::int16_t version = 0;
    std::int32_t correlation = 0;
    std::optional<std::string_view> client;  // a view of the frame
    bool flexible = false;
    bool served = true;                      // false: ApiVersions of a version that is not known, whose body is not to be read
    std::size_t bytes = 0;                   // of the header: the body follows
};
// From the first bytes of a frame, behind its length.
Result<RequestHeader> decode_request_header(Bytes frame);
// The first bytes of a request header, which do not depend on the version.
constexpr std::size_t request_head_bytes = 8;

// Of requests and answers that this end writes: length, left for finish_frame(), and header.
void begin_request(Writer& out, Api api, std::int16_t version, std::int32_t correlation, std::string_view client);
void begin_response(Writer& out, const RequestHeader& request);
// `start`: where in the Writer the frame begins; `inserted`: bytes beside what is written (Codec::inserted_bytes()).
void finish_frame(Writer& out, std::size_t start, std::size_t inserted = 0);

}  // namespace rivulet::wire::kafka
