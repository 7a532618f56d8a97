// DescribeCluster (KIP-700).
#include "server/kafka/handlers.h"
#include "server/kafka/hub.h"
#include "wire/kafka/describe_cluster.h"

namespace rivulet::server::kafka {

namespace {

using wire::kafka::DescribeClusterResponse;

constexpr std::int8_t endpoint_brokers = 1;

struct Source {
    env::Endpoint here;
    std::int32_t node = 0;
    void operator()(std::size_t, DescribeClusterResponse::Broker& broker) {
        broker.broker_id = node;
        broker.host = here.host;
        broker.port = here.port;
    }
};

}  // namespace

Progress handle_describe_cluster(Exchange& exchange) {
    const auto request = exchange.request<wire::kafka::DescribeClusterRequest>();
    if (!request) return exchange.fail(request.failure());
    Hub& hub = exchange.hub();
    char buffer[64];
    Text scratch(buffer);
    Source source{exchange.session().advertised(scratch), static_cast<std::int32_t>(hub.options().node)};
    char cluster[40];
    Text cluster_id(cluster);
    cluster_id << hub.broker().store().state().geometry.store_id;
    DescribeClusterResponse response;
    response.cluster_id = cluster_id.view();
    response.endpoint_type = request->endpoint_type;
    if (request->endpoint_type != endpoint_brokers) {
        // There are no controllers to connect to.
        response.error_code = code_of(Error::malformed);
        response.error_message = "only endpoints of brokers are known";
        return exchange.answer(response);
    }
    response.controller_id = source.node;
    response.brokers = wire::kafka::Array<DescribeClusterResponse::Broker>::of(1, source);
    return exchange.answer(response);
}

}  // namespace rivulet::server::kafka
