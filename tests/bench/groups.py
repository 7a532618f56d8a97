"""A thousand members of a hundred consumer groups: what a heartbeat costs, how long a rebalance takes, whether memory grows."""

import contextlib
import re
import resource
import shutil
import subprocess

from harness import MIB, Broker, Marked, cpu_seconds, in_memory, memory, program, temporary
from _cli import free_port

MEMBERS, GROUPS, PARTITIONS = 1000, 100, 1000
# What so many members need beside the defaults. The offsets topic's own partitions are among limits.partitions.
SETTINGS = {
    "memory.total": "32M", "storage.size": "128M", "limits.connections": 64, "limits.tls_connections": 16, "limits.kafka_connections": 1010, "limits.partitions": 1010, "limits.members": 1100,
    "limits.sessions": 256, "broker.group.initial.rebalance.delay.ms": "100ms",
}
GROWTH = 64 * 1024  # most that resident memory may grow by in the soak


def start(folder, extra=None, under=()):
    port = free_port()
    return port, Broker(folder, {**SETTINGS, **(extra or {}), "listener.kafka.bind": f"127.0.0.1:{port}"}, under=under)


def topics_of(broker, topics):
    for number in range(topics):
        broker.topic(f"bench-{number}", PARTITIONS // topics)


def arguments(port, topics, **options):
    argv = [program("groups"), "--port", str(port), "--members", str(MEMBERS), "--groups", str(GROUPS), "--topics", str(topics), "--partitions", str(PARTITIONS // topics)]
    for key, value in options.items():
        argv += ["--" + key, str(value)]
    return argv


def phases(report, name, topics, extra, seconds, soak):
    """All phases against one broker; `topics`: that many, which have all partitions together, each group reads one of them."""
    with temporary(in_memory(512 * MIB)) as folder, contextlib.ExitStack() as stack:
        port, broker = start(folder + "/store", extra)
        stack.enter_context(broker)
        topics_of(broker, topics)
        # The ring is written round once, and so resident: what grows from here on grows for another reason.
        broker.topic("fill", 4, "commit.interval.ms=1000")
        broker.load("fill", topic="fill", partitions=4, total=48 * MIB, bytes=1000, frame=16384)
        before = memory(broker.pid)["VmRSS"]
        members = Marked(arguments(port, topics, seconds=seconds, soak=soak))
        stack.callback(members.end)
        report.note(f"groups, {name}: all formed, from their connects on", f"{members.mark('formed')['seconds']:.2f} s")
        for kind, what in (("paced", "one a second each"), ("closed", "the next when the last is answered")):
            begin = members.mark(kind + " begin")
            cpu = cpu_seconds(broker.pid)
            end = members.mark(kind + " end")
            cpu = cpu_seconds(broker.pid) - cpu
            beats = end["heartbeats"] - begin["heartbeats"]
            report.note(f"groups, {name}: CPU of a heartbeat, {what} ({beats / (end['time'] - begin['time']):.0f}/s)", f"{cpu / beats * 1e6:.2f} us")
        for kind in ("one group", "all groups"):
            took = members.mark(kind)
            report.note(f"groups, {name}: rebalance of {kind}: median, longest", f"{took['median_ms']:.1f}, {took['most_ms']:.1f} ms")
        begin = members.mark("soak begin")
        calm = memory(broker.pid)["VmRSS"]
        end = members.mark("soak end")
        after = memory(broker.pid)["VmRSS"]
        done = ", ".join(f"{end[what] - begin[what]} {what}" for what in ("heartbeats", "commits", "rebalances"))
        report.check(f"groups, {name}: resident memory grows in {soak} s, {done}", (after - calm) / 1024, GROWTH / 1024, unit=" KiB")
        report.note(f"groups, {name}: resident before the first member, at the end", f"{before / MIB:.2f}, {after / MIB:.2f} MiB")


def instructions(report, quick):
    """Counted by callgrind in two runs that differ in heartbeats alone."""
    if not shutil.which("valgrind"):
        return report.skip("groups: instructions of a heartbeat", "valgrind is absent; Debian's package of this name holds it")
    counted = []
    few, many = (2000, 12000) if quick else (5000, 45000)
    for beats in (few, many):
        with temporary(in_memory(512 * MIB)) as folder:
            out = folder + "/callgrind"
            port, broker = start(folder + "/store", under=["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}"])
            with broker:
                topics_of(broker, 100)
                subprocess.run(arguments(port, 100, heartbeats=beats), stdout=subprocess.DEVNULL, timeout=300, check=True)
                broker.stop()
            with open(out) as f:
                counted.append(int(re.search(r"^(?:summary|totals): (\d+)", f.read(), re.M).group(1)))
    report.note("groups: instructions of a heartbeat, the kernel's not among them", f"{(counted[1] - counted[0]) / (many - few):.0f}")
    return None


def groups(report, quick):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4 * MEMBERS)), hard))
    seconds, soak = (1, 10) if quick else (5, 120)
    phases(report, f"{PARTITIONS // 100} partitions a group", 100, {}, seconds, soak)
    # Each group reads all partitions of one topic: a hundred thousand offsets.
    phases(report, f"{PARTITIONS} partitions a group", 1, {"memory.total": "48M", "limits.committed_offsets": 110_000, "limits.group_bytes": "8M"}, seconds, soak // 4)
    instructions(report, quick)
