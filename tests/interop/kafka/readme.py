"""The table of clients in README.md, between two comments there: a row per client, a column per kind of operation."""

COLUMNS = {
    "topics": ["create", "auto-create", "list", "describe", "alter", "partitions", "delete", "log-dirs"],
    "acks 0, 1, all": ["acks-0", "acks-1", "acks-all"],
    "5 codecs": ["codec-none", "codec-gzip", "codec-snappy", "codec-lz4", "codec-zstd"],
    "keys, headers": ["keys", "headers"],
    "idempotent": ["idempotent"],
    "large": ["large"],
    "assign, offsets": ["assign", "seek", "offsets"],
    "by time": ["seek-time"],
    "group, commit": ["group", "commit"],
    "rebalance": ["rebalance", "rebalance-cooperative", "static-member"],
    "groups": ["groups", "delete-group", "delete-offsets"],
    "delete records": ["delete-records"],
    "transaction refused": ["transaction"],
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
    return "yes" + (", not " + ", ".join(o.removeprefix("delete-") for o in absent) if absent else "")


def rows(results):
    clients = {name: ended for name, ended in results.items() if set(ended["answers"]) & set(sum(COLUMNS.values(), []))}
    yield "| | " + " | ".join(COLUMNS) + " |"
    yield "|---" * (len(COLUMNS) + 1) + "|"
    for name, ended in clients.items():
        yield f"| {name} | " + " | ".join(cell({o: ended["answers"][o] for o in operations if o in ended["answers"]}) for operations in COLUMNS.values()) + " |"
    yield ""
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
    with open(path, "w", encoding="utf-8") as file:
        file.write(f"{before}{BEGIN}\nOf {when}, {passed} operations passed, {failed} failed; - : the client has no such thing.\n\n{text}\n{END}{after}")
