#include "store/offline/findings.h"

#include <algorithm>

namespace rivulet::store {

void Findings::print(const Finding& finding, Class of) {
    ReportLine line(report_, of == Class::settled ? "settled" : "damage");
    if (of == Class::corruption) {
        line.text("class", "corruption");
        ++corrupt_;
    } else if (of == Class::unproved) {
        line.text("class", "unproved");
        ++unproved_;
    } else {
        ++settled_;
    }
    line.text("what", finding.what).number("from", finding.from.value).number("to", finding.to.value);
    if (finding.has_log) line.number("log", finding.log.value).number("first", finding.first.value).number("last", finding.last.value);
    if (finding.extents != 0) line.number("extents", finding.extents);
    if (finding.records_at_most != 0) line.number("records_at_most", finding.records_at_most);
}

// Prints what `judge` puts into a class, in order, and keeps the rest open.
template <class Judge>
void Findings::decide(Judge judge) {
    std::size_t kept = 0;
    for (std::size_t i = 0; i < open_count_; ++i) {
        const Class of = judge(open_[i]);
        if (of == Class::open) open_[kept++] = open_[i];
        else print(open_[i], of);
    }
    open_count_ = kept;
}

void Findings::add(const Finding& finding) {
    if (open_count_ == open_max) {
        print(open_[0], Class::corruption);
        std::copy(open_ + 1, open_ + open_count_, open_);
        --open_count_;
    }
    open_[open_count_++] = finding;
}

void Findings::next_run(Lsn run_start, bool is_run_start) {
    decide_earlier();
    run_start_ = run_start;
    run_start_seen_ = is_run_start;
    // What reaches beyond it hides the RUN_START itself, and is of the new run.
    for (std::size_t i = 0; i < open_count_; ++i) open_[i].of_earlier_run = open_[i].to <= run_start;
}

void Findings::apply(const JournalRecord& record) {
    if (record.type == RecordType::run_start && record.run_start.previous_clean) {
        // All that the run before wrote was synced.
        decide([](const Finding& f) { return f.of_earlier_run ? Class::corruption : Class::open; });
    } else if (record.type == RecordType::truncate) {
        settle(record.truncate.log, record.truncate.end);
    } else if (record.type == RecordType::jump) {
        settle(record.jump.log, record.jump.from);
    }
}

// The recovery before this run gave up what the log had from there on.
void Findings::settle(LogId log, Offset from) {
    decide([&](const Finding& f) { return f.of_earlier_run && f.has_log && f.log == log && f.first >= from ? Class::settled : Class::open; });
}

// The records behind RUN_START have all been seen. A log that recovery found damaged was cut, and a journal ends with its last
// good group: what is not so was good then.
void Findings::decide_earlier() {
    decide([this](const Finding& f) {
        if (!f.of_earlier_run) return Class::open;
        const bool traceless = f.has_log ? f.log == control_log : f.to != run_start_;
        return run_start_seen_ && traceless ? Class::settled : Class::corruption;
    });
}

void Findings::proved_below(Lsn durable) {
    if (open_count_ == 0) return;
    if (durable > run_start_) decide_earlier();
    decide([&](const Finding& f) { return !f.of_earlier_run && f.from < durable ? Class::corruption : Class::open; });
}

void Findings::end(Lsn durable) {
    decide_earlier();
    decide([&](const Finding& f) { return f.from < durable ? Class::corruption : Class::unproved; });
}

}  // namespace rivulet::store
