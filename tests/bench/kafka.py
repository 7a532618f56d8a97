"""Kafka's C library, with its defaults, against this broker, its own mock broker and Apache Kafka: rates, CPU, memory, latencies."""

import contextlib
import json
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import uuid

from harness import MIB, Broker, Marked, beside, counters, dies_with_us, in_memory, memory, program, run, temporary
from _cli import Failed, free_port
from _fetch import jars

PAYLOAD, PARTITIONS = 100, 4
CLIENT = "rdkafka"
NO_CLIENT = "Debian's librdkafka-dev is absent"
OF_MOCK = 90      # per cent of what the same client reaches against its mock broker
PER_CPU = 2       # times the records of Apache Kafka per CPU second
OF_MEMORY = 0.1   # of its resident memory
RATE = 1000       # records/s at which latency is looked at
KAFKA_VERSION = "4.3.1"
IN_RAM = "rivulet in RAM"
RIVULET_SYNCS, KAFKA_SYNCS = "on flash: synced before the acknowledgement", "page cache: never synced by default"


def client(bootstrap, command, **options):
    argv = [program(CLIENT), command, "--bootstrap", bootstrap]
    for key, value in options.items():
        argv += ["--" + key, str(value)]
    return argv


def have_client():
    return os.path.exists(program(CLIENT))


def measured(pid, argv):
    """One run of the client: records a second, and what each costs the server."""
    running = Marked(argv)
    try:
        running.mark("begin")
        before = counters(pid)["cpu"]
        end = running.mark("end")
        cpu = counters(pid)["cpu"] - before
    finally:
        running.end()
    if end["records"] == 0:
        raise RuntimeError(f"{' '.join(argv)}: no record")
    return {**end, "rate": end["records"] / end["seconds"], "cpu": cpu / end["records"] * 1e6, "client": end["client_cpu"] / end["records"] * 1e6}


def median(runs, what):
    return statistics.median(found[what] for found in runs)


def rivulet(folder, stack, settings=None):
    port = free_port()
    broker = stack.enter_context(Broker(folder + "/store", {"storage.size": "512M", "listener.kafka.bind": f"127.0.0.1:{port}", **(settings or {})}))
    return broker, f"127.0.0.1:{port}"


# ---- beside the client's mock broker ----

@contextlib.contextmanager
def mock(partitions):
    """In a process of its own, as a broker is: in the client's it would take turns with it and need no loopback. It keeps what it has in RAM, and does nothing else with it."""
    with beside([program(CLIENT), "mock", "--topic", "bench", "--partitions", str(partitions)]) as process:
        yield process.pid, json.loads(process.stdout.readline())["bootstrap"]


def kafka_mock(report, quick):
    if not have_client():
        return report.skip("kafka-mock", NO_CLIENT)
    repetitions, seconds = (1, 0.5) if quick else (7, 2)
    many, records = 16, 100_000 if quick else 400_000  # the mock broker keeps 5 MB of a partition
    produced, consumed, small = {"mock": [], "rivulet": [], IN_RAM: []}, {"mock": [], "rivulet": []}, {"bench": [], "fast": []}
    with temporary() as folder, temporary(in_memory(1024 * MIB)) as ram, contextlib.ExitStack() as stack:
        broker, address = rivulet(folder, stack)
        in_ram, ram_address = rivulet(ram, stack)
        run(client(ram_address, "topic", topic="bench", partitions=PARTITIONS))
        run(client(address, "topic", topic="bench", partitions=PARTITIONS))
        run(client(address, "topic", topic="read", partitions=many))
        run(client(address, "topic", topic="fast", partitions=PARTITIONS, config="commit.interval.ms=0"))
        servers = {"mock": stack.enter_context(mock(PARTITIONS)), "rivulet": (broker.pid, address), IN_RAM: (in_ram.pid, ram_address)}
        readers = {"mock": (*stack.enter_context(mock(many)), "bench"), "rivulet": (broker.pid, address, "read")}
        for _ in range(repetitions):
            for name, (pid, where) in servers.items():
                produced[name].append(measured(pid, client(where, "produce", topic="bench", bytes=PAYLOAD, seconds=seconds)))
        for topic, found in small.items():
            for _ in range(1 if quick else 3):
                found.append(measured(broker.pid, client(address, "produce", topic=topic, bytes=PAYLOAD, seconds=seconds, conf="enable.idempotence=true,batch.num.messages=10")))
        for pid, where, topic in readers.values():
            run(client(where, "produce", topic=topic, partitions=many, bytes=PAYLOAD, total=records))
        for _ in range(repetitions):
            for name, (pid, where, topic) in readers.items():
                consumed[name].append(measured(pid, client(where, "consume", topic=topic, partitions=many, total=records, rounds=1 if quick else 4)))
    report.text(f"  100 B records, acks=all, the client's defaults; medians of {repetitions}, by turns, on the disk of {tempfile.gettempdir()}. The mock broker is a process of its own.")
    report.text(f"  mock: RAM, its oldest records go beyond 5 MB of a partition; rivulet: {RIVULET_SYNCS}; {IN_RAM}: the same with its store in RAM, where a sync takes no time")
    for what, runs in (("produced", produced), ("consumed", consumed)):
        for name, found in runs.items():
            report.text(f"    {what} {name:<15}{median(found, 'rate'):10.0f}/s   CPU of the server {median(found, 'cpu'):5.2f} us, of the client {median(found, 'client'):5.2f} us a record")
        report.check(f"kafka-mock: {what} / with its mock broker", median(runs["rivulet"], "rate") / median(runs["mock"], "rate") * 100, OF_MOCK, above=True, unit="%")
    report.note("kafka-mock: produced, store in RAM / with its mock broker", f"{median(produced[IN_RAM], 'rate') / median(produced['mock'], 'rate') * 100:.0f}%")
    for topic, found in small.items():
        report.note(f"kafka-mock: idempotent, batches of 10, commit.interval.ms={'100' if topic == 'bench' else '0'}", f"{median(found, 'rate'):.0f}/s")
    return None


# ---- beside Apache Kafka ----

# config/server.properties of its distribution, but for the ports and the folder.
SERVER_PROPERTIES = """process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers=localhost:{controller}
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
inter.broker.listener.name=PLAINTEXT
advertised.listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT,SASL_SSL:SASL_SSL
num.network.threads=3
num.io.threads=8
socket.send.buffer.bytes=102400
socket.receive.buffer.bytes=102400
socket.request.max.bytes=104857600
log.dirs={folder}/logs
num.partitions=1
num.recovery.threads.per.data.dir=1
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
log.retention.hours=168
log.segment.bytes=1073741824
log.retention.check.interval.ms=300000
"""
# What kafka-server-start.sh and kafka-run-class.sh give it.
JAVA = ["java", "-Xmx1G", "-Xms1G", "-server", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20", "-XX:InitiatingHeapOccupancyPercent=35", "-XX:+ExplicitGCInvokesConcurrent",
        "-Djava.awt.headless=true"]


@contextlib.contextmanager
def apache_kafka(folder):
    """One node with its defaults, with an empty log: its pid and address."""
    classes = ["-cp", os.path.join(jars(KAFKA_VERSION), "*")]
    os.mkdir(folder)
    port = free_port()
    with open(folder + "/server.properties", "w") as f:
        f.write(SERVER_PROPERTIES.format(port=port, controller=free_port(), folder=folder))
    cluster = uuid.uuid4().hex[:22]
    subprocess.run(["java", *classes, "kafka.tools.StorageTool", "format", "--standalone", "-t", cluster, "-c", f.name], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120,
                   check=True)
    with open(folder + "/out", "wb") as log:
        process = subprocess.Popen([*JAVA, *classes, "kafka.Kafka", f.name], stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=dies_with_us)
    try:
        deadline = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            if process.poll() is not None or time.monotonic() > deadline:
                with open(folder + "/out", errors="replace") as f:
                    raise RuntimeError(f"Apache Kafka does not start: {f.read()[-500:].strip()}")
            time.sleep(0.1)
        yield process.pid, f"127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()


def age(pid, where, topic, seconds):
    """At RATE records/s: how long until they are acknowledged, and until a consumer has them."""
    with beside(client(where, "follow", topic=topic, partitions=PARTITIONS, seconds=seconds)) as follower:
        time.sleep(1)
        found = measured(pid, client(where, "produce", topic=topic, bytes=PAYLOAD, rate=RATE, seconds=seconds + 1))
        read = json.loads(follower.communicate(timeout=60)[0].splitlines()[-1])
    return {"p50": found["p50_us"] / 1e3, "p99": found["p99_us"] / 1e3, "read p50": read["p50_us"] / 1e3, "read p99": read["p99_us"] / 1e3, "cpu": found["cpu"]}


def kafka_peer(report, quick):
    if not have_client():
        return report.skip("kafka-peer", NO_CLIENT)
    if not shutil.which("java"):
        return report.skip("kafka-peer", "java is absent; Debian's openjdk-17-jre-headless holds it")
    try:
        jars(KAFKA_VERSION)
    except (Failed, OSError, subprocess.SubprocessError) as why:
        return report.skip("kafka-peer", f"Apache Kafka {KAFKA_VERSION} cannot be fetched: {why}")
    repetitions, seconds, records = (1, 1, 100_000) if quick else (5, 3, 1_000_000)
    with temporary() as folder, contextlib.ExitStack() as stack:
        kafka = stack.enter_context(apache_kafka(folder + "/kafka"))
        broker, address = rivulet(folder, stack)
        servers = {f"Apache Kafka {KAFKA_VERSION}": kafka, "rivulet": (broker.pid, address)}
        theirs, ours = servers
        for name, (pid, where) in servers.items():
            for topic in ("bench", "read"):
                run(client(where, "topic", topic=topic, partitions=PARTITIONS))
            run(client(where, "topic", topic="fast", partitions=PARTITIONS, config="commit.interval.ms=0" if name == ours else ""))
            # Its code is compiled by the time that it is measured.
            measured(pid, client(where, "produce", topic="bench", bytes=PAYLOAD, seconds=1 if quick else 15))
        produced, consumed, ages = ({name: [] for name in servers} for _ in range(3))
        for _ in range(repetitions):
            for name, (pid, where) in servers.items():
                produced[name].append(measured(pid, client(where, "produce", topic="bench", bytes=PAYLOAD, seconds=seconds)))
        # Now, since what was produced before is beyond the ring's end.
        for name, (pid, where) in servers.items():
            run(client(where, "produce", topic="read", partitions=PARTITIONS, bytes=PAYLOAD, total=records))
            measured(pid, client(where, "consume", topic="read", partitions=PARTITIONS, total=records, rounds=1 if quick else 5))
        for _ in range(repetitions):
            for name, (pid, where) in servers.items():
                consumed[name].append(measured(pid, client(where, "consume", topic="read", partitions=PARTITIONS, total=records)))
        for _ in range(repetitions):
            for name, (pid, where) in servers.items():
                ages[name].append(age(pid, where, "fast", seconds * 2))
        resident = {name: memory(pid) for name, (pid, _) in servers.items()}
    report.text(f"  100 B records, acks=all, one client with its defaults; medians of {repetitions}, by turns, on the disk of {tempfile.gettempdir()}")
    for name in servers:
        report.text(f"    {name} ({RIVULET_SYNCS if name == ours else KAFKA_SYNCS})")
        for what, runs in (("produced", produced[name]), ("consumed", consumed[name])):
            report.text(f"      {what} {median(runs, 'rate'):10.0f}/s  CPU {median(runs, 'cpu'):6.2f} us a record")
        report.text(f"      at {RATE}/s: acknowledged p50 {median(ages[name], 'p50'):.1f} ms, p99 {median(ages[name], 'p99'):.1f} ms; read p50 {median(ages[name], 'read p50'):.1f} ms,"
                    f" p99 {median(ages[name], 'read p99'):.1f} ms; CPU {median(ages[name], 'cpu'):.0f} us a record; linger.ms=5 is in it")
        report.text(f"      resident {resident[name]['VmRSS'] / MIB:.1f} MiB, peak {resident[name]['VmHWM'] / MIB:.1f} MiB")
    for what, runs in (("produced", produced), ("consumed", consumed)):
        report.check(f"kafka-peer: records {what} per CPU second / Apache Kafka's", median(runs[theirs], "cpu") / median(runs[ours], "cpu"), PER_CPU, above=True, unit="x")
        report.note(f"kafka-peer: records {what} a second / Apache Kafka's", f"{median(runs[ours], 'rate') / median(runs[theirs], 'rate'):.2f}x")
    report.check("kafka-peer: resident memory, peak / Apache Kafka's", resident[ours]["VmHWM"] / resident[theirs]["VmHWM"], OF_MEMORY)
    for what, how in (("p99", "acknowledged"), ("read p99", "read")):
        report.check(f"kafka-peer: at {RATE}/s: p99 until {how} / Apache Kafka's", median(ages[ours], what) / median(ages[theirs], what), 1, unit="x")
    return None
