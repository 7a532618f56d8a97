"""kcat as a shell uses it. It cannot create topics: RIVULET, the program, does that over the compact protocol at RIVULET_COMPACT."""

import json
import os
import re
import subprocess
import sys
import threading
import time

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from operations import Absent, Client, Failed, Record, main, paced

SECONDS = 30


def record_of(line):
    said = json.loads(line)
    pairs = said.get("headers", [])
    headers = [(pairs[i], (pairs[i + 1] or "").encode("latin-1")) for i in range(0, len(pairs), 2)]
    text = [None if said.get(k) is None else said[k].encode("latin-1") for k in ("payload", "key")]
    return Record(text[0], text[1], headers, said.get("ts"), said["partition"], said["offset"])


class Member:
    def __init__(self, bootstrap, group, topic):
        self.process = subprocess.Popen(["kcat", "-b", bootstrap, "-E", "-G", group, "-J", "-u", "-X", "auto.offset.reset=earliest", "-X", "session.timeout.ms=10000",
                                         "-X", "heartbeat.interval.ms=300", topic], stdout=subprocess.PIPE, stderr=subprocess.PIPE, encoding="latin-1")
        self.read, self.assigned, self.said = [], set(), ""
        for target in (self.take_records, self.take_words):
            threading.Thread(target=target, daemon=True).start()

    def take_records(self):
        for line in self.process.stdout:
            self.read.append(record_of(line))

    def take_words(self):
        for line in self.process.stderr:
            self.said += line
            if " rebalanced " in line:
                # Told as "assigned: t [0], t [1]" or "revoked: t [0]".
                self.assigned = {int(p) for p in re.findall(r"\[(\d+)\]", line.split("assigned:", 1)[1])} if "assigned:" in line else set()

    def poll(self, seconds):
        if self.process.poll() not in (None, 0):
            raise Failed(f"kcat ended: {self.said}")
        time.sleep(seconds)
        read, self.read = self.read, []
        return read

    def assignment(self):
        return self.assigned

    def commit(self):
        """kcat commits what it read when it ends."""
        self.close()

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(15)
            except subprocess.TimeoutExpired:
                self.process.kill()
                raise Failed("kcat does not end") from None


class Kcat(Client):
    headers = (("trace", b"on a command line"), ("empty", b""), ("trace", b"again"))

    def kcat(self, *arguments, stdin=b""):
        done = subprocess.run(["kcat", "-b", self.bootstrap, *arguments], input=stdin, capture_output=True, timeout=SECONDS, check=False)
        if done.returncode:
            raise Failed(f"kcat {' '.join(arguments)}: exit {done.returncode}: {done.stderr.decode('utf-8', 'replace')[-300:]}")
        return done.stdout.decode("latin-1")

    def prepare(self, topic, partitions=1):
        if "RIVULET_COMPACT" not in os.environ:
            raise Absent("RIVULET_COMPACT is not set")
        subprocess.run([os.environ["RIVULET"], "topic", "create", topic, "--partitions", str(partitions), "--bootstrap", os.environ["RIVULET_COMPACT"]],
                       check=True, stdout=subprocess.DEVNULL, timeout=SECONDS)

    def listed(self, *arguments):
        return {t["topic"]: len(t["partitions"]) for t in json.loads(self.kcat("-L", "-J", *arguments))["topics"]}

    def topics(self):
        return list(self.listed())

    def partitions(self, topic):
        return self.listed("-t", topic)[topic]

    def produce(self, topic, records, acks="all", codec="none", idempotent=False, partition=None):
        options = ["-X", f"acks={acks}", "-z", codec, "-X", f"enable.idempotence={'true' if idempotent else 'false'}", "-X", "linger.ms=5"]
        if partition is not None:
            options += ["-p", str(partition)]
        if any(r.headers for r in records):
            for record in records:
                flags = [a for k, v in record.headers for a in ("-H", k.encode() + b"=" + v)]
                self.kcat("-P", "-t", topic, "-K:", *options, *flags, stdin=record.key + b":" + record.value)
        elif any(r.key for r in records):
            self.kcat("-P", "-t", topic, "-K:", *options, stdin=b"".join(r.key + b":" + r.value + b"\n" for r in records))
        else:
            self.kcat("-P", "-t", topic, *options, stdin=b"".join(r.value + b"\n" for r in records))

    def produce_slowly(self, topic, records, seconds):
        command = ["kcat", "-b", self.bootstrap, "-P", "-E", "-t", topic, "-X", "enable.idempotence=true", "-X", "linger.ms=5"]  # -E: it stays when its broker is away
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            for record in paced(records, seconds):
                process.stdin.write(record.value + b"\n")
                process.stdin.flush()
            _, said = process.communicate(timeout=SECONDS)
        if process.returncode:
            raise Failed(f"kcat: exit {process.returncode}: {said.decode('utf-8', 'replace')[-300:]}")
        return True

    def consume(self, topic, count, partition=0, offset=0):
        if not count:
            return []
        lines = self.kcat("-C", "-t", topic, "-p", str(partition), "-o", str(offset), "-c", str(count), "-e", "-q", "-J", "-u")
        return [record_of(line) for line in lines.splitlines()]

    def times(self, topic, codec):
        """It sets no timestamps: of records that it sends one after the other."""
        for i in range(4):
            self.kcat("-P", "-t", topic, "-z", codec, stdin=b"%d\n" % i)
            time.sleep(0.05)
        return [r.timestamp for r in self.consume(topic, 4)]

    def offset_at(self, topic, partition, ms):
        [answer] = re.findall(r"offset (-?\d+)", self.kcat("-Q", "-t", f"{topic}:{partition}:{ms}"))
        return None if answer == "-1" else int(answer)

    def offsets(self, topic, partition):
        return self.offset_at(topic, partition, -2), self.offset_at(topic, partition, -1)

    def member(self, group, topic):
        return Member(self.bootstrap, group, topic)

    def committed(self, group, topic, _):
        """Where a new member begins: with nothing to read it commits nothing and ends at once."""
        said = self.kcat("-G", group, "-e", "-X", "auto.offset.reset=earliest", topic)
        if said:
            raise Failed(f"read again after the commit: {said[:80]!r}")
        return self.offsets(topic, 0)[1]

    def transaction(self, topic, name):
        self.kcat("-P", "-t", topic, "-X", f"transactional.id={name}", stdin=b"in a transaction\n")


if __name__ == "__main__":
    sys.exit(main(Kcat))
