"""Runs the benchmarks and prints a line for each figure: name, figure, target, pass or fail. README.md says what they measure."""

import argparse
import contextlib
import json
import os
import re
import resource
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # the folders are part of the source tree
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "interop"))

import cost
import groups
import kafka
import peers
from harness import MIB, RIVULET, ROOT, Broker, LoopDevice, Marked, Report, beside, in_memory, load, memory, program, run, temporary
from _wire import Wire

# ---- 1. bytes to flash ----

SHAPES = {  # name -> readings, bytes, sessions of a partition; most bytes handed to the disk per payload byte
    "64 x 200 B": (1, 200, 1, 1.7),
    "64 x 4 x 50 B, one session": (4, 50, 1, 2.1),
    "64 x 4 x 50 B, four sessions": (4, 50, 4, 2.3),
}
DEVICE_LIMIT = 1.9  # of the first shape
# Small segments, so that they change and checkpoints are written while we look; with less memory than flash, as always.
SMALL_RING = {
    "memory.total": "12M", "storage.size": "32M", "storage.segment_bytes": "512K", "storage.checkpoint_bytes_max": "128K", "limits.batch_bytes": "64K",
    "defaults.max.message.bytes": "64K", "limits.topics": 8, "limits.partitions": 64, "limits.sessions": 512, "limits.producers": 64, "limits.connections": 300,
    "limits.tls_connections": 16, "limits.parked_fetches": 64,
}


def flash(report, quick):
    hours = 0.2 if quick else 2
    done = subprocess.run([program("store_bytes"), str(hours)], stdout=subprocess.PIPE, text=True, timeout=120)
    limits = {name: shape[3] for name, shape in SHAPES.items()}
    limits["64 x 200 B, all at once"] = 1.7
    for line in done.stdout.splitlines():
        found = json.loads(line)
        name = f"flash, {hours:g} virtual hours: {found['name']}"
        if found["name"] in limits:
            report.check(name, found["ratio"], limits[found["name"]])
        else:
            report.note(name, f"{found['ratio']:.2f}")
    if done.returncode != 0:
        report.fail("flash, virtual hours", f"exit {done.returncode}")
    flash_real(report, 20 if quick else 42)


def flash_real(report, seconds):
    """All shapes at once, each on a device of its own: at a reading a second they do not disturb each other."""
    with temporary(in_memory(128 * MIB * 4)) as folder, contextlib.ExitStack() as stack:
        devices = {}
        try:
            for number, name in enumerate([*SHAPES, "files"]):
                devices[name] = LoopDevice(folder, f"d{number}", 128 * MIB)
                stack.callback(devices[name].close)
        except (RuntimeError, OSError) as error:
            report.skip("flash at the block device", f"losetup and mount are not permitted here ({error})")
            devices = {}
        brokers, writers = {}, {}
        for number, (name, (readings, size, sessions, _)) in enumerate(SHAPES.items()):
            where = devices[name].mount if devices else f"{folder}/plain{number}"
            broker = stack.enter_context(Broker(where + "/store", SMALL_RING))
            broker.topic(config="commit.interval.ms=1000")
            broker.load("fill", total=34 * MIB, bytes=1000, frame=16384)  # the first lap is over
            brokers[name] = broker
            writers[name] = Marked(load(broker.port, "ticks", readings=readings, bytes=size, sessions=sessions, seconds=seconds))
            stack.callback(writers[name].end)
        if devices:
            writers["files"] = Marked([program("files"), devices["files"].mount, "64", "200", str(seconds)])
            stack.callback(writers["files"].end)

        def sample(which):
            found = {}
            for name, writer in writers.items():
                found[name] = dict(writer.mark(which))
                if name in devices:
                    found[name]["device"] = devices[name].bytes_written()
                if name in brokers:
                    found[name]["wchar"] = brokers[name].counters()["wchar"]
            return found

        before, after = sample("begin"), sample("end")
        for name in writers:
            delta = {k: after[name][k] - before[name][k] for k in before[name] if k != "mark"}
            if name in brokers:
                # What went to sockets went through write calls too.
                report.check(f"flash, {seconds} s: {name}: handed to the disk", (delta["wchar"] - delta["received"]) / delta["payload"], SHAPES[name][3])
            if "device" in delta and name == "64 x 200 B":
                report.check(f"flash, {seconds} s: {name}: at the device", delta["device"] / delta["payload"], DEVICE_LIMIT)
            elif "device" in delta:
                what = "a file and a sync per partition, 64 x 200 B" if name == "files" else name
                report.note(f"flash, {seconds} s: {what}: at the device", f"{delta['device'] / delta['payload']:.2f}")


# ---- 2. restart ----

def drop_cache(folder):
    """What a power cut does to the page cache, for the files of one store. Their owner may: unlike vm.drop_caches it needs no privilege."""
    for name in os.listdir(folder):
        with open(os.path.join(folder, name), "rb") as f:
            os.fdatasync(f.fileno())
            os.posix_fadvise(f.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def compact(report, quick):
    """A topic of last known values, one with cleanup.policy=compact and one without, on a disk that is simulated."""
    done = subprocess.run([program("compact_bytes"), "1" if quick else "4"], stdout=subprocess.PIPE, text=True, timeout=120)
    plain = {}
    # What min.cleanable.dirty.ratio = 0.75 promises; nothing where much is alive, since the ring forces more.
    limits = {"1000 keys": 0.34}
    for line in done.stdout.splitlines():
        found = json.loads(line)
        if found["policy"] == "delete":
            plain[found["name"]] = found["written"] / found["appended"]
            continue
        name = f"compact: {found['name']}: written anew per byte appended"
        extra = found["relocated"] / found["appended"]
        if found["name"] in limits:
            report.check(name, extra, limits[found["name"]])
        else:
            report.note(name, f"{extra:.2f}")
        report.note(f"compact: {found['name']}: bytes written per byte appended / the same with delete", f"{found['written'] / found['appended'] / plain[found['name']]:.2f}")
        report.note(f"compact: {found['name']}: memory for each key of limits.compact_keys", f"{found['cleaner_bytes'] / found['keys']:.1f} B")
    if done.returncode != 0:
        report.fail("compact", f"exit {done.returncode}")


def restart(report, quick):
    size = 512 * MIB if quick else 4096 * MIB
    where = tempfile.gettempdir()
    if shutil.disk_usage(where).free < size + 1024 * MIB:
        report.skip("restart", f"{where} has no room for a store of {size // MIB} MiB")
        return
    geometry = {"storage.size": size, "storage.segment_bytes": "8M"}
    fast = {"memory.total": "96M", "memory.ring_min": "16M", "storage.commit_bytes": "4M", "limits.credit_bytes": "2M", "limits.receive_pool_bytes": "8M"}
    with temporary() as folder:
        store = folder + "/store"
        with Broker(store, {**geometry, **fast}) as broker:
            broker.topic(partitions=64)
            broker.load("fill", total=int(size * 1.02), bytes=1000, connections=4)
        times, opened, read = [], [], []
        for _ in range(3):
            with Broker(store, geometry) as broker:
                # Killed in the middle of writing: sensors at work on all partitions.
                with beside(load(broker.port, "closed", connections=16, window=64, bytes=200, seconds=60)):
                    time.sleep(2)
                    broker.kill()
            drop_cache(store)
            with Broker(store, geometry, fetch="bench") as broker:
                opened.append(broker.ready - broker.started)
                times.append(broker.fetched - broker.started)
                found = re.search(r"replayed from (\d+) bytes", broker.log())
                read.append(int(found.group(1)) if found else 0)
        report.check(f"restart, store of {size // MIB} MiB after kill -9: exec to a fetch answered", statistics.median(times), 1, unit=" s")
        report.note("restart: exec to a connection opened", f"{statistics.median(opened):.2f} s")
        report.note("restart: slowest of three", f"{max(times):.2f} s")
        report.note("restart: read by recovery", " ".join(f"{n / MIB:.1f}" for n in read) + " MiB")


# ---- 3. readers ----

def readers(report, quick):
    payload = (64 if quick else 512) * MIB
    ring = payload * 2
    with temporary(in_memory(ring + 512 * MIB)) as folder:
        settings = {"storage.size": ring, "storage.commit_bytes": "16K", "limits.connections": 256, "limits.tls_connections": 16, "limits.aliases_per_connection": 64}
        with Broker(folder + "/store", settings) as broker:
            # Groups as at 1 Hz: a reading of each partition, committed together.
            broker.topic(config="commit.interval.ms=0")
            filled = broker.load("fill", rounds=1, total=payload, bytes=200)
            report.note("readers: filled with rounds of 64 x 200 B", f"{filled['payload'] / MIB:.0f} MiB")
            journal = folder + "/store/journal"
            length = min(int(payload * 1.5), ring - 16 * MIB)
            cat, all_of_them, ratios, few, own, alone, amplification, read_by_all = [], [], [], [], [], [], [], []
            for _ in range(3 if quick else 5):
                cat.append(run([program("cat_socket"), journal, str(8 * MIB), str(length)])["rate"])
                # By turns and compared pair by pair: who else uses the machine is at work during both.
                before = broker.counters()["rchar"]
                found = broker.load("consume")
                all_of_them.append(found["rate"])
                ratios.append(found["rate"] / cat[-1] * 100)
                read_by_all.append((broker.counters()["rchar"] - before) / found["bytes"])
                few.append(broker.load("consume", connections=8)["rate"] / cat[-1] * 100)
                # The command's bytes are those of the values alone.
                command = [RIVULET, "bench", "consume", "bench", "--json", "--bootstrap", f"127.0.0.1:{broker.port}"]
                own.append(run(command)["bytes_per_s"] * found["bytes"] / filled["payload"] / cat[-1] * 100)
                before = broker.counters()["rchar"]
                one = broker.load("consume", partitions=1, first=17)
                alone.append(one["rate"])
                amplification.append((broker.counters()["rchar"] - before) / one["bytes"])
            report.check("readers: all 64 from earliest / cat journal", statistics.median(ratios), 50, above=True, unit="%")
            report.note("readers: the same over 8 connections", f"{statistics.median(few):.0f}%")
            report.note("readers: the same by `rivulet bench consume`, one connection", f"{statistics.median(own):.0f}%")
            report.note("readers: cat journal through a socket", f"{statistics.median(cat) / MIB:.0f} MiB/s")
            report.note("readers: all 64", f"{statistics.median(all_of_them) / MIB:.0f} MiB/s")
            report.note("readers: all 64: read amplification", f"{statistics.median(read_by_all):.1f}")
            report.note("readers: one partition alone", f"{statistics.median(alone) / MIB:.1f} MiB/s")
            report.note("readers: its read amplification", f"{statistics.median(amplification):.1f}")
            producer_beside(report, broker, quick)


def producer_beside(report, broker, quick):
    """A producer's 99th percentile with 64 readers at work over that without them, by turns."""
    seconds = 2 if quick else 4
    for interval, judged in (("100", True), ("0", False)):
        topic = "sensors" + interval
        broker.topic(topic, 16, f"commit.interval.ms={interval}")
        broker.load("latency", topic=topic, seconds=1)
        quiet, busy = [], []
        for _ in range(3):
            quiet.append(broker.load("latency", topic=topic, seconds=seconds)["p99_ms"])
            with beside(load(broker.port, "consume", seconds=seconds + 1)) as others:
                time.sleep(0.5)
                busy.append(broker.load("latency", topic=topic, seconds=seconds)["p99_ms"])
                if others.wait(60) != 0:
                    raise RuntimeError("the readers failed")
        ratio = statistics.median(busy) / statistics.median(quiet)
        detail = f"{statistics.median(busy):.1f} / {statistics.median(quiet):.1f} ms"
        if judged:
            report.check(f"readers: a producer's p99 beside / without them ({detail})", ratio, 1.5, unit="x")
        else:
            report.note(f"readers: the same with commit.interval.ms=0 ({detail})", f"{ratio:.2f}x")


# ---- 4. memory ----

def memory_use(report, quick):
    with temporary(in_memory(1024 * MIB)) as folder:
        with Broker(folder + "/idle", {"memory.prefault": "off"}) as broker:
            time.sleep(2)
            idle = memory(broker.pid)
            report.check("memory, idle, prefault=off: resident", idle["VmRSS"] / MIB, 4, unit=" MiB")
            report.note("memory, idle: of that not of the program file", f"{idle['RssAnon'] / MIB:.2f} MiB")
        for profile in ("8M", "32M"):
            config = f"{ROOT}/config/profile-{profile}.conf"
            printed = json.loads(subprocess.run([RIVULET, "check-config", "-c", config, "--json"], stdout=subprocess.PIPE, check=True).stdout)
            limits = {line["name"]: line["count"] for line in printed["memory"]}
            connections = limits["connections"]
            aliases = limits["aliases"] // connections
            frame = 16384 if profile == "8M" else 60000
            with Broker(f"{folder}/{profile}", {"storage.size": "128M"}, config) as broker:
                broker.topic(partitions=limits["logs"], config="commit.interval.ms=10")
                broker.load("fill", total=(16 if quick else 64) * MIB, bytes=1000, frame=frame, partitions=min(limits["logs"], aliases * 16), connections=16)
                result = broker.load("hold", connections=connections, partitions=limits["logs"], aliases=aliases, frame=frame, bytes=1000, seconds=4 if quick else 8)
                peak = memory(broker.pid)["VmHWM"]
            report.note(f"memory, profile-{profile}, full load: connections cut off, readings", f"{result['gone']}, {result['acked']}")
            report.check(f"memory, profile-{profile}, full load: peak / printed sum", peak / printed["memory_total"], 1)
            report.note(f"memory, profile-{profile}, full load: peak", f"{peak / MIB:.2f} MiB")


# ---- 5. idle connections ----

def idle_connections(report, quick):
    """As many as the default limit allows, opened and then silent."""
    connections = 200 if quick else 1000
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * connections)), hard))
    with temporary(in_memory(512 * MIB)) as folder, contextlib.ExitStack() as stack:
        broker = stack.enter_context(Broker(folder + "/store", {"storage.size": "128M", "memory.prefault": "off"}))
        time.sleep(1)
        before = memory(broker.pid)["VmRSS"]
        for _ in range(connections):
            stack.enter_context(Wire(broker.port)).open()
        time.sleep(2)
        after = memory(broker.pid)["VmRSS"]
        report.check(f"idle: {connections} connections, prefault=off: resident ({after} bytes)", after / MIB, 8, unit=" MiB")
        report.note("idle: before the first of them", f"{before / MIB:.2f} MiB")
        report.note("idle: each of them", f"{(after - before) / connections:.0f} B")


PARTS = {"flash": flash, "compact": compact, "restart": restart, "readers": readers, "memory": memory_use, "idle": idle_connections, "peers": peers.peers, "latency": cost.latency, "cost": cost.cost,
         "kafka-mock": kafka.kafka_mock, "kafka-peer": kafka.kafka_peer, "groups": groups.groups}


def main():
    parser = argparse.ArgumentParser(prog="run.sh")
    parser.add_argument("--only", default=",".join(PARTS), help="of " + ",".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="small and short: to try the benchmarks, not the broker")
    arguments = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # by nohup
            signal.signal(number, lambda which, _: sys.exit(128 + which))  # so that what was started is ended and removed
    report = Report()
    for name in arguments.only.split(","):
        begin = time.monotonic()
        try:
            PARTS[name](report, arguments.quick)
        except (RuntimeError, OSError, subprocess.SubprocessError, json.JSONDecodeError) as error:
            report.fail(name, str(error))
        print(f"({name}: {time.monotonic() - begin:.0f} s)", flush=True)
    print(f"{report.passed} passed, {report.failed} failed")
    return 0 if report.failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
