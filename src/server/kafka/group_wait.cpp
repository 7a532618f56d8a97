#include "server/kafka/group_wait.h"

#include "server/kafka/hub.h"
#include "server/kafka/session.h"

namespace rivulet::server::kafka {

Progress GroupWait::join(Exchange& exchange, const broker::JoinRequest& request) {
    if (const Status status = hub_.groups().join(request, as_join()); !status) {
        release();
        broker::JoinAnswer answer;
        answer.error = status.error();
        answer.member = request.member;
        return answer_join(exchange, answer);
    }
    exchange.session().park(*this, exchange.header());
    return Progress::parked;
}

Progress GroupWait::sync(Exchange& exchange, const broker::SyncRequest& request) {
    if (const Status status = hub_.groups().sync(request, as_sync()); !status) {
        release();
        broker::SyncAnswer answer;
        answer.error = status.error();
        return answer_sync(exchange, answer);
    }
    exchange.session().park(*this, exchange.header());
    return Progress::parked;
}

void GroupWait::on_joined() { session->wake(); }
void GroupWait::on_synced() { session->wake(); }

Progress GroupWait::resume(Exchange& exchange) {
    const bool joins = as_join().answered();
    if (!joins && !as_sync().answered()) return Progress::parked;
    const Progress progress = joins ? answer_join(exchange, broker::Coordinator::answer_to(as_join())) : answer_sync(exchange, broker::Coordinator::answer_to(as_sync()));
    if (progress != Progress::done) return progress;
    if (joins) broker::Coordinator::finish(as_join());
    else broker::Coordinator::finish(as_sync());
    exchange.session().unpark();
    release();
    return progress;
}

void GroupWait::drop() {
    broker::Coordinator::cancel(as_join());
    broker::Coordinator::cancel(as_sync());
    release();
}

void GroupWait::release() {
    session = nullptr;
    hub_.give_group_wait(*this);
}

}  // namespace rivulet::server::kafka
