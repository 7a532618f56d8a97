// ApiVersions (KIP-35, KIP-511): what is served.
#include "server/kafka/handlers.h"
#include "wire/kafka/api_versions.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::ApiVersionsRequest;
using wire::kafka::ApiVersionsResponse;

struct Source {
    std::span<const wire::kafka::ApiInfo> apis;
    void operator()(std::size_t index, ApiVersionsResponse::ApiVersion& version) {
        const wire::kafka::ApiInfo& info = apis[index];
        version.api_key = static_cast<std::int16_t>(info.api);
        version.min_version = info.lowest;
        version.max_version = info.highest;
    }
};

// KIP-511: letters, digits, dots and hyphens, which it neither begins nor ends with.
bool valid_software(std::string_view text) {
    const auto inner = [](char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-'; };
    const auto outer = [&](char c) { return inner(c) && c != '.' && c != '-'; };
    if (text.empty() || !outer(text.front()) || !outer(text.back())) return false;
    for (const char c : text)
        if (!inner(c)) return false;
    return true;
}

}  // namespace

Progress handle_api_versions(Exchange& exchange) {
    Source source{wire::kafka::apis()};
    ApiVersionsResponse response;
    if (!exchange.header().served) {
        // Of a version that is not known: version 0, with no more than what is needed to ask again.
        response.error_code = code_of(Error::unsupported_version);
        source.apis = {&wire::kafka::api_info(wire::kafka::Api::api_versions), 1};
        response.api_keys = wire::kafka::Array<ApiVersionsResponse::ApiVersion>::of(1, source);
        return exchange.answer_as(response, 0);
    }
    const auto request = exchange.request<ApiVersionsRequest>();
    if (!request) return exchange.fail(request.failure());
    if (exchange.version() >= 3 && !(valid_software(request->client_software_name) && valid_software(request->client_software_version))) response.error_code = code_of(Error::malformed);
    else response.api_keys = wire::kafka::Array<ApiVersionsResponse::ApiVersion>::of(source.apis.size(), source);
    return exchange.answer(response);
}

}  // namespace rivulet::server::kafka
