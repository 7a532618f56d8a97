"""What the scripts with Kafka clients share: a broker with a Kafka listener, clients' drivers run against it, their answers counted and tabled.

A driver takes HOST:PORT, a prefix for the names of its topics and groups, and operations (none: all); it prints `ok OP`, `failed OP: why`
or `absent OP: why` for each. What it cannot see itself, whether its batches are stored as compressed as it sent them, and whether `rivulet consume` reads them, is looked at here.
"""

import importlib
import json
import os
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from _cli import RIVULET, Broker, free_port, rivulet

HERE = os.path.dirname(os.path.abspath(__file__))
KILLED = "broker-killed"  # the operation during which the broker is killed; drivers do it if asked alone
KILLS = (1, 2.5, 2.5)  # seconds until each
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]  # by their number in a batch's attributes


def debian(*names):
    """Modules of Debian's packages, which are for Debian's Python alone: it takes over from another that has none of them."""
    try:
        return [importlib.import_module(name) for name in names]
    except ImportError:
        if sys.executable != "/usr/bin/python3":
            os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])
        raise


class KafkaBroker(Broker):
    """The compact listener is there as well: kcat has its topics created by the program itself. The clock is trusted, which no kernel says in a container: Burrow passes over
    commits of more than a week ago, and a broker that does not trust its clock stamps them with the time since boot."""

    rebalance_delay = "100ms"

    def __init__(self, folder, *more):
        self.kafka_port = free_port()
        super().__init__(folder, "--set", f"listener.kafka.bind=127.0.0.1:{self.kafka_port}", "--set", "memory.total=48M",
                         "--set", "clock.trust=always", "--set", "storage.size=192M", "--set", "storage.segment_bytes=4M",
                         "--set", f"broker.group.initial.rebalance.delay.ms={self.rebalance_delay}", *more)

    @property
    def kafka(self):
        return f"127.0.0.1:{self.kafka_port}"


def text(value):
    return struct.pack(">h", len(value)) + value.encode()


def codecs_stored(port, topic):
    """The codecs of all batches of partition 0, by Fetch version 10, and the offset behind the last."""
    found, offset = set(), 0
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        while True:
            body = struct.pack(">hhi", 1, 10, 1) + text("look") + struct.pack(">iiiibiii", -1, 100, 1, 1 << 20, 0, 0, -1, 1) + text(topic)
            body += struct.pack(">iiiqqii", 1, 0, -1, offset, -1, 1 << 20, 0)
            connection.sendall(struct.pack(">i", len(body)) + body)
            stream = connection.makefile("rb")
            answer = stream.read(struct.unpack(">i", stream.read(4))[0])
            at = 4 + 4 + 2 + 4 + 4 + 2 + len(topic) + 4
            error, _, _, _, aborted = struct.unpack_from(">4xhqqqi", answer, at)
            if error:
                raise ValueError(f"fetching {topic}: error {error}")
            records = answer[at + 34 + 16 * max(aborted, 0) + 4:]
            if not records:
                return found, offset
            while len(records) >= 61:
                base, length = struct.unpack_from(">qi", records)
                if length + 12 > len(records):
                    break
                attributes, last = struct.unpack_from(">hi", records, 21)
                found.add(CODECS[attributes & 7])
                offset = base + last + 1
                records = records[12 + length:]


class Run:
    """One client's driver against one broker, in a thread of its own; `answers` maps an operation to (state, why)."""

    def __init__(self, name, command, broker, environment=None, seconds=300, operations=None):
        self.name, self.broker, self.answers, self.noise, self.took = name, broker, {}, "", 0.0
        self.command, self.seconds, self.operations = command, seconds, sys.argv[2:] if operations is None else operations
        self.environment = {**os.environ, "RIVULET": RIVULET, "RIVULET_COMPACT": broker.address, **(environment or {})}
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self):
        start = time.monotonic()
        prefix = self.topic()
        with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as noise:
            try:
                done = subprocess.run([*self.command, self.broker.kafka, prefix, *self.operations], stdout=subprocess.PIPE, stderr=noise, timeout=self.seconds,
                                      env=self.environment, check=False)
                said, end = done.stdout, f"exit {done.returncode}"
            except subprocess.TimeoutExpired as late:
                said, end = late.stdout or b"", f"not done after {self.seconds} s"
            except OSError as error:
                said, end = b"", str(error)
            noise.seek(0)
            self.noise = noise.read()[-2000:]
        for line in said.decode("utf-8", "replace").splitlines():
            state, _, rest = line.partition(" ")
            operation, _, why = rest.partition(": ")
            if state in ("ok", "failed", "absent"):
                self.answers[operation] = (state, why)
        if not self.answers or (end != "exit 0" and not self.failures()):
            self.answers["driver"] = ("failed", f"{end}; {self.noise[-300:]}")
        self.took = time.monotonic() - start
        for codec in CODECS:
            if self.answers.get(f"codec-{codec}", ("", ""))[0] == "ok":
                self.look_at(codec, f"{prefix}-codec-{codec}")

    def look_at(self, codec, topic):
        try:
            stored, end = codecs_stored(self.broker.kafka_port, topic)
            read = subprocess.run([RIVULET, "consume", topic, "--bootstrap", self.broker.address, "--partition", "0", "--from-beginning", "--max-messages", str(end), "--timeout", "10s", "--format", r"%o\n"],
                                  stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False).stdout.decode("utf-8", "replace")
        except (OSError, ValueError, struct.error, subprocess.TimeoutExpired) as error:
            stored, end, read = {repr(error)}, 0, ""
        if stored != {codec}:
            self.answers[f"codec-{codec}"] = ("failed", f"stored with {sorted(stored)}")
        elif read.split() != [str(offset) for offset in range(end)]:
            self.answers[f"codec-{codec}"] = ("failed", f"rivulet consume gives {read[-200:]!r} in place of {end} offsets")

    def topic(self, *operation):
        return "-".join([self.name.replace(" ", "-"), *operation])

    def failures(self):
        return {o: why for o, (state, why) in self.answers.items() if state == "failed"}


def killed(broker, clients, seconds=300):
    """Each client produces and reads while the broker is killed and started again, as soon as all have begun."""
    if not clients:
        return []
    runs = [Run(name, command, broker, environment, seconds, [KILLED]) for name, command, environment in clients]
    end = time.monotonic() + 60
    while any(r.thread.is_alive() and r.topic(KILLED) not in topics(broker) for r in runs) and time.monotonic() < end:
        time.sleep(0.2)
    for pause in KILLS:
        time.sleep(pause)
        broker.kill()
        time.sleep(0.3)
        broker.start()
    for run in runs:
        run.thread.join()
    return runs


def topics(broker):
    return [t["name"] for t in json.loads(rivulet("topic", "list", "--json", "--bootstrap", broker.address, code=0).out)]


def together(runs, more):
    """Of each client one run, with the answers of both."""
    of = {run.name: run for run in runs}
    for run in more:
        if run.name in of:
            of[run.name].answers.update(run.answers)
            of[run.name].noise += run.noise
            of[run.name].took += run.took
    return runs or more


def tell(runs):
    """Waits for all, prints what failed, and the sum. Returns the exit code."""
    passed = failed = absent = 0
    for run in runs:
        run.thread.join()
        states = [state for state, _ in run.answers.values()]
        passed += states.count("ok")
        failed += states.count("failed")
        absent += states.count("absent")
        print(f"{run.name}: {states.count('ok')} ok, {states.count('failed')} failed, {states.count('absent')} absent, {run.took:.1f} s")
        for operation, why in run.failures().items():
            print(f"    failed: {operation}: {why}")
        if run.failures() and run.noise.strip():
            print("    it said: " + run.noise.strip()[-800:].replace("\n", "\n    "))
    print(f"{absent} absent: operations that a client does not have")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def table(runs):
    """Markdown, a row per operation and a column per client."""
    operations = list(dict.fromkeys(o for run in runs for o in run.answers))
    lines = ["| | " + " | ".join(run.name for run in runs) + " |", "|---" * (len(runs) + 1) + "|"]
    for operation in operations:
        cells = [{"ok": "yes", "failed": "**no**", "absent": "-"}.get(run.answers.get(operation, ("absent", ""))[0]) for run in runs]
        lines.append(f"| {operation} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
