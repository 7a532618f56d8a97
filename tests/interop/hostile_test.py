"""A real broker among clients that mean no good, or do not know better, while a good one produces: each attack ends with the error that says what was
wrong, memory stays as it is, and everything that the good client sent is acknowledged and stored, within 2 s for 99 of 100. The last line
is `N passed, M failed`; with names of tests as arguments: those alone.
"""

import contextlib
import json
import os
import random
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True  # the folder is part of the source tree
from _cli import DEADLINE, RIVULET, Broker, Client, Failed, expect, main, rivulet, test, wait_for
from _wire import PING, Wire, _block, _varint

CONNECTIONS = 400
GROWTH_MAX = 64 * 1024   # of the resident memory; the arena is resident from the start
SANITIZED = bool(os.environ.get("SANITIZE"))  # then the memory of the sanitizer's own counts too, and no budget knows it
P99_MAX = 2_000_000      # us, of the good client; beyond it starves
KERNEL_BUFFER = 64 * 1024
UNANSWERED_MAX = 512 * 1024  # the kernel doubles what is asked for its buffers, at both ends, and answers fill as many again
SECONDS_LEAST = 1.0      # of an attack, for the good client to be measured
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class Siege:
    """A broker and its good client."""

    def __init__(self, folder):
        settings = ("memory.prefault=on", f"limits.connections={CONNECTIONS}", "limits.tls_connections=0", "limits.parked_fetches=64",
                    "storage.commit_bytes=1M")  # above the credit: nothing is granted again before the commit interval is over
        arguments = [part for setting in settings for part in ("--set", setting)]
        self.broker = Broker(folder, *arguments)
        self.rv = Client(self.broker)
        self.rv.create("good")
        self.rv.create("t")
        shown = rivulet("check-config", "--json", *arguments, code=0).out
        self.budget = json.loads(shown)["memory_total"]
        self.good = subprocess.Popen([RIVULET, "bench", "produce", "good", "--rate", "500", "--duration", "120s", "--json", "--bootstrap", self.broker.address],
                                     stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: self.stored() > 0, "the good client has begun")
        self.resident = self.memory("VmRSS")
        self.descriptors = self.open_descriptors()
        self.begin = time.monotonic()

    @property
    def port(self):
        return self.broker.port

    def memory(self, what):
        with open(f"/proc/{self.broker.process.pid}/status", encoding="ascii") as status:
            return int(re.search(rf"^{what}:\s+(\d+) kB", status.read(), re.M).group(1)) * 1024

    def open_descriptors(self):
        return len(os.listdir(f"/proc/{self.broker.process.pid}/fd"))

    def stored(self):
        for attempt in range(50):  # the limit may be reached just now
            run = self.rv("topic", "describe", "good", "--json")
            if run.code == 0:
                return json.loads(run.out)[0]["partitions"][0]["log_end"]
            expect("too many connections" in run.err, run.err)
            time.sleep(0.1)
        raise Failed(f"no room for a good client: {run.err}")

    def over(self):
        """After an attack: nobody was hurt, nothing is left."""
        time.sleep(max(0.0, SECONDS_LEAST - (time.monotonic() - self.begin)))
        expect(self.broker.process.poll() is None, f"the broker ended:\n{self.broker.words()}")
        resident, peak = self.memory("VmRSS"), self.memory("VmHWM")
        expect(SANITIZED or resident <= self.resident + GROWTH_MAX, f"resident memory grew from {self.resident} to {resident}")
        expect(SANITIZED or peak <= self.budget, f"peak {peak}, the budget is {self.budget}")
        self.good.send_signal(signal.SIGINT)
        out, err = self.good.communicate(timeout=DEADLINE)
        expect(self.good.returncode == 0, f"the good client: exit {self.good.returncode}: {out}{err}")
        found = json.loads(out)
        p99 = found["latency_us"]["p99"]
        expect(p99 < P99_MAX, f"the good client starved: p99 {p99} us")
        stored = self.stored()
        expect(found["records"] == stored, f"{found['records']} acknowledged, {stored} stored")
        wait_for(lambda: self.open_descriptors() <= self.descriptors, f"{self.open_descriptors()} descriptors, {self.descriptors} before", 5)
        print(f"    the good client's p99 meanwhile: {p99 / 1000:.0f} ms of {found['records']} readings; resident {resident // 1024}K, "
              f"{(resident - self.resident) // 1024:+}K")

    def end(self):
        if self.good.poll() is None:
            self.good.kill()
            self.good.communicate()
        self.broker.stop()


def attack(function):
    def run(folder):
        siege = Siege(folder)
        try:
            function(siege)
            siege.over()
        finally:
            siege.end()

    run.__name__ = function.__name__
    return test(run)


def told(siege, data, error, opened=True):
    """A connection that sends this is ended with that error."""
    with Wire(siege.port) as wire:
        if opened:
            wire.open()
        wire.send(data(wire) if callable(data) else data)
        found = wire.ending()
        expect(found == error, f"{found} in place of {error}")


@attack
def nothing_to_compare_with(_):
    """The good client alone."""


@attack
def random_bytes(siege):
    source = random.Random(1)
    seen = set()
    for size in [1, 2, 3, 10, 100, 1000, 100_000] * 30:
        with Wire(siege.port) as wire:
            if source.random() < 0.5:
                wire.open()
            wire.send(source.randbytes(size))
            with contextlib.suppress(OSError):
                wire.socket.shutdown(socket.SHUT_WR)
            seen.add(wire.ending())
    expect("ERROR malformed" in seen and "ERROR frame_too_large" in seen, seen)
    expect(seen <= {"the end", "kind 1", "CLOSE no error", *("ERROR " + name for name in (
        "malformed", "frame_too_large", "out_of_order", "integrity", "unsupported", "unsupported_version", "invalid_argument", "unknown_alias", "limit_reached"))}, seen)
    told(siege, b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n", "ERROR malformed", opened=False)


@attack
def truncated_frames(siege):
    for cut in range(1, 30, 3):
        with Wire(siege.port) as wire:
            wire.send(wire.open_frame()[:cut])
            wire.socket.shutdown(socket.SHUT_WR)
            expect(wire.next() is None, "half an OPEN and the end: the end")
        with Wire(siege.port) as wire:
            wire.open()
            wire.send(wire.alias_frame(0, "t") + wire.put_frame(0, b"whole") + wire.put_frame(0, bytes(100))[:cut])
            wire.socket.shutdown(socket.SHUT_WR)
            while wire.next() is not None:
                pass
    # A length and nothing behind it, in as many connections as there are; each holds no more than what it sent.
    held = [Wire(siege.port).open() for _ in range(200)]
    for wire in held:
        wire.send(_varint(16_000) + b"\x0a" + bytes(5000))
    time.sleep(0.5)
    siege.rv("topic", "list", code=0, seconds=20)
    for wire in held:
        wire.socket.close()


@attack
def oversize_frames(siege):
    told(siege, _varint(300) + bytes(300), "ERROR frame_too_large", opened=False)
    told(siege, _varint(1 << 60), "ERROR frame_too_large", opened=False)
    told(siege, lambda wire: _varint(wire.frame_limit + 1) + bytes([10]) + bytes(300_000), "ERROR frame_too_large")
    told(siege, b"\xff" * 11, "ERROR frame_too_large")
    told(siege, b"\x00" * 11, "ERROR malformed")
    told(siege, lambda wire: wire.frame(PING, bytes(17)), "ERROR malformed")


@attack
def wrong_versions(siege):
    for version in (0, 2, 9, 1 << 40):
        told(siege, lambda wire, v=version: wire.open_frame(version=v), "ERROR unsupported_version", opened=False)
    told(siege, lambda wire: wire.open_frame(features=0), "ERROR invalid_argument", opened=False)
    told(siege, lambda wire: wire.open_frame(frame_limit=255), "ERROR invalid_argument", opened=False)
    told(siege, lambda wire: wire.open_frame(name="n" * 65), "ERROR invalid_argument", opened=False)
    told(siege, lambda wire: wire.open_frame(), "ERROR out_of_order")
    for kind in (24, 27, 30, 31):
        told(siege, lambda wire, k=kind: wire.frame(k), "ERROR unsupported")
    told(siege, lambda wire: wire.frame(0), "ERROR unsupported")
    damaged = Wire(siege.port).open()
    frame = bytearray(damaged.alias_frame(0, "t"))
    frame[-1] ^= 1
    damaged.send(frame)
    expect(damaged.ending() == "ERROR integrity", "a damaged check")


@attack
def readers_that_stop(siege):
    siege.rv("produce", "t", stdin=b"".join(b"%d%s\n" % (i, b"." * 900) for i in range(3000)), code=0)
    stopped = [Wire(siege.port, receive_buffer=4096).open() for _ in range(40)]
    for wire in stopped:
        for number in range(16):
            wire.send(wire.fetch_frame(number, "t"))
    time.sleep(2)
    expect(len(siege.rv.all_of("t").split()) == 3000, "another reader gets it all")
    for wire in stopped:
        wire.socket.close()


@attack
def writers_that_read_nothing(siege):
    """PINGs ask for an answer each. The broker stops reading when its answers are not taken."""
    wires = [Wire(siege.port, receive_buffer=4096).open() for _ in range(20)]
    pings = wires[0].frame(PING, b"0123456789abcdef") * 5000
    sent = [0] * len(wires)
    for wire in wires:
        wire.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, KERNEL_BUFFER)
        wire.socket.setblocking(False)

    def send_for(seconds, end):
        """Sends until nothing was taken for so long, at most until the end. Whether it came to that."""
        last = time.monotonic()
        while last + seconds > (now := time.monotonic()) and now < end:
            for number, wire in enumerate(wires):
                with contextlib.suppress(BlockingIOError):
                    sent[number] += wire.socket.send(pings[sent[number] % len(pings):])
                    last = now
            time.sleep(0.001)
        return last + seconds <= now

    expect(send_for(0.5, time.monotonic() + 30), f"more and more is taken: {max(sent)} bytes")
    settled = list(sent)
    send_for(0.5, time.monotonic() + 0.5)
    expect(sent == settled, "no more is taken from them")
    expect(max(sent) <= UNANSWERED_MAX, f"{max(sent)} bytes were taken of one of them")
    for wire in wires:
        wire.socket.close()


@attack
def aliases_without_end(siege):
    def many(wire):
        return b"".join(wire.alias_frame(number, "t") for number in range(wire.aliases_max + 1))

    told(siege, many, "ERROR limit_reached")
    told(siege, lambda wire: wire.alias_frame(1 << 40, "t"), "ERROR limit_reached")
    told(siege, lambda wire: wire.put_frame(3, b"x"), "ERROR unknown_alias")
    with Wire(siege.port) as wire:
        wire.open()
        for number in range(3000):
            wire.send(wire.frame(2, _varint(number % wire.aliases_max) + bytes([2 | 1 << 2]) + _block("t") + _block(b"key of %d" % number * 8)))
        wire.send(wire.frame(PING, b"still here"))
        frame = wire.next()
        expect(frame is not None and frame.body == b"still here", f"the same ids again and again are no harm: {wire.describe(frame)}")
    told(siege, lambda wire: b"".join(wire.fetch_frame(number, "t", -1, 60_000) for number in range(40)), "ERROR limit_reached")


@attack
def credit_overrun(siege):
    def overrun(wire):
        # Many times over: what is committed meanwhile is granted again.
        count = 8 * (wire.credit + 1024) // 900
        return wire.alias_frame(0, "t") + b"".join(wire.put_frame(0, bytes(900)) for _ in range(count))

    for _ in range(5):
        told(siege, overrun, "ERROR credit_exceeded")
    # Before the answer to OPEN: the initial credit.
    told(siege, lambda wire: wire.open_frame() + wire.alias_frame(0, "t") + b"".join(wire.put_frame(0, bytes(900)) for _ in range(2000)), "ERROR credit_exceeded", opened=False)


@attack
def silence(siege):
    """Nothing at all, half an OPEN, an OPEN byte by byte: all are ended in time, and others get in meanwhile."""
    mute = [Wire(siege.port) for _ in range(CONNECTIONS + 50)]
    half = [Wire(siege.port) for _ in range(20)]
    for wire in half:
        wire.send(wire.open_frame()[:20])
    trickle = Wire(siege.port)
    frame = trickle.open_frame()
    begin = time.monotonic()
    for number in range(12):
        trickle.send(frame[number:number + 1])
        if number % 3 == 0:
            siege.stored()
        time.sleep(1)
    for wire in [*mute[:-20], *half, trickle]:
        wire.socket.settimeout(3)
        found = wire.ending()
        expect(found in ("CLOSE timed_out", "ERROR too_many_connections"), found)
    expect(trickle.ending() == "the end", "read before")
    print(f"    {len(mute) + len(half) + 1} silent connections ended within {time.monotonic() - begin:.1f} s")
    for wire in mute:
        wire.socket.close()


@attack
def ten_thousand_connects(siege):
    """Some go at once, some with a reset, some after OPEN, some stay and are in the way. Good clients come meanwhile."""
    open_frame = Wire(siege.port).open_frame()
    counts = {}
    lock = threading.Lock()

    def storm(which):
        held = []
        for number in range(1250):
            try:
                client = socket.create_connection(("127.0.0.1", siege.port), 30)
            except OSError as error:
                with lock:
                    counts[type(error).__name__] = counts.get(type(error).__name__, 0) + 1
                continue
            manner = (number + which) % 5
            if manner == 1:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
            if manner in (2, 3):
                with contextlib.suppress(OSError):
                    client.sendall(open_frame)
            if manner in (3, 4):
                held.append(client)
                if len(held) > 60:
                    held.pop(0).close()
            else:
                client.close()
        for client in held:
            client.close()

    begin = time.monotonic()
    threads = [threading.Thread(target=storm, args=(which,)) for which in range(8)]
    for thread in threads:
        thread.start()
    came = refused = 0
    while any(thread.is_alive() for thread in threads):
        time.sleep(0.05)
        run = siege.rv("topic", "list", seconds=20)
        came += run.code == 0
        refused += run.code == 3 and "too many connections" in run.err
        expect(run.code == 0 or "too many connections" in run.err, run.err)
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - begin
    expect(not counts, f"connects that failed: {counts}")
    expect(came > 0, f"of other good clients none was served, {refused} were told to come later")
    siege.rv("topic", "list", code=0, seconds=20)
    print(f"    10000 connects in {seconds:.1f} s; of other good clients {came} were served, {refused} told to come later")


if __name__ == "__main__":
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    sys.exit(main())
