"""The table of clients in README.md, between two comments there: a row per client, a column per kind of operation."""

COLUMNS = {
    "topics": ["create", "auto-create", "list", "describe", "alter", "partitions", "delete", "log-dirs"],
    "acks 0, 1, all": ["acks-0", "acks-1", "acks-all"],
    "5 codecs": ["codec-none", "codec-gzip", "codec-snappy", "codec-lz4", "codec-zstd"],
    "keys, headers": ["keys", "headers"],
    "idempotent": ["idempotent"],
    "large": ["large"],
    "assign, offsets": ["assign", "seek", "offsets"],
    "by time": ["seek-time", "seek-time-gzip", "seek-time-snappy", "seek-time-lz4", "seek-time-zstd"],
    "group, commit": ["group", "commit"],
    "rebalance": ["rebalance", "rebalance-cooperative", "static-member"],
    "groups": ["groups", "delete-group", "delete-offsets"],
    "delete records": ["delete-records"],
    "transaction refused": ["transaction"],
    "`kill -9` under way": ["broker-killed"],
}
# Whose cells say "-" or "not": what the client has not, and where its source shows that. Named with the version, so that a newer one is looked at again.
LACKS = {
    "kcat 1.7.1": "kcat administers nothing; the topics are made by `rivulet topic create`",
    "kafka-python 2.0.2": "`KafkaProducer.DEFAULT_CONFIG` has neither `enable_idempotence` nor `transactional_id`, `KafkaAdminClient` no `delete_records`",
    "confluent-kafka 1.7.0": "of groups its `AdminClient` has `list_groups` alone, and it has no `delete_records`",
    "aiokafka 0.14.0": "`AIOKafkaAdminClient` (`aiokafka/admin/client.py`) lists and describes groups, and deletes none",
    "kafka-go 0.4.51": "its batches have producer id -1 (`protocol/record_v2.go`), and it has no `protocol/deleterecords`",
    "kafkajs 2.2.4": "its consumer (`src/consumer/index.js`) reads by groups alone, and seeks",
}
BEGIN, END = "<!-- clients: written by make interop ARGS=--readme -->", "<!-- clients end -->"


def cell(answers):
    """answers: operation to state, of those that the client has been put through."""
    failed = [o for o, state in answers.items() if state == "failed"]
    absent = [o for o, state in answers.items() if state == "absent"]
    if failed:
        return "**no**: " + ", ".join(failed)
    if len(absent) == len(answers):
        return "-"
    return "yes" + (", not " + ", ".join(absent) if absent else "")


def rows(results):
    clients = {name: ended for name, ended in results.items() if set(ended["answers"]) & set(sum(COLUMNS.values(), []))}
    yield "| | " + " | ".join(COLUMNS) + " |"
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for name, ended in clients.items():
        yield f"| {name} | " + " | ".join(cell({o: ended["answers"][o] for o in operations if o in ended["answers"]}) for operations in COLUMNS.values()) + " |"
    yield ""
    lacking = [name for name, ended in clients.items() if any(ended["answers"].get(o) == "absent" for o in sum(COLUMNS.values(), []))]
    if lacking:
        yield "What clients lack: " + "; ".join(f"{name}: {LACKS.get(name, '**not looked into**')}" for name in lacking) + ".\n"
    for name, ended in results.items():
        if name in clients:
            continue
        if ended["absent"]:
            yield f"- {name}: not to be had here"
        else:
            yield f"- {name}: " + ", ".join(o if state == "ok" else f"**not {o}**" for o, state in ended["answers"].items())


def write_table(path, results):
    dates = sorted(ended["date"] for ended in results.values())
    when = dates[0] if dates[0] == dates[-1] else f"{dates[0]} to {dates[-1]}"
    counts = [list(ended["answers"].values()) for ended in results.values()]
    passed, failed = (sum(states.count(state) for states in counts) for state in ("ok", "failed"))
    with open(path, encoding="utf-8") as file:
        before, _, rest = file.read().partition(BEGIN)
        _, _, after = rest.partition(END)
    text = "\n".join(rows(results))
    one = len({ended.get("run") for ended in results.values()}) == 1
    how = "in one run of one build" if one else "each client as it ended last, which was not in one run"
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\nOf {when}, {passed} operations passed, {failed} failed, {how}. - : the client has no such thing.\n\n{text}\n{END}{after}")
