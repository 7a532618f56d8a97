"""A real broker with the built-in limits, and Kafka connections that send beginnings of requests, fall silent, and come again at once when they are cut; a good client meanwhile produces,
fetches and asks for metadata. Each of its requests is answered in time, what it was acknowledged is stored, and memory stays as it is. The last line is `N passed, M failed`; with
names of tests as arguments: those alone.
"""

import contextlib
import json
import re
import select
import socket
import struct
import sys
import threading
import time

sys.dont_write_bytecode = True  # the folder is part of the source tree
from _cli import Broker, Client, Failed, expect, free_port, main, rivulet, test
from _kafka import text

SECONDS = 5.0
ANSWER_MAX = 3.0        # s; some tenths of one are usual
GROWTH_MAX = 64 * 1024  # of the resident memory; the arena is resident from the start
SETTINGS = ["--set", "memory.prefault=on", "--set", "storage.size=64M"]


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc ^ 0xFFFFFFFF


def varint(value):
    value <<= 1
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes(out) + bytes([value])


def batch(value, crc=crc32c):
    """Of one record without a key."""
    record = b"\x00\x00\x00\x01" + varint(len(value)) + value + b"\x00"
    record = varint(len(record)) + record
    now = int(time.time() * 1000)
    body = struct.pack(">hiqqqhii", 0, 0, now, now, -1, -1, -1, 1) + record
    return struct.pack(">qiibI", 0, 9 + len(body), 0, 2, crc(body)) + body


def request(api, version, body):
    whole = struct.pack(">hhi", api, version, 1) + text("siege") + body
    return struct.pack(">i", len(whole)) + whole


def produce(topic, records):
    return request(0, 3, struct.pack(">hhii", -1, -1, 30_000, 1) + text(topic) + struct.pack(">iii", 1, 0, len(records)) + records)


def metadata(topic):
    return request(3, 4, struct.pack(">i", 1) + text(topic) + b"\x00")


def fetch(topic):
    return request(1, 4, struct.pack(">iiiibi", -1, 0, 1, 1 << 16, 0, 1) + text(topic) + struct.pack(">iiqi", 1, 0, 0, 1 << 16))


class Good:
    """One client, with a connection of its own that stays, and one that is new each time."""

    def __init__(self, port):
        self.port = port
        self.connection = self.connect()
        self.acknowledged, self.asked, self.longest, self.failure = 0, 0, 0.0, None
        self.end = threading.Event()
        self.small = produce("good", batch(b"small"))
        self.thread = threading.Thread(target=self.run)

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.port), 30)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def ask(self, connection, data):
        begin = time.monotonic()
        connection.sendall(data)
        with connection.makefile("rb") as stream:
            answer = stream.read(struct.unpack(">i", stream.read(4))[0])
        self.longest = max(self.longest, time.monotonic() - begin)
        self.asked += 1
        return answer

    def run(self):
        try:
            while not self.end.is_set():
                error = struct.unpack_from(">h", self.ask(self.connection, self.small), 4 + 4 + 2 + len("good") + 4 + 4)[0]
                expect(error == 0, f"the good client's batch: error {error}")
                self.acknowledged += 1
                self.ask(self.connection, fetch("good"))
                with self.connect() as fresh:
                    self.ask(fresh, metadata("good"))
                self.end.wait(0.1)
        except (Failed, OSError, struct.error) as why:
            self.failure = repr(why)


def besiege(port, count, pieces, seconds):
    """So many connections send the pieces, 50 ms apart, and wait to be cut. How many were."""
    poll, open_now, cuts, end = select.epoll(), {}, 0, time.monotonic() + seconds

    def begin():
        connection = socket.socket()
        connection.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            connection.connect(("127.0.0.1", port))
        # The socket; what it still sends; when.
        open_now[connection.fileno()] = [connection, list(pieces), 0.0]
        poll.register(connection, select.EPOLLIN | select.EPOLLOUT)

    def send(state):
        connection, left, due = state
        if time.monotonic() < due:
            return
        sent = connection.send(left[0])
        left[0] = left[0][sent:]
        if not left[0]:
            left.pop(0)
            state[2] = time.monotonic() + 0.05
        if not left:
            poll.modify(connection, select.EPOLLIN)

    for _ in range(count):
        begin()
    while time.monotonic() < end:
        for number, event in poll.poll(0.05):
            state = open_now[number]
            try:
                if event & ~select.EPOLLOUT and not state[0].recv(4096):
                    raise ConnectionResetError
                if event & select.EPOLLOUT:
                    send(state)
            except BlockingIOError:
                pass
            except OSError:
                cuts += 1
                poll.unregister(number)
                open_now.pop(number)[0].close()
                begin()
        time.sleep(0.002)  # those that wait for their next piece are always ready
    for state in open_now.values():
        state[0].close()
    return cuts


def siege(function):
    """`function` says how many connections send what."""

    def run(folder):
        port = free_port()
        more = [*SETTINGS, "--set", f"listener.kafka.bind=127.0.0.1:{port}"]
        broker = Broker(folder, *more)
        try:
            rv = Client(broker)
            rv.create("good")
            rv.create("large")
            good = Good(port)
            good.thread.start()

            def memory(what):
                with open(f"/proc/{broker.process.pid}/status", encoding="ascii") as status:
                    return int(re.search(rf"^{what}:\s+(\d+) kB", status.read(), re.M).group(1)) * 1024

            before = memory("VmRSS")
            cuts = besiege(port, *function(), SECONDS)
            after = memory("VmRSS")
            good.end.set()
            good.thread.join(60)
            expect(good.failure is None, f"the good client: {good.failure}")
            expect(broker.running(), "it runs")
            expect(good.longest < ANSWER_MAX, f"a request of the good client took {good.longest:.2f} s")
            expect(after <= before + GROWTH_MAX, f"resident memory grew from {before} to {after}")
            stored = json.loads(rv("topic", "describe", "good", "--json", code=0).out)[0]["partitions"][0]["log_end"]
            expect(stored == good.acknowledged, f"{good.acknowledged} acknowledged, {stored} stored")
            print(f"    {cuts} cut; of {good.asked} requests of the good client the longest took {good.longest * 1000:.0f} ms; {(after - before) // 1024:+}K resident")
        finally:
            broker.stop()
        rivulet("store", "verify", broker.data, code=0)

    run.__name__ = function.__name__
    return test(run)


@siege
def halves_of_large_batches():
    """The request's head first, with which its answer begins."""
    whole = produce("large", batch(bytes(445_000), crc=lambda _: 0))
    return 110, [whole[:32], whole[32:len(whole) // 2]]


@siege
def halves_of_metadata_requests():
    return 140, [metadata("good")[:15]]


if __name__ == "__main__":
    sys.exit(main())
