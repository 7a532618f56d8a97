"""A client of rivulet's compact framing in one file, standard library alone, Python 3.9 and later.

    from rivulet_sensor import Client
    with Client("192.168.7.10") as client:
        client.create_topic("temps", partitions=4)
        client.put("temps", b"21.5", key=b"kitchen")   # returns at once, or waits for room in the window
        client.flush()                                 # all of it is stored now, on flash if the topic says so
        for record in client.fetch("temps", 0, EARLIEST).records:
            print(record.offset, record.timestamp, record.key, record.value)

Owns:      one socket; readings that are not acknowledged, at most window_bytes of them. No thread: bytes move within calls, so a client
           that is left alone longer than the broker's idle time loses its connection, and the next call makes a new one.
Errors:    RivuletError with the protocol's error code, Refused from put() and flush() for readings that will not be stored,
           ConnectionError once a call has failed for retry_seconds. The readings stay; flush() may be called again.
Guarantee: what was put is stored exactly once and in order for each session and partition, across broken connections and restarts of
           the broker, unless refused, or the broker has forgotten the session (`forgotten` is then true). The window is memory: readings
           of a program that ends before flush() may be lost.
Source:    src/wire/compact/PROTOCOL.md, version 1, implemented from that page.
"""

import collections
import operator
import os
import select
import socket
import struct
import time
import zlib

OPEN, ALIAS, PUT, PUTB, ACK, PING, PONG, ERROR, CLOSE = range(1, 10)
FETCH, OFFSETS, METADATA, TOPIC_CREATE, TOPIC_LIST, TOPIC_DESCRIBE, TOPIC_DELETE = 10, 11, 12, 13, 14, 15, 17
FLAG_0, FLAG_1, FLAG_2 = 0x20, 0x40, 0x80
LATEST, EARLIEST = -1, -2       # in place of an offset
UNSTAMPED = object()            # in place of a timestamp: the broker stamps
ACKS = {"none": 0, "leader": 1, "all": 2}
DURABILITY = {0: "disk", 1: "memory"}
ERRORS = {
    1: "unknown", 2: "malformed", 3: "unsupported_version", 4: "unsupported", 5: "invalid_argument", 6: "out_of_order", 7: "frame_too_large",
    8: "unknown_alias", 9: "integrity", 10: "credit_exceeded", 18: "batch_too_large", 20: "invalid_timestamp", 32: "unknown_topic_or_partition",
    33: "topic_exists", 34: "invalid_topic", 35: "invalid_partitions", 36: "invalid_replication_factor", 37: "invalid_config", 38: "limit_reached",
    39: "offset_out_of_range", 40: "fenced_epoch", 41: "unknown_epoch", 48: "busy", 49: "too_many_connections", 51: "too_many_sessions",
    53: "timed_out", 54: "shutting_down", 55: "session_moved", 72: "store_offline", 86: "canceled",
}
_FINAL = {2, 3, 4, 5, 7, 55}          # of a connection: no use in trying again
_FRAME_MAX = 1024               # before the answer to OPEN
_FRAME_BYTES = 10               # of a frame of readings, beside them


class RivuletError(Exception):
    def __init__(self, code, detail=0, text=""):
        self.code, self.detail, self.text = code, detail, text
        super().__init__(ERRORS.get(code, "error %d" % code) + (": " + text if text else ""))


class _Answered(RivuletError):
    """The broker says no; the connection is well."""


class Refused(RivuletError):
    """Readings that will not be stored: `readings` is a list of (topic, key, value)."""

    def __init__(self, code, readings):
        super().__init__(code, text="%d readings" % len(readings))
        self.readings = readings


Record = collections.namedtuple("Record", "offset timestamp key value headers")
Fetched = collections.namedtuple("Fetched", "records next_offset log_start high_watermark durable_end log_end")
Topic = collections.namedtuple("Topic", "name id partitions replication_factor durability")
Partition = collections.namedtuple(
    "Partition", "number leader epoch log_start durable_end high_watermark log_end bytes fenced_ranges replicas in_sync fenced")
_Reading = collections.namedtuple("_Reading", "alias time key headers value size")

# ---- numbers ----

_TABLE = list(range(256))
for _ in range(8):
    _TABLE = [(n >> 1) ^ (0x82F63B78 if n & 1 else 0) for n in _TABLE]


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    table = _TABLE
    for byte in data:
        crc = (crc >> 8) ^ table[(crc ^ byte) & 0xFF]
    return crc ^ 0xFFFFFFFF


def _varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def _zigzag(n):
    return _varint((n << 1) ^ (n >> 63) if n >= 0 else ((-n) << 1) - 1)


def _signed(n):
    """Modulo 2^64, as a signed number."""
    return (n + (1 << 63)) % (1 << 64) - (1 << 63)


def _bytes(data):
    """Of our own, and nothing else: what waits must not change, and can be sent. None stays."""
    return data if data is None or isinstance(data, bytes) else data.encode("utf-8") if isinstance(data, str) else bytes(memoryview(data))


def _block(data):
    return _varint(len(_bytes(data))) + _bytes(data)


class _Body:
    """Reads a frame's body; what does not fit its description is an error."""

    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, n):
        if n > len(self.data) - self.at:
            raise RivuletError(2)
        self.at += n
        return self.data[self.at - n:self.at]

    def varint(self):
        value = 0
        for shift in range(0, 70, 7):
            byte = self.take(1)[0]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if (byte == 0 and shift) or value >> 64:
                    break
                return value
        raise RivuletError(2)

    def zigzag(self):
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def text(self):
        return self.take(self.varint()).decode("utf-8", "replace")

    def nullable(self):
        n = self.zigzag()
        return None if n < 0 else bytes(self.take(n))

    def varints(self, n):
        return [self.varint() for _ in range(n)]

    def pairs(self):
        return {key: self.text() for key in iter(self.text, "")}

    def more(self):
        return self.at < len(self.data)

    def end(self):
        if self.more():
            raise RivuletError(2)

# ---- record batches ----

def parse_batches(data, from_offset=0):
    """Kafka's record batches v2 as Records at or above an offset, and the offset after the last batch."""
    records, at, following = [], 0, from_offset
    while at < len(data):
        if len(data) - at < 61:
            raise RivuletError(2)
        base, length = struct.unpack_from(">qi", data, at)
        crc, attributes, last_delta, base_time, max_time = struct.unpack_from(">Ihiqq", data, at + 17)
        count = struct.unpack_from(">i", data, at + 57)[0]
        end = at + 12 + length
        if length < 49 or end > len(data) or data[at + 16] != 2 or crc32c(data[at + 21:end]) != crc:
            raise RivuletError(2, text="record batch")
        body = data[at + 61:end]
        if attributes & 7 == 1:
            body = zlib.decompress(body, 31)
        elif attributes & 7:
            raise RivuletError(4, text="compression %d" % (attributes & 7))
        if not attributes & 0x20:  # a control batch is none of ours
            reader = _Body(body)
            for _ in range(count):
                record = _Body(reader.take(reader.zigzag()))
                record.take(1)
                time_delta, offset_delta = record.zigzag(), record.zigzag()
                key, value = record.nullable(), record.nullable()
                headers = [(record.take(record.zigzag()).decode("utf-8", "replace"), record.nullable()) for _ in range(record.zigzag())]
                if base + offset_delta >= from_offset:
                    when = max_time if attributes & 8 else base_time + time_delta
                    records.append(Record(base + offset_delta, when, key, value, headers))
        following = max(following, base + last_delta + 1)
        at = end
    return records, following


# ---- the client ----

class Client:
    def __init__(self, host="127.0.0.1", port=9192, *, session=None, name="python", timeout=10.0, retry_seconds=60.0,
                 window_bytes=1 << 20, frame_limit=2 << 20):
        """session: a number kept by the caller, so that a broker's log tells sensors apart; by default random. One client each."""
        if session is not None and not 0 <= session < 1 << 64:
            raise ValueError("session %r" % session)
        self._address = (host, port)
        self._session = int.from_bytes(os.urandom(8), "little") or 1 if session is None else session
        self._incarnation = int.from_bytes(os.urandom(4), "little")
        self._name, self._timeout, self._retry_seconds = name, timeout, retry_seconds
        self._window_bytes, self._frame_limit = window_bytes, frame_limit
        self._waiting = collections.deque()  # readings that are not settled, oldest first
        self._waiting_bytes = 0
        self._sequence = self._sent_to = 1   # of the oldest; of the first that no connection has sent
        self._refused = []                   # (code, reading) to be told by flush()
        self._socket = None
        self._correlation = 0
        self.forgotten = False
        self.opened = {}                     # what the broker said in its answer to OPEN

    def __enter__(self):
        self.connect()
        return self

    def __exit__(self, kind, value, traceback):
        self.close(flush=kind is None)

    # ---- readings ----

    def put(self, topic, value, key=None, *, partition=None, timestamp=None, headers=None, acks="leader"):
        """value None: a tombstone. timestamp: ms since 1970, by default now; UNSTAMPED. headers: pairs of text and bytes or None. TypeError, ValueError: it is not kept."""
        value, key = _bytes(value), _bytes(key)
        stamp = None if timestamp is UNSTAMPED else int(time.time() * 1000) if timestamp is None else operator.index(timestamp)
        alias = (topic, None if partition is None else operator.index(partition), ACKS[acks])
        if not 0 <= (stamp or 0) <= 1 << 53 or not 0 <= (partition or 0) < 1 << 32:
            raise ValueError("timestamp %r, partition %r" % (timestamp, partition))
        encoded = _varint(len(headers)) if headers else b""
        for name, content in headers or ():
            name, content = str.encode(name, "utf-8"), None if content is None else bytes(memoryview(content))
            encoded += _zigzag(len(name)) + name + (_zigzag(-1) if content is None else _zigzag(len(content)) + content)
        size = len(value or b"") + len(key or b"") + len(encoded) + 40
        self._with_connection(lambda: self._know(alias))
        if size > self._window_bytes or size + _FRAME_BYTES > min(self.opened["frame_limit"], self.opened["credit"] + 1024):
            raise RivuletError(18)
        while self._waiting_bytes + size > self._window_bytes:
            self._with_connection(self._wait_for_ack)
        self._waiting.append(_Reading(alias, stamp, key, encoded, value, size))
        self._waiting_bytes += size
        if len(self._waiting) - self._sent >= 64 or size > 4096:
            self._with_connection(self._progress)
        self._tell_refused()

    def flush(self):
        """Returns when all readings are settled: stored as their acks say."""
        while self._waiting:
            self._with_connection(self._wait_for_ack)
        self._tell_refused()

    def _tell_refused(self):
        if self._refused:
            refused, self._refused = self._refused, []
            raise Refused(refused[0][0], [(r.alias[0], r.key, r.value) for _, r in refused])

    # ---- requests ----

    def fetch(self, topic, partition=0, offset=EARLIEST, *, max_bytes=1 << 20, min_bytes=1, wait_ms=0):
        body = _block(topic) + _varint(partition) + _zigzag(offset) + _zigzag(-1) + _varint(max_bytes) + _varint(min_bytes) + _varint(wait_ms)
        answer, _ = self._request(FETCH, body, wait_ms / 1000)
        start = answer.varint()
        answer.zigzag()
        ends = answer.varints(4)
        records, following = parse_batches(answer.data[answer.at:], start)
        return Fetched(records, following, *ends)

    def offset(self, topic, partition=0, at=LATEST):
        answer, _ = self._request(OFFSETS, _block(topic) + _varint(partition) + _zigzag(at))
        offset = answer.varint()
        answer.zigzag(), answer.zigzag()
        answer.end()
        return offset

    def metadata(self):
        answer, _ = self._request(METADATA, b"")
        found = {"cluster": bytes(answer.take(16)).hex(), "node": answer.varint(), "controller": answer.zigzag(), "nodes": []}
        while answer.more():
            found["nodes"].append({"id": answer.varint(), "host": answer.text(), "port": answer.varint()})
        return found

    def create_topic(self, name, partitions=0, replication_factor=0, config=None):
        body = _block(name) + _varint(partitions) + _varint(replication_factor)
        body += b"".join(_block(key) + _block(str(value)) for key, value in (config or {}).items())
        answer, _ = self._request(TOPIC_CREATE, body + _block(""))
        made = Topic(name, bytes(answer.take(16)).hex(), *answer.varints(2), None)
        answer.end()
        return made

    def list_topics(self):
        topics = []
        while True:
            answer, flags = self._request(TOPIC_LIST, _block(topics[-1].name if topics else "") + _varint(0))
            while answer.more():
                topics.append(Topic(answer.text(), bytes(answer.take(16)).hex(), *answer.varints(2), DURABILITY.get(answer.take(1)[0])))
            if not flags & FLAG_0:
                return topics

    def describe_topic(self, name):
        """(Topic, configuration, [Partition])"""
        config, partitions = {}, []
        while True:
            answer, flags = self._request(TOPIC_DESCRIBE, _block(name) + _varint(len(partitions)) + _varint(0))
            topic = Topic(name, bytes(answer.take(16)).hex(), *answer.varints(2), DURABILITY.get(answer.take(1)[0]))
            config.update(answer.pairs())
            while answer.more():
                head = [answer.varint(), answer.zigzag(), answer.zigzag()] + answer.varints(6)
                lists = [answer.varints(answer.varint()) for _ in range(2)]
                partitions.append(Partition(*head, *lists, [tuple(answer.varints(2)) for _ in range(answer.varint())]))
            if not flags & FLAG_0:
                return topic, config, partitions

    def delete_topic(self, name):
        self._request(TOPIC_DELETE, _block(name))[0].end()

    def _request(self, kind, body, wait=0.0):
        """Requests have no effect that a second one would double, or answer it with an error, so they are made again too."""
        return self._with_connection(lambda: self._ask(kind, body, wait))

    def _ask(self, kind, body, wait):
        self._correlation = (self._correlation + 1) & 0xFFFFFFFF
        wanted, self._answer = self._correlation, None
        self._send_frame(kind, _varint(wanted) + body)
        self._until(lambda: self._answer is not None, wait)
        got_kind, got, answer, flags = self._answer
        if got_kind != kind or got != wanted:
            raise RivuletError(2)
        error = answer.varint()
        if error:
            raise _Answered(error, answer.zigzag(), answer.text())
        return answer, flags

    # ---- connections ----

    def connect(self):
        self._with_connection(lambda: None)

    def close(self, flush=True):
        """With flush, what was put is stored first."""
        try:
            if flush:
                self.flush()
            if self._socket:
                self._closing = True
                self._send_frame(CLOSE, _varint(0))
                self._until(lambda: False)
        except (OSError, RivuletError) as error:
            if flush and self._waiting or isinstance(error, Refused):
                raise
        finally:
            self._disconnect()

    def _disconnect(self):
        if self._socket:
            self._socket.close()
        self._socket, self._sent = None, 0

    def _with_connection(self, action):
        """Does it on a connection, and again on a new one if that breaks, for retry_seconds without a reading settled: that a connection opens is no progress yet."""
        deadline, settled = None, -1
        while True:
            try:
                if not self._socket:
                    self._open()
                return action()
            except _Answered as answer:  # the connection is well
                raise RivuletError(answer.code, answer.detail, answer.text) from None
            except (OSError, RivuletError) as error:
                self._disconnect()
                if getattr(error, "code", None) in _FINAL:
                    raise
                if self._sequence != settled:
                    deadline, pause, settled = time.monotonic() + self._retry_seconds, 0.05, self._sequence
                if time.monotonic() + pause > deadline:
                    raise error if isinstance(error, OSError) else ConnectionError(str(error)) from error
                time.sleep(pause)
                pause = min(pause * 2, 5.0)

    def _open(self):
        self._socket = socket.create_connection(self._address, self._timeout)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket.setblocking(False)
        self._received, self._out = bytearray(), bytearray()
        self._sum_in = self._sum_out = self._step = self._sent = 0  # _sent: readings of the window that this connection has sent
        self._credit = 1024
        self._time = self._waiting[0].time or 0 if self._waiting else 0
        self._aliases, self._alias_last = {}, None  # alias -> [id, its answer: None, () if it is good, or why it is not]
        self._closing, self.opened = False, {}
        body = b"rv" + _varint(1) + _varint(1) + struct.pack("<QI", self._session, self._incarnation) + _varint(self._sequence)
        self._send_frame(OPEN, body + _zigzag(self._time) + _varint(self._frame_limit) + _block(self._name))
        self._until(lambda: self.opened)

    def _know(self, alias):
        """Until the broker has confirmed it. One that it has refused is asked for again: the topic may exist by now."""
        # With all aliases in use, a new one takes that of readings which are still to be sent, and these would take it back before it is confirmed.
        while alias not in self._aliases and len(self._aliases) >= self.opened["aliases_max"] and self._sent < len(self._waiting):
            self._progress()
            self._progress(time.monotonic() + self._timeout if self._sent < len(self._waiting) else None)
        deadline = time.monotonic() + self._timeout
        while self._aliases.get(alias, (0, None))[1] != ():
            self._announce(alias)
            self._progress(deadline)
            answer = self._aliases.get(alias, (0, None))[1]
            if answer:
                raise _Answered(*answer)

    def _announce(self, alias):
        """Unless it waits for its answer."""
        number, answer = self._aliases.get(alias, (len(self._aliases), ()))
        if answer is None:
            return
        topic, partition, acks = alias
        body = bytes([(0 if partition is None else 1) | acks << 2]) + _block(topic) + (b"" if partition is None else _varint(partition))
        if number >= self.opened["aliases_max"]:  # an old one makes room: its id, given again, is the new one's
            number = self._aliases.pop(next(iter(self._aliases)))[0]
            self._alias_last = None
        self._aliases[alias] = (number, None)
        self._send_frame(ALIAS, _varint(number) + body, FLAG_0)

    # ---- frames out ----

    def _send_frame(self, kind, body, flags=0):
        frame = _varint(len(body) + (3 if kind <= ACK else 1)) + bytes([kind | flags]) + body
        if kind <= ACK:
            self._sum_out = crc32c(frame, self._sum_out)
            frame += struct.pack("<H", self._sum_out & 0xFFFF)
        self._out += frame
        return len(frame)

    def _change(self, reading):
        if reading.time is None:
            return b""
        before, self._step = self._step, _signed(reading.time - self._time)
        self._time = reading.time
        return _zigzag(_signed(self._step - before))

    def _send_readings(self):
        """As many as credit and aliases allow, packed."""
        limit = min(self.opened.get("frame_limit", _FRAME_MAX), 16384)
        while self._sent < len(self._waiting) and len(self._out) < 65536 and not self._closing:
            first = self._waiting[self._sent]
            known = self._aliases.get(first.alias)
            if not known or known[1] is None:
                self._announce(first.alias)
                return
            batch, size = [], _FRAME_BYTES
            for at in range(self._sent, len(self._waiting)):
                reading = self._waiting[at]
                size += reading.size
                # size is an upper bound, which put() has compared with the broker's limits
                if batch and (size > limit or size > self._credit or not _alike(first, reading)):
                    break
                batch.append(reading)
            if first.size + _FRAME_BYTES > self._credit:
                return
            attributes = (first.key is not None) | (2 if first.headers else 0) | (4 if first.value is None else 0)
            flags = (FLAG_0 if self._alias_last == known[0] else 0) | (FLAG_1 if first.time is None else 0) | (FLAG_2 if attributes else 0)
            body = bytearray(b"" if flags & FLAG_0 else _varint(known[0]))
            if attributes:
                body.append(attributes)
            for reading in batch:
                body += self._change(reading)
                if reading.key is not None:
                    body += _block(reading.key)
                body += reading.headers
                if reading.value is not None:
                    body += reading.value if len(batch) == 1 else _block(reading.value)
            self._alias_last = known[0]
            self._credit -= self._send_frame(PUT if len(batch) == 1 else PUTB, bytes(body), flags)
            self._sent += len(batch)
            self._sent_to = max(self._sent_to, self._sequence + self._sent)

    # ---- bytes both ways ----

    def _wait_for_ack(self):
        before = self._sequence
        while self._waiting and self._sequence == before:
            self._progress(time.monotonic() + self._timeout)

    def _until(self, done, wait=0.0):
        deadline = time.monotonic() + self._timeout + wait
        while not done():
            self._progress(deadline)

    def _progress(self, deadline=None):
        """Sends what may be sent; with a deadline, waits until something has arrived."""
        if self.opened:
            self._send_readings()
        heard, asks = False, time.monotonic() + self._timeout / 2
        while True:
            waits = deadline is not None and not heard
            if waits and self.opened and time.monotonic() >= asks:  # a broker that only holds back its acknowledgements answers this
                self._send_frame(PING, b"")
                asks = deadline
            if self._out:
                try:
                    del self._out[:self._socket.send(self._out)]
                except BlockingIOError:
                    pass
            left = deadline - time.monotonic() if waits else 0
            if waits and left <= 0:
                raise TimeoutError("no answer from the broker")
            readable, _, _ = select.select([self._socket], [self._socket] if self._out else [], [], min(max(left, 0), max(self._timeout / 4, 0.01)))
            if not readable:
                if heard or deadline is None:
                    return
                continue
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionResetError("the broker has closed the connection")
            self._received += data
            self._take_frames()
            heard = True

    def _take_frames(self):
        while True:
            at = next((i for i, byte in enumerate(self._received[:5], 1) if byte < 0x80), 0)
            if not at:
                if len(self._received) >= 5:
                    raise RivuletError(7)
                return
            length = _Body(self._received[:at]).varint()
            if length == 0:
                raise RivuletError(2)
            if at + length > (self._frame_limit if self.opened else 256):
                raise RivuletError(7, at + length)
            if len(self._received) < at + length:
                return
            frame = bytes(self._received[:at + length])
            del self._received[:at + length]
            kind, flags, end = frame[at] & 0x1F, frame[at] & 0xE0, len(frame)
            if kind <= ACK:
                end -= 2
                self._sum_in = crc32c(frame[:end], self._sum_in)
                if end <= at or frame[end:] != struct.pack("<H", self._sum_in & 0xFFFF):
                    self._send_frame(ERROR, _varint(9) + _zigzag(0) + _block(""))
                    self._socket.send(self._out)
                    raise RivuletError(9)
            self._take(kind, flags, _Body(frame[at + 1:end]))

    def _take(self, kind, flags, body):
        if kind in (ERROR, CLOSE):
            error = body.varint()
            if kind == ERROR:
                raise RivuletError(error, body.zigzag(), body.text())
            raise RivuletError(error) if error else ConnectionResetError("closed")
        if (kind == OPEN) == bool(self.opened):
            raise RivuletError(6)
        if kind == OPEN:
            opened = {}
            for name in "version features session_state last_sequence credit time frame_limit aliases_max requests_max idle_ms".split():
                opened[name] = body.take(1)[0] if name == "session_state" else body.zigzag() if name == "time" else body.varint()
            opened["software"] = body.text()
            opened["clock_trusted"] = bool(flags & FLAG_0)
            body.end()
            if opened["version"] != 1 or opened["frame_limit"] < _FRAME_MAX or opened["aliases_max"] == 0:
                raise RivuletError(2 if opened["version"] == 1 else 3)
            # Numbers are implied, so nothing can be skipped on this connection by what last_sequence says.
            self._credit += opened["credit"]
            self.forgotten |= opened["session_state"] == 3 and self._sent_to > self._sequence
            self.opened = opened
        elif kind == ALIAS:
            number, error = body.varint(), body.varint()
            name = next((a for a, known in self._aliases.items() if known[0] == number), None)
            if name:  # readings that wait for one that is refused are sent all the same, and refused: each has its number
                self._aliases[name] = (number, (error, 0, body.text()) if error else ())
        elif kind == ACK:
            self._take_ack(flags, body)
        elif kind == PING:
            self._send_frame(PONG, body.data)
        elif kind != PONG:
            self._answer = (kind, body.varint(), body, flags)

    def _take_ack(self, flags, body):
        settled, credit = body.varints(2)
        if settled > self._sent:
            raise RivuletError(2)
        if flags & FLAG_0:
            first, count, error = body.varints(3)
            if first < 1 or count < 1 or first + count - 1 > self._sent:
                raise RivuletError(2)
            self._refused += [(error, self._waiting[first + i - 1]) for i in range(count)]
        body.end()
        self._credit += credit
        for _ in range(settled):
            self._waiting_bytes -= self._waiting.popleft().size
        self._sequence += settled
        self._sent -= settled


def _alike(a, b):
    """May share a PUTB."""
    return (a.alias == b.alias and (a.time is None) == (b.time is None) and (a.key is None) == (b.key is None)
            and bool(a.headers) == bool(b.headers) and (a.value is None) == (b.value is None) and (b.value is not None or b.key is not None))
