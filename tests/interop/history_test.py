"""The checker of histories against histories made by hand, each wrong in one way; then a short history of real clients, which must be right, and spoiled copies of it, which must not.

With names of tests as arguments: those alone. `make check-history` records longer ones.
"""

import copy
import os
import sys

sys.dont_write_bytecode = True  # the folders are part of the source tree
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "history"))
import run
from _cli import TESTS, expect, main, test
from checker import check

SECONDS = 14


def send(number, offset, t0, t1, producer="p", status="ok"):
    return {"op": "send", "producer": producer, "partition": 0, "number": number, "t0": t0, "t1": t1, "status": status, "offset": offset}


def final(offset, number, producer="p"):
    return {"op": "final", "partition": 0, "offset": offset, "producer": producer, "number": number, "t": 100.0}


def read(index, offset, number, t, reader="r", producer="p"):
    return {"op": "read", "reader": reader, "partition": 0, "offset": offset, "producer": producer, "number": number, "t": t, "index": index}


def end(offset, t0, t1):
    return {"op": "end", "partition": 0, "offset": offset, "t0": t0, "t1": t1}


def commit(offset, t0, t1, status="ok", member="a"):
    return {"op": "commit", "group": "g", "member": member, "partition": 0, "offset": offset, "t0": t0, "t1": t1, "status": status}


def assigned(index, offset, t0, t1, member="a"):
    return {"op": "assigned", "group": "g", "member": member, "partition": 0, "offset": offset, "t0": t0, "t1": t1, "index": index}


def committed(offset, t0, t1):
    return {"op": "committed", "group": "g", "partition": 0, "offset": offset, "t0": t0, "t1": t1}


def good():
    """Four records of p at 0 to 3, one of unknown fate that is there (q 0 at 4), one that is not (q 1), one refused (q 2); a reader and a group of two members."""
    return [
        *(send(n, n, n + 1.0, n + 1.5) for n in range(4)), send(0, None, 6.0, None, "q", "unknown"), send(1, None, 7.0, None, "q", "unknown"), send(2, None, 8.0, 8.5, "q", "refused"),
        {"op": "seek", "reader": "r", "partition": 0, "offset": 0, "t": 0.5, "index": 0}, *(read(n + 1, n, n, n + 2.0) for n in range(4)), read(5, 4, 0, 9.0, producer="q"),
        end(0, 0.1, 0.2), end(2, 2.6, 2.7), end(5, 9.0, 9.1),
        assigned(0, -1, 1.0, 1.1), read(1, 0, 0, 2.0, "g/a"), read(2, 1, 1, 2.6, "g/a"), commit(2, 3.0, 3.1), read(3, 2, 2, 4.0, "g/a"), commit(3, 4.1, None, "unknown"),
        assigned(0, 2, 5.0, 5.1, "b"), *(read(n - 1, n, n, 5.5, "g/b") for n in (2, 3)), read(3, 4, 0, 9.0, "g/b", "q"), commit(5, 9.1, 9.2, member="b"), committed(5, 10.0, 10.1),
        *(final(n, n) for n in range(4)), final(4, 0, "q"),
    ]


def of(events, **wanted):
    return next(e for e in events if all(e.get(k) == v for k, v in wanted.items()))


def without(**wanted):
    return lambda events: events.remove(of(events, **wanted))


def changed(wanted, **to):
    return lambda events: of(events, **wanted).update(to)


def also(*more):
    return lambda events: events.extend(more)


def swapped(events):
    a, b = of(events, op="final", offset=1), of(events, op="final", offset=2)
    a["number"], b["number"] = b["number"], a["number"]


BAD = {
    "lost_write": ("lost write", without(op="final", offset=3)),
    "duplicate": ("duplicate", also(final(5, 1))),
    "order_of_a_producer": ("order of a producer", swapped),
    "order_in_time": ("order in time", also(send(0, None, 1.6, None, "s", "unknown"), send(0, 6, 1.0, 1.2, "t"), final(5, 0, "s"), final(6, 0, "t"))),
    "acknowledged_elsewhere": ("inconsistent offset", changed({"op": "send", "producer": "p", "number": 2}, offset=1)),
    "offset_with_two_values": ("inconsistent offset", changed({"op": "read", "reader": "r", "offset": 2}, number=3)),
    "read_that_did_not_stay": ("inconsistent offset", also(read(6, 5, 1, 9.5, producer="q"), final(5, 3, "x"), send(3, None, 1.0, None, "x", "unknown"))),
    "phantom": ("phantom", also(final(5, 7, "nobody"))),
    "read_before_it_was_sent": ("phantom", changed({"op": "read", "reader": "r", "offset": 3}, t=3.9)),
    "refused_and_stored": ("read of a refused send", also(final(5, 2, "q"))),
    "wrong_partition": ("wrong partition", changed({"op": "send", "producer": "q", "number": 0}, partition=1)),
    "gap": ("gap", changed({"op": "final", "offset": 4}, offset=5)),
    "reader_skips": ("read skipped", without(op="read", reader="r", offset=2)),
    "reader_goes_back": ("read went back", also(read(6, 1, 1, 9.5))),
    "end_goes_back": ("end went back", also(end(4, 9.5, 9.6))),
    "end_hides_an_acknowledged_record": ("end went back", changed({"op": "end", "offset": 2}, offset=1)),
    "end_beyond_the_log": ("end beyond the log", changed({"op": "end", "offset": 5}, offset=6)),
    "commit_lost": ("commit lost", changed({"op": "committed"}, offset=3)),
    "commit_lost_for_a_member": ("commit lost", changed({"op": "assigned", "member": "b"}, offset=-1)),
    "commit_goes_back": ("commit went back", also(commit(4, 9.5, 9.6, member="a"))),
    "commit_of_nobody": ("commit of nobody", changed({"op": "committed"}, offset=6)),
    "member_begins_elsewhere": ("read skipped", without(op="read", reader="g/b", offset=2)),
    "not_delivered": ("not delivered", without(op="read", reader="g/b", offset=4)),
    "trouble": ("trouble", also({"op": "trouble", "what": "offset out of range", "t": 3.0})),
}


@test
def nothing_is_wrong_with_a_good_history(_):
    expect(not check(good(), [0]), f"{check(good(), [0])}")


def bad(name, kind, spoil):
    def run_(_):
        events = good()
        spoil(events)
        found = {k for k, _ in check(events, [0])}
        expect(kind in found, f"found {sorted(found)} in place of {kind}")

    run_.__name__ = name
    TESTS.append(run_)


for NAME, (KIND, SPOIL) in BAD.items():
    bad(NAME, KIND, SPOIL)


def spoiled(events):
    """Copies of a real history with one thing wrong, and what must be found."""
    reads = [e for e in events if e["op"] == "read" and e["reader"].startswith("reader")]
    acked = next(e for e in events if e["op"] == "send" and e["status"] == "ok" and e["offset"])
    at = (acked["partition"], acked["offset"])
    last = max((e for e in events if e["op"] == "commit" and e["status"] == "ok"), key=lambda e: e["offset"])

    def drop(kind, event):
        return kind, [e for e in events if e is not event]

    def add(kind, event, **to):
        return kind, events + [{**event, **to}]

    stored = next(e for e in events if e["op"] == "final" and (e["partition"], e["offset"]) == at)
    yield drop("lost write", stored)
    yield drop("gap", stored)
    yield add("duplicate", stored, offset=10**6)
    yield drop("phantom", acked)
    yield drop("read skipped", reads[len(reads) // 2])
    yield add("read went back", reads[len(reads) // 2], index=10**9)
    yield add("commit lost", next(e for e in events if e["op"] == "committed"), group=last["group"], partition=last["partition"], offset=last["offset"] - 1, t0=last["t1"] + 1, t1=last["t1"] + 2)


@test
def real_clients_kills_and_pauses(folder):
    events, faults = run.history(folder, SECONDS, int.from_bytes(os.urandom(4), "little"))
    run.told(events, faults)
    partitions = list(range(run.PARTITIONS))
    found = check(copy.deepcopy(events), partitions)
    expect(not found, f"{len(found)} violations: {found[:5]}")
    for kind, wrong in spoiled(events):
        expect(kind in {k for k, _ in check(copy.deepcopy(wrong), partitions)}, f"a spoiled copy is not found wrong: {kind}")


@test
def a_topic_in_memory_is_found_out(folder):
    """Its records are acknowledged before they are on flash: a broker that is killed loses some, and a broker that did so with any topic would be found like that."""
    events, _ = run.history(folder, SECONDS // 2, int.from_bytes(os.urandom(4), "little"), durability="memory")
    found = {kind for kind, _ in check(events, list(range(run.PARTITIONS)))}
    expect("lost write" in found, f"found {sorted(found)}")


if __name__ == "__main__":
    sys.exit(main())
