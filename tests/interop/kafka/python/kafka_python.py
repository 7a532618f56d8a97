"""kafka-python: Debian's 2.0.2 and PyPI's newest, told apart by what they have."""

import os
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kafka
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from operations import Absent, Client, Failed, Record, main, paced

CODECS = {"none": None}


def record_of(message):
    return Record(message.value, message.key, message.headers, message.timestamp, message.partition, message.offset)


class Member:
    def __init__(self, consumer):
        self.consumer = consumer

    def poll(self, seconds):
        return [record_of(m) for batch in self.consumer.poll(timeout_ms=int(seconds * 1000)).values() for m in batch]

    def assignment(self):
        return {p.partition for p in self.consumer.assignment()}

    def commit(self):
        self.consumer.commit()

    def close(self):
        self.consumer.close()


class KafkaPython(Client):
    def __init__(self, bootstrap):
        super().__init__(bootstrap)
        self.admin = kafka.KafkaAdminClient(bootstrap_servers=bootstrap)
        self.new = not kafka.__version__.startswith("2.")

    def raised(self, answer):
        """Version 2.0.2 hands some errors back in the answer."""
        for field in ("topic_errors", "topic_error_codes", "topic_partition_errors", "resources"):
            for entry in getattr(answer, field, None) or []:
                for number in entry if isinstance(entry, (tuple, list)) else ():
                    if isinstance(number, int) and number > 0 and field != "resources":
                        raise kafka.errors.for_code(number)(str(entry))
        return answer

    def create(self, topic, partitions, config):
        self.raised(self.admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=config)]))

    def topics(self):
        return self.admin.list_topics()

    def partitions(self, topic):
        found = self.admin.describe_topics([topic])[0]
        return len(found["partitions"])

    def config(self, topic):
        wanted = [ConfigResource(ConfigResourceType.TOPIC, topic)]
        if self.new:
            return {name: entry["value"] for name, entry in self.admin.describe_configs(wanted, config_filter="all")["topic"][topic].items()}
        return {entry[0]: entry[1] for response in self.admin.describe_configs(wanted) for resource in response.resources for entry in resource[4]}

    def alter(self, topic, config):
        self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=config)])

    def add_partitions(self, topic, total):
        self.raised(self.admin.create_partitions({topic: NewPartitions(total)}))

    def delete(self, topic):
        self.raised(self.admin.delete_topics([topic]))

    def produce(self, topic, records, acks="all", codec="none", idempotent=False, partition=None):
        if idempotent and not self.new:
            raise Absent("version 2.0.2 has no idempotent producer")
        options = {"enable_idempotence": idempotent} if self.new else {}
        producer = kafka.KafkaProducer(bootstrap_servers=self.bootstrap, acks=acks, compression_type=CODECS.get(codec, codec), linger_ms=5,
                                       max_request_size=1_040_000, retries=100, **options)
        try:
            futures = [producer.send(topic, value=r.value, key=r.key, headers=r.headers, timestamp_ms=r.timestamp, partition=partition) for r in records]
            producer.flush(30)
            got = [f.get(timeout=30) for f in futures]
            return None if acks == 0 else [(g.partition, g.offset) for g in got]
        finally:
            producer.close(timeout=5)

    def produce_slowly(self, topic, records, seconds):
        self.produce(topic, paced(records, seconds), idempotent=self.new)
        return self.new

    def consumer(self, **options):
        return kafka.KafkaConsumer(bootstrap_servers=self.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False, max_partition_fetch_bytes=1_048_576, **options)

    def consume(self, topic, count, partition=0, offset=0):
        consumer = self.consumer(consumer_timeout_ms=20_000)
        try:
            where = kafka.TopicPartition(topic, partition)
            consumer.assign([where])
            consumer.seek(where, offset)
            read = []
            while len(read) < count:
                batch = consumer.poll(timeout_ms=15_000)
                if not batch:
                    raise Failed(f"{len(read)} records of {count} within 15 s")
                read += [record_of(m) for m in batch[where]]
            return read
        finally:
            consumer.close()

    def offsets(self, topic, partition):
        consumer = self.consumer()
        try:
            where = kafka.TopicPartition(topic, partition)
            return consumer.beginning_offsets([where])[where], consumer.end_offsets([where])[where]
        finally:
            consumer.close()

    def offset_at(self, topic, partition, ms):
        consumer = self.consumer()
        try:
            where = kafka.TopicPartition(topic, partition)
            found = consumer.offsets_for_times({where: ms})[where]
            return found and found.offset
        finally:
            consumer.close()

    def member(self, group, topic):
        consumer = self.consumer(group_id=group, session_timeout_ms=10_000, heartbeat_interval_ms=300, max_poll_interval_ms=20_000)
        consumer.subscribe([topic])
        return Member(consumer)

    def committed(self, group, topic, partition):
        where = kafka.TopicPartition(topic, partition)
        if self.new:
            return self.admin.list_group_offsets(group)[group][where].offset
        return self.admin.list_consumer_group_offsets(group)[where].offset

    def groups(self):
        if self.new:
            return [g["group_id"] for g in self.admin.list_groups()]
        return [name for name, _ in self.admin.list_consumer_groups()]

    def group_state(self, group):
        if self.new:
            return self.admin.describe_groups([group])[group]["group_state"].lower()
        return self.admin.describe_consumer_groups([group])[0].state.lower()

    def delete_group(self, group):
        if self.new:
            self.admin.delete_groups([group])
            return
        for _, error in self.admin.delete_consumer_groups([group]):
            if error is not kafka.errors.NoError:
                raise error

    def delete_records(self, topic, partition, offset):
        if not self.new:
            raise Absent("version 2.0.2 has no delete_records")
        self.admin.delete_records({kafka.TopicPartition(topic, partition): offset})

    def transaction(self, topic, name):
        if not self.new:
            raise Absent("version 2.0.2 has no transactions")
        producer = kafka.KafkaProducer(bootstrap_servers=self.bootstrap, transactional_id=name, max_block_ms=20_000)
        try:
            producer.init_transactions()
            producer.begin_transaction()
            producer.send(topic, b"in a transaction").get(timeout=20)
            producer.commit_transaction()
        finally:
            producer.close(timeout=1)


if __name__ == "__main__":
    sys.exit(main(KafkaPython))
