"""Kafka clients of Debian against a real broker: kcat, python3-kafka, python3-confluent-kafka. The last line is `N passed, M failed`.

usage: kafka_test.py [CLIENT|all [OPERATION...]]. All clients at once, on one broker, which is then killed while they produce and read: `make interop` has the other clients.
"""

import os
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True  # the folder is part of the source tree
from _kafka import HERE, KILLED, KafkaBroker, Run, killed, tell, together

PYTHON = "/usr/bin/python3"  # the one that Debian's packages are for
CLIENTS = {
    "kcat 1.7.1": "kcat.py",
    "kafka-python 2.0.2": "kafka_python.py",
    "confluent-kafka 1.7.0": "confluent.py",
}


def main():
    wanted = sys.argv[1] if len(sys.argv) > 1 else "all"
    folder = tempfile.mkdtemp(prefix="kafka_test.")
    broker = KafkaBroker(folder)
    try:
        clients = [(name, [PYTHON, os.path.join(HERE, "kafka/python", file)], None) for name, file in CLIENTS.items() if wanted in ("all", name)]
        runs = [Run(name, command, broker, None, 150, [o for o in sys.argv[2:] if o != KILLED]) for name, command, _ in clients] if sys.argv[2:] != [KILLED] else []
        for run in runs:
            run.thread.join()
        if not sys.argv[2:] or KILLED in sys.argv[2:]:
            runs = together(runs, killed(broker, clients, 150))
        code = tell(runs)
    finally:
        stopped = broker.stop()
    if stopped:
        print(f"the broker ended with {stopped}:\n{broker.words()[-2000:]}")
        code = 1
    if code == 0:
        shutil.rmtree(folder)
    return code


if __name__ == "__main__":
    sys.exit(main())
