"""Acknowledged readings of 100 B beside Redis, NATS JetStream and Mosquitto, by one generator: rates, latencies, CPU, bytes at the device."""

import contextlib
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time

from harness import MIB, Broker, LoopDevice, Marked, cpu_seconds, dies_with_us, in_memory, program, stop, temporary
from _cli import free_port

PAYLOAD = 100
PARTITIONS = 4
SHAPES = [(1, 1), (16, 1), (1, 256), (16, 64)]  # connections, readings that each keeps unacknowledged, rounded up to whole frames
# The least ratio of acknowledged readings to Redis' (appendfsync always), and the most bytes at the device per payload byte.
RATES = {(1, 1): 0.9, (16, 1): 1.5, (1, 256): 2, (16, 64): 2}
DEVICE = {(1, 1): 45, (1, 256): 1.4, (16, 64): 1.25}
CPU_SINGLE, CPU_PACKED = 2, 0.5  # us per reading, at 16 x 64
PACK = 20

REDIS, NATS, MOSQUITTO = "redis, appendfsync always", "nats jetstream, file", "mosquitto, QoS 1"
SINGLE, PACKED = "rivulet", f"rivulet, packed by {PACK}"
BINARIES = {REDIS: "redis-server", NATS: "nats-server", MOSQUITTO: "mosquitto"}
MEANS = {
    SINGLE: "synced, once per session", REDIS: "synced", NATS: "page cache: synced every 2 min", MOSQUITTO: "RAM: saved every 30 min; queued for a client that is away",
}


def find(binary):
    return shutil.which(binary, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def settings_file(folder, text):
    with open(folder + "/settings", "w") as f:
        f.write(text)
    return f.name


def redis(binary, folder, port):
    # A rewrite of the file in the middle of a run would be measured too.
    return [binary, "--bind", "127.0.0.1", "--port", str(port), "--dir", folder, "--save", "", "--appendonly", "yes", "--appendfsync", "always",
            "--auto-aof-rewrite-percentage", "0", "--daemonize", "no", "--loglevel", "warning"]


def nats(binary, folder, port):
    return [binary, "-c", settings_file(folder, f'listen: "127.0.0.1:{port}"\njetstream {{ store_dir: "{folder}/js" }}\n')]


def mosquitto(binary, folder, port):
    user = "user root\n" if os.geteuid() == 0 else ""
    return [binary, "-c", settings_file(folder, f"{user}listener {port} 127.0.0.1\nallow_anonymous true\npersistence true\npersistence_location {folder}/\n"
                                                "max_inflight_messages 0\nmax_queued_messages 0\nset_tcp_nodelay true\nlog_dest none\n")]


def mosquitto_subscriber(port):
    """A session that is kept and goes away: without one, nothing is stored at all."""
    with socket.create_connection(("127.0.0.1", port), 5) as s:
        s.sendall(b"\x10\x10\x00\x04MQTT\x04\x00\x00\x00\x00\x04away")
        s.recv(4, socket.MSG_WAITALL)
        s.sendall(b"\x82\x0c\x00\x01\x00\x07bench/#\x01")
        s.recv(5, socket.MSG_WAITALL)
        s.sendall(b"\xe0\x00")


ARGUMENTS = {REDIS: redis, NATS: nats, MOSQUITTO: mosquitto}
PROTOCOLS = {REDIS: "redis", NATS: "nats", MOSQUITTO: "mosquitto", SINGLE: "compact", PACKED: "compact"}


@contextlib.contextmanager
def started(name, folder):
    """A peer with an empty store in `folder`, on a port of the loopback: its pid and port."""
    port = free_port()
    os.mkdir(folder)
    with open(folder + "/log", "wb") as log:
        process = subprocess.Popen(ARGUMENTS[name](find(BINARIES[name]), folder, port), stdin=subprocess.DEVNULL, stdout=log, stderr=log, preexec_fn=dies_with_us)
    try:
        deadline = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            if process.poll() is not None or time.monotonic() > deadline:
                with open(folder + "/log", errors="replace") as f:
                    raise RuntimeError(f"{name} does not start: {f.read()[-300:].strip()}")
            time.sleep(0.005)
        if name == MOSQUITTO:
            mosquitto_subscriber(port)
        yield process.pid, port
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def publish(pid, port, device=None, seconds=1.0, **options):
    """One run of the generator; figures of the server per reading."""
    argv = [program("publish"), "--port", str(port), "--seconds", str(seconds)]
    for key, value in options.items():
        argv += ["--" + key, str(value)]
    generator = Marked(argv)
    try:
        generator.mark("begin")
        cpu, written = cpu_seconds(pid), device.bytes_written() if device else 0
        end = generator.mark("end")
        cpu = cpu_seconds(pid) - cpu
        written = device.bytes_written() - written if device else 0
    finally:
        generator.end()
    if end["acked"] == 0:
        raise RuntimeError(f"{' '.join(argv)}: nothing was acknowledged")
    payload = end["acked"] * options.get("bytes", PAYLOAD)
    return {"rate": end["acked"] / end["seconds"], "p50": end["p50_us"], "p99": end["p99_us"], "cpu": cpu / end["acked"] * 1e6, "device": written / payload if device else None,
            "generator": end["generator_cpu"] / end["seconds"]}


class Contest:
    """Servers by turns, each with a folder, on a device of its own if there is one."""

    def __init__(self, folder, names, on_devices, stack):
        self.names = names
        self.folders, self.devices = {}, {}
        for number, name in enumerate(n for n in names if n != PACKED):
            self.folders[name] = f"{folder}/p{number}"
            if on_devices:
                device = LoopDevice(folder, f"d{number}", 768 * MIB)
                stack.callback(device.close)
                self.devices[name] = device
                self.folders[name] = device.mount + "/data"
        self.broker = stack.enter_context(Broker(self.folders[SINGLE], {"storage.size": "64M"}))
        self.broker.topic("fill", 4, "commit.interval.ms=1000")
        self.broker.load("fill", topic="fill", total=68 * MIB, bytes=1000, frame=16384, partitions=4)  # the first lap is over
        self.broker.topic("bench", PARTITIONS, "commit.interval.ms=0")
        self.figures = {}

    def run(self, repetitions, seconds):
        for _ in range(repetitions):
            for connections, window in SHAPES:
                for name in self.names:
                    home = SINGLE if name == PACKED else name
                    server = contextlib.nullcontext((self.broker.pid, self.broker.port)) if home == SINGLE else started(name, self.folders[name])
                    with server as (pid, port):
                        found = publish(pid, port, self.devices.get(home), seconds, protocol=PROTOCOLS[name], connections=connections, window=window, partitions=PARTITIONS,
                                        pack=PACK if name == PACKED else 1, bytes=PAYLOAD)
                    self.figures.setdefault((connections, window), {}).setdefault(name, []).append(found)

    def median(self, shape, name, what):
        return statistics.median(found[what] for found in self.figures[shape][name])

    def ratio(self, shape, name, other):
        """Of neighbours in time: who else uses the machine was at work during both."""
        pairs = zip(self.figures[shape][name], self.figures[shape][other])
        return statistics.median(a["rate"] / b["rate"] for a, b in pairs)

    def table(self, report):
        for shape in SHAPES:
            report.text(f"  {shape[0]} x {shape[1]:<22}  acked/s   p50 us   p99 us  CPU us  at the device  generator")
            for name in self.names:
                device = f"{self.median(shape, name, 'device'):14.2f}" if self.devices else " " * 14
                report.text(f"    {name:<26}{self.median(shape, name, 'rate'):9.0f}{self.median(shape, name, 'p50'):9.0f}{self.median(shape, name, 'p99'):9.0f}"
                            f"{self.median(shape, name, 'cpu'):8.2f} {device}{self.median(shape, name, 'generator') * 100:10.0f}%")


def peers(report, quick):
    names = [SINGLE, PACKED]
    for name, binary in BINARIES.items():
        if find(binary):
            names.append(name)
        else:
            report.skip(f"peers: {name}", f"{binary} is absent; Debian's package of this name holds it")
    report.text("  an ack means: " + "; ".join(f"{name}: {MEANS[name]}" for name in names if name in MEANS))
    repetitions, seconds = (1, 0.3) if quick else (5, 0.8)
    disk = tempfile.gettempdir()
    with temporary() as folder, contextlib.ExitStack() as stack:
        report.text(f"  on the disk of {disk}, medians of {repetitions}")
        contest = Contest(folder, names, False, stack)
        contest.run(repetitions, seconds)
        contest.table(report)
        if REDIS in names:
            for shape in SHAPES:
                report.check(f"peers, disk: {shape[0]} x {shape[1]}: rivulet / redis always", contest.ratio(shape, SINGLE, REDIS), RATES[shape], above=True, unit="x")
    on_device(report, contest, max(1, repetitions - 2), seconds)


def on_device(report, on_disk, repetitions, seconds):
    """Those that sync, on devices of their own: what reaches these. A sync there takes next to no time, so that the rates tell of the processor alone, and CPU is the
    server's: on the disk of a virtual machine the driver's is a fifth of it."""
    names = [name for name in on_disk.names if name in (SINGLE, PACKED, REDIS)]
    with temporary(in_memory(768 * MIB * 2)) as folder, contextlib.ExitStack() as stack:
        try:
            contest = Contest(folder, names, True, stack)
        except (RuntimeError, OSError) as error:
            report.skip("peers: at the block device", f"losetup and mount are not permitted here ({error})")
            return check_cpu(report, "disk", on_disk)
        report.text(f"  on block devices in RAM, medians of {repetitions}")
        contest.run(repetitions, seconds)
        contest.table(report)
        for shape in SHAPES:
            if REDIS in names:
                report.note(f"peers, device in RAM: {shape[0]} x {shape[1]}: rivulet / redis always", f"{contest.ratio(shape, SINGLE, REDIS):.2f}x")
        for shape, limit in DEVICE.items():
            report.check(f"peers, device in RAM: {shape[0]} x {shape[1]}: bytes per payload byte", contest.median(shape, SINGLE, "device"), limit)
        return check_cpu(report, "device in RAM", contest)


def check_cpu(report, where, contest):
    report.check(f"peers, {where}: 16 x 64: CPU per reading", contest.median((16, 64), SINGLE, "cpu"), CPU_SINGLE, unit=" us")
    report.check(f"peers, {where}: 16 x 64, packed by {PACK}: CPU per reading", contest.median((16, 64), PACKED, "cpu"), CPU_PACKED, unit=" us")
