"""Consumer groups of `rivulet consume --group`: members that share, come, go and are killed, beside Kafka clients that look at the group, against a real broker over
loopback. The last line is `N passed, M failed`. With names of tests as arguments: those alone.
"""

import collections
import functools
import os
import signal
import subprocess
import sys

sys.dont_write_bytecode = True  # the folder is part of the source tree
from _cli import RIVULET, Client, expect, main, rivulet, test, wait_for, with_broker
from _kafka import KafkaBroker, debian

kafka, _ = debian("kafka", "kafka.admin")

TOPIC = "readings"
PARTITIONS = 4


class Served(KafkaBroker):
    def __init__(self, folder):
        self.folder = folder
        super().__init__(folder)
        self.client = Client(self)
        self.client.create(TOPIC, PARTITIONS)

    def produce(self, first, count):
        lines = "".join(f"k{i},{i}\n" for i in range(first, first + count))
        self.client("produce", TOPIC, "--key-separator", ",", stdin=lines.encode(), code=0)


with_served = functools.partial(with_broker, make=Served, give=lambda broker: broker)


class Member:
    """`rivulet consume --group` with its output in a file."""

    count = 0

    def __init__(self, broker, *more, group="g"):
        Member.count += 1
        self.path = os.path.join(broker.folder, f"member{Member.count}")
        self.errors = self.path + ".err"
        with open(self.path, "wb") as out, open(self.errors, "wb") as errors:
            self.process = subprocess.Popen([RIVULET, "consume", TOPIC, "--group", group, "--from-beginning", "--format", "%p %o %v\\n", *more, "--bootstrap", broker.address],
                                            stdin=subprocess.DEVNULL, stdout=out, stderr=errors)

    def records(self):
        """Whole lines: (partition, offset, value)."""
        with open(self.path, encoding="utf-8") as lines:
            return [tuple(int(word) for word in line.split()) for line in lines.read().split("\n")[:-1]]

    def said(self):
        with open(self.errors, encoding="utf-8") as errors:
            return errors.read()

    def end(self, how=signal.SIGINT):
        self.process.send_signal(how)
        return self.process.wait(30)

    def ended(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(30)


def values(*members):
    return collections.Counter(value for member in members for _, _, value in member.records())


def described(broker, group="g"):
    admin = kafka.admin.KafkaAdminClient(bootstrap_servers=broker.kafka)
    try:
        return admin.describe_consumer_groups([group])[0]
    finally:
        admin.close()


def assigned(broker, group="g"):
    """Each member's partitions."""
    state = described(broker, group)
    if state.state != "Stable":
        return []
    return sorted(sorted(p for _, partitions in member.member_assignment.assignment for p in partitions) for member in state.members)


def offsets(broker, group="g"):
    admin = kafka.admin.KafkaAdminClient(bootstrap_servers=broker.kafka)
    try:
        return {place.partition: at.offset for place, at in admin.list_consumer_group_offsets(group).items()}
    finally:
        admin.close()


def ends(broker):
    consumer = kafka.KafkaConsumer(bootstrap_servers=broker.kafka)
    try:
        places = [kafka.TopicPartition(TOPIC, p) for p in range(PARTITIONS)]
        return {place.partition: at for place, at in consumer.end_offsets(places).items()}
    finally:
        consumer.close()


@with_served
def two_members_share_one_is_killed_and_nothing_is_lost(broker):
    broker.produce(0, 400)
    first = Member(broker)
    wait_for(lambda: len(values(first)) == 400, "the first member does not read everything")
    second = Member(broker)
    members = [first, second]
    try:
        wait_for(lambda: [len(part) for part in assigned(broker)] == [2, 2], "they do not share")
        expect(sorted(sum(assigned(broker), [])) == [0, 1, 2, 3], "each partition is with one of them")
        broker.produce(400, 400)
        wait_for(lambda: len(values(*members)) == 800, "not everything was read by two")
        expect(max(values(*members).values()) == 1, "a clean hand-over repeats nothing")
        expect(second.records(), "the second has read nothing")
        second.end(signal.SIGKILL)
        broker.produce(800, 400)
        wait_for(lambda: len(values(*members)) == 1200, "not everything was read after the kill")
        third = Member(broker)
        members.append(third)
        wait_for(lambda: [len(part) for part in assigned(broker)] == [2, 2], "who comes gets nothing")
        broker.kill()
        broker.start()
        broker.produce(1200, 400)
        wait_for(lambda: len(values(*members)) == 1600, "not everything was read after the broker was killed")
        for member in (first, third):
            expect(member.end() == 0, f"exit 0 at ^C: {member.said()}")
    finally:
        for member in members:
            member.ended()
    expect(offsets(broker) == ends(broker), f"committed {offsets(broker)}, ends {ends(broker)}")
    expect(described(broker).state == "Empty", "all have left")


@with_served
def what_was_printed_is_committed_and_the_next_goes_on_there(broker):
    broker.produce(0, 100)
    one = broker.client("consume", TOPIC, "--group", "g", "--from-beginning", "--max-messages", "30", "--format", "%v\\n", code=0).out.split()
    expect(len(one) == 30, "--max-messages")
    expect(sum(offsets(broker).values()) == 30, f"just what was printed is committed: {offsets(broker)}")
    # A Kafka consumer of the group goes on, and what it commits counts for the next of ours.
    consumer = kafka.KafkaConsumer(TOPIC, bootstrap_servers=broker.kafka, group_id="g", auto_offset_reset="earliest", enable_auto_commit=False, max_poll_records=40)
    two = []
    wait_for(lambda: two.extend(record.value.decode() for batch in consumer.poll(500).values() for record in batch) or two, "the Kafka consumer reads nothing")
    consumer.commit()
    consumer.close()
    three = broker.client("consume", TOPIC, "--group", "g", "--timeout", "2s", "--format", "%v\\n", code=0).out.split()
    expect(sorted(one + two + three, key=int) == [str(i) for i in range(100)], f"{len(one)} + {len(two)} + {len(three)}")
    expect(offsets(broker) == ends(broker), "all is committed")
    # Another group begins at new records.
    expect(broker.client("consume", TOPIC, "--group", "new", "--timeout", "1s", code=0).out == "", "at new records by default")
    expect(offsets(broker, "new") == ends(broker), "where it began is committed")


@with_served
def members_of_one_protocol_keep_those_of_the_other_out(broker):
    member = Member(broker)
    try:
        wait_for(lambda: assigned(broker) == [[0, 1, 2, 3]], "the member has all")
        state = described(broker)
        expect(state.protocol_type == "consumer" and state.protocol == "sticky", str(state))
        expect(state.members[0].client_id == "rivulet-consume" and state.members[0].client_host == "/127.0.0.1", str(state.members))
        expect([topic for topic in state.members[0].member_metadata.subscription] == [TOPIC], str(state.members))
        consumer = kafka.KafkaConsumer(TOPIC, bootstrap_servers=broker.kafka, group_id="g")
        try:
            consumer.poll(3000)
            expect(False, "a Kafka member was let in")
        except kafka.errors.InconsistentGroupProtocolError:
            pass
        finally:
            consumer.close(autocommit=False)
        broker.client("consume", TOPIC, "--group", "g", "--assignor", "range", "--timeout", "5s", code=3).says("the group has members of another protocol")
    finally:
        member.ended()
    consumer = kafka.KafkaConsumer(TOPIC, bootstrap_servers=broker.kafka, group_id="k")
    try:
        wait_for(lambda: consumer.poll(100) is not None and consumer.assignment(), "the Kafka member has nothing")
        broker.client("consume", TOPIC, "--group", "k", "--timeout", "5s", code=3).says("the group has members of another protocol")
    finally:
        consumer.close()


@with_served
def a_static_member_keeps_its_partitions_over_a_restart(broker):
    first, second = Member(broker, "--group-instance", "one"), Member(broker, "--group-instance", "two")
    try:
        wait_for(lambda: [len(part) for part in assigned(broker)] == [2, 2], "they do not share")
        before = assigned(broker)
        first.end(signal.SIGKILL)
        broker.produce(0, 100)
        again = Member(broker, "--group-instance", "one")
        wait_for(lambda: len(values(first, second, again)) == 100, "not everything was read")
        expect(assigned(broker) == before, "the partitions have moved")
        expect(again.records(), "who came again has nothing")
        # A clean end keeps the place, too, and commits.
        expect(again.end() == 0, again.said())
        broker.produce(100, 100)
        once_more = Member(broker, "--group-instance", "one")
        wait_for(lambda: len(values(first, second, again, once_more)) == 200, "not everything was read")
        expect(max(values(first, second, again, once_more).values()) == 1 and assigned(broker) == before, "it goes on where it was")
        once_more.ended()
    finally:
        first.ended()
        second.ended()


@test
def options_that_do_not_go_together(_):
    for arguments, words in ((("--group", "g", "--partition", "1"), "do not go together"), (("--group", "g", "--offset", "5"), "do not go together"),
                             (("--assignor", "range"), "needs --group"), (("--group", "g", "--assignor", "x"), "range, roundrobin or sticky"), (("--group", ""), "--group")):
        rivulet("consume", TOPIC, *arguments, "--bootstrap", "127.0.0.1:1", code=2).says(words)


if __name__ == "__main__":
    sys.exit(main())
