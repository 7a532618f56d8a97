"""Every Kafka client that we know how to get, against a real broker: `make interop`. Prints a table, client by operation; the last line is `N passed, M failed`.

usage: run.py [NAME...]    those clients whose name begins so. RIVULET: the program. INTEROP: where what is fetched is kept (build/interop).
What cannot be fetched is named and left out. Versions are pinned here, in go/go.mod and in node/package-lock.json.
"""

import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # the folder is part of the source tree
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
names, sys.argv[1:] = sys.argv[1:], []  # what follows is a driver's to _kafka
from _cli import Failed
from _fetch import BUILD, do, jars, once
from _kafka import KafkaBroker, Run, table, tell

AT_ONCE = 3  # clients against one broker
PYPI = {"confluent-kafka": "2.16.1", "kafka-python": "3.0.12", "aiokafka": "0.14.0"}
PYPI_CODECS = ["cramjam==2.14.0", "lz4==4.4.5", "python-snappy==0.7.3", "zstandard==0.25.0"]
OTHERS = ["rsyslog", "rsyslog-kafka", "libestr0", "libfastjson4", "liblognorm5", "syslog-ng-core", "syslog-ng-mod-rdkafka", "libivykis0", "libpcre3", "libnet1", "burrow"]


def virtual_environment():
    def make(path):
        do("/usr/bin/python3", "-m", "venv", path)
        do(os.path.join(path, "bin/pip"), "install", "--quiet", *[f"{n}=={v}" for n, v in PYPI.items()], *PYPI_CODECS)

    return os.path.join(once("venv", make), "bin/python")


def python(file):
    return lambda: (["/usr/bin/python3", os.path.join(HERE, "python", file)], {})


def pypi(file):
    return lambda: ([virtual_environment(), "-W", "ignore", os.path.join(HERE, "python", file)], {})


def compiled(version):
    """The folder of our classes for one version of Kafka."""
    classes = os.path.join(BUILD, f"classes-{version}")
    os.makedirs(classes, exist_ok=True)
    do("javac", "-nowarn", "-cp", os.path.join(jars(version), "*"), "-d", classes, *[os.path.join(HERE, "java", f"{name}.java") for name in ("Driver", "WordCount")])
    return classes


def java(version):
    return lambda: (["java", "-Xmx512m", "-cp", f"{compiled(version)}:{os.path.join(jars(version), '*')}", "Driver"], {})


def tools(version):
    return lambda: (["/usr/bin/python3", os.path.join(HERE, "python/tools.py")], {"KAFKA_JARS": jars(version)})


def others():
    """Debian's packages, unpacked and not installed: two of them exclude each other, and none should start a service."""

    def make(path):
        debs = os.path.join(BUILD, "debs")
        os.makedirs(debs, exist_ok=True)
        do("apt-get", "download", *OTHERS, folder=debs)
        for file in os.listdir(debs):
            do("dpkg-deb", "-x", os.path.join(debs, file), path)

    return ["/usr/bin/python3", os.path.join(HERE, "python/others.py")], {"DEBIAN": once("debian", make), "KAFKA_JARS": jars("3.9.1"),
                                                                               "KAFKA_CLASSES": compiled("3.9.1")}


def go(name):
    def command():
        driver = os.path.join(BUILD, "go-driver")
        do("go", "build", "-mod=readonly", "-o", driver, ".", folder=os.path.join(HERE, "go"))
        return [driver, name], {}

    return command


def node():
    def make(path):
        os.makedirs(path)
        for file in ("package.json", "package-lock.json"):
            shutil.copy(os.path.join(HERE, "node", file), path)
        do("npm", "ci", "--no-audit", "--no-fund", folder=path)

    path = once("node", make)
    return ["node", os.path.join(HERE, "node/driver.js")], {"NODE_PATH": os.path.join(path, "node_modules")}


CLIENTS = {
    "kcat 1.7.1": python("kcat.py"),
    "kafka-python 2.0.2": python("kafka_python.py"),
    "confluent-kafka 1.7.0": python("confluent.py"),
    f"kafka-python {PYPI['kafka-python']}": pypi("kafka_python.py"),
    f"confluent-kafka {PYPI['confluent-kafka']}": pypi("confluent.py"),
    f"aiokafka {PYPI['aiokafka']}": pypi("aiokafka_driver.py"),
    "Java 3.9.1": java("3.9.1"),
    "Java 4.3.1": java("4.3.1"),
    "franz-go 1.22.3": go("franz-go"),
    "sarama 1.61.1": go("sarama"),
    "kafka-go 0.4.51": go("kafka-go"),
    "kafkajs 2.2.4": node,
    "tools 3.9.1": tools("3.9.1"),
    "tools 4.3.1": tools("4.3.1"),
    "others": others,
}


def main():
    ready, absent, runs, ended = [], [], [], 0
    for name, command in CLIENTS.items():
        if names and not name.startswith(tuple(names)):
            continue
        try:
            ready.append((name, *command()))
        except (Failed, OSError, subprocess.SubprocessError) as why:
            absent.append(name)
            print(f"absent: {name}: {why}", flush=True)
    folder = tempfile.mkdtemp(prefix="kafka_clients.")
    sys.stdout.reconfigure(line_buffering=True)
    for first in range(0, len(ready), AT_ONCE):
        place = os.path.join(folder, str(first))
        os.makedirs(place)
        broker = KafkaBroker(place)
        try:
            wave = [Run(name, command, broker, environment, seconds=240) for name, command, environment in ready[first:first + AT_ONCE]]
            for run in wave:
                run.thread.join()
        finally:
            code = broker.stop()
        if code:
            ended += 1
            print(f"the broker ended with {code}: {broker.log}\n{broker.words()[-1000:]}")
        runs += wave
    kinds = ("tools", "others")
    for part in ([r for r in runs if not r.name.startswith(kinds)], *([r for r in runs if r.name.startswith(k)] for k in kinds)):
        if part:
            print("\n" + table(part) + "\n")
    if absent:
        print("not to be had here: " + ", ".join(absent))
    code = tell(runs)
    if code == 0 and not ended:
        shutil.rmtree(folder)
        return 0
    print(f"the brokers' files are in {folder}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
