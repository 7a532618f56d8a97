"""The command line against a real broker, as a person and a script use it. The last line is `N passed, M failed`.

With names of tests as arguments: those alone.
"""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # the folder is part of the source tree
from _cli import DEADLINE, RIVULET, Broker, expect, free_port, main, rivulet, test, with_broker


# ---- without a broker ----


@test
def help_and_version(_):
    expect(re.fullmatch(r"rivulet \d+\.\d+\.\d+\S*\n", rivulet("--version", code=0).out), "--version")
    overview = rivulet("--help", code=0).out
    for command in ("serve", "check-config", "print-config", "topic create", "topic list", "topic describe", "topic delete",
                    "produce", "consume", "store inspect", "store verify"):
        expect(f"rivulet {command}" in overview, f"{command} is not in the overview")
        text = rivulet(*command.split(), "--help", code=0).out
        expect("examples:" in text and "usage: rivulet " + command in text, f"{command} --help")
        expect(rivulet("help", *command.split(), code=0).out == text, f"help {command}")
    expect(rivulet(code=2).out == "", "the overview without arguments belongs to standard error")
    rivulet("topic", "--help", code=0)


@test
def usage_mistakes(_):
    rivulet("topc", code=2).says("did you mean \"topic\"")
    expect("did you mean" not in rivulet("help", "nonsense", code=2).err, "only what is near is suggested")
    rivulet("topic", code=2)
    rivulet("topic", "crate", "x", code=2).says("did you mean \"topic create\"")
    rivulet("topic", "create", code=2).says("missing NAME")
    rivulet("topic", "create", "x", "--partitons", "3", code=2).says("did you mean --partitions")
    rivulet("topic", "create", "x", "--partitions", "none", code=2).says("not a whole number")
    rivulet("topic", "list", "--bootstrap", "host:port", code=2).says("not HOST:PORT")
    rivulet("produce", "t", "--acks", "2", code=2).says("0, 1 or all")
    rivulet("produce", "t", "--key", "a", "--key-separator", ",", code=2)
    rivulet("consume", "t", "--format", "%z", code=2).says("unknown %z")
    rivulet("consume", "t", "--timeout", "5", code=2).says("not a duration")
    for command in ("cluster status", "cluster format"):
        rivulet(*command.split(), code=2).says("not in this version")


@test
def nobody_there(_):
    nobody = f"127.0.0.1:{free_port()}"
    for command in ("topic list", "topic create x", "produce x --timeout 1s", "consume x"):
        rivulet(*command.split(), "--bootstrap", nobody, code=3).says(f"could not connect to {nobody}: connection refused")
    rivulet("topic", "list", "--bootstrap", f"no-such-host.invalid,{nobody}", code=3).says("could not find no-such-host.invalid")
    # One that takes the connection and says nothing, and one that speaks another language.
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        start = time.monotonic()
        rivulet("topic", "list", "--bootstrap", "127.0.0.1:%d" % silent.getsockname()[1], code=3).says("timed out")
        expect(time.monotonic() - start < 10, "it takes too long to give up on a silent one")


@test
def a_broker_that_comes_later(folder):
    address = f"127.0.0.1:{free_port()}"
    start = time.monotonic()
    said = rivulet("produce", "x", "--timeout", "2s", "--bootstrap", address, code=3).says("connection refused; trying again")
    expect(1.9 < time.monotonic() - start < 5, f"--timeout covers the first connection: {time.monotonic() - start}")
    expect(said.err.count("\n") == 2, said.err)
    # Its port takes the connection and drops it, then there is nobody, then a broker.
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        with subprocess.Popen([RIVULET, "produce", "x", "--timeout", "20s", "--bootstrap", f"127.0.0.1:{port}"], stdin=subprocess.PIPE,
                              stderr=subprocess.PIPE) as producer:
            connection, _ = server.accept()
            time.sleep(0.2)
            connection.close()
            server.close()
            broker = Broker(folder, port=port)
            try:
                _, err = producer.communicate(b"a\nb\n", timeout=DEADLINE)
            finally:
                broker.stop()
    # There is a broker now, which answers that it has no such topic.
    expect(producer.returncode == 1 and b"ended the connection before it answered: a broker that stops or is still starting" in err, err.decode())
    expect(b"x: unknown topic or partition" in err, err.decode())


@test
def another_language(_):
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        command = subprocess.Popen([RIVULET, "topic", "list", "--bootstrap", "127.0.0.1:%d" % server.getsockname()[1]],
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        connection, _ = server.accept()
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20)
        _, err = command.communicate(timeout=DEADLINE)
        connection.close()
        expect(command.returncode == 3 and b"does not answer like a rivulet broker" in err, err.decode())


@test
def configuration(folder):
    listed = json.loads(rivulet("print-config", "--json", code=0).out)
    expect(any(e["section"] == "memory" and e["key"] == "total" and e["origin"] == "default" for e in listed), "memory.total")
    path = os.path.join(folder, "r.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write("[memory]\ntotal = 16M\n")
    out = rivulet("print-config", "-c", path, "--set", "broker.id=7", code=0).out
    expect(re.search(r"memory\.total += 16M +# .*r\.conf:2", out), out)
    expect(re.search(r"broker\.id += 7 +# --set", out), out)
    with open(path, "a", encoding="utf-8") as file:
        file.write("totl = 1\n[nope]\n")
    rivulet("print-config", "-c", path, code=2).says(r"r\.conf:3:.*did you mean .*total").says(r"r\.conf:4:")
    rivulet("print-config", "-c", os.path.join(folder, "missing"), code=2).says("no such file")
    sample = os.path.join(folder, "sample.conf")
    with open(sample, "w", encoding="utf-8") as file:
        file.write(rivulet("print-config", "--sample", code=0).out)
    rivulet("print-config", "-c", sample, code=0)


@test
def no_store(folder):
    rivulet("store", "verify", os.path.join(folder, "missing"), code=3)
    rivulet("store", "inspect", folder, code=3).says("not a rivulet store")


# ---- with a broker ----


@with_broker
def topics(client):
    expect(client("topic", "list", code=0).out == "", "an empty list prints nothing")
    expect(json.loads(client("topic", "list", "--json", code=0).out) == [], "an empty JSON list")
    expect(client.create("temps", 4, "--config", "retention.ms=1d").out.startswith("created topic temps: 4 partitions"), "create")
    client("topic", "create", "temps", code=1).says("temps: topic exists already\n")
    client("topic", "create", "a/b", code=2).says("invalid topic name")
    client("topic", "create", "x", "--config", "retention.sm=1", code=2)
    client("topic", "create", "x", "--config", "durability=paper", code=2)
    client("topic", "create", "live", "--config", "durability=memory", code=0)
    made = json.loads(client("topic", "create", "other", "--json", code=0).out)
    listed = json.loads(client("topic", "list", "--json", code=0).out)
    expect([t["name"] for t in listed] == ["live", "other", "temps"], str(listed))
    expect([t["id"] for t in listed if t["name"] == "other"] == [made["id"]], "the id of create is that of list")
    expect(listed[0]["durability"] == "memory" and listed[2]["partitions"] == 4, str(listed))
    table = client("topic", "list", code=0).out.splitlines()
    expect(table[0].split() == ["TOPIC", "PARTITIONS", "REPLICATION", "DURABILITY", "ID"] and len(table) == 4, str(table))
    described = json.loads(client("topic", "describe", "temps", "--json", code=0).out)[0]
    expect(described["config"]["retention.ms"] == "86400000", str(described["config"]))
    expect([p["partition"] for p in described["partitions"]] == [0, 1, 2, 3], str(described))
    text = client("topic", "describe", "live", code=0).out
    expect("a power cut loses" in text and "LOG-START" in text, text)
    expect(len(json.loads(client("topic", "describe", "--json", code=0).out)) == 3, "describe without a name")
    client("topic", "describe", "nope", code=1).says("unknown topic")
    client("topic", "delete", "other", code=0)
    client("topic", "delete", "other", code=1).says("other: unknown topic or partition\n")
    expect("other" not in client("topic", "list", code=0).out, "deleted")


@with_broker
def letters(client):
    here = ("-b", client.broker.address)
    rivulet(*here, "topic", "create", "t", code=0)
    rivulet("produce", "t", "-K", ":", "-H", "unit=C", "-q", *here, stdin=b"k:v\nk:w\n", code=0)
    out = rivulet("consume", "t", "-o", "earliest", "-p", "0", "-c", "2", "-f", "%k=%v %h\n", *here, code=0).out
    expect(out == "k=v unit=C\nk=w unit=C\n", out)


@with_broker
def many_partitions(client):
    client.create("wide", 150)
    described = json.loads(client("topic", "describe", "wide", "--json", code=0).out)[0]
    expect([p["partition"] for p in described["partitions"]] == list(range(150)), "pages of partitions")
    lines = "".join(f"k{i},{i}\n" for i in range(2000))
    client("produce", "wide", "--key-separator", ",", stdin=lines.encode(), code=0)
    expect(sorted(map(int, client.all_of("wide").split())) == list(range(2000)), "all records of all partitions")


@with_broker
def lines_are_records(client):
    client.create("t")
    said = client("produce", "t", stdin=b"one\n\ntwo\r\n\xff\x00bin\nlast", code=0)
    expect("acknowledged 5 of 5 sent" in said.err and said.out == "", said.err)
    out = subprocess.run([RIVULET, "consume", "t", "--from-beginning", "--max-messages", "5", "--bootstrap", client.broker.address],
                         capture_output=True, timeout=DEADLINE, check=True).stdout
    expect(out == b"one\n\ntwo\n\xff\x00bin\nlast\n", repr(out))
    expect("sent" not in client("produce", "t", "--quiet", stdin=b"x\n", code=0).err, "--quiet")
    client("produce", "t", stdin=b"", code=0)
    acks = client("produce", "t", "--print-acks", stdin=b"a\nb\nc\n", code=0).out.split()
    expect(acks and acks[-1] == "3" and list(map(int, acks)) == sorted(map(int, acks)), str(acks))


@with_broker
def keys_headers_partitions(client):
    client.create("t", 4)
    client("produce", "t", "--key-separator", "\\t", "--header", "unit=C", "--header", "from=test", stdin=b"k1\tv1\nk2\tv2\tx\n", code=0)
    out = client.all_of("t", "%t %k %v %h %K %V\\n")
    expect(sorted(out.splitlines()) == ["t k1 v1 unit=C,from=test 2 2", "t k2 v2\tx unit=C,from=test 2 4"], out)
    client("produce", "t", "--key", "boiler", stdin=b"a\nb\n", code=0)
    both = client.all_of("t", "%p %k\\n").splitlines()
    expect(len({line for line in both if "boiler" in line}) == 1 and sum("boiler" in line for line in both) == 2, str(both))
    client("produce", "t", "--key", "boiler", "--partition", "2", stdin=b"c\n", code=0)
    expect("2 boiler c" in client.all_of("t", "%p %k %v\\n").splitlines(), "--key with --partition")
    client("produce", "t", "--key-separator", ",", stdin=b"a,1\nbad\nc,3\n", code=2).says("line 2: no separator").says("acknowledged 1 of 1")
    # Nobody reads what it says: its exit code tells the same.
    unread, output = os.pipe()
    os.close(unread)
    with subprocess.Popen([RIVULET, "produce", "t", "--key-separator", ",", "--print-acks", "--bootstrap", client.broker.address], stdin=subprocess.PIPE,
                          stdout=output, stderr=subprocess.PIPE) as producer:
        os.close(output)
        _, err = producer.communicate(b"a,1\nbad\n", timeout=DEADLINE)
        expect(producer.returncode == 2 and b"acknowledged 1 of 1" in err, f"exit {producer.returncode}: {err.decode()}")
    client("produce", "t", "--key-separator", ",", "--ignore-missing-key", stdin=b"a,1\nbad\nc,3\n", code=0)
    client("produce", "t", "--partition", "9", stdin=b"x\n", code=1).says("^rivulet: t has no partition 9: there are 0 to 3\n$")
    client("produce", "nope", "--partition", "9", stdin=b"x\n", code=1).says("^rivulet: nope: unknown topic or partition\n$")
    client("produce", "nope", stdin=b"x\n", code=1).says("nope: unknown topic")
    client("produce", "t", stdin=b"ok\n" + b"x" * 3_000_000 + b"\nafter\n", code=1).says("line 2: ").says("acknowledged 1 of 1")
    first = json.loads(client("consume", "t", "--from-beginning", "--max-messages", "1", "--json", code=0).out)
    expect(sorted(first) == ["headers", "key", "offset", "partition", "timestamp", "topic", "value"], str(first))
    client("consume", "t", "--json", "--format", "%v", code=2).says("do not go together")
    for acks in ("0", "1", "all"):
        client("produce", "t", "--acks", acks, stdin=b"x\n", code=0)


@with_broker
def where_consume_begins_and_ends(client):
    client.create("t", 2)
    for partition in ("0", "1"):
        client("produce", "t", "--partition", partition, stdin="".join(f"{partition}-{i}\n" for i in range(50)).encode(), code=0)
    one = client("consume", "t", "--partition", "1", "--offset", "45", "--timeout", "300ms", code=0).out.split()
    expect(one == [f"1-{i}" for i in range(45, 50)], str(one))
    expect(len(client("consume", "t", "--from-beginning", "--max-messages", "7", code=0).out.split()) == 7, "--max-messages")
    expect(client("consume", "t", "--timeout", "300ms", code=0).out == "", "from the end by default")
    client("consume", "t", "--offset", "5", code=2).says("needs --partition")
    client("consume", "t", "--partition", "2", code=1).says("no partition 2")
    client("consume", "t", "--partition", "0", "--offset", "51", "--timeout", "5s", code=1).says("beyond the end, 50")
    client("consume", "nope", code=1).says("nope: unknown topic or partition\n")
    out = client.all_of("t", "%p %o\\n").splitlines()
    for partition in ("0", "1"):
        expect([line for line in out if line.startswith(partition)] == [f"{partition} {i}" for i in range(50)], "order within a partition")


@with_broker
def following(client):
    client.create("t")
    follower = subprocess.Popen([RIVULET, "consume", "t", "--from-beginning", "--bootstrap", client.broker.address], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)
    for i in range(3):
        client("produce", "t", stdin=f"line {i}\n".encode(), code=0)
        expect(follower.stdout.readline() == f"line {i}\n".encode(), "what was produced is printed at once")
    client.broker.kill()
    client.broker.start()
    client("produce", "t", stdin=b"after the restart\n", code=0)
    expect(follower.stdout.readline() == b"after the restart\n", "goes on after a restart of the broker, nothing twice")
    follower.send_signal(signal.SIGINT)
    _, err = follower.communicate(timeout=DEADLINE)
    expect(follower.returncode == 0, f"^C: exit {follower.returncode}")
    expect(b"trying again" in err, err.decode())


@with_broker
def a_reader_that_goes(client):
    client.create("t")
    client("produce", "t", stdin=b"".join(b"%d\n" % i for i in range(200)), code=0)
    # Few records, so that all are written before head ends: the follower must notice by itself.
    start = time.monotonic()
    consumer = subprocess.Popen([RIVULET, "consume", "t", "--from-beginning", "--bootstrap", client.broker.address], stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)
    expect(consumer.stdout.readline() == b"0\n", "the first record")
    consumer.stdout.close()
    consumer.wait(DEADLINE)
    expect(consumer.returncode == 0 and consumer.stderr.read() == b"", f"exit {consumer.returncode}")
    expect(time.monotonic() - start < 5, "it takes too long to notice")
    consumer.stderr.close()


@with_broker
def a_reader_that_takes_nothing(client):
    client.create("t")
    client("produce", "t", stdin=b"".join(b"%d\n" % i for i in range(50000)), code=0)
    for number in (signal.SIGINT, signal.SIGTERM):
        with subprocess.Popen([RIVULET, "consume", "t", "--from-beginning", "--bootstrap", client.broker.address], stdout=subprocess.PIPE) as consumer:
            time.sleep(0.5)  # the pipe is full by now
            consumer.send_signal(number)
            consumer.wait(5)
            expect(consumer.returncode == -number, f"exit {consumer.returncode}: the signal ends it, as nothing else can")


@with_broker
def an_output_that_fails(client):
    client.create("t")
    client("produce", "t", stdin=b"".join(b"%d\n" % i for i in range(50000)), code=0)
    for what in ((), ("--timeout", "30s")):
        with open("/dev/full", "wb") as full:
            done = subprocess.run([RIVULET, "consume", "t", "--from-beginning", "--bootstrap", client.broker.address, *what], stdout=full,
                                  stderr=subprocess.PIPE, timeout=10, check=False)
        expect(done.returncode == 3 and done.stderr == b"rivulet: standard output: no space left on device\n", f"{done}")


@with_broker
def a_slow_reader_is_not_a_silent_topic(client):
    client.create("t")
    client("produce", "t", stdin=b"".join(b"%d\n" % i for i in range(100000)), code=0)
    with subprocess.Popen([RIVULET, "consume", "t", "--from-beginning", "--timeout", "1s", "--bootstrap", client.broker.address],
                          stdout=subprocess.PIPE) as consumer:
        time.sleep(2.5)
        expect(consumer.stdout.read().count(b"\n") == 100000, "all of it, though the reader was slow")
        consumer.wait(5)
        expect(consumer.returncode == 0, f"exit {consumer.returncode}")


@with_broker
def refused_lines_are_not_acknowledged(client):
    client.create("t")
    with subprocess.Popen([RIVULET, "produce", "t", "--print-acks", "--bootstrap", client.broker.address], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as producer:
        producer.stdin.write(b"x\n" * 1000)
        producer.stdin.flush()
        for line in producer.stdout:
            if int(line) == 1000:
                break
        client("topic", "delete", "t", code=0)
        producer.stdin.write(b"y\n" * 500)
        out, err = producer.communicate(timeout=DEADLINE)
        expect(producer.returncode == 1, f"exit {producer.returncode}")
        expect(out == b"", f"--print-acks: {out}")
        expect(b" 1001" in err and b"not stored: unknown topic or partition" in err, err.decode())
        expect(err.endswith(b"acknowledged 1000 of 1500 sent, 500 refused\n"), err.decode())


@with_broker
def interrupted_produce(client):
    client.create("t")
    producer = subprocess.Popen([RIVULET, "produce", "t", "--bootstrap", client.broker.address], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE)
    producer.stdin.write(b"".join(b"%d\n" % i for i in range(1000)))
    producer.stdin.flush()
    time.sleep(0.3)
    producer.send_signal(signal.SIGINT)
    producer.wait(DEADLINE)  # its standard input is still open
    err = producer.stderr.read().decode()
    for stream in (producer.stdin, producer.stdout, producer.stderr):
        stream.close()
    expect(producer.returncode == 0, f"exit {producer.returncode}: {err}")
    found = re.search(r"acknowledged (\d+) of (\d+) sent, interrupted", err)
    expect(found and found.group(1) == found.group(2), err)
    expect(client.all_of("t").split() == [str(i) for i in range(int(found.group(1)))], "what it says is stored")


def feed(stream, lines, pause):
    """Writes lines slowly, until the reader goes."""
    try:
        for i, line in enumerate(lines):
            stream.write(line)
            if i % 200 == 199:
                stream.flush()
                time.sleep(pause)
        stream.close()
    except OSError:
        pass


@with_broker
def broker_dies_midway(client):
    client.create("temps", 4)
    lines = [b"%d,%d\n" % (i % 97, i) for i in range(20000)]
    producer = subprocess.Popen([RIVULET, "produce", "temps", "--key-separator", ",", "--timeout", "1s", "--print-acks", "--bootstrap",
                                 client.broker.address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child = os.fork()
    if child == 0:
        feed(producer.stdin, lines, 0.02)
        os._exit(0)
    producer.stdin.close()
    for line in producer.stdout:
        if int(line) > 3000:
            break
    client.broker.kill()
    producer.stdout.read()
    producer.wait(DEADLINE)
    os.waitpid(child, 0)
    err = producer.stderr.read().decode()
    producer.stdout.close()
    producer.stderr.close()
    expect(producer.returncode == 3, f"exit {producer.returncode}: {err}")
    found = re.search(r"acknowledged (\d+) of (\d+) sent; the first (\d+) lines are stored", err)
    expect(found and found.group(1) == found.group(3) and int(found.group(1)) > 3000, err)
    acknowledged, sent = int(found.group(1)), int(found.group(2))
    client.broker.start()
    out = client.all_of("temps", "%p %k %v\\n").splitlines()
    stored = [int(line.split()[2]) for line in out]
    expect(set(range(acknowledged)) <= set(stored), "everything acknowledged is there")
    expect(len(set(stored)) == len(stored) and max(stored) < sent, "nothing invented, nothing twice")
    for partition in "0123":
        numbers = [int(line.split()[2]) for line in out if line.startswith(partition)]
        expect(numbers == sorted(numbers), f"order in partition {partition}")
    # Go on where it ended.
    client("produce", "temps", "--key-separator", ",", stdin=b"".join(lines[acknowledged:]), code=0)
    expect(set(map(int, client.all_of("temps").split())) == set(range(20000)), "all of the file, in the end")


@with_broker
def broker_restarts_midway(client):
    client.create("temps", 4)
    lines = [b"%d,%d\n" % (i % 97, i) for i in range(20000)]
    producer = subprocess.Popen([RIVULET, "produce", "temps", "--key-separator", ",", "--timeout", "30s", "--print-acks", "--bootstrap",
                                 client.broker.address], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    child = os.fork()
    if child == 0:
        feed(producer.stdin, lines, 0.02)
        os._exit(0)
    producer.stdin.close()
    for turn in (1500, 6000):
        for line in producer.stdout:
            if int(line) > turn:
                break
        client.broker.kill()
        client.broker.start()
    producer.stdout.read()
    producer.wait(DEADLINE)
    os.waitpid(child, 0)
    err = producer.stderr.read().decode()
    producer.stdout.close()
    producer.stderr.close()
    expect(producer.returncode == 0 and "acknowledged 20000 of 20000 sent" in err, err)
    expect(err.count("connected again") == 2, err)
    out = client.all_of("temps", "%p %v\\n").splitlines()
    expect(sorted(int(line.split()[1]) for line in out) == list(range(20000)), "each line exactly once")
    for partition in "0123":
        numbers = [int(line.split()[1]) for line in out if line.startswith(partition)]
        expect(numbers == sorted(numbers), f"order in partition {partition}")


@with_broker
def stores_offline(client):
    client.create("t", 2)
    client("produce", "t", stdin=b"".join(b"%d\n" % i for i in range(5000)), code=0)
    data = client.broker.data
    rivulet("store", "verify", data, code=3).says("in use")
    client.broker.stop()
    expect("summary damaged=no" in rivulet("store", "verify", data, code=0).out, "a store that is well")
    for line in rivulet("store", "inspect", data, "--json", code=0).out.splitlines():
        json.loads(line)
    rivulet("store", "inspect", data, "--segment", "999", code=1).says("segment 999")
    journal = os.path.join(data, "journal")
    with open(journal, "r+b") as file:
        content = file.read()
        at = content.find(b"1234")  # within a value
        expect(at > 0, "the journal holds the values")
        file.seek(at)
        file.write(b"9999")
    expect("damage" in rivulet("store", "verify", data, code=1).out, "damage is found")


if __name__ == "__main__":
    sys.exit(main())
