"""What operators run beside a broker, on configuration files and ports of their own: rsyslog, syslog-ng, Burrow, Kafka Connect alone and distributed, MirrorMaker 2, Kafka Streams.

Nothing is installed: DEBIAN is a folder with the unpacked packages. Burrow wants a ZooKeeper to start (it keeps nothing of Kafka there): KAFKA_JARS has one,
and Connect and Streams; KAFKA_CLASSES has WordCount.
kcat reads what arrived, RIVULET creates topics at RIVULET_COMPACT. usage and answers like the drivers of clients.
"""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from operations import Failed, expect, wait_for

ROOT = os.environ["DEBIAN"]
LIBRARIES = ":".join(os.path.join(ROOT, p) for p in ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/syslog-ng"))
SECONDS = 120  # for what starts several virtual machines
LINES = [f"line {i} of the log" for i in range(200)]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Daemon:
    """A program in the foreground, ended by its own pid, with what it said for the case that something fails."""

    def __init__(self, folder, *command):
        self.path = os.path.join(folder, os.path.basename(command[0]) + ".out")
        with open(self.path, "wb") as out:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, cwd=folder, env={**os.environ, "LD_LIBRARY_PATH": LIBRARIES})

    def __enter__(self):
        return self

    def words(self):
        with open(self.path, encoding="utf-8", errors="replace") as out:
            return out.read()[-600:]

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def listens(self, port):
        def connects():
            expect(self.process.poll() is None, f"it ended: {self.words()}")
            try:
                socket.create_connection(("127.0.0.1", port), 5).close()
            except OSError:
                return False
            return True

        wait_for(connects, lambda: f"nobody listens on its port: {self.words()}", SECONDS)


class Place:
    def __init__(self, bootstrap, folder):
        self.bootstrap, self.folder = bootstrap, folder

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def topic(self, name, partitions):
        subprocess.run([os.environ["RIVULET"], "topic", "create", name, "--partitions", str(partitions), "--bootstrap", os.environ["RIVULET_COMPACT"]],
                       check=True, stdout=subprocess.DEVNULL, timeout=30)

    def kcat(self, *arguments, text=""):
        return subprocess.run(["kcat", "-b", self.bootstrap, "-q", *arguments], input=text, capture_output=True, encoding="utf-8", timeout=30, check=True).stdout

    def arrives(self, topic, daemon, lines=LINES):
        def all_there():
            try:
                return sorted(self.kcat("-C", "-t", topic, "-o", "beginning", "-e").splitlines()) == sorted(lines)
            except subprocess.CalledProcessError:  # there is no such topic yet
                return False

        wait_for(all_there, lambda: f"not each of {len(lines)} lines is there once; it said: {daemon.words()}", SECONDS)

    def written(self, name, daemon, lines=LINES):
        def all_there():
            try:
                with open(os.path.join(self.folder, name), encoding="utf-8") as out:
                    return sorted(out.read().splitlines()) == sorted(lines)
            except FileNotFoundError:
                return False

        wait_for(all_there, lambda: f"the sink has not written each line once; it said: {daemon.words()}", SECONDS)


def send(port):
    with socket.create_connection(("127.0.0.1", port), 10) as log:
        log.sendall("".join(f"<13>Nov 30 12:00:00 host app: {line}\n" for line in LINES).encode())


def rsyslog(place, name):
    place.topic(name, 3)
    port = free_port()
    modules = os.path.join(ROOT, "usr/lib/x86_64-linux-gnu/rsyslog")
    path = place.write("rsyslog.conf", f"""
global(workDirectory="{place.folder}")
module(load="imptcp")
module(load="omkafka")
template(name="line" type="string" string="%msg:2:$%")
input(type="imptcp" address="127.0.0.1" port="{port}")
action(type="omkafka" broker=["{place.bootstrap}"] topic="{name}" partitions.auto="on" template="line"
       confParam=["compression.codec=snappy", "queue.buffering.max.ms=20"] resubmitOnFailure="on")
""")
    with Daemon(place.folder, os.path.join(ROOT, "usr/sbin/rsyslogd"), "-n", "-f", path, "-i", os.path.join(place.folder, "rsyslog.pid"), "-M", modules) as daemon:
        daemon.listens(port)
        send(port)
        place.arrives(name, daemon)


def syslog_ng(place, name):
    place.topic(name, 3)
    port = free_port()
    path = place.write("syslog-ng.conf", f"""@version: 3.38
source lines {{ network(ip("127.0.0.1") port({port}) transport("tcp")); }};
destination broker {{ kafka-c(bootstrap-servers("{place.bootstrap}") topic("{name}") message("$MSG") config(compression.codec("lz4"))); }};
log {{ source(lines); destination(broker); }};
""")
    own = [f"--{flag}={os.path.join(place.folder, 'syslog-ng.' + flag)}" for flag in ("persist-file", "control", "pidfile")]
    with Daemon(place.folder, os.path.join(ROOT, "usr/sbin/syslog-ng"), "-F", "--no-caps", "-f", path, *own,
                f"--module-path={os.path.join(ROOT, 'usr/lib/syslog-ng/3.38')}") as daemon:
        daemon.listens(port)
        send(port)
        place.arrives(name, daemon)


def burrow(place, name):
    """It reads __consumer_offsets itself, and must know the group's lag as committed. Who the members are it cannot: version 1.2.1 reads no value of a group newer than
    version 1, and Kafka has written 3 since 2.3 (core/internal/consumer/kafka_client.go, decodeGroupMetadata)."""
    place.topic(name, 1)
    zookeeper, port = free_port(), free_port()
    path = place.write("zoo.cfg", f"dataDir={place.folder}/zookeeper\nclientPort={zookeeper}\nclientPortAddress=127.0.0.1\nadmin.enableServer=false\n")
    place.write("burrow.toml", f"""
[general]
pidfile="{place.folder}/burrow.pid"
[zookeeper]
servers=["127.0.0.1:{zookeeper}"]
root-path="/burrow"
[client-profile.profile]
client-id="burrow"
kafka-version="2.0.0"
[cluster.local]
class-name="kafka"
servers=["{place.bootstrap}"]
client-profile="profile"
topic-refresh=2
offset-refresh=1
[consumer.local]
class-name="kafka"
cluster="local"
servers=["{place.bootstrap}"]
client-profile="profile"
[httpserver.default]
address="127.0.0.1:{port}"
[storage.default]
class-name="inmemory"
workers=2
intervals=10
min-distance=0
""")

    def serves():
        try:
            with socket.create_connection(("127.0.0.1", zookeeper), 20) as keeper:
                keeper.sendall(b"srvr")
                return b"Mode: standalone" in keeper.makefile("rb").read()
        except OSError:
            return False

    def commit():
        place.kcat("-P", "-t", name, text="a line\n")
        place.kcat("-G", name, "-e", "-X", "auto.offset.reset=earliest", name)

    with Daemon(place.folder, *java("-Xmx128m"), "org.apache.zookeeper.server.ZooKeeperServerMain", path) as keeper:
        keeper.listens(zookeeper)
        wait_for(serves, lambda: f"ZooKeeper does not serve; it said: {keeper.words()}", SECONDS)
        commit()
        with Daemon(place.folder, os.path.join(ROOT, "usr/bin/Burrow"), "--config-dir", place.folder) as daemon:
            daemon.listens(port)

            def known():
                commit()
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/v3/kafka/local/consumer/{name}/lag", timeout=20) as answer:
                        status = json.load(answer)["status"]
                except OSError:  # that it knows no such group, too
                    return False
                return status["status"] == "OK" and status["partitions"] and status["partitions"][0]["current_lag"] == 0

            wait_for(known, lambda: f"it does not tell the group's lag; it said: {daemon.words()}", SECONDS)


def connect(place, name):
    """A file becomes a topic by the source, the topic another file by the sink."""
    place.topic(name, 3)
    place.write("in.txt", "".join(line + "\n" for line in LINES))
    rest = free_port()
    worker = place.write("worker.properties", f"""
bootstrap.servers={place.bootstrap}
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
offset.storage.file.filename={place.folder}/offsets
offset.flush.interval.ms=500
listeners=http://127.0.0.1:{rest}
""")
    source = place.write("source.properties", f"name=source\nconnector.class=org.apache.kafka.connect.file.FileStreamSourceConnector\ntasks.max=1\n"
                         f"file={place.folder}/in.txt\ntopic={name}\n")
    sink = place.write("sink.properties", f"name={name}\nconnector.class=org.apache.kafka.connect.file.FileStreamSinkConnector\ntasks.max=1\n"
                       f"file={place.folder}/out.txt\ntopics={name}\n")
    with Daemon(place.folder, *java("-Xmx256m"), "org.apache.kafka.connect.cli.ConnectStandalone", worker, source, sink) as daemon:
        place.arrives(name, daemon)
        place.written("out.txt", daemon)


def connect_distributed(place, name):
    """Offsets, settings and states are in compacted topics, which Connect creates itself. A worker that was killed finds there what it had: no line comes twice."""
    place.topic(name, 3)
    source = place.write("in.txt", "".join(line + "\n" for line in LINES))
    rest = free_port()
    worker = place.write("worker.properties", f"""
bootstrap.servers={place.bootstrap}
group.id={name}
key.converter=org.apache.kafka.connect.storage.StringConverter
value.converter=org.apache.kafka.connect.storage.StringConverter
config.storage.topic={name}-configs
config.storage.replication.factor=1
offset.storage.topic={name}-offsets
offset.storage.replication.factor=1
offset.storage.partitions=5
status.storage.topic={name}-status
status.storage.replication.factor=1
offset.flush.interval.ms=500
session.timeout.ms=6000
heartbeat.interval.ms=1000
listeners=http://127.0.0.1:{rest}
""")
    command = [*java("-Xmx256m"), "org.apache.kafka.connect.cli.ConnectDistributed", worker]

    def configured(connector, **config):
        request = urllib.request.Request(f"http://127.0.0.1:{rest}/connectors/{connector}/config", json.dumps({"tasks.max": "1", **config}).encode(), {"Content-Type": "application/json"}, method="PUT")
        try:
            with urllib.request.urlopen(request, timeout=60):
                return True
        except OSError:
            return False

    def file_stream(kind, **config):
        return {"connector.class": f"org.apache.kafka.connect.file.FileStream{kind}Connector", **config}

    with Daemon(place.folder, *command) as daemon:
        wait_for(lambda: configured(name + "-in", **file_stream("Source", file=source, topic=name)), lambda: f"no connector is taken; it said: {daemon.words()}", SECONDS)
        configured(name + "-out", **file_stream("Sink", file=os.path.join(place.folder, "out.txt"), topics=name))
        place.arrives(name, daemon)
        place.written("out.txt", daemon)
        time.sleep(2)  # its offsets are flushed each half second
        daemon.process.kill()
    more = LINES + [f"another {line}" for line in LINES]
    with open(source, "a", encoding="utf-8") as lines:
        lines.write("".join(line + "\n" for line in more[len(LINES):]))
    with Daemon(place.folder, *command) as daemon:
        place.arrives(name, daemon, more)
        place.written("out.txt", daemon, more)


def mirror_maker(place, name):
    """From this broker to another, with what a group has committed."""
    place.topic(name, 2)
    place.kcat("-P", "-t", name, text="".join(line + "\n" for line in LINES))
    place.kcat("-G", name, "-e", "-X", "auto.offset.reset=earliest", name)
    kafka, compact = free_port(), free_port()
    settings = [f"storage.dir={place.folder}/other", "storage.size=64M", f"listener.kafka.bind=127.0.0.1:{kafka}", f"listener.compact.bind=127.0.0.1:{compact}", "memory.total=48M"]
    internal = "\n".join(f"{topic}.replication.factor=1" for topic in ("checkpoints.topic", "heartbeats.topic", "offset-syncs.topic", "offset.storage", "status.storage", "config.storage"))
    path = place.write("mm2.properties", f"""
clusters=edge,center
edge.bootstrap.servers={place.bootstrap}
center.bootstrap.servers=127.0.0.1:{kafka}
edge->center.enabled=true
edge->center.topics={name}
edge->center.groups={name}
center->edge.enabled=false
replication.factor=1
{internal}
offset.storage.partitions=5
sync.topic.acls.enabled=false
sync.group.offsets.enabled=true
sync.group.offsets.interval.seconds=1
emit.checkpoints.interval.seconds=1
""")
    other = Place(f"127.0.0.1:{kafka}", place.folder)
    with Daemon(place.folder, os.environ["RIVULET"], "serve", *[a for s in settings for a in ("--set", s)]) as there:
        there.listens(kafka)
        with Daemon(place.folder, *java("-Xmx384m"), "org.apache.kafka.connect.mirror.MirrorMaker", path) as daemon:
            other.arrives("edge." + name, daemon)

            def committed():
                said = subprocess.run([os.environ["RIVULET"], "group", "describe", name, "--bootstrap", f"127.0.0.1:{compact}"], capture_output=True, encoding="utf-8", timeout=30, check=False).stdout
                return f"edge.{name}" in said

            wait_for(committed, lambda: f"the group's offsets do not come; it said: {daemon.words()}", SECONDS)


def streams(place, name):
    """Counts go through a repartition topic and a compacted changelog, which the application creates itself, and restores its state from on a machine that has none."""
    place.topic(name, 2)
    place.topic(name + "-counts", 1)
    for folder, text, counts in (("first", "a b a\nb c\na\n", {"a": 3, "b": 2, "c": 1}), ("second", "a d\n", {"a": 4, "b": 2, "c": 1, "d": 1})):
        place.kcat("-P", "-t", name, text=text)
        with Daemon(place.folder, *java("-Xmx256m"), "WordCount", place.bootstrap, name, name, name + "-counts", os.path.join(place.folder, folder)) as daemon:

            def newest():
                said = place.kcat("-C", "-t", name + "-counts", "-o", "beginning", "-e", "-s", "value=>q", "-f", "%k %s\n")
                return {word: int(count) for word, count in map(str.split, said.splitlines())}

            wait_for(lambda: newest() == counts, lambda: f"the words are {newest()} and not {counts}; it said: {daemon.words()}", SECONDS)


def java(*options):
    return ["java", *options, "-XX:TieredStopAtLevel=1", "-cp", f"{os.environ['KAFKA_CLASSES']}:{os.path.join(os.environ['KAFKA_JARS'], '*')}"]


OPERATIONS = {"rsyslog": rsyslog, "syslog-ng": syslog_ng, "Burrow": burrow, "Kafka Connect": connect, "Kafka Connect distributed": connect_distributed, "MirrorMaker 2": mirror_maker, "Kafka Streams": streams}


def main():
    bootstrap, prefix, *wanted = sys.argv[1:]
    code = 0
    for name, operation in OPERATIONS.items():
        if wanted and name not in wanted:
            continue
        start = time.monotonic()
        try:
            with tempfile.TemporaryDirectory(prefix="others.") as folder:
                operation(Place(bootstrap, folder), f"{prefix}-{name.replace(' ', '-')}")
            said = f"ok {name}"
        except Exception as why:  # pylint: disable=broad-except
            said = f"failed {name}: after {time.monotonic() - start:.0f} s: {why if isinstance(why, Failed) else repr(why)}".replace("\n", " ")
            code = 1
        print(said, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
