"""limits.connections of a real broker: what clients past it are told, and that silence holds nobody out. The last line is `N passed, M failed`."""

import socket
import sys
import time

sys.dont_write_bytecode = True  # the folder is part of the source tree
from _cli import Broker, Client, expect, main, test, wait_for
from _wire import Wire

LIMIT = 20


def with_few_connections(function):
    def run(folder):
        broker = Broker(folder, "--set", f"limits.connections={LIMIT}", "--set", "limits.tls_connections=0", "--set", "limits.parked_fetches=8")
        wires = []
        try:
            function(Client(broker), wires)
        finally:
            for wire in wires:
                wire.socket.close()
            broker.stop()

    run.__name__ = function.__name__
    return test(run)


@with_few_connections
def past_the_limit_everybody_is_told(rv, wires):
    rv.create("t")
    rv("produce", "t", stdin=b"one\n", code=0)
    port = rv.broker.port
    wires += [Wire(port).open() for _ in range(LIMIT)]
    refused = f"^rivulet: {rv.broker.address} refused the connection: too many connections: limits.connections = {LIMIT}\n$"
    for command in (("topic", "list"), ("produce", "t"), ("consume", "t", "--from-beginning"), ("bench", "consume", "t")):
        rv(*command, stdin=b"two\n", code=3, seconds=10).says(refused)
    with Wire(port) as mute:
        expect(mute.ending() == "ERROR too_many_connections", "a client that says nothing is told")
    for size in (1, 1000, 200_000):
        with Wire(port) as eager:
            eager.send(eager.open_frame() + bytes(size))
            expect(eager.ending() == "ERROR too_many_connections", f"so is one that sends OPEN and {size} bytes")
    lines = [line for line in rv.broker.words().splitlines() if "limits.connections" in line]
    wait_for(lambda: f"connections: limit of {LIMIT} reached (limits.connections); " in rv.broker.words(), "a line in the log", 5)
    expect(len(lines) <= 2, f"few lines, however many are refused: {lines}")
    wires.pop().socket.close()
    wait_for(lambda: rv("consume", "t", "--from-beginning", "--max-messages", "1").code == 0, "with room again it is served", 5)


@with_few_connections
def past_the_limit_of_fetches_a_consumer_says_why_it_waits(rv, wires):
    rv.create("t")
    rv("produce", "t", stdin=b"one\n", code=0)
    for _ in range(5):
        wires.append(Wire(rv.broker.port).open())
        for number in range(8):
            wires[-1].send(wires[-1].fetch_frame(number, "t", -1, 60_000))
    for wire in wires:
        expect(wire.next() is not None, "those that are too many are answered")
    run = rv("consume", "t", "--from-beginning", "--timeout", "1s", code=0)
    expect(run.out == "", f"all fetches are taken: {run.out}")
    run.says(r"^rivulet: t partition [0-9]+: busy.*limits.parked_fetches is reached; trying again\n$")
    for wire in wires:
        wire.socket.close()
    expect(rv.all_of("t") == "one\n", "they are free again")


@with_few_connections
def silent_connections_hold_nobody_out(rv, wires):
    rv.create("t")
    wires += [Wire(rv.broker.port) for _ in range(LIMIT)]
    time.sleep(0.5)
    wires += [Wire(rv.broker.port).open() for _ in range(5)]
    rv("produce", "t", stdin=b"stored\n", code=0, seconds=10)
    told = [wire.ending() for wire in wires[:5]]
    expect(told == ["ERROR too_many_connections"] * 5, f"the oldest of the silent ones made room: {told}")


@with_few_connections
def thousands_at_once_are_refused_and_the_good_go_on(rv, wires):
    rv.create("t")
    wires += [Wire(rv.broker.port).open() for _ in range(LIMIT)]
    begin = time.monotonic()
    told = 0
    for _ in range(20):
        batch = [socket.create_connection(("127.0.0.1", rv.broker.port), 30) for _ in range(50)]
        for client in batch:
            client.settimeout(30)
            data = b""
            while more := client.recv(4096):
                data += more
            told += b"limits.connections" in data
            client.close()
    expect(told == 1000, f"{told} of 1000 were told, in {time.monotonic() - begin:.1f} s")
    good = wires[0]
    good.send(good.alias_frame(0, "t") + good.put_frame(0, b"here"))
    frame = good.next()
    expect(frame.kind == 5, f"an ack: {good.describe(frame)}")


if __name__ == "__main__":
    sys.exit(main())
