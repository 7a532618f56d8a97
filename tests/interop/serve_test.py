"""What can be wrong when a broker starts or stops, each as an operator meets it: one clear line with path and reason, the right exit code, and
nothing is lost. The last line is `N passed, M failed`. With names of tests as arguments: those alone.
"""

import contextlib
import hashlib
import json
import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time

sys.dont_write_bytecode = True  # the folder is part of the source tree
from _cli import DEADLINE, RIVULET, Broker, Client, Failed, NotPermitted, Run, expect, free_port, main, rivulet, test, wait_for, with_broker
from _wire import Wire, crc32c

NOBODY = 65534
GEOMETRY = ("storage.size=32M", "storage.segment_bytes=2M")


def serve(data, *settings, **options):
    """A start that is expected to fail."""
    arguments = []
    for setting in (f"storage.dir={data}", *GEOMETRY, f"listener.compact.bind=127.0.0.1:{free_port()}", *settings):
        arguments += ["--set", setting]
    try:
        done = subprocess.run([RIVULET, "serve", *arguments], stdin=subprocess.DEVNULL, capture_output=True, timeout=20, check=False, **options)
    except subprocess.TimeoutExpired as error:
        raise AssertionError(f"it serves: {error.stderr}") from error
    return Run(done.returncode, done.stdout.decode(), done.stderr.decode("utf-8", "replace"))


def one_error(run, code, path, reason):
    run.is_code(code).says(reason)
    errors = [line for line in run.err.splitlines() if line.startswith(("error: ", "rivulet: "))]
    expect(len(errors) == 1 and str(path) in errors[0], f"one line that names {path}: {run.err}")


def store_with_records(folder):
    """A store that was stopped cleanly, with 100 records."""
    broker = Broker(folder)
    try:
        client = Client(broker)
        client.create("t")
        client("produce", "t", stdin=b"".join(b"%d\n" % i for i in range(100)), code=0)
    finally:
        expect(broker.stop() == 0, broker.words())
    return broker


def expect_records(broker):
    broker.start()
    try:
        expect(Client(broker).all_of("t").split() == [str(i) for i in range(100)], "all records are there")
    finally:
        expect(broker.stop() == 0, broker.words())


def digest(folder):
    sums = {}
    for name in sorted(os.listdir(folder)):
        with open(os.path.join(folder, name), "rb") as file:
            sums[name] = hashlib.sha256(file.read()).hexdigest()
    return sums


@contextlib.contextmanager
def mounted(target, *arguments):
    os.makedirs(target, exist_ok=True)
    done = subprocess.run(["mount", *arguments, target], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotPermitted(done.stderr.strip())
    try:
        yield target
    finally:
        subprocess.run(["umount", target], check=True)


def remount(target, options):
    done = subprocess.run(["mount", "-o", f"remount,{options}", target], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotPermitted(done.stderr.strip())


def as_nobody():
    """Options for a process without root's rights; none are needed for who has none."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


# ---- where the store is to be ----


@test
def store_on_a_read_only_mount(folder):
    broker = store_with_records(folder)
    before = digest(broker.data)
    with mounted(os.path.join(folder, "mnt"), "--bind", broker.data) as target:
        remount(target, "ro,bind")
        one_error(serve(target), 3, target, "read-only file system")
        expect("damaged=no" in rivulet("store", "verify", target, code=0).out, "it can be looked at")
    expect(digest(broker.data) == before, "nothing changed")
    expect_records(broker)


@test
def new_store_on_a_read_only_mount(folder):
    with mounted(os.path.join(folder, "mnt"), "-t", "tmpfs", "-o", "ro", "tmpfs") as target:
        one_error(serve(target), 3, target, "read-only file system")
        below = os.path.join(target, "below")
        one_error(serve(below), 3, below, "read-only file system")


@test
def no_permission(folder):
    broker = store_with_records(folder)
    os.chmod(folder, 0o755)
    before = digest(broker.data)
    for path, mode in ((broker.data, 0o000), (os.path.join(broker.data, "super"), 0o400), (os.path.join(broker.data, "journal"), 0o444)):
        kept = stat.S_IMODE(os.stat(path).st_mode)
        os.chmod(path, mode)
        try:
            one_error(serve(broker.data, **as_nobody()), 3, broker.data, "permission denied.*storage.dir")
        finally:
            os.chmod(path, kept)
    locked = os.path.join(folder, "locked")
    os.mkdir(locked, 0o555)
    below = os.path.join(locked, "data")
    one_error(serve(below, **as_nobody()), 3, below, "permission denied")
    expect(os.listdir(locked) == [], "nothing is left")
    expect(digest(broker.data) == before, "nothing changed")
    expect_records(broker)


@test
def store_in_proc(_):
    for path in ("/proc/rivulet", "/proc/self/rivulet", "/proc"):
        one_error(serve(path), 3, path, "no such file or directory.*storage.dir|permission denied.*storage.dir")


@test
def file_size_limit(folder):
    target = os.path.join(folder, "store")
    limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    one_error(serve(target, preexec_fn=limit), 3, target, "file too large.*ulimit -f.*storage.size; nothing was left behind")
    expect(not os.path.exists(target) or os.listdir(target) == [], "nothing is left")


@test
def full_card(folder):
    with mounted(os.path.join(folder, "mnt"), "-t", "tmpfs", "-o", "size=8M", "tmpfs") as target:
        one_error(serve(target), 3, target, "no space left.*storage.size; nothing was left behind")
        expect(os.listdir(target) == [], "nothing is left")
        remount(target, "size=64M")
        broker = Broker(target)  # its log is there too
        expect(broker.stop() == 0, broker.words())


@test
def file_in_place_of_the_directory(folder):
    path = os.path.join(folder, "file")
    with open(path, "w", encoding="utf-8") as file:
        file.write("mine\n")
    one_error(serve(path), 3, path, "not a directory")
    one_error(serve(path + "/data"), 3, path, "not a directory")
    one_error(serve("/dev/null"), 3, "/dev/null", "not a directory")
    with open(path, encoding="utf-8") as file:
        expect(file.read() == "mine\n", "the file is as it was")
    data = os.path.join(folder, "data")
    os.makedirs(os.path.join(data, "super"))
    one_error(serve(data), 3, data, "is a directory")


@test
def somebody_elses_journal(folder):
    data = os.path.join(folder, "data")
    os.makedirs(data)
    with open(os.path.join(data, "journal"), "w", encoding="utf-8") as file:
        file.write("Dear diary\n")
    serve(data).is_code(3).says("journal is no store's")
    with open(os.path.join(data, "journal"), encoding="utf-8") as file:
        expect(file.read() == "Dear diary\n", "the file is as it was")
    expect(os.listdir(data) == ["journal"], "nothing else was made")


# ---- what is there ----


@test
def store_of_a_newer_version(folder):
    broker = store_with_records(folder)
    path = os.path.join(broker.data, "super")
    with open(path, "rb") as file:
        good = file.read()
    newer = b""
    for at in (0, 4096):
        page = bytearray(good[at:at + 4096])
        if page[:8] == b"RVLSUPER":
            page[8:10] = (int.from_bytes(page[8:10], "little") + 1).to_bytes(2, "little")
            page[4092:] = crc32c(page[:4092]).to_bytes(4, "little")
        newer += page
    with open(path, "wb") as file:
        file.write(newer)
    before = digest(broker.data)
    one_error(serve(broker.data), 3, broker.data, "written by a newer version")
    rivulet("store", "verify", broker.data, code=3).says("newer version")
    expect(digest(broker.data) == before, "nothing changed")
    with open(path, "wb") as file:
        file.write(good)
    expect_records(broker)


@with_broker
def second_broker_on_the_store(client):
    client.create("t")
    one_error(serve(client.broker.data), 3, client.broker.data, "in use by another process")
    client("produce", "t", stdin=b"still here\n", code=0)
    expect(client.all_of("t") == "still here\n", "the first goes on")


@with_broker
def address_in_use(client):
    client.create("t")
    other = client.broker.data + ".other"
    one_error(serve(other, f"listener.compact.bind={client.broker.address}"), 3, client.broker.address, "address already in use")
    client("topic", "describe", "t", code=0)
    one_error(serve(other, "listener.compact.bind=192.0.2.1:9192"), 3, "192.0.2.1:9192", "not an address of this machine")
    one_error(serve(other, "listener.more.protocol=compact", f"listener.more.bind={client.broker.address}"), 3, client.broker.address, "address already in use")
    expect(not os.path.exists(other), "nothing is made where the broker cannot listen")


@test
def address_in_use_leaves_the_store(folder):
    broker = store_with_records(folder)
    before = digest(broker.data)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = "127.0.0.1:%d" % taken.getsockname()[1]
        one_error(serve(broker.data, f"listener.compact.bind={address}"), 3, address, "address already in use")
    expect(digest(broker.data) == before, "nothing changed: the next start finds it as it was stopped")
    expect_records(broker)


@test
def clients_wait_while_it_starts(folder):
    """A store that takes a while to be made: four segments of 64 MiB are zeroed first. Stopped as soon as it takes a connection, the broker shows which came first."""
    for attempt in range(5):
        if connected_before_it_is_ready(os.path.join(folder, str(attempt))):
            return
    raise Failed("each time it was ready before it took a connection")


def connected_before_it_is_ready(folder):
    """False: this machine let us run too late to see it."""
    os.mkdir(folder)
    port = free_port()
    arguments = [RIVULET, "serve"]
    for setting in (f"storage.dir={folder}/data", "storage.size=512M", "storage.segment_bytes=64M", f"listener.compact.bind=127.0.0.1:{port}"):
        arguments += ["--set", setting]
    log = os.path.join(folder, "broker.log")

    def ready():
        with open(log, encoding="utf-8") as file:
            return " ready: " in file.read()

    with open(log, "wb") as file:
        process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=file, stderr=file)
    try:
        wire = None
        while wire is None:
            try:
                wire = Wire(port, timeout=DEADLINE)
            except ConnectionRefusedError:
                expect(process.poll() is None, "it runs")
                time.sleep(0.001)
        process.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        early = not ready()
        process.send_signal(signal.SIGCONT)
        wire.open()
        expect(ready(), "it answers when it is ready")
        wire.socket.close()
        return early
    finally:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        expect(process.wait(DEADLINE) == 0, "a clean stop")
        shutil.rmtree(os.path.join(folder, "data"), ignore_errors=True)


@test
def another_geometry(folder):
    broker = store_with_records(folder)
    before = digest(broker.data)
    for setting in ("storage.size=64M", "storage.segment_bytes=4M"):
        one_error(serve(broker.data, setting), 2, broker.data, "the configuration says")
    expect(digest(broker.data) == before, "nothing changed")
    expect_records(broker)


# ---- configuration ----


@test
def configuration_mistakes(folder):
    data = os.path.join(folder, "data")
    path = os.path.join(folder, "r.conf")
    for line, reason in (
            ("[memory", "section without ]"),
            ("[memroy]", "did you mean .*memory"),
            ("[memory]\ntotal", "expected key = value"),
            ("[memory]\ntotl = 8M", "did you mean memory.total"),
            ("[memory]\ntotal = 8Q", "not a size"),
            ("[memory]\ntotal = 32M\ntotal = 32M", "again|twice|already|duplicate"),
            ("[storage]\nsize = 1K", "out of range, 256K to"),
            ("[storage]\nsize = 8M", "fewer than 8 segments"),
            ("[storage]\nsegment_bytes = 3M", "power of two"),
            ("[storage]\ndir =", "must not be empty"),
            ("[storage]\ndir = " + "d" * 300, "longer than"),
            ("[broker]\ndrain_timeout = 5", "not a duration"),
            ("[broker]\nlog_level = loud", "error, warning, info or debug|must be"),
            ("[limits]\nconnections = many", "not a whole number|not a number"),
            ("[limits]\ntopics = 5000", "more than limits.partitions"),
            ("[listener.compact]\nbind = here", "not an address"),
            ("[listener.compact]\nadvertise = here", "not HOST:PORT"),
            ("[listener.compact]\ntls = on", "not built yet"),
            ("[listener.other]\nbind = 127.0.0.1:1", "protocol: missing"),
            ("[topic.a/b]", "a topic's name"),
            ("[topic.t]\ndurability = paper", "disk or memory|must be"),
            ("[cluster]\nx = 1", "a later version"),
            ("x" * 2000, "too long|longer than"),
    ):
        with open(path, "w", encoding="utf-8") as file:
            file.write(line + "\n")
        # --set rules over the file, so the directory is named there where the file does not.
        arguments = ["-c", path] + ([] if "dir" in line else ["--set", f"storage.dir={data}"])
        for command in ("serve", "check-config"):
            run = rivulet(command, *arguments, code=2, seconds=20).says(reason)
            errors = run.err.splitlines()
            expect(len(errors) == 1 and errors[0].startswith(f"rivulet: {path}:"), f"{line!r}: one line with file:line: {run.err}")
    for setting in ("nonsense", "memory.total", "memory.totl=1M", "memory.total=1", "=", "topic.t.partitions=0"):
        run = rivulet("serve", "--set", setting, "--set", f"storage.dir={data}", code=2, seconds=20)
        expect(len(run.err.splitlines()) == 1 and "--set" in run.err, f"{setting}: {run.err}")
    for file, reason in ((os.path.join(folder, "none"), "no such file"), (folder, "is a directory"), (path + "/x", "not a directory")):
        expect(rivulet("serve", "-c", file, code=2).says(reason).err.startswith(f"rivulet: {file}: "), file)
    run = rivulet("serve", "--set", "limits.connections=10000", "--set", f"storage.dir={data}", code=2).says("memory.total = 32M.*raise memory.total by")
    expect(len(run.err.splitlines()) == 1, run.err)
    expect(not os.path.exists(data), "nothing is made where the configuration is wrong")


@test
def configuration_mistakes_as_json(folder):
    path = os.path.join(folder, "r.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write('[memory]\ntotl = "8M"\n[nope]\n')
    found = rivulet("check-config", "-c", path, "--json", code=2)
    problems = json.loads(found.out)["problems"]
    expect([(p["file"], p["line"], p["key"]) for p in problems] == [(path, 2, "memory.totl"), (path, 3, "[nope]")], problems)
    expect("did you mean memory.total" in problems[0]["message"] and found.err == "", found.err)
    expect(json.loads(rivulet("check-config", "--json", code=0).out)["problems"] == [], "none")


@test
def both_checkpoints_lost(folder):
    broker = Broker(folder, "--set", "storage.size=4M", "--set", "storage.segment_bytes=256K", "--set", "storage.checkpoint_bytes_max=128K", "--set", "limits.batch_bytes=64K", "--set",
                    "defaults.max.message.bytes=64K", "--set", "limits.partitions=16", "--set", "limits.topics=16", "--set", "limits.sessions=32", "--set", "limits.producers=32")
    try:
        client = Client(broker)
        client.create("t")
        client("produce", "t", stdin=b"".join(b"%d%s\n" % (i, b"." * 1000) for i in range(8000)), code=0)
        broker.stop()
        rivulet("store", "verify", broker.data, code=0)
        for area in (0, 1):
            os.remove(os.path.join(broker.data, f"checkpoint.{area}"))
        found = rivulet("store", "verify", broker.data, code=1)
        expect("damage class=checkpoint" in found.out and "recovered.N" in found.out, found.out)
        broker.start()
        names = [topic["name"] for topic in json.loads(client("topic", "list", "--json", code=0).out)]
        expect(len(names) == 1 and names[0].startswith("recovered."), f"as it said: {names}")
        expect("7999." in client.all_of(names[0]), "the records are there")
    finally:
        broker.stop()


@test
def configuration_from_a_pipe(_):
    run = rivulet("check-config", "-c", "/dev/stdin", "--json", stdin=b"[storage]\nsize = 64M\n", code=0)
    expect('"flash_total": 69214208' in run.out, run.out)


@test
def reload(folder):
    path = os.path.join(folder, "r.conf")

    def write(text):
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)

    write("[limits]\nconnections = 900\n")
    broker = Broker(folder, "-c", path)
    try:
        def reloaded(says):
            seen = len(broker.words())
            broker.process.send_signal(signal.SIGHUP)
            wait_for(lambda: says in broker.words()[seen:], f"{says!r} after a reload: {broker.words()}", 20)

        write("[limits]\nconnections = 800\n[defaults]\npartitions = 3\n[topic.new]\n")
        reloaded("reload: done, 3 differences: 2 applied, 1 needs a restart")
        reloaded("reload: done, 1 difference: 0 applied, 1 needs a restart")
        for line in ("limits.connections = 800 (was 900): needs a restart", "defaults.partitions = 3 (was 1)", "topic new created: 3 partitions"):
            expect(line in broker.words(), f"{line}: {broker.words()}")
        write("[defaults]\npartitions = 0\n")
        reloaded(f"{path}:2: defaults.partitions = 0: out of range")
        os.remove(path)
        reloaded(f"{path}: no such file or directory")
        expect("created topic t: 3 partitions" in Client(broker)("topic", "create", "t", code=0).out, "the old configuration stays in force")
    finally:
        expect(broker.stop() == 0, broker.words())


# ---- stopping ----


@with_broker
def stopped_twice_within_milliseconds(client):
    client.create("t")
    client("produce", "t", stdin=b"".join(b"%d\n" % i for i in range(1000)), code=0)
    for number in (signal.SIGTERM, signal.SIGINT):
        process = client.broker.process
        process.send_signal(number)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)
        process.wait(DEADLINE)
        expect(process.returncode == 0, f"exit {process.returncode}: {client.broker.words()}")
        client.broker.start()
        expect("was not stopped cleanly" not in client.broker.words(), client.broker.words())
    expect(len(client.all_of("t").split()) == 1000, "all records are there")


@with_broker
def a_session_that_moves(client):
    client.create("t")
    arguments = [RIVULET, "produce", "t", "--session", "7", "--timeout", "30s", "--bootstrap", client.broker.address]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(arguments + ["--print-acks"], **pipes) as older:
        older.stdin.write(b"from the older\n")
        older.stdin.flush()
        expect(older.stdout.readline() == b"1\n", "acknowledged")
        with subprocess.Popen(arguments + ["--print-acks"], **pipes) as newer:
            newer.stdin.write(b"from the newer\n")
            newer.stdin.flush()
            expect(newer.stdout.readline() == b"1\n", "acknowledged")
            older.wait(DEADLINE)
            expect(older.returncode == 3, f"exit {older.returncode}")
            err = older.stderr.read().decode()
            expect("session was opened by another client" in err and "trying again" not in err, err)
            newer.stdin.close()
            newer.wait(DEADLINE)
            expect(newer.returncode == 0, newer.stderr.read().decode())
    expect(client.all_of("t").splitlines() == ["from the older", "from the newer"], "both are stored, once")


@with_broker
def a_second_interrupt_while_producing(client):
    """Nobody answers any more: the first ^C waits for acknowledgements, another one ends it."""
    client.create("t")
    with subprocess.Popen([RIVULET, "produce", "t", "--timeout", "60s", "--print-acks", "--bootstrap", client.broker.address], stdin=subprocess.PIPE,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE) as producer:
        producer.stdin.write(b"one\n")
        producer.stdin.flush()
        expect(producer.stdout.readline() == b"1\n", "acknowledged")
        client.broker.process.send_signal(signal.SIGSTOP)
        try:
            producer.stdin.write(b"two\n")
            producer.stdin.flush()
            time.sleep(0.3)
            producer.send_signal(signal.SIGINT)
            producer.send_signal(signal.SIGINT)
            time.sleep(1)
            expect(producer.poll() is None, "a repeat within milliseconds is the same ^C: it waits")
            producer.send_signal(signal.SIGINT)
            producer.wait(10)
        finally:
            client.broker.process.send_signal(signal.SIGCONT)
        err = producer.stderr.read().decode()
        expect(producer.returncode == 3 and "acknowledged 1 of 2 sent" in err, f"exit {producer.returncode}: {err}")


@test
def killed_while_starting(folder):
    """Whatever the moment: the next start finds all that was acknowledged."""
    broker = store_with_records(folder)
    arguments = [RIVULET, "serve"]
    for setting in (f"storage.dir={broker.data}", *GEOMETRY, f"listener.compact.bind={broker.address}"):
        arguments += ["--set", setting]
    for ms in range(0, 40, 4):
        with subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            time.sleep(ms / 1000)
            process.kill()
    expect_records(broker)


if __name__ == "__main__":
    sys.exit(main())
