"""aiokafka, each step run to its end on one event loop in a thread of its own."""

import asyncio
import os
import sys
import threading

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import aiokafka
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.admin.records_to_delete import RecordsToDelete
from operations import Client, Failed, Record, main

LOOP = asyncio.new_event_loop()
threading.Thread(target=LOOP.run_forever, daemon=True).start()


def done(coroutine, seconds=40):
    return asyncio.run_coroutine_threadsafe(coroutine, LOOP).result(seconds)


def record_of(message):
    return Record(message.value, message.key, message.headers, message.timestamp, message.partition, message.offset)


def checked(answer):
    """The admin client hands errors back in the answer."""
    for field in ("topic_errors", "topic_error_codes"):
        for entry in getattr(answer, field, None) or []:
            if entry[1]:
                raise aiokafka.errors.for_code(entry[1])(str(entry))
    return answer


class Member:
    def __init__(self, consumer):
        self.consumer = consumer

    def poll(self, seconds):
        return [record_of(m) for batch in done(self.consumer.getmany(timeout_ms=int(seconds * 1000))).values() for m in batch]

    def assignment(self):
        return {p.partition for p in self.consumer.assignment()}

    def commit(self):
        done(self.consumer.commit())

    def close(self):
        done(self.consumer.stop())


class Aiokafka(Client):
    def __init__(self, bootstrap):
        super().__init__(bootstrap)
        done(self.start())

    async def start(self):
        self.admin = AIOKafkaAdminClient(bootstrap_servers=self.bootstrap)
        await self.admin.start()

    def create(self, topic, partitions, config):
        checked(done(self.admin.create_topics([NewTopic(topic, partitions, 1, topic_configs=config)])))

    def topics(self):
        return done(self.admin.list_topics())

    def partitions(self, topic):
        return len(done(self.admin.describe_topics([topic]))[0]["partitions"])

    def config(self, topic):
        answer = done(self.admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)]))
        return {entry[0]: entry[1] for response in answer for resource in response.resources for entry in resource[4]}

    def alter(self, topic, config):
        done(self.admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, topic, configs=config)]))

    def add_partitions(self, topic, total):
        checked(done(self.admin.create_partitions({topic: NewPartitions(total)})))

    def delete(self, topic):
        checked(done(self.admin.delete_topics([topic])))

    def produce(self, topic, records, acks="all", codec="none", idempotent=False, partition=None):
        return done(self.send_all(topic, records, acks, None if codec == "none" else codec, idempotent, partition))

    def produce_slowly(self, topic, records, seconds):
        done(self.send_all(topic, records, "all", None, True, None, pause=seconds / len(records)))
        return True

    async def send_all(self, topic, records, acks, codec, idempotent, partition, pause=0):
        producer = aiokafka.AIOKafkaProducer(bootstrap_servers=self.bootstrap, acks=acks, compression_type=codec, enable_idempotence=idempotent, linger_ms=5,
                                             max_request_size=1_040_000)
        await producer.start()
        try:
            futures = []
            for r in records:
                await asyncio.sleep(pause)
                futures.append(await producer.send(topic, r.value, r.key, headers=r.headers, timestamp_ms=r.timestamp, partition=partition))
            await producer.flush()
            got = [await f for f in futures]
            return None if acks == 0 else [(g.partition, g.offset) for g in got]
        finally:
            await producer.stop()

    async def consumer(self, *topics, **options):
        consumer = aiokafka.AIOKafkaConsumer(*topics, bootstrap_servers=self.bootstrap, auto_offset_reset="earliest", enable_auto_commit=False, **options)
        await consumer.start()
        return consumer

    def with_consumer(self, step):
        async def run():
            consumer = await self.consumer()
            try:
                return await step(consumer)
            finally:
                await consumer.stop()

        return done(run())

    def consume(self, topic, count, partition=0, offset=0):
        where = aiokafka.TopicPartition(topic, partition)

        async def step(consumer):
            consumer.assign([where])
            consumer.seek(where, offset)
            read = []
            while len(read) < count:
                batch = await consumer.getmany(timeout_ms=15_000)
                if not batch:
                    raise Failed(f"{len(read)} records of {count} within 15 s")
                read += [record_of(m) for m in batch[where]]
            return read

        return self.with_consumer(step)

    def offsets(self, topic, partition):
        where = aiokafka.TopicPartition(topic, partition)

        async def step(consumer):
            return (await consumer.beginning_offsets([where]))[where], (await consumer.end_offsets([where]))[where]

        return self.with_consumer(step)

    def offset_at(self, topic, partition, ms):
        where = aiokafka.TopicPartition(topic, partition)

        async def step(consumer):
            return (await consumer.offsets_for_times({where: ms}))[where]

        found = self.with_consumer(step)
        return found and found.offset

    def member(self, group, topic):
        return Member(done(self.consumer(topic, group_id=group, session_timeout_ms=10_000, heartbeat_interval_ms=300)))

    def committed(self, group, topic, partition):
        return done(self.admin.list_consumer_group_offsets(group))[aiokafka.TopicPartition(topic, partition)].offset

    def groups(self):
        return [entry[0] for entry in done(self.admin.list_consumer_groups())]

    def group_state(self, group):
        return done(self.admin.describe_consumer_groups([group]))[0].groups[0][2].lower()

    def delete_records(self, topic, partition, offset):
        done(self.admin.delete_records({aiokafka.TopicPartition(topic, partition): RecordsToDelete(offset)}))

    def transaction(self, topic, name):
        async def run():
            producer = aiokafka.AIOKafkaProducer(bootstrap_servers=self.bootstrap, transactional_id=name)
            await producer.start()
            try:
                async with producer.transaction():
                    await producer.send_and_wait(topic, b"in a transaction")
            finally:
                await producer.stop()

        done(run(), 20)


if __name__ == "__main__":
    sys.exit(main(Aiokafka))
