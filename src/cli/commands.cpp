#include "cli/commands.h"

#include "cli/version.h"

namespace rivulet::cli {

namespace {

// Letters are those of kcat, where it has the same.
constexpr Option bootstrap_option{"bootstrap", "HOST:PORT[,...]", "brokers to try, in this order (default 127.0.0.1:9192)", false, 'b'};
constexpr Option json_option{"json", "", "print JSON"};
constexpr Option config_file_option{"config", "FILE", "configuration file; without it: the built-in defaults", false, 'c'};
constexpr Option set_option{"set", "SECTION.KEY=VALUE", "rules over the file, may be given again", true};
constexpr Option help_option{"help", "", "this text", false, 'h'};

// ---- serve, check-config: done by main ----
constexpr Option serve_options[] = {config_file_option, set_option, help_option};
constexpr Example serve_examples[] = {
    {"rivulet serve", "built-in defaults, data in ./rivulet-data, listeners on 127.0.0.1:9192 (compact) and 9092 (Kafka)"},
    {"rivulet serve -c /etc/rivulet/rivulet.conf", ""},
    {"rivulet serve --set storage.dir=/mnt/ssd/rivulet --set storage.size=4G", ""},
};
constexpr Option check_config_options[] = {config_file_option, set_option, json_option, help_option};
constexpr Example check_config_examples[] = {
    {"rivulet check-config -c rivulet.conf", "exit 2 and every mistake with its line, if there is any"},
    {"rivulet check-config --set memory.total=8M", "does it fit?"},
};

// ---- print-config ----
constexpr Option print_config_options[] = {config_file_option, set_option, {"sample", "", "the commented sample with every key and its default"}, json_option, help_option};
constexpr Example print_config_examples[] = {
    {"rivulet print-config -c rivulet.conf", "what is in force and where it came from"},
    {"rivulet print-config --sample > rivulet.conf", "a file to begin with"},
};

// ---- topic ----
constexpr Option create_options[] = {
    {"partitions", "N", "number of partitions (default: the broker's [defaults])"},
    {"replication-factor", "R", "copies of each partition (default: the broker's [defaults])"},
    {"config", "KEY=VALUE", "a setting of the topic, may be given again", true},
    bootstrap_option, json_option, help_option};
constexpr Example create_examples[] = {
    {"rivulet topic create temps --partitions 4", ""},
    {"rivulet topic create alarms --config retention.ms=30d --config commit.interval.ms=0", "kept 30 days, each record durable at once"},
    {"rivulet topic create live --config durability=memory", "acknowledged before flash"},
};
constexpr Option list_options[] = {bootstrap_option, json_option, help_option};
constexpr Example list_examples[] = {
    {"rivulet topic list", ""},
    {"rivulet topic list --bootstrap board1:9192,board2:9192 --json", ""},
};
constexpr Example describe_examples[] = {
    {"rivulet topic describe temps", "settings, and per partition: offsets, size, what damage took"},
    {"rivulet topic describe --json", "all topics"},
};
constexpr Option delete_options[] = {bootstrap_option, help_option};
constexpr Example delete_examples[] = {{"rivulet topic delete temps", "its records are gone for good"}};

constexpr Option alter_options[] = {
    {"partitions", "N", "as many as there are, or more; keys are spread over all of them from then on"},
    {"config", "KEY=VALUE", "the setting's new value, may be given again", true},
    {"delete-config", "KEY", "back to the broker's [defaults], may be given again", true},
    bootstrap_option, help_option};
constexpr Example alter_examples[] = {
    {"rivulet topic alter temps --config retention.ms=7d --config commit.interval.ms=0", "all of it or none"},
    {"rivulet topic alter temps --delete-config retention.ms", ""},
    {"rivulet topic alter temps --partitions 8", "producers that are connected go on with the number that they began with"},
};

// ---- produce ----
constexpr Option produce_options[] = {
    {"key", "K", "the key of all records", false, 'k'},
    {"key-separator", "S", "each line is KEY S VALUE; S may be \\t", false, 'K'},
    {"ignore-missing-key", "", "a line without the separator is a record without a key, not an error"},
    {"partition", "N", "put all records there, whatever their key", false, 'p'},
    {"acks", "0|1|all", "acknowledged when received, stored by the leader, or by all in-sync replicas (default all)"},
    {"header", "NAME=VALUE", "a header of all records, may be given again", true, 'H'},
    {"timeout", "DUR", "how long to try to connect, at first and when the connection broke (default 10s)"},
    {"session", "ID", "number of the session, 1 or more (default: random)"},
    {"print-acks", "", "print the number of acknowledged lines whenever it grows, one per line"},
    {"quiet", "", "no summary, no progress", false, 'q'},
    bootstrap_option, help_option};
constexpr Example produce_examples[] = {
    {"echo 21.5 | rivulet produce temps", ""},
    {"rivulet produce temps --key-separator , < readings.csv", "the first field is the key"},
    {"tail -n +4711 readings.csv | rivulet produce temps --key-separator ,", "go on after \"the first 4710 lines are stored\""},
    {"rivulet produce alarms --key boiler-3 --header unit=C --acks 1", "type records, end with ^D"},
};

// ---- consume ----
constexpr Option consume_options[] = {
    {"from-beginning", "", "from the oldest record (default: only new ones)"},
    {"offset", "N", "from this offset, or earliest, or latest; N needs --partition if there are several", false, 'o'},
    {"partition", "N", "this partition alone (default: all, each in its order)", false, 'p'},
    {"group", "G", "as a member of this consumer group: see above", false, 'g'},
    {"group-instance", "ID", "as a static member, which keeps its partitions over a restart of 45 s"},
    {"assignor", "NAME", "who of the group reads what: range, roundrobin, sticky; all members the same (default sticky)"},
    {"max-messages", "N", "end after so many", false, 'c'},
    {"timeout", "DUR", "end when no record came for so long, what the reader of the output takes aside (default: never)"},
    {"format", "FMT", "how a record is printed: see above", false, 'f'},
    {"json", "", "one JSON object a line for each record: see above"},
    bootstrap_option, help_option};
constexpr Example consume_examples[] = {
    {"rivulet consume temps", "new records as they come, until ^C"},
    {"rivulet consume temps --from-beginning --timeout 1s > all.txt", "everything there is"},
    {"rivulet consume temps --from-beginning --format '%p %o %T %k=%v\\n'", ""},
    {"rivulet consume temps --partition 2 --offset 1000 --max-messages 10", ""},
    {"rivulet consume temps --from-beginning --timeout 1s --json", "for jq and the like"},
    {"rivulet consume temps --group readers", "shares the partitions with others of the group"},
};
constexpr std::string_view consume_text =
    "Prints values, each with a line end. With --format nothing is added:\n"
    "  %t topic     %p partition     %o offset           %T timestamp in ms, -1 if there is none\n"
    "  %k key       %v or %s value   %h headers, as name=value,name=value      %% a percent sign\n"
    "               (a header without a value is name=NULL)\n"
    "  %K, %V       bytes of the key, of the value: -1 if it is null\n"
    "  \\n \\t \\r \\0 \\\\ and \\xHH as usual\n"
    "With --json: {\"topic\":\"temps\",\"partition\":0,\"offset\":17,\"timestamp\":1700000000000,\"key\":\"k\",\"value\":\"21.5\",\n"
    "  \"headers\":[{\"name\":\"unit\",\"value\":\"C\"}]}. What a record does not have is null. A key or value whose bytes are not UTF-8\n"
    "  comes as key_base64 or value_base64 instead. The timestamp is in ms.\n"
    "Damaged ranges are passed over: `rivulet topic describe` lists them.\n"
    "With --group the broker gives each member some of the partitions, and what was written to standard output is committed: every 5 s,\n"
    "when a partition goes to another member, and at the end. The group goes on there; where it has committed nothing, at new records,\n"
    "or with --from-beginning at the oldest. A member that is killed loses its place; what it had not committed comes again.";

// ---- group ----
constexpr Option topic_partitions_option{"topic", "T[:P,...]", "of this topic, or of these partitions of it; may be given again", true};
constexpr Example group_list_examples[] = {{"rivulet group list", "who reads, with which protocol, in which state"}};
constexpr Option group_describe_options[] = {{"members", "", "the members and what each is assigned, in place of the offsets"}, bootstrap_option, json_option, help_option};
constexpr Example group_describe_examples[] = {
    {"rivulet group describe readers", "how far it is behind, and who reads what"},
    {"rivulet group describe readers --members", ""},
    {"rivulet group describe --json", "all groups"},
};
constexpr Option group_reset_options[] = {
    topic_partitions_option,
    {"all-topics", "", "wherever the group has committed anything"},
    {"to-earliest", "", "to the oldest record"},
    {"to-latest", "", "to the end"},
    {"to-current", "", "to where it stands, or to the end where it has committed nothing"},
    {"to-offset", "N", "to this offset"},
    {"shift-by", "N", "by so many records ahead, or back if negative"},
    {"to-datetime", "T", "to the first record of this time or later: 2026-03-01T14:30:00, with Z or +01:00 behind it (UTC without)"},
    {"by-duration", "DUR", "to the first record that is not older than this"},
    {"execute", "", "do it"},
    {"dry-run", "", "only print what would be done: the default"},
    bootstrap_option, json_option, help_option};
constexpr Example group_reset_examples[] = {
    {"rivulet group reset-offsets readers --topic temps --to-earliest", "prints what would be done"},
    {"rivulet group reset-offsets readers --topic temps:0,3 --by-duration 2h --execute", "reads the last two hours of these partitions again"},
    {"rivulet group reset-offsets readers --all-topics --shift-by=-100 --execute", ""},
};
constexpr std::string_view reset_text =
    "Prints the plan, and carries it out with --execute. The group must be without members (exit 1 otherwise); one that is not there is made.\n"
    "An offset outside of the log becomes its beginning or its end, which is told. All of it is done or nothing, but where it takes more\n"
    "requests than one, or the disk fails midway: then it is told how many were done.";
constexpr Example group_delete_examples[] = {{"rivulet group delete readers", ""}};
constexpr Option group_delete_offsets_options[] = {topic_partitions_option, bootstrap_option, help_option};
constexpr Example group_delete_offsets_examples[] = {{"rivulet group delete-offsets readers --topic temps", ""}};

// ---- store ----
constexpr Option inspect_options[] = {
    {"segment", "N", "the groups and extents of this segment, in place of the overview"},
    {"log", "ID", "the extents of this log alone; 0: the store's own records"},
    json_option, help_option};
constexpr Example inspect_examples[] = {
    {"rivulet store inspect /var/lib/rivulet", "files, segments, what recovery would start from"},
    {"rivulet store inspect /var/lib/rivulet --log 16", "where one partition's records lie"},
};
constexpr Option verify_options[] = {json_option, help_option};
constexpr Example verify_examples[] = {{"rivulet store verify /var/lib/rivulet", "reads all that is live; exit 1 if anything is damaged"}};

// ---- bench ----
constexpr Option bench_protocol_option{"protocol", "compact|kafka", "which protocol to speak: kafka does with any broker of it, by default that on 127.0.0.1:9092 (default compact)"};
constexpr Option bench_produce_options[] = {
    bench_protocol_option,
    {"connections", "N", "connections, each to one partition, in turn (default 1)"},
    {"window", "N", "readings of a connection that wait for their acknowledgement (default 256; with kafka what 5 batches hold)"},
    {"size", "BYTES", "of each value (default 100)"},
    {"packed", "N", "readings in one frame, at most --window (default 1); with kafka records in a batch (default what --batch holds)"},
    {"batch", "BYTES", "with kafka: the largest batch (default 16384)"},
    {"rate", "N", "readings per second in all (default: as many as possible)"},
    {"acks", "0|1|all", "as for produce (default 1); with kafka and 0 there are no acknowledgements: what is sent counts"},
    {"duration", "DUR", "end after this time (default 10s, unless --records is given)"},
    {"records", "N", "end when so many are acknowledged, or more"},
    bootstrap_option, json_option, help_option};
constexpr Example bench_produce_examples[] = {
    {"rivulet bench produce load --connections 16 --window 64", "how many readings a second, and how soon acknowledged"},
    {"rivulet bench produce load --rate 100 --window 1 --duration 60s --json", "latency under a light load"},
    {"rivulet bench produce load --protocol kafka --bootstrap broker:9092 --acks all --connections 4", "the same figures of a Kafka broker"},
};
constexpr Option bench_consume_options[] = {
    bench_protocol_option,
    {"connections", "N", "connections that share the partitions (default 1); with kafka those of each leader"},
    {"offset", "earliest|latest", "from where (default earliest)"},
    {"duration", "DUR", "end after this time (default: at what was the end at the start; with --offset latest 10s, unless --records is given)"},
    {"records", "N", "end after so many records, or more"},
    bootstrap_option, json_option, help_option};
constexpr Example bench_consume_examples[] = {
    {"rivulet bench consume load --connections 4 --records 1000000", ""},
    {"rivulet bench consume load --protocol kafka --bootstrap broker:9092", "uncompressed batches alone"},
};

constexpr Option only_help[] = {help_option};
constexpr Option any_options[] = {bootstrap_option, json_option, help_option};
constexpr std::string_view later = "not in this version";

constexpr Command table[] = {
    {"serve", "", 0, 0, "the broker", "Stops on ^C or SIGTERM, reads its configuration again on SIGHUP.", serve_options, serve_examples, nullptr, {}},
    {"check-config", "", 0, 0, "check a configuration, print the memory and flash that it takes", "", check_config_options, check_config_examples, nullptr, {}},
    {"print-config", "", 0, 0, "every key, its value and where it came from", "", print_config_options, print_config_examples, print_config, {}},
    {"topic create", "NAME", 1, 1, "create a topic", "Exit 1 if there is one of that name.", create_options, create_examples, topic_create, {}},
    {"topic list", "", 0, 0, "all topics", "", list_options, list_examples, topic_list, {}},
    {"topic describe", "[NAME]", 0, 1, "settings and partitions of one topic, or of all", "", list_options, describe_examples, topic_describe, {}},
    {"topic alter", "NAME", 1, 1, "change a topic's settings, or add partitions",
     "At once and for good, all of it or none; exit 1 if the topic is not there, 2 if a setting is wrong. Durability is for life, and\n"
     "partitions never get fewer.", alter_options, alter_examples, topic_alter, {}},
    {"topic delete", "NAME", 1, 1, "delete a topic and its records", "", delete_options, delete_examples, topic_delete, {}},
    {"produce", "TOPIC", 1, 1, "put the lines of standard input into a topic",
     "One record per line, an empty line is an empty record; the line end (LF or CRLF) is not part of it.\n"
     "When a connection breaks, produce comes back and sends again what was not acknowledged; within one run nothing is stored twice.\n"
     "A line that the broker refuses (its topic was deleted midway) is told, and produce goes on with the next.\n"
     "Ends with the number of lines sent, acknowledged (stored, as --acks says) and refused; exit 3 if the connection was lost for good,\n"
     "1 if lines were refused. Acknowledgement is in the order of lines, so after \"the first N lines are stored\" go on with line N + 1.\n"
     "Lines after N may have been stored as well.\n"
     "^C: reads no more, waits for what was sent; again: ends at once.",
     produce_options, produce_examples, produce, {}},
    {"consume", "TOPIC", 1, 1, "print the records of a topic", consume_text, consume_options, consume_examples, consume, {}},
    {"group list", "", 0, 0, "all consumer groups", "", list_options, group_list_examples, group_list, {}},
    {"group describe", "[GROUP]...", 0, 999, "offsets, lag and members of groups, or of all",
     "LOG-END-OFFSET is what consumers can read up to. A member without partitions has a line of its own.", group_describe_options, group_describe_examples, group_describe, {}},
    {"group reset-offsets", "GROUP", 1, 1, "move what a group has committed", reset_text, group_reset_options, group_reset_examples, group_reset_offsets, {}},
    {"group delete", "GROUP...", 1, 999, "delete groups without members, with all that they have committed", "Exit 1 if one has members or is not there.", delete_options,
     group_delete_examples, group_delete, {}},
    {"group delete-offsets", "GROUP", 1, 1, "forget what a group has committed in a topic", "The group may have members, as long as none is subscribed to the topic.",
     group_delete_offsets_options, group_delete_offsets_examples, group_delete_offsets, {}},
    {"cluster status", "", 0, 999, "the boards of a cluster", "", any_options, {}, nullptr, later},
    {"cluster format", "", 0, 999, "prepare a board for a cluster", "", any_options, {}, nullptr, later},
    {"cluster rebalance", "", 0, 999, "spread leaders over the boards", "", any_options, {}, nullptr, later},
    {"store inspect", "DIR", 1, 1, "look into a store, offline", "One line for each thing found: kind key=value... With --json: one object a line.", inspect_options, inspect_examples, store_inspect, {}},
    {"store verify", "DIR", 1, 1, "check all of a store, offline", "Changes nothing. Exit 1 on damage.", verify_options, verify_examples, store_verify, {}},
    {"bench produce", "TOPIC", 1, 1, "put made-up readings into a topic, measure rate and latency", "The topic must be there: its settings are what is measured.", bench_produce_options, bench_produce_examples, bench_produce, {}},
    {"bench consume", "TOPIC", 1, 1, "read a topic, measure the rate", "Checks each batch's CRC, prints no record. Times and rates are those until the last record.", bench_consume_options, bench_consume_examples, bench_consume, {}},
    {"version", "", 0, 0, "the version", "", only_help, {}, print_version, {}},
};

}  // namespace

std::span<const Command> commands() { return table; }

const Command* find_command(std::span<const std::string_view> words, std::size_t& words_used) {
    for (const Command& command : table) {
        const std::size_t space = command.name.find(' ');
        const std::size_t needed = space == std::string_view::npos ? 1 : 2;
        if (words.size() < needed || words[0] != command.name.substr(0, space)) continue;
        if (needed == 2 && words[1] != command.name.substr(space + 1)) continue;
        words_used = needed;
        return &command;
    }
    return nullptr;
}

bool is_group(std::string_view word) {
    for (const Command& command : table)
        if (command.name.size() > word.size() && command.name.starts_with(word) && command.name[word.size()] == ' ') return true;
    return false;
}

int print_version(Arguments&, CliContext&, Output& output) {
    output << "rivulet " << version() << "\n";
    return exit_done;
}

}  // namespace rivulet::cli
