// A record of the store's own log as a line.
#pragma once

#include "store/journal_record.h"
#include "store/offline/report.h"

namespace rivulet::store {

void print_record(const Report& report, Lsn group, const JournalRecord& record);

}  // namespace rivulet::store
