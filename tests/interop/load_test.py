"""`bench`, `topic alter` and what a topic's settings do, against a real broker. The last line is `N passed, M failed`."""

import json
import re
import signal
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # the folder is part of the source tree
from _cli import RIVULET, expect, main, rivulet, test, with_broker


@test
def bench_mistakes(_):
    rivulet("bench", "produce", code=2).says("missing TOPIC")
    rivulet("bench", "produce", "t", "--connections", "1000", code=2).says("256")
    rivulet("bench", "produce", "t", "--acks", "2", code=2).says("0, 1 or all")
    rivulet("bench", "consume", "t", "--offset", "7", code=2).says("earliest or latest")
    for command in ("produce", "consume"):
        rivulet("bench", command, "t", "--duration", "0", code=2).says("--duration 0: out of range")
    rivulet("bench", "produce", "t", "--packed", "300", code=2).says("--packed 300: more than --window 256")
    rivulet("topic", "alter", "t", code=2).says("nothing to change")
    rivulet("topic", "alter", "t", "--config", "retention.ms=", code=2).says("--delete-config")


@with_broker
def bench_counts_what_is_stored(rv):
    rv.create("load", 3)
    rv("bench", "produce", "nobody", code=1).says("unknown topic")
    for options, least in ((("--records", "5000"), 5000), (("--records", "3000", "--packed", "20", "--connections", "4"), 3000),
                           (("--rate", "500", "--duration", "1s"), 300)):
        made = json.loads(rv("bench", "produce", "load", "--size", "50", "--json", *options, code=0).out)
        expect(made["records"] >= least, f"{options}: {made}")
        expect(made["bytes"] == 50 * made["records"], made)
        expect(0 < made["latency_us"]["p50"] <= made["latency_us"]["p99"] <= made["latency_us"]["max"], made)
    ends = sum(p["log_end"] for p in json.loads(rv("topic", "describe", "load", "--json", code=0).out)[0]["partitions"])
    for connections in ("1", "2", "8"):
        read = json.loads(rv("bench", "consume", "load", "--connections", connections, "--records", str(ends), "--json", code=0).out)
        expect(read["records"] == ends and read["bytes"] == 50 * ends, f"{read}, {ends} are there")
    for options in ((), ("--connections", "2"), ("--records", str(ends + 1))):
        read = json.loads(rv("bench", "consume", "load", "--json", *options, code=0, seconds=8).out)
        expect(read["records"] == ends, f"to the end at the start: {read}, {ends} are there")
    read = json.loads(rv("bench", "consume", "load", "--duration", "3s", "--json", code=0).out)
    expect(read["records"] == ends and read["ms"] < 2000, f"the rate is that until the last record: {read}")
    rv.create("empty", 2)
    expect(json.loads(rv("bench", "consume", "empty", "--json", code=0, seconds=8).out)["records"] == 0, "an empty topic")
    text = rv("bench", "produce", "load", "--records", "10", code=0).out
    expect(re.match(r"produced \d+ records in .* records/s, .*\nack latency p50 ", text), text)


@with_broker
def bench_ends_on_interrupt_and_when_the_broker_dies(rv):
    rv.create("load")
    run = subprocess.Popen([RIVULET, "bench", "produce", "load", "--duration", "60s", "--bootstrap", rv.broker.address], stdout=subprocess.PIPE)
    time.sleep(0.5)
    run.send_signal(signal.SIGINT)
    out, _ = run.communicate(timeout=20)
    expect(run.returncode == 0 and out.startswith(b"produced "), f"{run.returncode} {out}")
    run = subprocess.Popen([RIVULET, "bench", "produce", "load", "--duration", "60s", "--bootstrap", rv.broker.address], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    time.sleep(0.5)
    rv.broker.kill()
    _, err = run.communicate(timeout=20)
    expect(run.returncode == 3 and b"lost" in err, f"{run.returncode} {err}")


@with_broker
def settings_change_at_once_and_stay(rv):
    rv.create("temps", 2, "--config", "retention.ms=1d")

    def setting(name):
        return json.loads(rv("topic", "describe", "temps", "--json", code=0).out)[0]["config"][name]

    rv("topic", "alter", "temps", "--config", "commit.interval.ms=0", "--config", "retention.bytes=64K", code=0)
    expect(setting("commit.interval.ms") == "0" and setting("retention.bytes") == "65536", "altered")
    rv("topic", "alter", "temps", "--config", "retention.bytes=1M", "--config", "retention.ms=often", code=2)
    expect(setting("retention.bytes") == "65536", "all or none")
    rv("topic", "alter", "temps", "--config", "durability=memory", code=2).says("durability")
    rv("topic", "alter", "nobody", "--config", "retention.ms=1d", code=1).says("unknown topic")
    rv("topic", "alter", "temps", "--partitions", "5", "--config", "retention.bytes=never", code=2)
    rv("topic", "alter", "temps", "--partitions", "1", code=2).says("there cannot be fewer")
    partitions = lambda: len(json.loads(rv("topic", "describe", "temps", "--json", code=0).out)[0]["partitions"])
    expect(partitions() == 2, "neither")
    rv("topic", "alter", "temps", "--partitions", "5", code=0)
    expect(partitions() == 5, "more partitions")
    rv("topic", "alter", "temps", "--delete-config", "retention.ms", code=0)
    expect(setting("retention.ms") == "-1", "back to the default")
    rv.broker.kill()
    rv.broker.start()
    expect(setting("commit.interval.ms") == "0" and setting("retention.bytes") == "65536" and setting("retention.ms") == "-1", "after a kill")
    expect(partitions() == 5, "after a kill")


if __name__ == "__main__":
    sys.exit(main())
