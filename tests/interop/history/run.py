"""A history of real clients against the real binary, with kill -9 and SIGSTOP of broker and clients, and its check. The last line is `N passed, M failed`.

usage: run.py [SECONDS [SEED]]   librdkafka's producers, idempotent and not, and sensors send; readers and two groups read. Debian's python3-confluent-kafka is needed.
"""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # the folder is part of the source tree
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
PYTHON = "/usr/bin/python3"  # the one that Debian's packages are for
try:
    from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, TopicPartition
except ImportError:
    if sys.executable == PYTHON:
        raise
    os.execv(PYTHON, [PYTHON, *sys.argv])
from _cli import Failed, expect, rivulet, wait_for
from _kafka import KafkaBroker
from checker import check
from worker import RECORD_MAX, parsed

TOPIC, PARTITIONS = "history", 3
GROUPS = ("g1", "g2")
SESSION = 6.0  # seconds that a group waits for a member
now = time.monotonic


class Clients:
    def __init__(self, broker, folder):
        self.broker, self.folder, self.count, self.running, self.stopped = broker, folder, 0, {}, {}

    def start(self, kind, group=None):
        self.count += 1
        name = f"{group}.m{self.count}" if group else f"{kind}{self.count}"
        with open(os.path.join(self.folder, name + ".out"), "wb") as out:
            command = [PYTHON, os.path.join(HERE, "worker.py"), kind, name, self.folder, self.broker.kafka, self.broker.address, TOPIC, str(PARTITIONS)]
            self.running[name] = (kind, group, subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out))

    def some(self, random_, *kinds):
        return random_.choice([n for n, (kind, _, _) in self.running.items() if kind in kinds and n not in self.stopped])

    def replace(self, name):
        kind, group, process = self.running.pop(name)
        process.kill()
        process.wait()
        self.start(kind, group)

    def pause(self, name, seconds):
        self.running[name][2].send_signal(signal.SIGSTOP)
        self.stopped[name] = now() + seconds

    def resume(self, all_of_them=False):
        for name, until in list(self.stopped.items()):
            if all_of_them or now() >= until:
                self.running[name][2].send_signal(signal.SIGCONT)
                del self.stopped[name]

    def end(self, *kinds):
        processes = [(n, p) for n, (kind, _, p) in self.running.items() if kind in kinds]
        for _, process in processes:
            process.terminate()
        for name, process in processes:
            try:
                code = process.wait(90)
            except subprocess.TimeoutExpired:
                raise Failed(f"{name} does not end") from None
            expect(code == 0, f"{name} ended with {code}: {self.words(name)}")
            del self.running[name]

    def words(self, name):
        with open(os.path.join(self.folder, name + ".out"), encoding="utf-8", errors="replace") as out:
            return out.read()[-500:]

    def kill(self):
        for _, _, process in self.running.values():
            process.kill()
            process.wait()


class Faults:
    """Each kind once in every round, in an order of the seed's, and a rest: a broker that starts again gives every member its whole session again, so that groups miss nobody meanwhile."""

    def __init__(self, broker, clients, random_):
        self.broker, self.clients, self.random, self.round, self.done = broker, clients, random_, [], {}

    def kinds(self):
        return [self.kill_broker, self.pause_broker, self.kill_broker, self.pause_member, self.kill_member, self.kill_producer]

    def next(self):
        if not self.round:
            self.round = self.kinds()
            self.random.shuffle(self.round)
            self.round.insert(0, self.rest)  # comes last
        fault = self.round.pop()
        fault()
        self.done[fault.__name__] = self.done.get(fault.__name__, 0) + 1

    def rest(self):
        end = now() + SESSION + 4
        while now() < end:
            time.sleep(0.5)
            self.clients.resume()

    def kill_broker(self):
        self.broker.kill()
        time.sleep(self.random.uniform(0, 0.5))
        self.broker.start()

    def pause_broker(self):
        self.broker.process.send_signal(signal.SIGSTOP)
        time.sleep(self.random.uniform(0.1, 2))
        self.broker.process.send_signal(signal.SIGCONT)

    def pause_member(self):
        """Longer than its session: it comes back to a group that went on without it."""
        self.clients.pause(self.clients.some(self.random, "member"), SESSION + self.random.uniform(0.5, 3))

    def kill_member(self):
        self.clients.replace(self.clients.some(self.random, "member"))

    def kill_producer(self):
        self.clients.replace(self.clients.some(self.random, "idempotent", "plain", "sensor"))


def looker(broker, **options):
    return Consumer({"bootstrap.servers": broker.kafka, "group.id": "looks", "auto.offset.reset": "error", "enable.auto.commit": False, **options})


def ends_of(broker):
    consumer = looker(broker)
    try:
        return [consumer.get_watermark_offsets(TopicPartition(TOPIC, p), timeout=20)[1] for p in range(PARTITIONS)]
    finally:
        consumer.close()


def committed(broker, group):
    consumer = looker(broker, **{"group.id": group})
    try:
        start = now()
        found = consumer.committed([TopicPartition(TOPIC, p) for p in range(PARTITIONS)], timeout=20)
        return [{"op": "committed", "group": group, "partition": p.partition, "offset": max(p.offset, -1), "t0": start, "t1": now()} for p in found]
    finally:
        consumer.close()


def final(broker):
    consumer, events, at_end = looker(broker, **{"enable.partition.eof": True}), [], set()
    consumer.assign([TopicPartition(TOPIC, p, OFFSET_BEGINNING) for p in range(PARTITIONS)])
    until = now() + 60
    while len(at_end) < PARTITIONS:
        expect(now() < until, f"{len(events)} records are read at the end, and it does not come")
        for message in consumer.consume(1000, 0.2):
            if message.error() and message.error().code() == KafkaError._PARTITION_EOF:
                at_end.add(message.partition())
                continue
            expect(not message.error(), f"read at the end: {message.error()}")
            producer, number = parsed(message.value())
            events.append({"op": "final", "partition": message.partition(), "offset": message.offset(), "producer": producer, "number": number, "t": now()})
    consumer.close()
    return events


def gathered(folder):
    """All events; of a send that was begun and settled the latter."""
    events, sends = [], {}
    for name in sorted(os.listdir(folder)):
        if not name.endswith(".history"):
            continue
        with open(os.path.join(folder, name), "rb") as file:
            for index, line in enumerate(file):
                event = json.loads(line)
                event["index"] = index
                if event["op"] == "send":
                    sends[(event["producer"], event["number"])] = event
                else:
                    events.append(event)
    return events + list(sends.values())


def history(folder, seconds, seed, durability="disk"):
    """(events, what happened), recorded for some seconds. Of a topic in memory, which promises less, no readers: what they were given may go."""
    print(f"{seconds} s, seed {seed}", flush=True)
    random_ = random.Random(seed)
    broker = KafkaBroker(folder, "--set", f"storage.size={max(192, seconds // 4)}M")
    clients = Clients(broker, folder)
    try:
        rivulet("topic", "create", TOPIC, "--partitions", str(PARTITIONS), "--config", f"max.message.bytes={RECORD_MAX}", "--config", f"durability={durability}",
                "--bootstrap", broker.address, code=0)
        for kind in ("idempotent", "idempotent", "plain", "sensor"):
            clients.start(kind)
        faults = Faults(broker, clients, random_)
        if durability == "disk":
            clients.start("reader")
            for group in GROUPS:
                clients.start("member", group)
                clients.start("member", group)
        else:
            faults.kinds = lambda: [faults.kill_broker]
        end = now() + seconds
        time.sleep(3)
        while now() < end:
            faults.next()
            time.sleep(random_.uniform(0.3, 1.5))
            clients.resume()
        clients.resume(all_of_them=True)
        if durability != "disk":
            clients.kill()  # an idempotent producer may have nothing to go on with
            return gathered(folder) + final(broker), faults.done
        clients.end("idempotent", "plain", "sensor")
        ends = ends_of(broker)
        with open(os.path.join(folder, "ends.new"), "w", encoding="utf-8") as file:
            json.dump(ends, file)
        os.rename(os.path.join(folder, "ends.new"), os.path.join(folder, "ends"))
        clients.end("reader")
        told = []
        for group in GROUPS:

            def caught_up():
                told.extend(committed(broker, group))
                return [e["offset"] for e in told[-PARTITIONS:]] == ends

            wait_for(caught_up, f"{group} does not commit {ends}", 60)
        clients.end("member")
        events = gathered(folder) + told + final(broker)
    finally:
        clients.kill()
        code = broker.stop()
    expect(code == 0, f"the broker ended with {code}: {broker.words()[-500:]}")
    return events, faults.done


def told(events, faults):
    """What the history has; one that had nothing to survive shows nothing."""
    count = {}
    for event in events:
        what = f"{event['op']} {event.get('status', '')}".strip()
        count[what] = count.get(what, 0) + 1
    print("faults: " + ", ".join(f"{n} {k.replace('_', ' ')}" for k, n in sorted(faults.items())))
    print("events: " + ", ".join(f"{n} {k}" for k, n in sorted(count.items())))
    for what in ("send ok", "send refused", "read", "end", "commit ok", "committed", "assigned", "final"):
        expect(count.get(what), f"the history has no {what}")
    expect(all(faults.get(f.__name__) for f in (Faults.kill_broker, Faults.pause_broker, Faults.kill_producer)), "too short for its faults")


def main():
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 120
    seed = int(sys.argv[2]) if len(sys.argv) > 2 else int.from_bytes(os.urandom(4), "little")
    folder = tempfile.mkdtemp(prefix="history.")
    try:
        events, faults = history(folder, seconds, seed)
        told(events, faults)
        found = check(events, list(range(PARTITIONS)))
    except Failed as why:
        found = [("no history", why)]
    for kind, what in found[:20]:
        print(f"failed: {kind}: {what}")
    if found:
        print(f"{len(found)} violations; the history is in {folder}\n0 passed, 1 failed")
        return 1
    shutil.rmtree(folder)
    print("1 passed, 0 failed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
