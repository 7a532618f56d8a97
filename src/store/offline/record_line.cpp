#include "store/offline/record_line.h"

namespace rivulet::store {

namespace {

std::string_view name_of(RecordType type) {
    switch (type) {
        case RecordType::run_start: return "RUN_START";
        case RecordType::log_create: return "LOG_CREATE";
        case RecordType::log_delete: return "LOG_DELETE";
        case RecordType::log_start: return "LOG_START";
        case RecordType::truncate: return "TRUNCATE";
        case RecordType::ceiling: return "CEILING";
        case RecordType::retire: return "RETIRE";
        case RecordType::clock: return "CLOCK";
        case RecordType::fence: return "FENCE";
        case RecordType::epoch: return "EPOCH";
        case RecordType::jump: return "JUMP";
        case RecordType::log_cleaned: return "LOG_CLEANED";
        case RecordType::topic: return "TOPIC";
    }
    return "OTHER";
}

}  // namespace

void print_record(const Report& report, Lsn group, const JournalRecord& r) {
    ReportLine line(report, "record");
    line.number("lsn", group.value).text("type", name_of(r.type));
    switch (r.type) {
        case RecordType::run_start:
            line.number("run", r.run_start.run).hex("previous_salt", r.run_start.previous_salt).number("previous_end", r.run_start.previous_end.value);
            line.uuid("boot_id", r.run_start.boot_id).number("boot", r.run_start.boot).flag("previous_clean", r.run_start.previous_clean);
            break;
        case RecordType::log_create:
            line.number("first_log", r.log_create.first.value).number("count", r.log_create.count).flag("memory", r.log_create.memory);
            break;
        case RecordType::log_delete: line.number("first_log", r.log_delete.first.value).number("count", r.log_delete.count); break;
        case RecordType::log_start: line.number("log", r.log_start.log.value).number("start", r.log_start.start.value); break;
        case RecordType::truncate:
            line.number("log", r.truncate.log.value).number("end", r.truncate.end.value).number("epoch", r.truncate.epoch.value);
            break;
        case RecordType::ceiling: line.number("log", r.ceiling.log.value).number("ceiling", r.ceiling.ceiling.value); break;
        case RecordType::retire: line.number("first_live", r.retire.first_live).number("logs", r.retire.count); break;
        case RecordType::clock: line.number("boot", r.clock.boot).number("offset_ms", r.clock.offset_ms); break;
        case RecordType::fence:
            line.number("log", r.fence.log.value).number("from", r.fence.from.value).number("to", r.fence.to.value);
            line.number("cause", static_cast<unsigned>(r.fence.cause));
            break;
        case RecordType::epoch:
            line.number("log", r.epoch.log.value).number("epoch", r.epoch.epoch.value).number("start", r.epoch.start.value);
            break;
        case RecordType::jump: line.number("log", r.jump.log.value).number("from", r.jump.from.value).number("to", r.jump.to.value); break;
        case RecordType::log_cleaned:
            line.number("log", r.log_cleaned.log.value).number("clean_log", r.log_cleaned.clean.value).number("end", r.log_cleaned.end.value);
            break;
        default: line.number("number", static_cast<unsigned>(r.type)).number("bytes", r.passed.size());
    }
}

}  // namespace rivulet::store
