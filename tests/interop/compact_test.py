"""Compacted topics with the clients that people use: librdkafka (confluent-kafka), kafka-python, kcat and the `rivulet` commands, against a real broker whose ring turns round
several times and that is killed in between. The last line is `N passed, M failed`. With names of tests as arguments: those alone.
"""

import functools
import json
import os
import random
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # the folder is part of the source tree
from _cli import Broker, Client, Failed, expect, free_port, main, rivulet, test, wait_for, with_broker
from _kafka import CODECS, codecs_stored, debian

confluent_kafka, kafka = debian("confluent_kafka", "kafka")
from confluent_kafka.admin import AdminClient, ConfigResource, NewTopic

RING = 8 << 20
QUIET = {"log_level": 2}  # of librdkafka, which tells of each connection that a kill ends
INVALID_CONFIG, POLICY_VIOLATION, INVALID_RECORD = 40, 44, 87


class KafkaBroker(Broker):
    def __init__(self, folder, *more):
        self.kafka_port = free_port()
        self.kafka = f"127.0.0.1:{self.kafka_port}"
        super().__init__(folder, "--set", f"listener.kafka.bind={self.kafka}", "--set", f"storage.size={RING}", "--set", "storage.segment_bytes=256K", "--set", "limits.batch_bytes=128K", "--set", "defaults.max.message.bytes=100K", "--set", "clock.trust=always",
                         "--set", "defaults.commit.interval.ms=10", *more)
        self.admin = AdminClient({**QUIET, "bootstrap.servers": self.kafka})

    def create(self, topic, partitions=1, **config):
        """With underscores for the dots of keys. Raises what the broker says."""
        named = {key.replace("_", "."): str(value) for key, value in config.items()}
        self.admin.create_topics([NewTopic(topic, partitions, 1, config=named)])[topic].result(20)


with_kafka = functools.partial(with_broker, make=KafkaBroker, give=lambda broker: broker)


def code_of(act):
    """The number of Kafka's error that it is refused with, 0 for none."""
    try:
        act()
    except confluent_kafka.KafkaException as error:
        return error.args[0].code()
    return 0


class Writer:
    """Produces with librdkafka, idempotently, and keeps what was acknowledged: each record by its place, and the latest of each key. None is a deletion."""

    def __init__(self, broker, topic):
        self.topic = topic
        self.producer = confluent_kafka.Producer({**QUIET, "bootstrap.servers": broker.kafka, "enable.idempotence": True, "linger.ms": 2, "batch.size": 32768, "message.timeout.ms": 30000,
                                                  "reconnect.backoff.max.ms": 200})
        self.records = {}
        self.latest = {}
        self.failures = []
        self.sent = 0

    def __call__(self, key, value):
        self.sent += 1
        while True:
            try:
                return self.producer.produce(self.topic, value, key, on_delivery=self.delivered)
            except BufferError:
                self.producer.poll(0.1)

    def delivered(self, error, message):
        if error:
            self.failures.append(error.code())
            return
        value = message.value()
        place = (message.partition(), message.offset())
        key = message.key().decode()
        record = (key, None if value is None else value.decode())
        self.records[place] = record
        if key not in self.latest or self.latest[key][0] < place:  # a key has one partition
            self.latest[key] = (place, record[1])

    def flush(self):
        expect(self.producer.flush(40) == 0, "not everything was answered within 40 s")
        return self

    def sound(self):
        self.flush()
        expect(not self.failures and len(self.records) == self.sent, f"of {self.sent} records {len(self.records)} are acknowledged, with places of their own; failures {set(self.failures)}")
        return self

    def check(self, read, who):
        """Every record at the place that it was acknowledged with, in order, and of each key the latest."""
        before, seen = {}, {}
        for partition, offset, key, value in read:
            expect(before.get(partition, -1) < offset, f"{who}: offset {offset} of {partition} comes behind {before.get(partition)}")
            before[partition] = offset
            expect(self.records.get((partition, offset)) == (key, value), f"{who}: {partition}/{offset} has {key}={str(value)[:40]}, not {str(self.records.get((partition, offset)))[:60]}")
            seen[key] = ((partition, offset), value)
        for key, (place, value) in self.latest.items():
            if value is not None or key in seen:
                expect(seen.get(key) == (place, value), f"{who}: {key} is {str(seen.get(key))[:60]}, and was last written at {place}: {str(value)[:40]}")
        return seen


# ---- readers: all there is from the beginning, as (partition, offset, key, value)
def by_librdkafka(broker, topic, partitions):
    consumer = confluent_kafka.Consumer({**QUIET, "bootstrap.servers": broker.kafka, "group.id": "reader", "enable.auto.commit": False, "enable.partition.eof": True})
    try:
        consumer.assign([confluent_kafka.TopicPartition(topic, p, confluent_kafka.OFFSET_BEGINNING) for p in range(partitions)])
        read, ended, end = [], set(), time.monotonic() + 20
        while len(ended) < partitions:
            expect(time.monotonic() < end, "librdkafka does not come to the end")
            for message in consumer.consume(500, 0.2):
                if message.error():
                    expect(message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF, str(message.error()))
                    ended.add(message.partition())
                else:
                    read.append((message.partition(), message.offset(), message.key().decode(), None if message.value() is None else message.value().decode()))
        return read
    finally:
        consumer.close()


def by_kafka_python(broker, topic, partitions):
    consumer = kafka.KafkaConsumer(bootstrap_servers=broker.kafka, enable_auto_commit=False)
    try:
        places = [kafka.TopicPartition(topic, p) for p in range(partitions)]
        consumer.assign(places)
        consumer.seek_to_beginning(*places)
        ends, read, end = consumer.end_offsets(places), [], time.monotonic() + 20
        while any(consumer.position(p) < ends[p] for p in places):
            expect(time.monotonic() < end, "kafka-python does not come to the end")
            for records in consumer.poll(200).values():
                read += [(r.partition, r.offset, r.key.decode(), None if r.value is None else r.value.decode()) for r in records]
        return read
    finally:
        consumer.close()


def by_kcat(broker, topic, _):
    done = subprocess.run(["kcat", "-C", "-q", "-e", "-b", broker.kafka, "-t", topic, "-o", "beginning", "-f", r"%p\t%o\t%k\t%S\t%s\n"], stdin=subprocess.DEVNULL, capture_output=True, timeout=30, check=False)
    expect(done.returncode == 0, f"kcat: exit {done.returncode}: {done.stderr[-200:]}")
    lines = [line.split("\t") for line in done.stdout.decode().splitlines()]
    return [(int(p), int(o), k, None if size == "-1" else v) for p, o, k, size, v in lines]


def by_command(broker, topic, _):
    lines = Client(broker)("consume", topic, "--from-beginning", "--timeout", "500ms", "--json", code=0).out.splitlines()
    return [(r["partition"], r["offset"], r["key"], r["value"]) for r in map(json.loads, lines)]


READERS = (by_librdkafka, by_kafka_python, by_kcat, by_command)


def pad(value, size, seed=random.Random(1)):
    return f"{value}:" + "".join(seed.choices("abcdefgh", k=8)) * (size // 8)


@with_kafka
def the_latest_of_each_key_outlives_the_ring_and_kill_9(broker):
    broker.create("state", 3, cleanup_policy="compact", delete_retention_ms=86_400_000)
    broker.create("noise", 1)
    state, noise = Writer(broker, "state"), Writer(broker, "noise")
    for i in range(30):
        state(f"cold{i}", pad(f"once {i}", 200))
        state(f"gone{i}", pad(f"before {i}", 200))
    state.sound()
    for i in range(30):
        state(f"gone{i}", None)
    state.sound()
    cold = {key: place for key, (place, _) in state.latest.items()}
    written = turn = 0
    while written < 4 * RING:
        for i in range(40):
            state(f"hot{i}", pad(f"{turn}", 2000 + 200 * (i % 5)))
            written += 2500
        for i in range(20):
            noise(f"n{i}", pad(f"{turn}", 4000))
            written += 4000
        turn += 1
        if turn == 120:
            broker.kill()
            broker.start()
        if turn % 20 == 0:
            state.producer.poll(0)
            noise.flush()
    state.sound(), noise.sound()
    first, end = (int(v) for v in confluent_watermarks(broker, "noise"))
    expect(first > end * 2 // 3, f"the ring has not turned often enough: {first} to {end} are there")
    for round_ in ("before", "after"):
        for reader in READERS if round_ == "after" else READERS[:1]:
            read = reader(broker, "state", 3)
            seen = state.check(read, f"{reader.__name__} {round_} kill -9")
            expect({key: seen[key][0] for key in cold} == cold, f"{reader.__name__} {round_} kill -9: the old keys are not where they were")
            expect(len(read) < state.sent / 3, f"{reader.__name__}: {len(read)} of {state.sent} records are still there")
        broker.kill()
        broker.start()
    state("hot0", "new")
    state("cold0", None)
    state("gone0", "again")
    state.sound()
    for reader in READERS:
        seen = state.check(reader(broker, "state", 3), f"{reader.__name__} at last")
        expect([seen[key][1] for key in ("hot0", "cold0", "gone0")] == ["new", None, "again"], f"{reader.__name__}: not what was written last")


def confluent_watermarks(broker, topic):
    consumer = confluent_kafka.Consumer({**QUIET, "bootstrap.servers": broker.kafka, "group.id": "looker"})
    try:
        return consumer.get_watermark_offsets(confluent_kafka.TopicPartition(topic, 0), timeout=20)
    finally:
        consumer.close()


@with_kafka
def a_deletion_is_told_for_its_time_and_then_goes(broker):
    broker.create("soon", 1, cleanup_policy="compact", delete_retention_ms=200)
    broker.create("late", 1, cleanup_policy="compact", delete_retention_ms=86_400_000)
    writers = [Writer(broker, "soon"), Writer(broker, "late")]
    for write in writers:
        for key in ("a", "b", "c"):
            write(key, pad("first", 100))
        for key in ("a", "b"):
            write(key, None)
        write("b", "back")
        write.sound()
    seen, end, turn = {}, time.monotonic() + 25, 0
    while True:
        for _ in range(10):
            for i in range(20):
                for write in writers:
                    write(f"k{i}", pad(f"{turn}", 2000))
            turn += 1
        for write in writers:
            write.sound()
            seen[write.topic] = write.check(by_librdkafka(broker, write.topic, 1), write.topic)
        if "a" not in seen["soon"]:
            break
        expect(time.monotonic() < end, f"the deletion is still there after {turn} rounds")
    expect(seen["late"]["a"] == ((0, 3), None), f"delete.retention.ms of a day: {seen['late'].get('a')}")
    for topic, found in seen.items():
        expect([found[k][1] for k in "bc"] == ["back", writers[0].latest["c"][1] if topic == "soon" else writers[1].latest["c"][1]], f"{topic}: other keys")


@with_kafka
def keys_from_every_client_and_a_policy_that_changes(broker):
    broker.create("mixed", 1)
    client = Client(broker)
    producer = kafka.KafkaProducer(bootstrap_servers=broker.kafka, acks="all", linger_ms=2)
    for turn in range(40):
        values = [f"{k}\t{pad(turn, 3000)}" for k in range(8)]
        for line in values:
            key, value = line.split("\t")
            producer.send("mixed", value.encode(), f"python{key}".encode())
        subprocess.run(["kcat", "-P", "-b", broker.kafka, "-t", "mixed", "-K", "\t", "-X", "acks=all"], input="".join(f"kcat{line}\n" for line in values).encode(), timeout=20, check=True)
        if turn % 6 == 5:
            client("produce", "mixed", "--key-separator", "\\t", "--quiet", stdin="".join(f"command{line}\n" for line in values).encode(), code=0)
        if turn == 5:  # what has keys can be compacted from then on
            client("topic", "alter", "mixed", "--config", "cleanup.policy=compact", "--config", "min.cleanable.dirty.ratio=0.3", code=0)
    producer.send("mixed", None, b"python0").get(20)
    producer.close()
    expect(subprocess.run(["kcat", "-P", "-b", broker.kafka, "-t", "mixed", "-K", "\t", "-Z"], input=b"kcat0\t\n", timeout=20, check=True).returncode == 0, "kcat")
    names = {f"{who}{k}" for who in ("python", "kcat", "command") for k in range(8)}
    sent = 40 * 16 + 6 * 8 + 2

    def cleaned():
        return len(by_librdkafka(broker, "mixed", 1)) < sent / 2

    wait_for(cleaned, "the topic was not cleaned", 15)
    broker.kill()
    broker.start()
    reads = []
    for reader in READERS:
        latest = {key: value for _, _, key, value in reader(broker, "mixed", 1)}
        reads.append(latest)
        expect(set(latest) == names, f"{reader.__name__}: {sorted(set(latest) ^ names)}")
        expect([latest["python0"], latest["kcat0"]] == [None, None], f"{reader.__name__}: deleted: {latest['python0']}, {latest['kcat0']}")
        expect(all(value is None or value.startswith(("39:", "35:")) for value in latest.values()), f"{reader.__name__}: not the latest values")
    expect(all(latest == reads[0] for latest in reads), "readers differ")
    client("topic", "alter", "mixed", "--delete-config", "cleanup.policy", code=0)
    expect(code_of(lambda: broker.create("other", 1, cleanup_policy="compact")) == 0, "another")
    expect("cleanup.policy=delete" in client("topic", "describe", "mixed", code=0).out.replace(" ", ""), "not altered back")


@with_kafka
def the_policy_is_shown_and_what_cannot_be_is_refused(broker):
    broker.create("state", 1, cleanup_policy="compact")
    client = Client(broker)
    topic = ConfigResource(ConfigResource.Type.TOPIC, "state")
    shown = broker.admin.describe_configs([topic])[topic].result(20)
    expect(shown["cleanup.policy"].value == "compact", f"described: {shown['cleanup.policy']}")
    expect("cleanup.policy=compact" in client("topic", "describe", "state", code=0).out.replace(" ", ""), "rivulet topic describe does not show the policy")
    described = json.loads(client("topic", "describe", "state", "--json", code=0).out)
    expect("compact" in json.dumps(described), "nor with --json")
    expect(code_of(lambda: broker.create("wrong", 1, cleanup_policy="squeeze")) == INVALID_CONFIG, "a policy that there is not")
    # Records without a key, from each client; what comes with them and behind them is stored.
    write = Writer(broker, "state")
    write("k", "v")
    write.sound()
    write(None, "nameless")
    write.flush()
    expect(write.failures == [INVALID_RECORD], f"librdkafka, no key: {write.failures}")
    producer = kafka.KafkaProducer(bootstrap_servers=broker.kafka, acks="all")
    refused = producer.send("state", b"nameless")
    try:
        refused.get(20)
        raise Failed("kafka-python, no key: taken")
    except kafka.errors.KafkaError as error:
        # 2.0.2 does not know the number.
        expect(error.errno in (-1, INVALID_RECORD), f"kafka-python, no key: {error!r}")
    done = subprocess.run(["kcat", "-P", "-b", broker.kafka, "-t", "state"], input=b"nameless\n", capture_output=True, timeout=20, check=False)
    expect(done.returncode != 0, f"kcat, no key: {done}")
    run = client("produce", "state", stdin=b"nameless\n")
    expect(run.code == 1, f"rivulet produce, no key: exit {run.code}: {run.err}")
    producer.send("state", b"w", b"k").get(20)
    producer.close()
    expect([r[2:] for r in by_command(broker, "state", 1)] == [("k", "v"), ("k", "w")], "something else is stored")


@with_kafka
def more_latest_values_than_the_ring_can_keep_are_refused_until_there_is_room(broker):
    broker.create("wide", 1, cleanup_policy="compact")
    broker.create("narrow", 1, cleanup_policy="compact")
    narrow, wide = Writer(broker, "narrow"), Writer(broker, "wide")
    narrow("k", "v")
    narrow.sound()
    for i in range(4000):
        wide(f"unlike{i}", pad(i, 1000))
        if i % 100 == 99:
            wide.flush()
            if wide.failures:
                break
    expect(set(wide.failures) == {POLICY_VIOLATION}, f"refused with {set(wide.failures)} after {len(wide.records)}")
    expect(len(wide.records) * 1000 > RING // 16, f"refused after {len(wide.records)} records of 1000 bytes already")
    wide.check(by_librdkafka(broker, "wide", 1), "wide")
    broker.kill()
    broker.start()
    wide.check(by_command(broker, "wide", 1), "wide, after kill -9")
    broker.admin.delete_topics(["wide"])["wide"].result(20)

    def taken():
        narrow.failures.clear()
        narrow("k", "w")
        narrow.flush()
        return not narrow.failures

    wait_for(taken, "nothing is taken though there is room", 15)
    expect({r[2:] for r in by_librdkafka(broker, "narrow", 1)} >= {("k", "w")}, "narrow")


@test
def without_room_for_keys_the_policy_is_refused(folder):
    broker = KafkaBroker(folder, "--set", "limits.compact_keys=0")
    try:
        expect(code_of(lambda: broker.create("state", 1, cleanup_policy="compact")) == INVALID_CONFIG, "limits.compact_keys=0")
        run = rivulet("topic", "create", "state", "--config", "cleanup.policy=compact", "--bootstrap", broker.address)
        expect(run.code == 2 and "compact_keys" in run.err, f"exit {run.code}: {run.err}")
    finally:
        broker.stop()


@with_kafka
def compressed_batches_are_stored_uncompressed(broker):
    broker.create("packed", cleanup_policy="compact")
    for codec in CODECS[1:]:
        producer = confluent_kafka.Producer({**QUIET, "bootstrap.servers": broker.kafka, "compression.type": codec, "linger.ms": 50})
        for i in range(20):
            producer.produce("packed", pad(codec, 400), f"{codec}{i}")
        expect(producer.flush(20) == 0, codec)
    expect(codecs_stored(broker.kafka_port, "packed") == ({"none"}, 20 * len(CODECS[1:])), "stored compressed, or not all")


if __name__ == "__main__":
    sys.exit(main())
