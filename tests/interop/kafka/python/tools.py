"""Kafka's own command-line tools as their scripts start them: each a class of the jars in the folder KAFKA_JARS names.

usage: tools.py HOST:PORT PREFIX [OPERATION...], answers like the drivers of clients.
"""

import glob
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import zipfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from operations import Failed, expect

JARS = os.environ["KAFKA_JARS"]
SECONDS = 60  # for one tool: each starts a virtual machine
# Between versions some moved to another package.
TOOLS = {
    "topics": ["org.apache.kafka.tools.TopicCommand"],
    "console-producer": ["org.apache.kafka.tools.ConsoleProducer", "kafka.tools.ConsoleProducer"],
    "console-consumer": ["org.apache.kafka.tools.consumer.ConsoleConsumer"],
    "consumer-groups": ["org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"],
    "configs": ["org.apache.kafka.tools.ConfigCommand", "kafka.admin.ConfigCommand"],
    "producer-perf-test": ["org.apache.kafka.tools.ProducerPerformance"],
    "consumer-perf-test": ["org.apache.kafka.tools.ConsumerPerformance"],
    "get-offsets": ["org.apache.kafka.tools.GetOffsetShell"],
    "log-dirs": ["org.apache.kafka.tools.LogDirsCommand"],
    "delete-records": ["org.apache.kafka.tools.DeleteRecordsCommand"],
    "verifiable-producer": ["org.apache.kafka.tools.VerifiableProducer"],
    "verifiable-consumer": ["org.apache.kafka.tools.VerifiableConsumer"],
    "streams-application-reset": ["org.apache.kafka.tools.StreamsResetter"],
    "broker-api-versions": ["org.apache.kafka.tools.BrokerApiVersionsCommand", "kafka.admin.BrokerApiVersionsCommand"],
}


def entries():
    """All classes in the jars that hold tools."""
    found = set()
    for pattern in ("kafka-tools-*.jar", "kafka_2.13-*.jar"):
        for path in glob.glob(os.path.join(JARS, pattern)):
            with zipfile.ZipFile(path) as jar:
                found.update(jar.namelist())
    return found


CLASSES = entries()


class Tools:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def __call__(self, tool, *arguments, stdin="", fails=False):
        [main, *_] = [c for c in TOOLS[tool] if c.replace(".", "/") + ".class" in CLASSES]
        command = ["java", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-cp", os.path.join(JARS, "*"), main, *arguments]
        if tool != "producer-perf-test":
            command += ["--bootstrap-server", self.bootstrap]
        if tool == "consumer-groups":
            command += ["--timeout", "50000"]  # 5 s otherwise, and what it says then is no error
        # A session of its own: a tool that hangs is ended with all it started.
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="utf-8", start_new_session=True) as process:
            try:
                out, err = process.communicate(stdin, timeout=SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                out, err = process.communicate()
                raise Failed(f"{tool} {arguments} does not end; it said {out[-300:]} {err[-300:]}") from None
        expect(bool(process.returncode) == fails, f"{tool} {' '.join(arguments)}: exit {process.returncode}: {out[-500:]} {err[-500:]}")
        return out

    def create(self, topic, partitions=1, *more):
        self("topics", "--create", "--topic", topic, "--partitions", str(partitions), "--replication-factor", "1", *more)

    def send(self, topic, lines, *more):
        self("console-producer", "--topic", topic, *more, stdin="".join(line + "\n" for line in lines))

    def read(self, topic, count, *more):
        said = self("console-consumer", "--topic", topic, "--max-messages", str(count), "--timeout-ms", "20000", *more).splitlines()
        return [line for line in said if not line.startswith("Option --property is deprecated")]  # 4.x; 3.9 has no other name for it

    def offsets(self, topic, *more):
        return self("get-offsets", "--topic", topic, *more).split()


def topics(tools, name):
    tools.create(name, 2, "--config", "retention.ms=3600000")
    expect(name in tools("topics", "--list").split(), "the topic is not listed")
    said = tools("topics", "--describe", "--topic", name)
    expect(re.search(r"PartitionCount: 2\s", said) and "retention.ms=3600000" in said, said)
    tools("topics", "--alter", "--topic", name, "--partitions", "4")
    expect("PartitionCount: 4" in tools("topics", "--describe", "--topic", name), "4 partitions")
    tools("topics", "--delete", "--topic", name)
    end = time.monotonic() + 30
    while name in tools("topics", "--list").split():
        expect(time.monotonic() < end, "the topic is still listed")


def configs(tools, name):
    tools.create(name)
    tools("configs", "--alter", "--topic", name, "--add-config", "retention.ms=7200000,max.message.bytes=100000")
    said = tools("configs", "--describe", "--topic", name)
    expect("retention.ms=7200000" in said and "max.message.bytes=100000" in said, said)
    tools("configs", "--alter", "--topic", name, "--delete-config", "max.message.bytes")
    said = tools("configs", "--describe", "--topic", name)
    expect("retention.ms=7200000" in said and "max.message.bytes=100000" not in said, said)
    said = tools("configs", "--describe", "--all", "--topic", name)
    expect("cleanup.policy=delete" in said, said)
    tools("configs", "--alter", "--topic", name, "--add-config", "cleanup.policy=[compact,delete],min.cleanable.dirty.ratio=0.5")
    said = tools("configs", "--describe", "--topic", name)
    expect("cleanup.policy=compact,delete" in said and "min.cleanable.dirty.ratio=0.5" in said, said)
    tools("configs", "--alter", "--topic", name, "--add-config", "pinned=true", fails=True)  # not both
    tools("configs", "--alter", "--topic", name, "--delete-config", "cleanup.policy")
    tools("configs", "--alter", "--topic", name, "--add-config", "pinned=true,overflow=reject")
    said = tools("configs", "--describe", "--topic", name)
    expect("pinned=true" in said and "overflow=reject" in said and "cleanup.policy" not in said, said)


def console(tools, name):
    tools.create(name)
    lines = [f"k{i}:value {i}" for i in range(50)]
    tools.send(name, lines, "--property", "parse.key=true", "--property", "key.separator=:")
    got = tools.read(name, 50, "--from-beginning", "--property", "print.key=true", "--property", "key.separator=:")
    expect(got == lines, f"{len(got)} lines: {got[:3]}")
    got = tools.read(name, 10, "--partition", "0", "--offset", "40")
    expect(got == [f"value {i}" for i in range(40, 50)], f"from offset 40: {got}")


def consumer_groups(tools, name):
    tools.create(name)
    tools.send(name, [str(i) for i in range(20)])
    got = tools.read(name, 20, "--from-beginning", "--group", name)
    expect(len(got) == 20, f"{len(got)} lines read by the group")
    expect(name in tools("consumer-groups", "--list").split(), "the group is not listed")
    said = tools("consumer-groups", "--describe", "--group", name)
    expect(re.search(rf"{name}\s+{name}\s+0\s+20\s+20\s+0\s", said), said)
    said = tools("consumer-groups", "--describe", "--group", name, "--state")
    expect("Empty" in said, f"its state: {said}")
    tools("consumer-groups", "--group", name, "--topic", name, "--reset-offsets", "--to-offset", "5", "--execute")
    said = tools("consumer-groups", "--describe", "--group", name)
    expect(re.search(rf"{name}\s+{name}\s+0\s+5\s+20\s+15\s", said), said)
    tools("consumer-groups", "--group", name, "--topic", name, "--delete-offsets")
    tools("consumer-groups", "--delete", "--group", name)
    expect(name not in tools("consumer-groups", "--list").split(), "the group is still listed")


def reset_offsets(tools, name):
    """Every form for a group of Kafka's members, some for one of the compact protocol: each starts a virtual machine."""
    tools.create(name)
    tools.send(name, [str(i) for i in range(20)])
    tools.read(name, 20, "--from-beginning", "--group", name)
    compact = name + "-compact"
    subprocess.run([os.environ["RIVULET"], "consume", name, "--group", compact, "--from-beginning", "--max-messages", "20", "--bootstrap", os.environ["RIVULET_COMPACT"]],
                   check=True, stdout=subprocess.DEVNULL, timeout=SECONDS)
    with tempfile.NamedTemporaryFile("w", suffix=".csv", encoding="utf-8") as file:
        file.write(f"{name},0,7\n")
        file.flush()
        forms = {("--to-offset", "5"): 5, ("--shift-by", "-2"): 3, ("--to-current",): 3, ("--to-latest",): 20, ("--to-earliest",): 0, ("--from-file", file.name): 7,
                 ("--by-duration", "PT1H"): 0, ("--to-datetime", "2100-01-01T00:00:00.000"): 20}
        for group, some in ((name, len(forms)), (compact, 3)):
            for form, offset in list(forms.items())[:some]:
                said = tools("consumer-groups", "--group", group, "--topic", name, "--reset-offsets", *form, "--execute")
                expect(re.search(rf"{group}\s+{name}\s+0\s+{offset}\s", said), f"{group} {form}: {said}")
    tools("consumer-groups", "--group", name, "--topic", name, "--reset-offsets", "--to-offset", "15", "--execute")
    got = tools.read(name, 5, "--from-beginning", "--group", name)
    expect(got == [str(i) for i in range(15, 20)], f"read after the reset: {got}")
    said = tools("streams-application-reset", "--application-id", name, "--input-topics", name)
    expect("Partition: 0 Offset: 0" in said, said)


def compacted(tools, name):
    tools.create(name, 1, "--config", "cleanup.policy=compact")
    lines = [f"k{i % 7}:{i}" for i in range(100)]
    tools.send(name, lines, "--property", "parse.key=true", "--property", "key.separator=:", "--compression-codec", "zstd")
    got = tools.read(name, 100, "--from-beginning", "--property", "print.key=true", "--property", "key.separator=:")
    expect(got == lines, f"{len(got)} lines: {got[:3]}")
    tools("topics", "--alter", "--topic", name, "--partitions", "3")
    expect(len(tools.offsets(name)) == 3, "3 partitions")


def verifiable(tools, name):
    tools.create(name, 2)
    said = tools("verifiable-producer", "--topic", name, "--max-messages", "1000", "--acks", "-1")
    expect('"sent":1000,"acked":1000' in said, said[-300:])
    said = tools("verifiable-consumer", "--topic", name, "--group-id", name, "--max-messages", "1000", "--reset-policy", "earliest")
    commits = [json.loads(line) for line in said.splitlines() if '"offsets_committed"' in line]
    expect(commits and all(c["success"] for c in commits), said[-300:])


def producer_perf(tools, name):
    tools.create(name)
    said = tools("producer-perf-test", "--topic", name, "--num-records", "20000", "--record-size", "100", "--throughput", "-1",
                 "--producer-props", f"bootstrap.servers={tools.bootstrap}", "acks=all")
    expect("20000 records sent" in said, said)
    expect(tools.offsets(name) == [f"{name}:0:20000"], f"offsets: {tools.offsets(name)}")
    said = tools("consumer-perf-test", "--topic", name, "--messages", "20000", "--timeout", "20000")
    expect(re.search(r", 20000, ", said), said)


def get_offsets(tools, name):
    tools.create(name, 2)
    tools.send(name, ["a"], "--property", "parse.key=false")
    ends = tools.offsets(name)
    expect(sorted(int(line.split(":")[2]) for line in ends) == [0, 1], f"latest: {ends}")
    expect(tools.offsets(name, "--time", "earliest") == [f"{name}:0:0", f"{name}:1:0"], "earliest")
    tools.offsets(name, "--time", "max-timestamp")


def log_dirs(tools, name):
    tools.create(name)
    tools.send(name, ["a"])
    said = tools("log-dirs", "--describe", "--topic-list", name)
    found = json.loads([line for line in said.splitlines() if line.startswith("{")][-1])
    partitions = [p["partition"] for b in found["brokers"] for d in b["logDirs"] for p in d["partitions"]]
    expect(partitions == [f"{name}-0"], said)


def delete_records(tools, name):
    tools.create(name)
    tools.send(name, [str(i) for i in range(10)])
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump({"version": 1, "partitions": [{"topic": name, "partition": 0, "offset": 4}]}, file)
        file.flush()
        said = tools("delete-records", "--offset-json-file", file.name)
    expect("low_watermark: 4" in said, said)
    expect(tools.offsets(name, "--time", "earliest") == [f"{name}:0:4"], "earliest")


def broker_api_versions(tools, _):
    with tempfile.NamedTemporaryFile("w", suffix=".properties", encoding="utf-8") as file:
        file.write("request.timeout.ms=50000\n")  # 5 s otherwise
        file.flush()
        said = tools("broker-api-versions", "--command-config", file.name)
    expect(re.search(r"Produce\(0\): \d+ to \d+", said) and re.search(r"ConsumerGroup|JoinGroup\(11\)", said), said[:500])


OPERATIONS = {
    "kafka-topics": topics, "kafka-configs": configs, "kafka-console-producer/consumer": console, "kafka-consumer-groups": consumer_groups, "--reset-offsets in all forms": reset_offsets,
    "compacted topics": compacted, "kafka-verifiable-producer/consumer": verifiable,
    "kafka-producer/consumer-perf-test": producer_perf, "kafka-get-offsets": get_offsets, "kafka-log-dirs": log_dirs, "kafka-delete-records": delete_records,
    "kafka-broker-api-versions": broker_api_versions,
}


def main():
    bootstrap, prefix, *wanted = sys.argv[1:]
    tools, code = Tools(bootstrap), 0
    for name, operation in OPERATIONS.items():
        if wanted and name not in wanted:
            continue
        try:
            operation(tools, f"{prefix}-{operation.__name__.replace('_', '-')}")
            said = f"ok {name}"
        except Exception as why:  # pylint: disable=broad-except
            said = f"failed {name}: {why if isinstance(why, Failed) else repr(why)}".replace("\n", " ")
            code = 1
        print(said, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
