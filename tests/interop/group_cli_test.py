"""`rivulet group` beside real members of Kafka's protocol (confluent-kafka, kafka-python): what each side does is seen from the other. The last line is `N passed, M failed`.

With names of tests as arguments: those alone.
"""

import functools
import json
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # the folder is part of the source tree
from _cli import RIVULET, Client, expect, main, rivulet, test, wait_for, with_broker
from _kafka import KafkaBroker, debian

confluent_kafka, kafka = debian("confluent_kafka", "kafka")

TOPIC = "readings"
PARTITIONS = 3


def with_topic(broker):
    rv = Client(broker)
    rv.create(TOPIC, PARTITIONS)
    return rv


with_kafka = functools.partial(with_broker, make=KafkaBroker, give=with_topic)


def produce(rv, per_partition):
    producer = confluent_kafka.Producer({"bootstrap.servers": rv.broker.kafka, "acks": "all"})
    for partition, n in enumerate(per_partition):
        for i in range(n):
            producer.produce(TOPIC, f"{partition}:{i}".encode(), partition=partition)
    expect(producer.flush(60) == 0, "not acknowledged")


def consumer_of(rv, group, **settings):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": rv.broker.kafka, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False,
                                         "session.timeout.ms": 6000, "heartbeat.interval.ms": 1000, "client.id": "tester", **settings})
    consumer.subscribe([TOPIC])
    return consumer


def read(consumer, n):
    values = []
    end = time.monotonic() + 40
    while len(values) < n and time.monotonic() < end:
        message = consumer.poll(0.2)
        if message is not None and not message.error():
            values.append((message.partition(), message.offset()))
    expect(len(values) == n, f"{len(values)} of {n} were read")
    return sorted(values)


def committed(rv, group):
    """As Kafka's admin client sees it."""
    admin = kafka.KafkaAdminClient(bootstrap_servers=rv.broker.kafka)
    try:
        return {p.partition: o.offset for p, o in admin.list_consumer_group_offsets(group).items()}
    finally:
        admin.close()


def described(rv, group):
    return json.loads(rv("group", "describe", group, "--json", code=0).out)[0]


def standing(rv, group):
    return {o["partition"]: (o["current_offset"], o["log_end_offset"], o["lag"]) for o in described(rv, group)["offsets"]}


@with_kafka
def members_and_lag_are_told(rv):
    produce(rv, (10, 20, 0))
    first = consumer_of(rv, "g")
    read(first, 30)
    first.commit(asynchronous=False)
    produce(rv, (5, 0, 1))
    listed = json.loads(rv("group", "list", "--json", code=0).out)
    expect([(g["group"], g["protocol_type"], g["state"], g["members"]) for g in listed] == [("g", "consumer", "Stable", 1)], listed)
    told = described(rv, "g")
    expect((told["state"], told["protocol_type"], len(told["members"])) == ("Stable", "consumer", 1), told)
    member = told["members"][0]
    expect(member["client_id"] == "tester" and member["id"].startswith("tester-") and "127.0.0.1" in member["host"] and member["partitions"] == PARTITIONS, member)
    expect(all(o["member"] == member["id"] for o in told["offsets"]), told)
    expect(standing(rv, "g") == {0: (10, 15, 5), 1: (20, 20, 0), 2: (None, 1, None)}, standing(rv, "g"))
    text = rv("group", "describe", "g", code=0).out
    rows = [line.split() for line in text.splitlines()]
    expect(["TOPIC", "PARTITION", "CURRENT-OFFSET", "LOG-END-OFFSET", "LAG", "CONSUMER-ID", "HOST", "CLIENT-ID"] in rows, text)
    expect([TOPIC, "0", "10", "15", "5", member["id"], member["host"], "tester"] in rows and [TOPIC, "2", "-", "1", "-", member["id"], member["host"], "tester"] in rows, text)
    expect(f"{TOPIC}(0,1,2)" in rv("group", "describe", "g", "--members", code=0).out, "the members' assignments")
    # A second member, which takes some.
    second = consumer_of(rv, "g", **{"group.instance.id": "fixed"})

    def shared():
        first.poll(0.1)
        second.poll(0.1)
        return described(rv, "g")["state"] == "Stable" and sorted(m["partitions"] for m in described(rv, "g")["members"]) == [1, 2]

    wait_for(shared, "two members do not share the partitions")
    expect({m["instance"] for m in described(rv, "g")["members"]} == {"", "fixed"}, "instances")
    for command in (("delete", "g"), ("reset-offsets", "g", "--all-topics", "--to-earliest"), ("reset-offsets", "g", "--topic", TOPIC, "--to-earliest", "--execute")):
        rv("group", *command, code=1).says("has members")
    rv("group", "delete-offsets", "g", "--topic", TOPIC, code=1).says("subscribed")
    expect(committed(rv, "g") == {0: 10, 1: 20}, "nothing was changed")
    first.close()
    second.close()
    rv.broker.kill()
    rv.broker.start()
    wait_for(lambda: standing(rv, "g") == {0: (10, 15, 5), 1: (20, 20, 0)} or described(rv, "g")["members"], "the group is not there after a kill")


@with_kafka
def offsets_are_reset_where_they_should_go(rv):
    producer = kafka.KafkaProducer(bootstrap_servers=rv.broker.kafka)
    for i in range(30):
        producer.send(TOPIC, b"x", partition=i % 2, timestamp_ms=1_700_000_000_000 + 60_000 * i)
    producer.flush()
    producer.close()
    consumer = consumer_of(rv, "r")
    read(consumer, 30)
    consumer.commit(asynchronous=False)
    consumer.close()
    wait_for(lambda: described(rv, "r")["state"] == "Empty", "the group does not become empty")

    def reset(*how, code=0):
        return rv("group", "reset-offsets", "r", *how, code=code)

    plan = reset("--topic", TOPIC, "--to-earliest").says("dry run: nothing was changed")
    rows = [line.split() for line in plan.out.splitlines()]
    expect(rows == [["TOPIC", "PARTITION", "CURRENT-OFFSET", "NEW-OFFSET"], [TOPIC, "0", "15", "0"], [TOPIC, "1", "15", "0"], [TOPIC, "2", "-", "0"]], plan.out)
    expect(committed(rv, "r") == {0: 15, 1: 15}, "a dry run changes nothing")
    for how, expected in ((("--topic", TOPIC, "--to-earliest"), {0: 0, 1: 0, 2: 0}), (("--all-topics", "--to-latest"), {0: 15, 1: 15, 2: 0}),
                          (("--topic", f"{TOPIC}:0", "--to-offset", "7"), {0: 7, 1: 15, 2: 0}), (("--topic", f"{TOPIC}:0,1", "--shift-by", "-2"), {0: 5, 1: 13, 2: 0}),
                          (("--all-topics", "--to-datetime", "2023-11-14T22:23:20Z"), {0: 5, 1: 5, 2: 0}), (("--all-topics", "--to-current"), {0: 5, 1: 5, 2: 0})):
        done = json.loads(reset(*how, "--execute", "--json").out)
        expect(done["executed"] and done["group"] == "r", done)
        expect(committed(rv, "r") == expected, f"{how}: {committed(rv, 'r')}")
        expect(all(expected[o["partition"]] == o["new_offset"] for o in done["offsets"]), done)
    reset("--topic", f"{TOPIC}:1", "--to-offset", "99", "--execute").says("99 is beyond the end, 15 is taken")
    expect(committed(rv, "r")[1] == 15, "clamped")
    reset("--topic", f"{TOPIC}:1", "--shift-by=-99", "--execute").says("before the beginning, 0 is taken")
    expect(committed(rv, "r")[1] == 0, "clamped")
    reset("--all-topics", "--by-duration", "1h", "--execute")
    expect(committed(rv, "r") == {0: 15, 1: 15, 2: 0}, "all of it is older")
    reset("--topic", f"{TOPIC}:0", "--to-offset", "12", "--execute")
    again = consumer_of(rv, "r")
    expect(read(again, 3) == [(0, 12), (0, 13), (0, 14)], "a consumer goes on from there")
    again.close()

    rv("group", "delete-offsets", "r", "--topic", f"{TOPIC}:1,2", code=0)
    expect(committed(rv, "r") == {0: 12}, "some are forgotten")
    rv("group", "delete-offsets", "r", "--topic", f"{TOPIC}:1", code=1).says("nothing is committed there")
    reset("--topic", f"{TOPIC}:1", "--shift-by", "1", code=1).says("nothing is committed there")
    reset("--topic", f"{TOPIC}:9", "--to-latest", code=1).says("has no partition 9")
    reset("--topic", "nobody", "--to-latest", code=1).says("unknown topic")
    rv("group", "reset-offsets", "new", "--all-topics", "--to-latest", code=1).says("unknown group")
    rv("group", "reset-offsets", "new", "--topic", TOPIC, "--to-latest", "--execute", code=0).says("no such group yet")
    expect(committed(rv, "new") == {0: 15, 1: 15, 2: 0}, "a group that was not there")
    rv("group", "delete", "new", "r", code=0)
    expect(json.loads(rv("group", "list", "--json", code=0).out) == [] and committed(rv, "r") == {}, "deleted")
    rv("group", "delete", "r", code=1).says("unknown group")
    rv("group", "describe", "r", code=1).says("unknown group")


@with_kafka
def members_of_the_compact_protocol_are_told_too(rv):
    produce(rv, (4, 4, 4))
    reader = subprocess.Popen([RIVULET, "consume", TOPIC, "--group", "mine", "--from-beginning", "--bootstrap", rv.broker.address], stdout=subprocess.PIPE)
    try:
        for _ in range(12):
            reader.stdout.readline()
        wait_for(lambda: standing(rv, "mine") == {p: (4, 4, 0) for p in range(PARTITIONS)}, "what was read is not committed")
        told = described(rv, "mine")
        expect((told["state"], told["protocol_type"], [m["partitions"] for m in told["members"]]) == ("Stable", "consumer", [PARTITIONS]), told)
        expect({o["member"] for o in told["offsets"]} == {told["members"][0]["id"]}, told)
        rv("group", "delete", "mine", code=1).says("has members")
        rv("group", "delete-offsets", "mine", "--topic", TOPIC, code=1).says("subscribed")
    finally:
        reader.send_signal(signal.SIGINT)
        reader.wait(20)
    wait_for(lambda: described(rv, "mine")["state"] == "Empty", "the group does not become empty")
    rv("group", "reset-offsets", "mine", "--topic", f"{TOPIC}:1", "--to-offset", "2", "--execute", code=0)
    again = rv("consume", TOPIC, "--group", "mine", "--timeout", "3s", code=0).out
    expect(again.split() == ["1:2", "1:3"], again)
    rv("group", "delete", "mine", code=0)


@with_kafka
def many_groups_come_in_pages(rv):
    rv.create("wide", 60)
    for i in range(70):
        rv("group", "reset-offsets", f"group-{i:03}", "--topic", "wide:0", "--to-latest", "--execute", code=0)
    expect([g["group"] for g in json.loads(rv("group", "list", "--json", code=0).out)] == [f"group-{i:03}" for i in range(70)], "all of them, in their order")
    rv("group", "reset-offsets", "group-000", "--topic", "wide", "--to-earliest", "--execute", code=0)
    expect([o["partition"] for o in described(rv, "group-000")["offsets"]] == list(range(60)), "all of them, in their order")
    expect(len(json.loads(rv("group", "describe", "--json", code=0).out)) == 70, "all groups")


@test
def mistakes_are_told(_):
    rivulet("group", "reset-offsets", "g", "--to-earliest", code=2).says("--topic")
    rivulet("group", "reset-offsets", "g", "--topic", "t", "--all-topics", "--to-earliest", code=2).says("--all-topics")
    rivulet("group", "reset-offsets", "g", "--topic", "t", code=2).says("where to")
    rivulet("group", "reset-offsets", "g", "--topic", "t", "--to-earliest", "--to-latest", code=2).says("do not go together")
    rivulet("group", "reset-offsets", "g", "--topic", "t", "--to-datetime", "tomorrow", code=2).says("2026-03-01T14:30:00")
    rivulet("group", "reset-offsets", "g", "--topic", "t", "--by-duration", "5", code=2).says("not a duration")
    for wrong in ("t:", "t:a", "t:1,", "t:1,,2", ":1", "t:-1"):
        rivulet("group", "delete-offsets", "g", "--topic", wrong, code=2).says("must be TOPIC or TOPIC:PARTITION")
    rivulet("group", "delete", code=2).says("missing GROUP")
    rivulet("group", "delete-offsets", "g", code=2).says("which offsets")


if __name__ == "__main__":
    sys.exit(main())
