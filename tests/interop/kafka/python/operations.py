"""The operations that every Python client is put through, over an adapter that says how that client does each step.

A driver is `python3 CLIENT.py HOST:PORT PREFIX [OPERATION...]`. It prints a line per operation: `ok OP`, `failed OP: why`, or
`absent OP: why` if the client has no such thing. Topics and groups are named PREFIX-OP, so that whoever runs it can look at what is stored.
"""

import signal
import sys
import threading
import time

SECONDS = 45  # for one operation
TRANSACTION_SECONDS = 10
KILLED_SECONDS = 12


class Failed(Exception):
    pass


class Absent(Exception):
    pass


class Record:
    def __init__(self, value, key=None, headers=(), timestamp=None, partition=None, offset=None):
        self.value, self.key, self.headers, self.timestamp = value, key, list(headers), timestamp
        self.partition, self.offset = partition, offset


class Client:
    """What an adapter overrides; what it leaves out the client does not have. Every error is an exception, every wait has an end."""

    headers = (("trace", b"\x00\x01\xff"), ("empty", b""), ("trace", b"again"))

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def __getattr__(self, name):
        def absent(*_, **__):
            raise Absent(f"this client has no {name}")

        if name.startswith("_"):
            raise AttributeError(name)
        return absent

    def times(self, topic, codec):
        """The timestamps of records in the topic, ascending; here of a hundred that it sends."""
        base = int(time.time() * 1000) - 200_000
        sent = [base + i * 1000 for i in range(100)]
        self.produce(topic, [Record(b"%d" % i, timestamp=at) for i, at in enumerate(sent)], codec=codec)
        return sent

    def produce_slowly(self, topic, records, seconds):
        """By one producer, spread over some seconds. Returns whether it is idempotent."""
        self.produce(topic, paced(records, seconds), idempotent=True)
        return True

    def prepare(self, topic, partitions=1):
        self.create(topic, partitions, {})
        wait_for(lambda: self.partitions(topic) == partitions, f"{topic} is created but not in the metadata")


def expect(condition, what):
    if not condition:
        raise Failed(what)


def wait_for(condition, what, seconds=30):
    """what: a text, or what tells it then."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"timed out: {what if isinstance(what, str) else what()}")
        time.sleep(0.05)


class Polling:
    """A member of a group, polled and asked by a thread of its own alone: some clients block in a poll until all of the group have joined."""

    def __init__(self, member):
        self.member, self.records, self.assigned, self.error, self.ended = member, [], set(), None, False
        self.thread = threading.Thread(target=self.poll, daemon=True)
        self.thread.start()

    def poll(self):
        try:
            while not self.ended:
                self.records += self.member.poll(0.2)
                self.assigned = set(self.member.assignment())
        except Exception as error:  # pylint: disable=broad-except
            self.error = error

    def partitions(self):
        if self.error:
            raise Failed(f"a member's poll: {self.error!r}")
        return self.assigned

    def close(self):
        self.ended = True
        self.thread.join(20)
        self.member.close()


def numbered(count, size=0):
    return [Record(b"%06d" % i + b"x" * size) for i in range(count)]


def paced(records, seconds):
    start = time.monotonic()
    for index, record in enumerate(records):
        time.sleep(max(0, start + seconds * index / len(records) - time.monotonic()))
        yield record


def expect_same(read, sent):
    expect(len(read) == len(sent), f"{len(read)} records read of {len(sent)}")
    for index, (r, s) in enumerate(zip(read, sent)):
        expect(r.value == s.value, f"record {index} is {r.value[:40]!r} in place of {s.value[:40]!r}")
        expect(r.offset == index, f"record {index} has offset {r.offset}")


# ---- topics ----


def create(client, name):
    client.create(name, 3, {"retention.ms": "3600000"})
    wait_for(lambda: client.partitions(name) == 3, "3 partitions")
    try:
        client.create(name, 3, {})
    except Absent:
        raise
    except Exception as error:  # pylint: disable=broad-except
        expect("exist" in repr(error).lower(), f"the second time: {error!r}")
    else:
        raise Failed("a topic that exists was created again")


def auto_create(client, name):
    client.produce(name, numbered(10))
    expect_same(client.consume(name, 10), numbered(10))


def list_topics(client, name):
    client.prepare(name)
    wait_for(lambda: name in client.topics(), "the topic is not listed")


def describe(client, name):
    client.prepare(name, 2)
    expect(client.partitions(name) == 2, "partitions")
    config = client.config(name)
    for key in ("retention.ms", "cleanup.policy", "max.message.bytes"):
        expect(config.get(key), f"no {key} among {sorted(config)}")


def alter(client, name):
    client.prepare(name)
    client.alter(name, {"retention.ms": "7200000"})
    wait_for(lambda: client.config(name)["retention.ms"] == "7200000", "retention.ms as altered")


def add_partitions(client, name):
    client.prepare(name)
    client.add_partitions(name, 4)
    wait_for(lambda: client.partitions(name) == 4, "4 partitions")


def delete(client, name):
    client.prepare(name)
    client.delete(name)
    wait_for(lambda: name not in client.topics(), "the topic is still listed")


# ---- producing ----


def produced(client, name, records, **options):
    client.prepare(name)
    offsets = client.produce(name, records, **options)
    if offsets is not None:
        expect([o for _, o in offsets] == list(range(len(records))), f"offsets acknowledged: {offsets[:5]}...")
    expect_same(client.consume(name, len(records)), records)


def acks(value):
    return lambda client, name: produced(client, name, numbered(100), acks=value)


def codec(value):
    return lambda client, name: produced(client, name, numbered(300, 100), codec=value)


def keys(client, name):
    client.prepare(name, 3)
    records = [Record(b"v%d" % i, b"key-%d" % (i % 7)) for i in range(70)]
    client.produce(name, records)
    partitions_of = {}
    read = []
    for partition in range(3):
        _, end = client.offsets(name, partition)
        for record in client.consume(name, end, partition):
            partitions_of.setdefault(record.key, set()).add(partition)
            read.append(record.value)
    expect(sorted(read) == sorted(r.value for r in records), f"{len(read)} records of {len(records)}")
    expect(len(partitions_of) == 7 and all(len(p) == 1 for p in partitions_of.values()), f"partitions by key: {partitions_of}")


def headers(client, name):
    sent = list(client.headers)
    client.prepare(name)
    client.produce(name, [Record(b"with", b"k", sent), Record(b"without", b"k")])
    read = client.consume(name, 2)
    expect(list(read[0].headers) == sent, f"headers read: {read[0].headers}")
    expect(not read[1].headers, f"headers of the other record: {read[1].headers}")


def idempotent(client, name):
    produced(client, name, numbered(500), idempotent=True)


def large(client, name):
    # A record near the limit of a batch, then batches of many records.
    produced(client, name, [Record(b"%d" % i + bytes([97 + i]) * 900_000) for i in range(3)] + numbered(2000, 500))


def transaction(client, name):
    client.prepare(name)
    start = time.monotonic()
    try:
        client.transaction(name, name)
    except Absent:
        raise
    except Exception as error:  # pylint: disable=broad-except
        took = time.monotonic() - start
        expect(took < TRANSACTION_SECONDS, f"it took {took:.1f} s to fail: {error!r}")
        expect("transaction" in str(error).lower() + repr(error).lower(), f"the error does not name it: {error!r}")
    else:
        raise Failed("a transaction was committed")


# ---- consuming ----


def assign(client, name):
    client.prepare(name)
    client.produce(name, numbered(100))
    read = client.consume(name, 50, 0, 50)
    expect([r.value for r in read] == [b"%06d" % i for i in range(50, 100)], f"read from 50: {[r.value for r in read[:3]]}...")
    expect([r.offset for r in read] == list(range(50, 100)), "offsets")


def offsets(client, name):
    client.prepare(name)
    client.produce(name, numbered(42))
    expect(client.offsets(name, 0) == (0, 42), f"earliest and latest: {client.offsets(name, 0)}")


def seek_time(compression="none"):
    """To the record, also within a batch that is compressed."""
    def operation(client, name):
        client.prepare(name)
        times = client.times(name, compression)
        half = len(times) // 2
        for at, offset in ((times[0] - 5000, 0), (times[half] - 1, half), (times[half], half), (times[-1], len(times) - 1)):
            got = client.offset_at(name, 0, at)
            expect(got == offset, f"at {at - times[0]} ms: offset {got} in place of {offset}")
        after = client.offset_at(name, 0, times[-1] + 60_000)
        expect(after is None or after == len(times), f"past the end: {after}")
    return operation


def group(client, name):
    client.prepare(name, 3)
    for partition in range(3):
        client.produce(name, numbered(20), partition=partition)
    member = Polling(client.member(name, name))
    try:
        wait_for(lambda: member.partitions() and len(member.records) >= 60, "the group's member reads 60 records")
        expect(member.partitions() == {0, 1, 2}, f"assigned: {member.partitions()}")
    finally:
        member.close()
    got = sorted((r.partition, r.offset, r.value) for r in member.records)
    expect(got == [(p, i, b"%06d" % i) for p in range(3) for i in range(20)], f"{len(got)} records")


def commit(client, name):
    client.prepare(name)
    client.produce(name, numbered(50))
    member = Polling(client.member(name, name))
    wait_for(lambda: member.partitions() and len(member.records) >= 50, "the first member reads 50 records")
    member.ended = True
    member.thread.join(20)
    member.member.commit()
    member.close()
    expect(client.committed(name, name, 0) == 50, f"committed: {client.committed(name, name, 0)}")
    client.produce(name, numbered(10))
    member = Polling(client.member(name, name))
    try:
        wait_for(lambda: member.partitions() and len(member.records) >= 10, "the second member reads 10 records")
    finally:
        member.close()
    expect([r.offset for r in member.records] == list(range(50, 60)), f"offsets after the commit: {[r.offset for r in member.records]}")


def rebalance(client, name):
    client.prepare(name, 4)
    every = {0, 1, 2, 3}
    first = Polling(client.member(name, name))
    second = None
    try:
        wait_for(lambda: first.partitions() == every, "the first member has all partitions")
        second = Polling(client.member(name, name))
        wait_for(lambda: len(first.partitions()) == len(second.partitions()) == 2 and first.partitions() | second.partitions() == every,
                 "two members share the partitions")
        second.close()
        second = None
        wait_for(lambda: first.partitions() == every, "the one that stays has all partitions again")
    finally:
        if second:
            second.close()
        first.close()


# ---- groups and records, administered ----


def groups(client, name):
    client.prepare(name)
    client.produce(name, numbered(5))
    member = Polling(client.member(name, name))
    wait_for(lambda: member.partitions() == {0} and len(member.records) == 5, "the member reads")
    try:
        expect(name in client.groups(), "the group is not listed")
        try:
            expect(client.group_state(name) == "stable", f"state of the group: {client.group_state(name)}")
        except Absent:
            return
    finally:
        member.close()
    wait_for(lambda: client.group_state(name) == "empty", "the group is empty once its member left")


def delete_group(client, name):
    groups(client, name)
    client.delete_group(name)
    wait_for(lambda: name not in client.groups(), "the group is still listed")


def delete_records(client, name):
    client.prepare(name)
    client.produce(name, numbered(100))
    client.delete_records(name, 0, 40)
    wait_for(lambda: client.offsets(name, 0) == (40, 100), f"earliest and latest: {client.offsets(name, 0)}")


def broker_killed(client, name):
    """Whoever runs this kills the broker meanwhile and starts it again, several times."""
    client.prepare(name)
    sent = numbered(1200)
    member = Polling(client.member(name, name))
    try:
        idempotent = client.produce_slowly(name, sent, KILLED_SECONDS)
        wait_for(lambda: len({r.value for r in member.records}) == len(sent), lambda: f"the group's member has read {len({r.value for r in member.records})} of {len(sent)}; {member.error!r}")
    finally:
        member.close()
    read = client.consume(name, client.offsets(name, 0)[1])
    if idempotent:
        expect_same(read, sent)
    expect({r.value for r in read} == {r.value for r in sent}, f"{len(read)} records are stored, and not of all that were acknowledged")


OPERATIONS = {
    "create": create, "auto-create": auto_create, "list": list_topics, "describe": describe, "alter": alter, "partitions": add_partitions,
    "delete": delete, "acks-0": acks(0), "acks-1": acks(1), "acks-all": acks("all"), "codec-none": codec("none"), "codec-gzip": codec("gzip"),
    "codec-snappy": codec("snappy"), "codec-lz4": codec("lz4"), "codec-zstd": codec("zstd"), "keys": keys, "headers": headers,
    "idempotent": idempotent, "large": large, "assign": assign, "offsets": offsets, "seek-time": seek_time(),
    "seek-time-gzip": seek_time("gzip"), "seek-time-snappy": seek_time("snappy"), "seek-time-lz4": seek_time("lz4"), "seek-time-zstd": seek_time("zstd"), "group": group, "commit": commit,
    "rebalance": rebalance, "groups": groups, "delete-group": delete_group, "delete-records": delete_records, "transaction": transaction,
    "broker-killed": broker_killed,
}
IF_ASKED = {"broker-killed"}


def too_long(*_):
    raise Failed(f"not done after {SECONDS} s")


def main(adapter):
    bootstrap, prefix, *wanted = sys.argv[1:]
    signal.signal(signal.SIGALRM, too_long)
    client = adapter(bootstrap)
    code = 0
    for name, operation in OPERATIONS.items():
        if name not in wanted if wanted else name in IF_ASKED:
            continue
        signal.alarm(SECONDS)
        try:
            operation(client, f"{prefix}-{name}")
            said = f"ok {name}"
        except Absent as why:
            said = f"absent {name}: {why}"
        except Exception as why:  # pylint: disable=broad-except
            said = f"failed {name}: {why if isinstance(why, Failed) else repr(why)}".replace("\n", " ")
            code = 1
        finally:
            signal.alarm(0)
        print(said, flush=True)
    sys.stdout.flush()
    return code
