// AlterConfigs (KIP-133): what a topic's settings are from now on; those that are not named follow the defaults again.
#include "server/kafka/alteration.h"
#include "server/kafka/handlers.h"
#include "wire/kafka/alter_configs.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::AlterConfigsRequest;
using wire::kafka::AlterConfigsResponse;

Status apply(const AlterConfigsRequest::Resource& resource, const config::TopicConfig& defaults, config::TopicConfig& config, Text& why) {
    const config::TopicConfig before = config;
    config = defaults;
    // For life: it stays what it is where it is not named.
    config.durability = before.durability;
    config.overrides = before.overrides & 1U << (static_cast<unsigned>(config::TopicKey::durability) - 1);
    for (const AlterConfigsRequest::Config& pair : resource.configs) {
        if (!pair.value) {
            why << pair.name.substr(0, 64) << ": null is not a value";
            return fail(Error::malformed);
        }
        RIVULET_TRY(set_config(config, pair.name, pair.value, why));
    }
    return {};
}

}  // namespace

Progress handle_alter_configs(Exchange& exchange) { return Alteration<AlterConfigsRequest, AlterConfigsResponse>::handle(exchange, apply); }

}  // namespace rivulet::server::kafka
