"""Sensors against a real broker: the C library in its POSIX example, and the client in Python. The last line is `N passed, M failed`.

With names of tests as arguments: those alone. OUT names the build folder, where push_csv is.
"""

import os
import socket
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True  # the folders are part of the source tree
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "src", "sensor", "python"))
from _cli import Broker, DEADLINE, Failed, NotPermitted, expect, main, test, wait_for, with_broker
import rivulet_sensor
from rivulet_sensor import EARLIEST, LATEST, UNSTAMPED, Client, Refused, RivuletError, crc32c, parse_batches

PUSH_CSV = os.path.join(os.environ.get("OUT", "build/native-release"), "push_csv")
NOON = 1_700_000_000_000


def against_broker(function):
    """with_broker, for which an error that nobody expected is a failure of the one test."""

    def run(client):
        try:
            function(client)
        except RivuletError as error:
            raise Failed(f"{type(error).__name__}: {error}") from error

    run.__name__ = function.__name__
    return with_broker(run)


def write_csv(folder, count):
    path = os.path.join(folder, "readings.csv")
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(f"{NOON + i * 1000 + i % 7},{20 + i % 10}.{i}\n" for i in range(count))
    return path


def push_csv(client, *arguments, **options):
    broker = client.broker
    return subprocess.Popen([PUSH_CSV, *arguments[:-2], "127.0.0.1", str(broker.port), *arguments[-2:]], stdout=subprocess.PIPE,
                            stderr=subprocess.PIPE, text=True, **options)


def ended(process, code=0):
    out, err = process.communicate(timeout=DEADLINE)
    expect(process.returncode == code, f"exit {process.returncode}: {out}{err}")
    return out, err


def python_client(client, **options):
    return Client("127.0.0.1", client.broker.port, **options)


def all_records(sensor, topic, partition=0):
    found, offset = [], EARLIEST
    while True:
        got = sensor.fetch(topic, partition, offset)
        if not got.records:
            return found
        found += got.records
        offset = got.next_offset


def fails(code, action, *arguments, **options):
    try:
        action(*arguments, **options)
    except RivuletError as error:
        expect(error.code == code, f"{error.code} ({error}) in place of {code}")
        return error
    raise Failed(f"error {code} was expected")


# ---- the C library ----


@against_broker
def a_csv_file_is_stored_once(client):
    client.create("temps", 2)
    path = write_csv(os.path.dirname(client.broker.data), 5000)
    out, err = ended(push_csv(client, "-p", "1", "temps", path))
    expect(out.startswith("acknowledged 5000 of 5000, sent 5000 times over 1 connections, 0 refused"), out + err)
    lines = client.all_of("temps", "%p %T %v\\n").splitlines()
    expect(lines == [f"1 {NOON + i * 1000 + i % 7} {20 + i % 10}.{i}" for i in range(5000)], "the file and the log differ: " + str(lines[:3]))


@against_broker
def the_broker_is_killed_midway(client):
    client.create("temps", 4)
    path = write_csv(os.path.dirname(client.broker.data), 40000)
    process = push_csv(client, "temps", path)
    for _ in range(3):
        time.sleep(0.7)
        client.broker.kill()
        client.broker.start()
    out, err = ended(process)
    expect(out.startswith("acknowledged 40000 of 40000"), out + err)
    expect("over 1 connections" not in out, "it was over before the broker was killed: " + out)
    values = client.all_of("temps").split()
    expect(values == [f"{20 + i % 10}.{i}" for i in range(40000)], f"{len(values)} values, {len(set(values))} different ones, in order: "
           f"{values == sorted(values, key=lambda v: int(v.split('.')[1]))}")


@against_broker
def a_topic_that_comes_later(client):
    path = write_csv(os.path.dirname(client.broker.data), 100)
    process = push_csv(client, "late", path)
    time.sleep(0.5)
    client.create("late", 1)
    out, err = ended(process)
    expect(out.startswith("acknowledged 100 of 100") and "late: error 32" in err, out + err)
    expect(len(client.all_of("late").split()) == 100, "all of it is stored")


@against_broker
def refused_lines_and_lines_that_are_none(client):
    client.create("small", 1, "--config", "max.message.bytes=1K")
    process = push_csv(client, "small", "-", stdin=subprocess.PIPE)
    process.stdin.write(f"# a head\n1,good\n2,{'x' * 1000}\n-3,no\n4,\nx,y\n5,also good\n")
    process.stdin.flush()
    out, err = ended(process, 1)
    expect("acknowledged 4 of 4" in out and "1 refused" in out, out)
    expect("error 18" in err and err.count("skipped") == 3, err)
    expect(client.all_of("small").splitlines() == ["good", "", "also good"], "the others are stored")


@against_broker
def times_as_dates(client):
    client.create("dated", 1)
    process = push_csv(client, "dated", "-", stdin=subprocess.PIPE)
    process.stdin.write("timestamp,value\n1970-01-01 00:00:00,a\n2013-12-02 21:15:00,73.96\n2024-02-29T23:59:59.25Z,leap\n2000-03-01 00:00:00.1239,b\n"
                        "2013-13-02 21:15:00,no\n2013-12-02 24:15:00,no\n1969-12-31 23:59:59,no\n2013-12-02 21:15,no\n")
    out, err = ended(process)
    expect("acknowledged 4 of 4" in out and err.count("skipped") == 5, out + err)
    expect(client.all_of("dated", "%T %v\n").splitlines() == ["0 a", "1386018900000 73.96", "1709251199250 leap", "951868800123 b"],
           client.all_of("dated", "%T %v\n"))
    process = push_csv(client, "dated", "-", stdin=subprocess.PIPE)
    process.stdin.write("timestamp,value\n02.12.2013 21:15,1\n")
    out, err = ended(process, 1)
    expect("no line has the form" in err, out + err)


@against_broker
def lines_that_are_no_readings_as_a_whole(client):
    client.create("odd", 1)
    path = os.path.join(os.path.dirname(client.broker.data), "odd.csv")
    with open(path, "wb") as file:
        # The rest of a line that is too long has the form of a reading, as what is before a NUL has.
        file.write(b"1,first\n2," + b",".join(b"%d" % i for i in range(1000)) + b"\n3,a\0b\n-18446744073709551615,no\n -18446744073709551615,no\n"
                   b"2023-02-29 00:00:00,no\n2023-04-31 00:00:00,no\n2100-02-29 00:00:00,no\n" + b"4,\n5," + b"x" * 982 + b"\r\n2000-02-29 00:00:00,last")
    out, err = ended(push_csv(client, "odd", path))
    expect("acknowledged 4 of 4" in out and err.count("skipped") == 7, out + err)
    expect(client.all_of("odd", "%T %v\n").splitlines() == ["1 first", "4 ", "5 " + "x" * 982, "951782400000 last"], client.all_of("odd", "%T %v\n"))


@against_broker
def lines_that_come_slowly(client):
    client.create("live", 1)
    process = push_csv(client, "live", "-", stdin=subprocess.PIPE)
    for count in (1, 2):
        process.stdin.write(f"{count},{count}\n{count}0,")
        process.stdin.flush()
        wait_for(lambda: len(client.all_of("live").split()) == 2 * count - 1, "a line is stored while the next has not come", 10)
        process.stdin.write("rest\n")
    ended(process)
    expect(client.all_of("live", "%T=%v ") == "1=1 10=rest 2=2 20=rest ", client.all_of("live", "%T=%v "))


@against_broker
def a_file_that_cannot_be_read(client):
    client.create("temps", 1)
    _, err = ended(push_csv(client, "temps", "/"), 3)
    expect("cannot be read to its end" in err, err)


@test
def why_there_is_no_connection(_):
    with socket.socket() as held:  # bound, not listening: refused
        held.bind(("127.0.0.1", 0))
        process = subprocess.Popen([PUSH_CSV, "127.0.0.1", str(held.getsockname()[1]), "temps", "-"], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, text=True)
        process.stdin.write("1,a\n")
        process.stdin.flush()
        time.sleep(1)
        process.terminate()
        _, err = process.communicate(timeout=DEADLINE)
    expect(err.count("refused") == 1, f"told once, and why: {err}")


@against_broker
def a_name_with_two_addresses(client):
    client.create("temps", 1)
    folder = os.path.dirname(client.broker.data)
    hosts = os.path.join(folder, "hosts")
    with open(hosts, "w", encoding="utf-8") as file:
        file.write("127.0.0.1 dual\n::1 dual\n")  # the broker listens on the first, which is tried behind the other
    inside = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"', hosts]
    if subprocess.run([*inside, "true"], capture_output=True, timeout=DEADLINE, check=False).returncode != 0:
        raise NotPermitted("a mount of its own")
    out, err = ended(subprocess.Popen([*inside, PUSH_CSV, "dual", str(client.broker.port), "temps", write_csv(folder, 3)], stdout=subprocess.PIPE,
                                      stderr=subprocess.PIPE, text=True))
    expect("acknowledged 3 of 3" in out, out + err)


@against_broker
def a_topic_that_never_comes(client):
    process = push_csv(client, "never", write_csv(os.path.dirname(client.broker.data), 5))
    time.sleep(4)
    process.terminate()
    _, err = process.communicate(timeout=DEADLINE)
    tries = err.count("connection broken")
    expect(3 <= tries <= 7, f"{tries} connections in 4 s: the pauses between them do not grow")


@test
def usage(_):
    for arguments in ([], ["-x"], ["a", "1", "t", "/nowhere/at/all"], ["a", "1", "t"], ["-p", "abc", "a", "1", "t", "/dev/null"],
                      ["-p", "4294967296", "a", "1", "t", "/dev/null"], ["-p", "-1", "a", "1", "t", "/dev/null"], ["-s", "mine", "a", "1", "t", "/dev/null"]):
        done = subprocess.run([PUSH_CSV, *arguments], capture_output=True, timeout=DEADLINE, check=False)
        expect(done.returncode == 2 and done.stderr, f"{arguments}: exit {done.returncode}")


# ---- the client in Python ----


@test
def sums(_):
    expect(crc32c(b"123456789") == 0xE3069283, "CRC-32C")
    fails(2, parse_batches, bytes(70))


@against_broker
def what_was_put_is_fetched(client):
    with python_client(client) as sensor:
        expect(sensor.create_topic("t", 3, config={"retention.ms": 86400000}).partitions == 3, "create")
        sensor.put("t", b"21.5", timestamp=NOON, partition=2)
        sensor.put("t", "text", key="k", partition=2, timestamp=NOON + 5, headers=[("unit", b"C"), ("raw", None)])
        sensor.put("t", None, key=b"k", partition=2, timestamp=NOON)
        sensor.put("t", b"", timestamp=UNSTAMPED, partition=2)
        sensor.put("t", b"fast", partition=2, acks="none")
        sensor.flush()
        got = sensor.fetch("t", 2)
        expect([(r.key, r.value, r.headers) for r in got.records] ==
               [(None, b"21.5", []), (b"k", b"text", [("unit", b"C"), ("raw", None)]), (b"k", None, []), (None, b"", []), (None, b"fast", [])], str(got))
        expect([r.timestamp for r in got.records[:3]] == [NOON, NOON + 5, NOON], str(got))
        expect([r.offset for r in got.records] == [0, 1, 2, 3, 4] and got.next_offset == got.high_watermark == 5, str(got))
        expect([r.value for r in sensor.fetch("t", 2, 3).records] == [b"", b"fast"], "from the middle of a batch")
        expect(sensor.fetch("t", 2, LATEST).records == [] and sensor.offset("t", 2) == 5 and sensor.offset("t", 2, EARLIEST) == 0, "offsets")
        expect(fails(39, sensor.fetch, "t", 2, 99).detail == 5, "out of range tells the end")
        began = time.monotonic()
        threading.Timer(0.3, lambda: client("produce", "t", "--partition", "0", stdin=b"woken\n")).start()
        woken = sensor.fetch("t", 0, 0, wait_ms=20000)
        expect([r.value for r in woken.records] == [b"woken"] and time.monotonic() - began < 10, "a fetch that waits")
    expect(client.all_of("t", "%p %k=%v\\n").count("2 k=text") == 1, "the command line reads the same")


@against_broker
def topics(client):
    with python_client(client) as sensor:
        for i in range(12):
            sensor.create_topic(f"topic{i:02}", 1, config={"durability": "memory" if i % 2 else "disk"})
        listed = sensor.list_topics()
        expect([t.name for t in listed] == [f"topic{i:02}" for i in range(12)], str(listed))
        expect([t.durability for t in listed[:2]] == ["disk", "memory"], str(listed[:2]))
        sensor.create_topic("wide", 150)
        topic, config, partitions = sensor.describe_topic("wide")
        expect(topic.partitions == 150 and [p.number for p in partitions] == list(range(150)), "describe")
        expect(config["durability"] == "disk" and partitions[0].replicas == partitions[0].in_sync, str(partitions[0]))
        sensor.delete_topic("wide")
        expect(fails(32, sensor.describe_topic, "wide").text is not None, "it is gone")
        fails(33, sensor.create_topic, "topic00")
        fails(34, sensor.create_topic, "no/name")
        fails(32, sensor.put, "wide", b"x")
        expect(sensor.metadata()["nodes"][0]["port"] == client.broker.port, "metadata")
        # More topics at once than the connection has aliases.
        extra = [f"more{i}" for i in range(20)]
        for name in extra:
            sensor.create_topic(name)
        for i in range(200):
            sensor.put(extra[i % 20], str(i))
        sensor.flush()
        for i, name in enumerate(extra):
            expect([int(r.value) for r in all_records(sensor, name)] == list(range(i, 200, 20)), name)


@against_broker
def refusals(client):
    with python_client(client) as sensor:
        sensor.create_topic("small", 1, config={"max.message.bytes": "1K"})
        sensor.put("small", b"1")
        sensor.put("small", b"x" * 2000)
        sensor.put("small", b"2")
        try:
            sensor.flush()
            raise Failed("a refusal was expected")
        except Refused as refused:
            expect(refused.code == 18 and refused.readings == [("small", None, b"x" * 2000)], str(refused))
        sensor.put("small", b"3")
        sensor.flush()
        expect([r.value for r in all_records(sensor, "small")] == [b"1", b"2", b"3"], "the others are stored")
        fails(18, sensor.put, "small", b"x" * (64 << 20))


@against_broker
def what_cannot_be_sent_is_not_taken(client):
    client.create("t", 2)
    with python_client(client) as sensor:
        sensor.put("t", b"1", partition=0, timestamp=NOON)
        for wrong, options in ((TypeError, {"timestamp": NOON + 0.5}), (TypeError, {"timestamp": "now"}), (ValueError, {"timestamp": -1}),
                               (ValueError, {"timestamp": 2**53 + 1}), (ValueError, {"timestamp": 2**64 + 1000}), (TypeError, {"partition": 0.0}),
                               (TypeError, {"partition": "0"}), (ValueError, {"partition": -1}), (ValueError, {"partition": 2**64}),
                               (TypeError, {"value": [1, 2]}), (TypeError, {"value": 5}), (TypeError, {"key": ("a",)}), (TypeError, {"topic": 5}),
                               (TypeError, {"headers": [(b"h", b"")]}), (TypeError, {"headers": [("h", [1])]}), (TypeError, {"headers": [("h", "text")]})):
            try:
                sensor.put(**{"topic": "t", "value": b"x", **({} if "partition" in options else {"partition": 0}), **options})
                raise Failed(f"taken: {options}")
            except wrong:
                expect(len(sensor._waiting) <= 1, f"kept: {options}")
        changing = bytearray(b"2")
        sensor.put("t", changing, key=memoryview(b"k"), partition=0, timestamp=2**53, headers=[("h", bytearray(b"v"))])
        changing += b"more"
        sensor.put("t", b"3", partition=0, timestamp=0)
        sensor.flush()
        expect([(r.value, r.key, r.headers, r.timestamp) for r in all_records(sensor, "t")] ==
               [(b"1", None, [], NOON), (b"2", b"k", [("h", b"v")], 2**53), (b"3", None, [], 0)], str(all_records(sensor, "t")))


@against_broker
def a_topic_deleted_while_the_connection_is_down(client):
    for name in ("gone", "stays", "returns"):
        client.create(name)
    with python_client(client) as sensor:
        for i in range(3):
            for name in ("gone", "stays", "returns"):
                sensor.put(name, str(i))
        client.broker.kill()
        client.broker.start()
        client("topic", "delete", "gone", code=0)
        client("topic", "delete", "returns", code=0)
        try:
            sensor.flush()
            raise Failed("a refusal was expected")
        except Refused as refused:
            expect(refused.code == 32 and sorted(refused.readings) == sorted((name, None, str(i).encode()) for name in ("gone", "returns") for i in range(3)),
                   f"{refused}: {refused.readings}")
        sensor.flush()
        expect([r.value for r in all_records(sensor, "stays")] == [b"0", b"1", b"2"], "the others are stored")
        fails(32, sensor.put, "gone", b"x")
        fails(32, sensor.put, "gone", b"x")
        client.create("returns")
        for name in ("returns", "stays"):
            sensor.put(name, b"new")
        sensor.flush()
        expect([[r.value for r in all_records(sensor, name)] for name in ("returns", "stays")] == [[b"new"], [b"0", b"1", b"2", b"new"]], "it goes on")


@against_broker
def it_asks_a_silent_broker_alone(client):
    client.create("t")
    with python_client(client, timeout=1.0) as sensor:
        pings = []
        send = sensor._send_frame
        sensor._send_frame = lambda kind, *more: (kind == rivulet_sensor.PING and pings.append(kind), send(kind, *more))[1]
        for i in range(20):
            sensor.put("t", str(i))
            sensor.flush()
        expect(not pings, f"{len(pings)} PINGs for a broker that answers")
        sensor.fetch("t", 0, LATEST, min_bytes=1, wait_ms=1800)
        expect(2 <= len(pings) <= 4, f"{len(pings)} PINGs in 1.8 s, one each half second")


@against_broker
def once_although_the_broker_dies(client):
    client.create("t", 4)
    with python_client(client, window_bytes=20000) as sensor:
        deaths = 0
        for i in range(30000):
            sensor.put("t", str(i), key=str(i % 50) if i % 3 else None, timestamp=NOON + i)
            if i % 8000 == 7999:
                client.broker.kill()
                client.broker.start()
                deaths += 1
        sensor.flush()
        expect(deaths == 3 and not sensor.forgotten, "three deaths, nothing forgotten")
        partitions = [all_records(sensor, "t", partition) for partition in range(4)]
        records = [record for partition in partitions for record in partition]
        expect(sorted(int(r.value) for r in records) == list(range(30000)), f"{len(records)} records, {len({r.value for r in records})} different ones")
        for number, partition in enumerate(partitions):
            values = [int(r.value) for r in partition]
            expect(values == sorted(values), f"order in partition {number}")
        expect(all(r.timestamp == NOON + int(r.value) for r in records), "times")


@against_broker
def one_session_at_a_time(client):
    client.create("t")
    older, newer = python_client(client, session=7), python_client(client, session=7)
    older.connect()
    older.put("t", b"1")
    older.flush()
    newer.connect()
    fails(55, older.fetch, "t")  # the newer connection won, and the older does not come back by itself
    newer.put("t", b"2")
    newer.close()
    older.close()
    expect(client.all_of("t").split() == ["1", "2"], "both are stored")


@against_broker
def no_use_in_trying_again(client):
    client.create("t")
    started = time.monotonic()
    sensor = python_client(client, retry_seconds=1)
    fails(2, sensor.fetch, "t", 0, -3)  # malformed
    expect(time.monotonic() - started < 1, "at once")
    final = rivulet_sensor._FINAL
    try:
        rivulet_sensor._FINAL = set()  # as with an error that may pass, and does not
        sensor.fetch("t", 0, -3)
        raise Failed("it cannot end well")
    except ConnectionError:
        expect(0.5 < time.monotonic() - started < 5, "after retry_seconds, though each new connection opens")
    finally:
        rivulet_sensor._FINAL = final
    expect(client.all_of("t") == "", "the broker is well")


@test
def a_broker_with_the_least_limits(folder):
    broker = Broker(folder, "--set", "limits.aliases_per_connection=1", "--set", "limits.frame_bytes=1K", "--set", "limits.credit_bytes=1K")
    try:
        with Client("127.0.0.1", broker.port, timeout=3, retry_seconds=1) as sensor:
            names = ["a", "b", "c"]
            for name in names:
                sensor.create_topic(name)
            for i in range(300):  # more topics than aliases, in turn, before any of it is sent
                sensor.put(names[i % 3], str(i))
            sensor.flush()
            for at, name in enumerate(names):
                expect([int(r.value) for r in all_records(sensor, name)] == list(range(at, 300, 3)), "stored once and in order: " + name)
            largest = 1024 - 40 - 10  # what put() counts for a reading's fields, and for its frame
            sensor.put("a", bytes(largest))
            sensor.flush()
            fails(18, sensor.put, "a", bytes(largest + 1))  # at once, as it would never have credit
            started = time.monotonic()
            fails(7, sensor.put, "y" * 2000, b"x")
            fails(7, sensor.create_topic, "z" * 2000)
            expect(time.monotonic() - started < 0.5, "there is no use in trying again")
            sensor.put("b", b"goes on")
    finally:
        broker.stop()


@test
def answers_that_no_broker_gives(_):
    def open_answer(version=1, frame_limit=65536, aliases=16):
        numbers = b"".join(rivulet_sensor._varint(n) for n in (1, 1, 0, 1000, 0, frame_limit, aliases, 16, 0))
        frame = rivulet_sensor._varint(len(numbers) + 5) + b"\x01" + bytes([version]) + numbers + b"\0"
        return frame + (crc32c(frame) & 0xFFFF).to_bytes(2, "little")

    for code, answer in ((3, open_answer(version=2)), (2, open_answer(frame_limit=1023)), (2, open_answer(aliases=0)), (None, open_answer())):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = Client(port=listener.getsockname()[1], timeout=5, retry_seconds=0.2)
            broker = threading.Thread(target=lambda: connections.append(listener.accept()[0]) or connections[-1].sendall(answer))
            connections = []
            broker.start()
            if code is None:
                client.connect()
            else:
                fails(code, client.connect)
            client._disconnect()
            broker.join()
            connections[0].close()


@test
def a_session_of_64_bits(_):
    for wrong in (-1, 1 << 64):
        try:
            Client(session=wrong)
            raise Failed(f"taken: {wrong}")
        except ValueError:
            pass


@against_broker
def breaks_while_readings_are_settled(client):
    sensor = python_client(client, retry_seconds=0.3)
    steps = []

    def settles_and_breaks():
        steps.append(time.monotonic())
        sensor._sequence += 1
        time.sleep(0.1)
        if len(steps) < 8:
            raise ConnectionResetError

    sensor._with_connection(settles_and_breaks)
    expect(len(steps) == 8, "it goes on as long as something is settled")


@test
def nobody_there(_):
    sensor = Client("127.0.0.1", 1, retry_seconds=0.2)
    try:
        sensor.connect()
        raise Failed("there is no broker")
    except OSError:
        pass


if __name__ == "__main__":
    sys.exit(main())
