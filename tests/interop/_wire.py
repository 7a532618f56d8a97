"""Connections of the compact framing, frame by frame, for what no client should send (src/wire/compact/PROTOCOL.md)."""

import os
import socket
import struct
import sys

sys.dont_write_bytecode = True  # the folders are part of the source tree
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "src", "sensor", "python"))
from rivulet_sensor import ACK, ALIAS, CLOSE, ERROR, ERRORS, FETCH, OPEN, PING, PONG, PUT, RivuletError, _block, _Body, _varint, _zigzag, crc32c

CHECKED = {OPEN, ALIAS, PUT, 4, ACK}


class Frame:
    def __init__(self, kind, flags, body):
        self.kind, self.flags, self.body = kind, flags, body


class Wire:
    """Owns a socket. What is received is not checked: that is others' work."""

    def __init__(self, port, timeout=20, receive_buffer=None):
        self.socket = socket.socket()
        self.socket.settimeout(timeout)
        if receive_buffer:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.socket.connect(("127.0.0.1", port))
        self.sum = 0
        self.received = bytearray()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    # ---- up ----

    def send(self, data):
        """As much of it as the broker takes: it may end the connection in between."""
        try:
            self.socket.sendall(data)
        except OSError:
            pass

    def frame(self, kind, body=b"", flags=0):
        """The bytes of a frame, summed as if it were sent."""
        checked = kind in CHECKED
        inner = bytes([kind | flags]) + body
        frame = _varint(len(inner) + 2 * checked) + inner
        if not checked:
            return frame
        self.sum = crc32c(frame, self.sum)
        return frame + struct.pack("<H", self.sum & 0xFFFF)

    def open_frame(self, version=1, features=1, session=0, frame_limit=1 << 20, name="hostile"):
        body = b"rv" + _varint(version) + _varint(features) + struct.pack("<QI", session, 1) + _varint(1) + _zigzag(0) + _varint(frame_limit) + _block(name)
        return self.frame(OPEN, body)

    def open(self, **options):
        self.send(self.open_frame(**options))
        frame = self.next()
        if frame is None or frame.kind != OPEN:
            raise RivuletError(6, text=f"no answer to OPEN: {self.describe(frame)}")
        answer = _Body(frame.body)
        answer.varint(), answer.varint(), answer.take(1), answer.varint()
        self.credit = answer.varint()
        answer.zigzag()
        self.frame_limit, self.aliases_max = answer.varint(), answer.varint()
        return self

    def alias_frame(self, number, topic, flags=0):
        # Placement 1, acks 1: partition 0, acknowledged by the leader.
        return self.frame(ALIAS, _varint(number) + bytes([1 | 1 << 2]) + _block(topic) + _varint(0), flags)

    def put_frame(self, number, value):
        return self.frame(PUT, _varint(number) + value, 0x40)

    def fetch_frame(self, correlation, topic, offset=-2, wait_ms=0, max_bytes=1 << 20):
        return self.frame(FETCH, _varint(correlation) + _block(topic) + _varint(0) + _zigzag(offset) + _zigzag(-1) + _varint(max_bytes) + _varint(1) + _varint(wait_ms))

    # ---- down ----

    def next(self):
        """The next frame, or None at the end of the stream. A reset is an OSError."""
        while True:
            at = length = shift = 0
            while at < len(self.received):
                byte = self.received[at]
                length |= (byte & 0x7F) << shift
                at, shift = at + 1, shift + 7
                if byte < 0x80:
                    break
            if at and self.received[at - 1] < 0x80 and len(self.received) >= at + length:
                kind = self.received[at]
                body = bytes(self.received[at + 1:at + length])
                del self.received[:at + length]
                if kind & 0x1F in CHECKED:
                    body = body[:-2]
                return Frame(kind & 0x1F, kind & 0xE0, body)
            data = self.socket.recv(1 << 16)
            if not data:
                return None
            self.received += data

    @staticmethod
    def describe(frame):
        if frame is None:
            return "the end"
        if frame.kind in (ERROR, CLOSE):
            body = _Body(frame.body)
            code = body.varint()
            return f"{'ERROR' if frame.kind == ERROR else 'CLOSE'} {ERRORS.get(code, code)}"
        return f"kind {frame.kind}"

    def ending(self):
        """What the broker ends this with, "ERROR malformed", all that comes before it passed over; and then its clean end."""
        last = frame = self.next()
        while frame is not None:
            last, frame = frame, self.next()
        return self.describe(last)
