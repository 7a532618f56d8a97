"""What a reading costs the broker: latency at a slow pace, CPU as partitions and connections grow."""

import statistics
import tempfile

from harness import MIB, Broker, in_memory, temporary
from peers import PAYLOAD, publish


# ---- latency of an ack at 100 readings a second ----

def latency(report, quick):
    interval = 100  # the default commit.interval.ms
    with temporary() as folder, Broker(folder + "/store") as broker:
        broker.topic(partitions=4)
        broker.load("latency", partitions=4, seconds=1)
        found = [broker.load("latency", partitions=4, rate=100, bytes=PAYLOAD, seconds=2 if quick else 8)["p99_ms"] for _ in range(3)]
        report.check(f"latency at 100 readings/s on the disk of {tempfile.gettempdir()}: p99 beyond the interval", statistics.median(found) - interval, 10, unit=" ms")
        report.note("latency: p99 of each run", " ".join(f"{ms:.1f}" for ms in found) + " ms")


# ---- CPU per reading: flat as partitions and connections grow ----

BATCH = 20  # readings of a batch as it is stored, in the cases that are compared
FLAT = 1.5
ONE_EACH = 4
SETTINGS = {"storage.size": "128M", "memory.total": "64M", "limits.connections": 1100, "limits.tls_connections": 16, "limits.partitions": 1200, "limits.producers": 256}


def cost(report, quick):
    # name: partitions, connections, requests that each keeps unacknowledged, readings of a request
    cases = {
        "1 partition": (1, 100, 10, BATCH), "100 partitions": (100, 100, 10, BATCH), "1,000 partitions": (1000, 100, 10, BATCH),
        "10 connections": (4, 10, 4, BATCH), "1,000 connections": (4, 1000, 4, BATCH),
        "singles to 1 partition": (1, 100, 10, 1), "singles, one to each of 1,000": (1000, 100, 10, 1),
    }
    figures = {name: [] for name in cases}
    with temporary(in_memory(512 * MIB)) as folder, Broker(folder + "/store", SETTINGS) as broker:
        broker.topic("fill", 4, "commit.interval.ms=1000")
        broker.load("fill", topic="fill", total=132 * MIB, bytes=1000, frame=16384, partitions=4)
        # A batch of more readings than BATCH does not fit: so they are equal, whatever else comes with the same commit.
        batches = f"commit.interval.ms=0,max.message.bytes={61 + BATCH * (PAYLOAD + 8) + 40}"
        for partitions in (1, 4, 100, 1000):
            broker.topic(f"b{partitions}", partitions, batches)
        broker.topic("s1", 1, "commit.interval.ms=0")
        for _ in range(1 if quick else 5):
            for name, (partitions, connections, window, pack) in cases.items():
                topic = f"b{partitions}" if pack == BATCH or partitions == 1000 else f"s{partitions}"
                figures[name].append(publish(broker.pid, broker.port, None, 0.3 if quick else 1, topic=topic, partitions=partitions, connections=connections, window=window * pack, pack=pack,
                                             bytes=PAYLOAD))
    for name, found in figures.items():
        report.note(f"cost: {name}: CPU per reading", f"{statistics.median(f['cpu'] for f in found):.2f} us")

    def ratio(name, other):
        return statistics.median(a["cpu"] / b["cpu"] for a, b in zip(figures[name], figures[other]))

    for name in ("100 partitions", "1,000 partitions"):
        report.check(f"cost: {name} / 1 partition, {BATCH} readings a batch", ratio(name, "1 partition"), FLAT, unit="x")
    report.check("cost: 1,000 / 10 connections", ratio("1,000 connections", "10 connections"), FLAT, unit="x")
    report.check("cost: one reading to each of 1,000 partitions / all to one", ratio("singles, one to each of 1,000", "singles to 1 partition"), ONE_EACH, unit="x")
