"""`rivulet bench --protocol kafka` against the real broker: what it says it produced is there, what is there it reads. The last line is `N passed, M failed`."""

import functools
import json
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # the folder is part of the source tree
from _cli import RIVULET, expect, free_port, main, rivulet, with_broker
from _kafka import KafkaBroker

with_kafka = functools.partial(with_broker, make=KafkaBroker)
with_small_store = functools.partial(with_broker, make=lambda folder: KafkaBroker(folder, "--set", "storage.size=32M", "--set", "storage.segment_bytes=2M"))


def bench(rv, *arguments, code=0, **more):
    return rivulet("bench", *arguments, "--protocol", "kafka", "--bootstrap", rv.broker.kafka, code=code, **more)


def ends(rv, topic):
    return sum(p["log_end"] for p in json.loads(rv("topic", "describe", topic, "--json", code=0).out)[0]["partitions"])


@with_kafka
def what_is_produced_is_there_and_is_read(rv):
    rv.create("load", 3)
    stored = 0
    for options in (("--records", "20000"), ("--records", "20", "--packed", "1", "--window", "1"), ("--records", "3000", "--connections", "4", "--acks", "all", "--batch", "4096"),
                    ("--rate", "500", "--duration", "2s"), ("--records", "10", "--size", "30000")):
        size = int(options[options.index("--size") + 1]) if "--size" in options else 100
        made = json.loads(bench(rv, "produce", "load", "--json", *options).out)
        expect(made["bytes"] == size * made["records"], made)
        expect(0 < made["latency_us"]["p50"] <= made["latency_us"]["p99"] <= made["latency_us"]["max"], made)
        if "--rate" in options:
            expect(600 <= made["records"] <= 1100, made)
        # What was under way when the number was reached is stored and not counted.
        stored = ends(rv, "load")
        expect(stored >= made["records"], (stored, made))
    unanswered = json.loads(bench(rv, "produce", "load", "--acks", "0", "--duration", "1s", "--json").out)
    expect(unanswered["records"] > 1000 and "latency_us" not in unanswered, unanswered)
    time.sleep(1)
    stored = ends(rv, "load")
    for options in ((), ("--connections", "2"), ("--connections", "9"), ("--duration", "3s")):
        read = json.loads(bench(rv, "consume", "load", "--json", *options).out)
        expect(read["records"] == stored, f"{options}: {read}, {stored} are there")
    text = bench(rv, "produce", "load", "--records", "10").out
    expect(text.startswith("produced ") and "ack latency p50" in text, text)


@with_kafka
def both_protocols_read_the_same(rv):
    rv.create("both", 2)
    rv("bench", "produce", "both", "--records", "2000", "--connections", "2", code=0)
    bench(rv, "produce", "both", "--records", "2000", "--connections", "2")
    time.sleep(1)  # what was under way is stored
    mine = json.loads(rv("bench", "consume", "both", "--json", code=0).out)
    theirs = json.loads(bench(rv, "consume", "both", "--json").out)
    expect(mine["records"] == theirs["records"] == ends(rv, "both") >= 4000 and mine["bytes"] == theirs["bytes"], (mine, theirs))
    rv.create("empty", 2)
    expect(json.loads(bench(rv, "consume", "empty", "--json", seconds=10).out)["records"] == 0, "an empty topic")
    # New records alone.
    run = subprocess.Popen([RIVULET, "bench", "consume", "both", "--protocol", "kafka", "--bootstrap", rv.broker.kafka, "--offset", "latest", "--records", "100", "--duration", "20s", "--json"],
                           stdout=subprocess.PIPE)
    time.sleep(2)
    bench(rv, "produce", "both", "--records", "1000", "--connections", "2")
    out, _ = run.communicate(timeout=30)
    expect(run.returncode == 0 and 100 <= json.loads(out)["records"] < 4000, out)


@with_kafka
def mistakes_and_broken_connections_are_told(rv):
    rv.create("load")
    rv.create("small", 1, "--config", "max.message.bytes=1K")
    bench(rv, "produce", "nobody", code=1).says("unknown topic")
    bench(rv, "consume", "nobody", code=1).says("unknown topic")
    expect("nobody" not in rv("topic", "list", code=0).out, "asking makes no topic")
    bench(rv, "produce", "small", "--records", "1000", code=1).says("refused a batch: larger than max.message.bytes")
    rivulet("bench", "produce", "load", "--protocol", "mqtt", code=2).says("compact or kafka")
    bench(rv, "produce", "load", "--packed", "1000", code=2).says("--packed 1000: out of range")
    rv("bench", "produce", "load", "--batch", "4096", code=2).says("--protocol kafka")
    rivulet("bench", "produce", "load", "--protocol", "kafka", "--bootstrap", f"127.0.0.1:{free_port()}", code=3).says("connection refused")
    # The other listener, both ways.
    rivulet("bench", "produce", "load", "--protocol", "kafka", "--bootstrap", rv.broker.address, code=3).says("Kafka broker")
    run = subprocess.Popen([RIVULET, "bench", "produce", "load", "--protocol", "kafka", "--duration", "60s", "--bootstrap", rv.broker.kafka], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(1)
    rv.broker.kill()
    _, err = run.communicate(timeout=20)
    expect(run.returncode == 3 and b"lost" in err, f"{run.returncode} {err}")


@with_small_store
def a_ring_that_turns_under_the_reader_is_read_on(rv):
    rv.create("fast")
    writer = subprocess.Popen([RIVULET, "bench", "produce", "fast", "--protocol", "kafka", "--duration", "6s", "--bootstrap", rv.broker.kafka], stdout=subprocess.PIPE)
    time.sleep(1)
    # It stands still for long enough that what it was to read next is gone.
    reader = subprocess.Popen([RIVULET, "bench", "consume", "fast", "--protocol", "kafka", "--bootstrap", rv.broker.kafka, "--records", "100000000", "--duration", "4s", "--json"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.5)
    reader.send_signal(signal.SIGSTOP)
    time.sleep(2)
    reader.send_signal(signal.SIGCONT)
    out, err = reader.communicate(timeout=30)
    expect(reader.returncode == 0 and json.loads(out)["records"] > 0, (reader.returncode, err))
    writer.communicate(timeout=30)
    start = json.loads(rv("topic", "describe", "fast", "--json", code=0).out)[0]["partitions"][0]["log_start"]
    expect(start > 0, "the ring has not turned")


@with_small_store
def a_topic_that_takes_no_more_is_told(rv):
    rv.create("full", 1, "--config", "pinned=true", "--config", "overflow=reject")
    bench(rv, "produce", "full", "--duration", "20s", code=1).says("refused a batch")
    producer = subprocess.Popen([RIVULET, "produce", "full", "--bootstrap", rv.broker.address], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        producer.communicate(b"a line\n", timeout=8)
        raise AssertionError("a full topic has taken a line")
    except subprocess.TimeoutExpired:
        producer.kill()
    _, err = producer.communicate()
    expect(b"nothing has been acknowledged for 5 s" in err and b"overflow=reject" in err, err)


if __name__ == "__main__":
    sys.exit(main())
