"""confluent-kafka, the C library librdkafka in Python: Debian's 1.7.0 on librdkafka 2.0.2 and PyPI's newest, told apart by what they have."""

import os
import sys
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import confluent_kafka
from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, ConfigResource, NewPartitions, NewTopic
from operations import Absent, Client, Failed, Record, main

VERSION = confluent_kafka.version()
NEW = (VERSION if isinstance(VERSION, str) else VERSION[0]).startswith("2.")


def record_of(message):
    return Record(message.value(), message.key(), message.headers() or [], message.timestamp()[1], message.partition(), message.offset())


def done(futures):
    return [future.result(20) for future in futures.values()]


class Member:
    def __init__(self, consumer):
        self.consumer = consumer

    def poll(self, seconds):
        read = []
        for message in self.consumer.consume(500, seconds):
            if message.error():
                if message.error().retriable() or message.error().code() == KafkaError._PARTITION_EOF:
                    continue
                raise KafkaException(message.error())
            read.append(record_of(message))
        return read

    def assignment(self):
        return {p.partition for p in self.consumer.assignment()}

    def commit(self):
        self.consumer.commit(asynchronous=False)

    def close(self):
        self.consumer.close()


class Confluent(Client):
    def __init__(self, bootstrap):
        super().__init__(bootstrap)
        self.admin = AdminClient({"bootstrap.servers": bootstrap})

    def create(self, topic, partitions, config):
        done(self.admin.create_topics([NewTopic(topic, num_partitions=partitions, replication_factor=1, config=config)]))

    def topics(self):
        return list(self.admin.list_topics(timeout=20).topics)

    def partitions(self, topic):
        # All topics: asking for one by name may create it.
        found = self.admin.list_topics(timeout=20).topics.get(topic)
        return len(found.partitions) if found else 0

    def config(self, topic):
        [entries] = done(self.admin.describe_configs([ConfigResource(ConfigResource.Type.TOPIC, topic)]))
        return {name: entry.value for name, entry in entries.items()}

    def alter(self, topic, config):
        done(self.admin.alter_configs([ConfigResource(ConfigResource.Type.TOPIC, topic, set_config=config)]))

    def add_partitions(self, topic, total):
        done(self.admin.create_partitions([NewPartitions(topic, total)]))

    def delete(self, topic):
        done(self.admin.delete_topics([topic]))

    def produce(self, topic, records, acks="all", codec="none", idempotent=False, partition=None):
        producer = Producer({"bootstrap.servers": self.bootstrap, "acks": acks, "compression.type": codec, "enable.idempotence": idempotent, "linger.ms": 5,
                             "message.timeout.ms": 30_000})
        answers = []
        options = {} if partition is None else {"partition": partition}
        for index, record in enumerate(records):
            if record.timestamp:
                options["timestamp"] = record.timestamp
            producer.produce(topic, record.value, record.key, headers=record.headers, on_delivery=lambda error, message, i=index: answers.append((i, error, message)), **options)
        if producer.flush(30):
            raise Failed("not everything was acknowledged within 30 s")
        for _, error, _ in answers:
            if error:
                raise KafkaException(error)
        answers.sort(key=lambda a: a[0])
        return None if acks == 0 else [(m.partition(), m.offset()) for _, _, m in answers]

    def consumer(self, group="none", **options):
        return Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False, **options})

    def consume(self, topic, count, partition=0, offset=0):
        consumer = self.consumer()
        try:
            consumer.assign([TopicPartition(topic, partition, offset)])
            member, read = Member(consumer), []
            end = time.monotonic() + 30
            while len(read) < count:
                if time.monotonic() > end:
                    raise Failed(f"{len(read)} records of {count} within 30 s")
                read += member.poll(0.2)
            return read
        finally:
            consumer.close()

    def offsets(self, topic, partition):
        consumer = self.consumer()
        try:
            return consumer.get_watermark_offsets(TopicPartition(topic, partition), timeout=20)
        finally:
            consumer.close()

    def offset_at(self, topic, partition, ms):
        consumer = self.consumer()
        try:
            [found] = consumer.offsets_for_times([TopicPartition(topic, partition, ms)], timeout=20)
            if found.error:
                raise KafkaException(found.error)
            return None if found.offset in (-1, OFFSET_END) else found.offset
        finally:
            consumer.close()

    def member(self, group, topic):
        consumer = self.consumer(group, **{"session.timeout.ms": 10_000, "heartbeat.interval.ms": 300})
        consumer.subscribe([topic])
        return Member(consumer)

    def committed(self, group, topic, partition):
        consumer = self.consumer(group)
        try:
            [found] = consumer.committed([TopicPartition(topic, partition)], timeout=20)
            return found.offset
        finally:
            consumer.close()

    def groups(self):
        if NEW:
            return [g.group_id for g in self.admin.list_consumer_groups().result(20).valid]
        return [g.id for g in self.admin.list_groups(timeout=20)]

    def group_state(self, group):
        if NEW:
            return self.admin.describe_consumer_groups([group])[group].result(20).state.name.lower()
        return self.admin.list_groups(group, timeout=20)[0].state.lower()

    def delete_group(self, group):
        if not NEW:
            raise Absent("version 1.7.0 cannot delete groups")
        done(self.admin.delete_consumer_groups([group]))

    def delete_records(self, topic, partition, offset):
        if not NEW:
            raise Absent("version 1.7.0 cannot delete records")
        done(self.admin.delete_records([TopicPartition(topic, partition, offset)]))

    def transaction(self, topic, name):
        producer = Producer({"bootstrap.servers": self.bootstrap, "transactional.id": name})
        producer.init_transactions(20)
        producer.begin_transaction()
        producer.produce(topic, b"in a transaction")
        producer.commit_transaction(20)


if __name__ == "__main__":
    sys.exit(main(Confluent))
