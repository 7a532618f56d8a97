// IncrementalAlterConfigs (KIP-339): single settings of topics are set, follow the defaults again, or have words added and taken away.
#include "server/kafka/alteration.h"
#include "server/kafka/handlers.h"
#include "wire/kafka/incremental_alter_configs.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::IncrementalAlterConfigsRequest;
using wire::kafka::IncrementalAlterConfigsResponse;

Status apply(const IncrementalAlterConfigsRequest::Resource& resource, const config::TopicConfig& defaults, config::TopicConfig& config, Text& why) {
    for (const IncrementalAlterConfigsRequest::Config& pair : resource.configs) {
        if (pair.config_operation < 0 || pair.config_operation > static_cast<std::int8_t>(config::AlterOperation::subtract)) {
            why << pair.name.substr(0, 64) << ": operation " << pair.config_operation << " is not known";
            return fail(Error::malformed);
        }
        const auto operation = static_cast<config::AlterOperation>(pair.config_operation);
        if (!pair.value && operation != config::AlterOperation::remove) {
            why << pair.name.substr(0, 64) << ": null is not a value";
            return fail(Error::malformed);
        }
        RIVULET_TRY(config::alter(config, operation, pair.name, pair.value.value_or(std::string_view()), defaults, why));
    }
    return {};
}

}  // namespace

Progress handle_incremental_alter_configs(Exchange& exchange) {
    return Alteration<IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse>::handle(exchange, apply);
}

}  // namespace rivulet::server::kafka
