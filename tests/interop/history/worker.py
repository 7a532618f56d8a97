"""One client of a history, a process of its own that may be stopped or killed at any time.

usage: worker.py KIND NAME FOLDER KAFKA COMPACT TOPIC PARTITIONS     KIND: idempotent, plain, sensor, reader, member
It appends events as checker.py describes them, one JSON a line, to FOLDER/NAME.history; what it is about to do is there before it does it. SIGTERM: it ends what it has begun.
FOLDER/ends, once there, names the offsets up to which a reader reads.
"""

import json
import os
import random
import signal
import sys
import time

sys.dont_write_bytecode = True
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../../../src/sensor/python"))
import confluent_kafka
from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, KafkaException, Producer, TopicPartition
import rivulet_sensor

RECORD_MAX = 20_000  # of the topic; what is larger is refused
RATE = 150           # records a second of one producer
now = time.monotonic


def value_of(producer, number, size):
    return f"{producer}:{number}:".encode() + b"x" * size


def parsed(value):
    producer, number, _ = bytes(value[:80]).split(b":", 2)
    return producer.decode(), int(number)


def one_by_one(consumer):
    """What is there. A call for many may hand out, behind a rebalance, what it took before."""
    messages = [consumer.poll(0.1)]
    while messages[-1] is not None and len(messages) < 200:
        messages.append(consumer.poll(0))
    return [m for m in messages if m is not None]


class Worker:
    def __init__(self, kind, name, folder, kafka, compact, topic, partitions):
        self.kind, self.name, self.folder, self.kafka, self.compact, self.topic, self.partitions = kind, name, folder, kafka, compact, topic, int(partitions)
        self.out = os.open(os.path.join(folder, name + ".history"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self.ended = False
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "ended", True))

    def tell(self, *events):
        os.write(self.out, b"".join(json.dumps(e, separators=(",", ":")).encode() + b"\n" for e in events))

    def trouble(self, what):
        self.tell({"op": "trouble", "what": f"{self.name}: {what}", "t": now()})

    def run(self):
        {"idempotent": self.produce, "plain": self.produce, "sensor": self.sense, "reader": self.read, "member": self.join}[self.kind]()

    # ---- what is sent: begun is told as unknown, and again once it is settled ----

    def begin(self, number, partition):
        event = {"op": "send", "producer": self.name, "partition": partition, "number": number, "t0": now(), "t1": None, "status": "unknown", "offset": None}
        self.tell(event)
        return event

    def settle(self, event, status, offset=None):
        self.tell({**event, "status": status, "offset": offset, "t1": now()})

    def produce(self):
        idempotent = self.kind == "idempotent"
        options = {"enable.idempotence": True, "message.timeout.ms": 0} if idempotent else {"retries": 0, "max.in.flight.requests.per.connection": 1, "message.timeout.ms": 20_000}
        producer = Producer({"bootstrap.servers": self.kafka, "acks": "all", "linger.ms": 2, "reconnect.backoff.max.ms": 300, "statistics.interval.ms": 0,
                             "compression.type": random.choice(["none", "gzip", "lz4"]), **options})

        def settled(event):
            def call(error, message):
                if not error:
                    self.settle(event, "ok", message.offset())
                elif error.code() == KafkaError.MSG_SIZE_TOO_LARGE:
                    self.settle(event, "refused")
                elif idempotent:
                    self.trouble(f"record {event['number']}: {error}")

            return call

        number = 0
        while not self.ended:
            partition = random.randrange(self.partitions)
            size = random.randrange(120)
            event = self.begin(number, partition)
            if not idempotent and number % 40 == 39:
                value = f"{self.name}:{number}:".encode() + os.urandom(2 * RECORD_MAX)
            else:
                value = value_of(self.name, number, size)
            try:
                producer.produce(self.topic, value, partition=partition, on_delivery=settled(event))
                number += 1
            except BufferError:
                pass  # begun and never sent: unknown
            producer.poll(1 / RATE)
            time.sleep(1 / RATE)
        if producer.flush(60):
            self.trouble("not everything was settled within a minute")

    def sense(self):
        host, _, port = self.compact.rpartition(":")
        client = rivulet_sensor.Client(host, int(port), name=self.name, timeout=5.0)
        number = 0
        while not self.ended:
            begun = []
            for _ in range(random.randrange(1, 30)):
                partition = random.randrange(self.partitions)
                begun.append(self.begin(number, partition))
                client.put(self.topic, value_of(self.name, number, 20), partition=partition)
                number += 1
            client.flush()
            for event in begun:
                self.settle(event, "ok")
            time.sleep(len(begun) / RATE)
        client.close()

    # ---- what is read ----

    def consumer(self, **options):
        return Consumer({"bootstrap.servers": self.kafka, "group.id": "history", "auto.offset.reset": "error", "enable.auto.commit": False, "fetch.wait.max.ms": 100,
                         "reconnect.backoff.max.ms": 300, **options})

    def given(self, messages, reader):
        events = []
        for message in messages:
            if message.error():
                if message.error().code() in (KafkaError._AUTO_OFFSET_RESET, KafkaError.OFFSET_OUT_OF_RANGE, KafkaError.INVALID_MSG, KafkaError._BAD_MSG):
                    self.trouble(str(message.error()))
                continue
            producer, number = parsed(message.value())
            events.append({"op": "read", "reader": reader, "partition": message.partition(), "offset": message.offset(), "producer": producer, "number": number, "t": now()})
        self.tell(*events)
        return events

    def read(self):
        consumer = self.consumer()
        parts = [TopicPartition(self.topic, p, OFFSET_BEGINNING) for p in range(self.partitions)]
        self.tell(*({"op": "seek", "reader": self.name, "partition": p, "offset": 0, "t": now()} for p in range(self.partitions)))
        consumer.assign(parts)
        position, asked, ends_file = [0] * self.partitions, now(), os.path.join(self.folder, "ends")
        while True:
            for event in self.given(consumer.consume(500, 0.1), self.name):
                position[event["partition"]] = event["offset"] + 1
            if self.ended and os.path.exists(ends_file):
                with open(ends_file, encoding="utf-8") as file:
                    if all(at >= end for at, end in zip(position, json.load(file))):
                        break
            if now() - asked > 0.5:
                asked = now()
                self.ask(consumer, random.randrange(self.partitions))
        consumer.close()

    def ask(self, consumer, partition):
        start = now()
        try:
            _, end = consumer.get_watermark_offsets(TopicPartition(self.topic, partition), timeout=5)
        except KafkaException:
            return
        self.tell({"op": "end", "partition": partition, "offset": end, "t0": start, "t1": now()})

    def join(self):
        group, _, member = self.name.partition(".")
        consumer = self.consumer(**{"group.id": group, "session.timeout.ms": 6000, "heartbeat.interval.ms": 500, "max.poll.interval.ms": 60_000})
        position = {}

        def assigned(_, parts):
            start, found = now(), None
            while found is None:
                try:
                    found = consumer.committed(parts, timeout=5)
                except KafkaException:
                    if now() - start > 30:
                        self.trouble("nobody tells what is committed")
                        raise
            position.clear()
            self.tell(*({"op": "assigned", "group": group, "member": member, "partition": p.partition, "offset": max(p.offset, -1), "t0": start, "t1": now()} for p in found))
            for part in found:
                part.offset = part.offset if part.offset >= 0 else OFFSET_BEGINNING
            consumer.assign(found)

        def revoked(_, __):
            position.clear()
            consumer.unassign()

        consumer.subscribe([self.topic], on_assign=assigned, on_revoke=revoked)
        asked = now()
        while not self.ended:
            for event in self.given(one_by_one(consumer), f"{group}/{member}"):
                position[event["partition"]] = event["offset"] + 1
            if position and now() - asked > 0.2:
                asked = now()
                self.commit(consumer, group, member, position)
        consumer.close()

    def commit(self, consumer, group, member, position):
        offsets, position_then, start = [TopicPartition(self.topic, p, o) for p, o in position.items()], dict(position), now()
        position.clear()

        def events(status):
            return [{"op": "commit", "group": group, "member": member, "partition": p, "offset": o, "t0": start, "t1": now(), "status": status} for p, o in position_then.items()]

        self.tell(*events("unknown"))
        try:
            answers = consumer.commit(offsets=offsets, asynchronous=False)
            committed = not any(a.error for a in answers)
        except KafkaException:
            committed = False
        if committed:
            self.tell(*events("ok"))
        else:
            position.update(position_then)


if __name__ == "__main__":
    Worker(*sys.argv[1:]).run()
