"""Every Kafka client that we know how to get, against a real broker: `make interop`. Prints a table, client by operation; the last line is `N passed, M failed`.

usage: run.py [--readme] [--capture FOLDER] [--operation OPERATION]... [NAME...]    those clients whose name begins so. RIVULET: the program. INTEROP: where what is fetched is kept (build/interop).
While each client of a wave produces idempotently and reads as a member of a group the broker is killed and started again (operation broker-killed).
What cannot be fetched is named, in the table too. Versions are pinned here, in go/go.mod and in node/package-lock.json.
--readme: the table of all clients, each as it ended last, goes into README.md. --capture: one client after the other, and what each sends is kept (capture.py).
"""

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # the folder is part of the source tree
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(HERE))
PARSER = argparse.ArgumentParser()
PARSER.add_argument("--readme", action="store_true")
PARSER.add_argument("--capture")
PARSER.add_argument("--operation", action="append", default=[])
PARSER.add_argument("names", nargs="*")
OPTIONS = PARSER.parse_args()
from _cli import Failed, free_port
from _fetch import BUILD, do, jars, once, text_of
from _kafka import KILLED, KafkaBroker, Run, killed, table, tell, together
from capture import Capture
from readme import write_table

sys.argv[1:] = ["all", *[o for o in OPTIONS.operation if o != KILLED]]  # as Run takes it

AT_ONCE = 4  # clients against one broker
SECONDS = 900  # for one client; each operation has its own, shorter
PYPI = {"confluent-kafka": "2.16.1", "kafka-python": "3.0.12", "aiokafka": "0.14.0"}
CONSOLE = "kafka-viewer==0.4.0"  # Kafdrop, AKHQ, Redpanda Console and Kowl are in none of the registries
PYPI_CODECS = ["cramjam==2.14.0", "lz4==4.4.5", "python-snappy==0.7.3", "zstandard==0.25.0"]
OTHERS = ["rsyslog", "rsyslog-kafka", "libestr0", "libfastjson4", "liblognorm5", "syslog-ng-core", "syslog-ng-mod-rdkafka", "libivykis0", "libpcre3", "libnet1", "libwrap0", "burrow"]


def virtual_environment():
    packages = [*[f"{n}=={v}" for n, v in PYPI.items()], *PYPI_CODECS]
    return os.path.join(environment_of("venv", packages), "bin/python")


def environment_of(name, packages):
    def make(path):
        do("/usr/bin/python3", "-m", "venv", path)
        do(os.path.join(path, "bin/pip"), "install", "--quiet", *packages)

    return once(name, make, " ".join(packages))


def console():
    return [os.path.join(environment_of("console", [CONSOLE, *PYPI_CODECS]), "bin/python"), "-W", "ignore", os.path.join(HERE, "python/console.py")], {}


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
        shutil.rmtree(debs, ignore_errors=True)
        os.makedirs(debs)
        do("apt-get", "download", *OTHERS, folder=debs)
        for file in os.listdir(debs):
            do("dpkg-deb", "-x", os.path.join(debs, file), path)

    return ["/usr/bin/python3", os.path.join(HERE, "python/others.py")], {"DEBIAN": once("debian", make, " ".join(OTHERS)), "KAFKA_JARS": jars("3.9.1"),
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

    path = once("node", make, text_of(os.path.join(HERE, "node", "package-lock.json")))
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
    f"console {CONSOLE.replace('==', ' ')}": console,
}

KINDS = ("tools", "others", "console")  # what is no client for programs


class Results:
    """How each client ended last, kept beside what was fetched: they may be run one by one."""

    def __init__(self):
        self.path = os.path.join(BUILD, "results.json")
        self.run = datetime.datetime.now().isoformat()  # an operation that is run again alone makes another run of its client
        self.of = {}
        self.load()

    def load(self):
        if os.path.exists(self.path):
            with open(self.path, encoding="utf-8") as file:
                self.of = {name: ended for name, ended in json.load(file).items() if name in CLIENTS}

    def note(self, name, answers, absent=""):
        self.load()  # another run may have ended meanwhile
        ended = {o: state for o, (state, _) in answers.items()}
        if OPTIONS.operation and name in self.of:
            ended = {**self.of[name]["answers"], **ended}
        self.of[name] = {"date": self.run[:10], "run": self.run, "answers": ended, "absent": absent}
        os.makedirs(BUILD, exist_ok=True)
        with open(self.path, "w", encoding="utf-8") as file:
            json.dump(self.of, file, indent=1)


def wave_of(place, clients):
    """Runs some at once. Returns them, and what the broker ended with."""
    os.makedirs(place)
    port = free_port()
    broker = KafkaBroker(place, *(["--set", f"listener.kafka.advertise=127.0.0.1:{port}"] if OPTIONS.capture else []))
    capture = None
    if OPTIONS.capture:
        capture = Capture(os.path.join(OPTIONS.capture, clients[0][0].replace(" ", "-")), port, broker.kafka_port)
        broker.kafka_port = port
    try:
        wave = [Run(name, command, broker, environment, seconds=SECONDS) for name, command, environment in clients] if OPTIONS.operation != [KILLED] else []
        for run in wave:
            run.thread.join()
        if not OPTIONS.capture and (not OPTIONS.operation or KILLED in OPTIONS.operation):
            wave = together(wave, killed(broker, [c for c in clients if not c[0].startswith(KINDS)], SECONDS))
    finally:
        if capture:
            capture.close()
        code = broker.stop()
    if code:
        print(f"the broker ended with {code}: {broker.log}\n{broker.words()[-1000:]}")
    return wave, code


def main():
    ready, absent, runs, ended, results = [], [], [], 0, Results()
    for name, command in CLIENTS.items():
        if OPTIONS.names and not name.startswith(tuple(OPTIONS.names)):
            continue
        try:
            ready.append((name, *command()))
        except (Failed, OSError, subprocess.SubprocessError) as why:
            absent.append(name)
            results.note(name, {}, str(why)[:80])
            print(f"absent: {name}: {why}", flush=True)
    folder = tempfile.mkdtemp(prefix="kafka_clients.")
    sys.stdout.reconfigure(line_buffering=True)
    at_once = 1 if OPTIONS.capture else AT_ONCE
    for first in range(0, len(ready), at_once):
        wave, code = wave_of(os.path.join(folder, str(first)), ready[first:first + at_once])
        ended += bool(code)
        runs += wave
        for run in wave:
            results.note(run.name, run.answers)
    for part in ([r for r in runs if not r.name.startswith(KINDS)], *([r for r in runs if r.name.startswith(k)] for k in KINDS)):
        if part:
            print("\n" + table(part) + "\n")
    if absent:
        print("not to be had here: " + ", ".join(absent))
    if OPTIONS.readme:
        write_table(os.path.join(HERE, "../../../README.md"), {name: results.of[name] for name in CLIENTS if name in results.of})
    code = tell(runs)
    if code == 0 and not ended:
        shutil.rmtree(folder)
        return 0
    print(f"the brokers' files are in {folder}")
    return 1


if __name__ == "__main__":
    sys.exit(main())
