"""A proxy on the loopback between Kafka clients and a broker that keeps what clients send: for the fuzzers' corpus (tests/fuzz/corpus), and to look at what a client does.

In a folder: NNN_API_VERSION.request, a request without its length, and NNN.session, what a connection sent, whole frames. Bounded, see below.
usage: capture.py FOLDER CORPUS    of what `run.py --capture FOLDER` kept: of each API the lowest and the highest version that came (of Produce each codec), and of each client
the sessions with the most kinds of requests, one that produces and one in a group.
"""

import collections
import os
import socket
import struct
import sys
import threading

REQUEST_MAX = 4096       # bytes of a request that is kept
SESSION_MAX = 6144       # of a connection
API = {0: "produce", 1: "fetch", 2: "list_offsets", 3: "metadata", 8: "offset_commit", 9: "offset_fetch", 10: "find_coordinator", 11: "join_group", 12: "heartbeat",
       13: "leave_group", 14: "sync_group", 15: "describe_groups", 16: "list_groups", 17: "sasl_handshake", 18: "api_versions", 19: "create_topics", 20: "delete_topics",
       21: "delete_records", 22: "init_producer_id", 23: "offset_for_leader_epoch", 32: "describe_configs", 33: "alter_configs", 35: "describe_log_dirs",
       36: "sasl_authenticate", 37: "create_partitions", 42: "delete_groups", 44: "incremental_alter_configs", 47: "offset_delete", 60: "describe_cluster"}


class Capture:
    """Owns its port, threads and connections; close() ends all."""

    def __init__(self, folder, port, broker_port, talk=False):
        self.folder, self.port, self.broker_port, self.talk = folder, port, broker_port, talk
        self.lock, self.count, self.sockets = threading.Lock(), 0, []
        os.makedirs(folder, exist_ok=True)
        self.listener = socket.create_server(("127.0.0.1", port))
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
                broker = socket.create_connection(("127.0.0.1", self.broker_port), 20)
            except OSError:
                return
            broker.settimeout(None)
            with self.lock:
                self.count += 1
                number = self.count
                self.sockets += [client, broker]
            threading.Thread(target=self.pump, args=(client, broker, Sent(self, number)), daemon=True).start()
            threading.Thread(target=self.pump, args=(broker, client, None), daemon=True).start()

    def pump(self, source, target, sent):
        try:
            while True:
                data = source.recv(1 << 16)
                if not data:
                    break
                if sent:
                    sent.take(data)
                target.sendall(data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        if sent:
            sent.end()

    def close(self):
        self.listener.close()
        for end in self.sockets:
            end.close()


class Sent:
    """Cuts what one connection sends into frames."""

    def __init__(self, capture, number):
        self.capture, self.number, self.data, self.session, self.full, self.frames = capture, number, bytearray(), bytearray(), False, 0

    def take(self, data):
        self.data += data
        while len(self.data) >= 4:
            size = struct.unpack_from(">i", self.data)[0]
            if not 0 <= size <= 1 << 27:
                self.data.clear()
                return
            if len(self.data) < 4 + size:
                return
            frame, self.data = bytes(self.data[:4 + size]), self.data[4 + size:]
            self.keep(frame)

    def keep(self, frame):
        self.frames += 1
        key, version = struct.unpack_from(">hh", frame, 4) if len(frame) >= 8 else (-1, -1)
        name = f"{API.get(key, f'api{key}')}_{version}"
        if self.capture.talk:
            print(f"connection {self.number}: {name}, {len(frame)} bytes", file=sys.stderr, flush=True)
        if len(frame) <= REQUEST_MAX:
            write(self.capture.folder, f"{self.number:03}_{self.frames:03}_{name}.request", frame[4:])
        self.full = self.full or len(self.session) + len(frame) > SESSION_MAX
        if not self.full:
            self.session += frame

    def end(self):
        if self.session:
            write(self.capture.folder, f"{self.number:03}.session", self.session)


def codec_of(request):
    """Of the first batch of a produce request, by its magic and attributes: the records have no fixed place."""
    for at in range(len(request) - 61):
        length = struct.unpack_from(">i", request, at + 8)[0]
        if request[at:at + 8] == bytes(8) and request[at + 16] == 2 and 49 <= length <= len(request) - at - 12:
            return request[at + 22] & 7
    return 0


def select(folder, corpus):
    requests, sessions, turn = collections.defaultdict(lambda: collections.defaultdict(list)), {}, collections.Counter()
    for client in sorted(os.listdir(folder)):
        for name in sorted(os.listdir(os.path.join(folder, client))):
            with open(os.path.join(folder, client, name), "rb") as file:
                data = file.read()
            if name.endswith(".session"):
                kinds = {frame[:4] for frame in frames(data)}
                keys = {kind[:2] for kind in kinds}
                for what, key in (("produces", b"\0\0"), ("joins", b"\0\x0b")):
                    if key in keys:
                        sessions[(client, what)] = max(sessions.get((client, what), (0, 0, b"")), (len(kinds), -len(data), data))
            else:
                key, version = struct.unpack_from(">hh", data)
                kind = f"{API.get(key, key)}{f'_codec_{codec_of(data)}' if key == 0 else ''}"
                requests[kind][version].append((client, data))
    for kind, versions in sorted(requests.items()):
        for version in sorted({min(versions), max(versions)}):
            # Of the client that has given the fewest so far.
            client = min({c for c, _ in versions[version]}, key=lambda c: (turn[c], c))
            turn[client] += 1
            write(os.path.join(corpus, "kafka_request"), f"real_{kind}_{version}_{short(client)}", min((d for c, d in versions[version] if c == client), key=len))
    for (client, what), (_, _, data) in sessions.items():
        write(os.path.join(corpus, "kafka_session"), f"real_{short(client)}_{what}", b"\xfe" + data)  # it takes its answers; all at once


def short(client):
    return client.replace(".", "").replace("-", "_").lower()


def frames(data):
    at = 0
    while at < len(data):
        size = struct.unpack_from(">i", data, at)[0]
        yield data[at + 4:at + 4 + size]
        at += 4 + size


def write(folder, name, data):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(data)


if __name__ == "__main__":
    select(*sys.argv[1:])
