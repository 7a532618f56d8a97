"""A web console, kafka-viewer of PyPI: a page of Streamlit that reads Kafka. Its page runs as its server runs it, and what a person does there is done by Streamlit's own AppTest.

Run by the Python that has it. RIVULET creates topics at RIVULET_COMPACT, kcat sends. usage and answers like the drivers of clients.
"""

import os
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True
sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import kafka_viewer
from operations import Failed, expect
from streamlit.testing.v1 import AppTest

PAGE = os.path.join(os.path.dirname(kafka_viewer.__file__), "ui.py")
SECONDS = 120  # it waits for Kafka within a run of the page
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
LINES = [f"reading {i}" for i in range(30)]


class Console:
    def __init__(self, bootstrap):
        self.bootstrap = bootstrap

    def send(self, topic, lines, codec="none"):
        subprocess.run(["kcat", "-b", self.bootstrap, "-P", "-t", topic, "-p", "0", "-z", codec], input="".join(line + "\n" for line in lines), encoding="utf-8", timeout=30, check=True)

    def create(self, topic):
        subprocess.run([os.environ["RIVULET"], "topic", "create", topic, "--partitions", "2", "--bootstrap", os.environ["RIVULET_COMPACT"]],
                       check=True, stdout=subprocess.DEVNULL, timeout=30)

    def open(self, topic):
        """The page of one topic."""
        page = AppTest.from_file(PAGE, default_timeout=SECONDS).run()
        return self.checked(page.selectbox[0].set_value(topic).run())

    def checked(self, page):
        expect(not page.exception and not page.error, f"the page says {[e.value for e in [*page.exception, *page.error]]}")
        return page


def button(page, label):
    return next(b for b in page.button if b.label == label)


def metric(page, label):
    return next(m.value for m in page.metric if m.label == label)


def topics(console, name):
    console.create(name)
    page = console.open(name)
    expect(any("Status: Connected" in s.value for s in page.subheader), f"{[s.value for s in page.subheader]}")
    expect(name in page.selectbox[0].options, f"the topics: {page.selectbox[0].options}")
    expect(metric(page, "Partitions") == "2", f"partitions: {metric(page, 'Partitions')}")


def messages(console, name):
    console.create(name)
    for at, codec in enumerate(CODECS):
        console.send(name, LINES[at * 6:at * 6 + 6], codec)
    page = console.open(name)
    page = console.checked(page.radio[0].set_value("From beginning").run())
    page = console.checked(button(page, "Load Messages").click().run())
    shown = sorted(block.value for block in page.code)
    expect(shown == sorted(LINES), f"{len(shown)} messages: {shown[:3]}")


def statistics(console, name):
    """Among them how many records are newer than a time, which it asks by time."""
    console.create(name)
    console.send(name, LINES)
    page = console.open(name)
    told = [metric(page, label) for label in ("Total Records", "Last 1 Hour")]
    expect(told == ["30", "30"], f"records, and those of the last hour: {told}")


OPERATIONS = {"topics": topics, "messages": messages, "statistics": statistics}


def main():
    bootstrap, prefix, *wanted = sys.argv[1:]
    code = 0
    with tempfile.NamedTemporaryFile("w", suffix=".properties", encoding="utf-8") as properties:
        properties.write(f"kafka.bootstrap.servers={bootstrap}\nkafka.security.protocol=PLAINTEXT\n")
        properties.flush()
        sys.argv[1:] = ["--config", properties.name]  # the page's
        for name, operation in OPERATIONS.items():
            if wanted and name not in wanted:
                continue
            try:
                operation(Console(bootstrap), f"{prefix}-{name}")
                said = f"ok {name}"
            except Exception as why:  # pylint: disable=broad-except
                said = f"failed {name}: {why if isinstance(why, Failed) else repr(why)}".replace("\n", " ")
                code = 1
            print(said, flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
