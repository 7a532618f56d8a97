"""Consumer groups with the clients that people use: librdkafka (confluent-kafka), kafka-python and kcat, against a real broker over loopback, which is killed in
between. The last line is `N passed, M failed`. With names of tests as arguments: those alone.
"""

import collections
import functools
import subprocess
import sys
import threading

sys.dont_write_bytecode = True  # the folder is part of the source tree
from _cli import Client, expect, main, wait_for, with_broker
from _kafka import KafkaBroker, debian

confluent_kafka, kafka = debian("confluent_kafka", "kafka")

TOPIC = "readings"
PARTITIONS = 4
SESSION_MS = 6000


class Served(KafkaBroker):
    rebalance_delay = "500ms"

    def __init__(self, folder):
        super().__init__(folder)
        Client(self).create(TOPIC, PARTITIONS)


with_kafka = functools.partial(with_broker, make=Served, give=lambda broker: broker)


def produce(broker, values):
    """So many records, spread over the partitions; all acknowledged."""
    missing = set()
    producer = confluent_kafka.Producer({"bootstrap.servers": broker.kafka, "acks": "all"})
    for value in values:
        missing.add(value)
        producer.produce(TOPIC, value.encode(), partition=hash(value) % PARTITIONS,
                         on_delivery=lambda error, message: error or missing.discard(message.value().decode()))
    producer.flush(60)
    expect(not missing, f"not acknowledged: {len(missing)}")


class Member:
    """A consumer of librdkafka in a thread of its own, which commits what it has read."""

    def __init__(self, broker, group, **settings):
        self.read = collections.Counter()
        self.assigned = None
        self.wanted = True
        self.consumer = confluent_kafka.Consumer({
            "bootstrap.servers": broker.kafka, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False, "session.timeout.ms": SESSION_MS,
            "heartbeat.interval.ms": 1000, "reconnect.backoff.max.ms": 500, **settings})
        self.consumer.subscribe([TOPIC], on_assign=self.assign, on_revoke=self.revoke)
        self.thread = threading.Thread(target=self.go)
        self.thread.start()

    def assign(self, _, partitions):
        self.assigned = sorted(p.partition for p in partitions)

    def revoke(self, _, __):
        self.assigned = []

    def go(self):
        while self.wanted:
            message = self.consumer.poll(0.1)
            if message is None or message.error():
                continue
            try:
                self.consumer.commit(message, asynchronous=False)
                self.read[message.value().decode()] += 1
            except confluent_kafka.KafkaException:
                pass  # it comes again, to whoever has the partition then
        self.consumer.close()

    def leave(self):
        self.wanted = False
        self.thread.join()


def shared(*members):
    """All partitions, each with one of them."""
    return sorted(p for member in members for p in member.assigned or []) == list(range(PARTITIONS)) and all(member.assigned for member in members)


def read(*members):
    return sum((member.read for member in members), collections.Counter())


@with_kafka
def two_members_share_the_partitions_one_goes_and_comes_and_the_broker_is_killed(broker):
    first, second = Member(broker, "g"), Member(broker, "g")
    members = [first, second]
    try:
        wait_for(lambda: shared(first, second), "two members do not share the partitions")
        produce(broker, [f"a{i}" for i in range(200)])
        wait_for(lambda: len(read(*members)) == 200, "not everything was read")
        second.leave()
        wait_for(lambda: first.assigned == list(range(PARTITIONS)), "who stays does not get all partitions")
        third = Member(broker, "g")
        members.append(third)
        wait_for(lambda: shared(first, third), "who comes gets nothing")
        produce(broker, [f"b{i}" for i in range(100)])
        wait_for(lambda: len(read(*members)) == 300, "not everything was read after the rebalance")
        broker.kill()
        broker.start()
        produce(broker, [f"c{i}" for i in range(100)])
        wait_for(lambda: len(read(*members)) == 400, "not everything was read after the kill")
        wait_for(lambda: shared(first, third), "the partitions are not shared after the kill")
    finally:
        for member in members:
            member.leave()
    # Each was read once, but for what was read and not known to be committed when the broker was killed.
    again = [value for value, times in read(*members).items() if times != 1]
    expect(len(again) <= 2 * PARTITIONS and not any(value.startswith("a") for value in again), f"read again: {again}")


@with_kafka
def commits_survive_kills_and_a_group_goes_on_where_it_was(broker):
    settings = {"bootstrap.servers": broker.kafka, "group.id": "alone", "enable.auto.commit": False}
    for n in range(5):
        consumer = confluent_kafka.Consumer(settings)
        wanted = [confluent_kafka.TopicPartition(TOPIC, p, 10 * n + p) for p in range(PARTITIONS)]
        consumer.commit(offsets=wanted, asynchronous=False)
        broker.kill()
        broker.start()
        told = consumer.committed([confluent_kafka.TopicPartition(TOPIC, p) for p in range(PARTITIONS)], timeout=30)
        expect([p.offset for p in told] == [10 * n + p for p in range(PARTITIONS)], f"committed: {told}")
        consumer.close()


@with_kafka
def static_members_come_back_without_a_rebalance(broker):
    first, second = Member(broker, "static", **{"group.instance.id": "one"}), Member(broker, "static", **{"group.instance.id": "two"})
    try:
        wait_for(lambda: shared(first, second), "two static members do not share the partitions")
        had, others = second.assigned, first.assigned
        second.leave()
        second = Member(broker, "static", **{"group.instance.id": "two"})
        wait_for(lambda: second.assigned, "a static member that came back gets nothing")
        expect(second.assigned == had and first.assigned == others, f"{second.assigned} in place of {had}")
    finally:
        first.leave()
        second.leave()


@with_kafka
def kafka_python_joins_commits_and_administers(broker):
    produce(broker, [str(i) for i in range(40)])
    settings = {"bootstrap_servers": broker.kafka, "group_id": "py", "auto_offset_reset": "earliest", "enable_auto_commit": False, "session_timeout_ms": SESSION_MS,
                "heartbeat_interval_ms": 1000, "consumer_timeout_ms": 3000}
    consumer = kafka.KafkaConsumer(TOPIC, **settings)
    seen = []
    for message in consumer:
        seen.append(message.value.decode())
        if len(seen) == 40:
            break
    expect(sorted(seen, key=int) == [str(i) for i in range(40)], f"read {len(seen)}")
    consumer.commit()
    admin = kafka.KafkaAdminClient(bootstrap_servers=broker.kafka)
    expect(("py", "consumer") in admin.list_consumer_groups(), "the group is not listed")
    described = admin.describe_consumer_groups(["py"])[0]
    expect(described.state == "Stable" and len(described.members) == 1, f"described: {described}")
    consumer.close()
    offsets = admin.list_consumer_group_offsets("py")
    expect(sum(o.offset for o in offsets.values()) == 40, f"committed: {offsets}")
    consumer = kafka.KafkaConsumer(TOPIC, **settings)
    expect([m.value for m in consumer] == [], "what was committed came again")
    consumer.close()
    wait_for(lambda: admin.describe_consumer_groups(["py"])[0].state == "Empty", "the group does not become empty")
    expect(admin.delete_consumer_groups(["py"])[0][1].errno == 0, "the group is not deleted")
    expect(("py", "consumer") not in admin.list_consumer_groups(), "a deleted group is listed")
    admin.close()


@with_kafka
def kcat_reads_as_a_member(broker):
    produce(broker, [str(i) for i in range(20)])
    command = ["kcat", "-b", broker.kafka, "-X", "auto.offset.reset=earliest", "-X", f"session.timeout.ms={SESSION_MS}", "-c", "20", "-q", "-G", "cat", TOPIC]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True)
    expect(sorted(done.stdout.decode().split(), key=int) == [str(i) for i in range(20)], f"kcat read {done.stdout}")
    produce(broker, ["last"])
    command[command.index("20")] = "1"
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=True)
    expect(done.stdout.decode().split() == ["last"], f"kcat read {done.stdout}")


if __name__ == "__main__":
    sys.exit(main())
