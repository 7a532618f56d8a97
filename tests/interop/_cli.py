"""What the scripts about the command line share: brokers, commands with their exit codes, a runner that counts.

RIVULET names the program; python3 alone is needed. Each broker listens on a free port of the loopback and is ended by its own pid.
"""

import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

RIVULET = os.environ.get("RIVULET", "build/native-release/rivulet")
DEADLINE = 60  # seconds for any one command


class Failed(Exception):
    pass


class NotPermitted(Exception):
    """This machine does not let the test do what it needs; told and counted, never passed over in silence."""


def expect(condition, what):
    if not condition:
        raise Failed(what)


def wait_for(condition, what, seconds=DEADLINE):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            raise Failed(f"timed out: {what}")
        time.sleep(0.01)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Broker:
    """A broker on its own folder, port and process. `more`: arguments behind its own."""

    def __init__(self, folder, *more, port=None):
        self.more = more
        self.data = os.path.join(folder, "data")
        self.log = os.path.join(folder, "broker.log")
        self.port = port or free_port()
        self.process = None
        self.start()

    @property
    def address(self):
        return f"127.0.0.1:{self.port}"

    def start(self):
        arguments = [RIVULET, "serve"]
        for setting in (f"storage.dir={self.data}", "storage.size=32M", "storage.segment_bytes=2M",
                        f"listener.compact.bind={self.address}"):
            arguments += ["--set", setting]
        arguments += self.more
        before = len(self.words()) if os.path.exists(self.log) else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(arguments, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(lambda: self.running() and " ready: " in self.words()[before:], "the broker does not get ready")

    def words(self):
        with open(self.log, encoding="utf-8", errors="replace") as log:
            return log.read()

    def running(self):
        if self.process.poll() is not None:
            raise Failed("the broker ended:\n" + self.words())
        return True

    def kill(self):
        self.process.kill()
        self.process.wait(DEADLINE)

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.process.returncode


class Run:
    """What a command said."""

    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out, err

    def is_code(self, code):
        expect(self.code == code, f"exit {self.code} in place of {code}\nout: {self.out[-500:]}\nerr: {self.err[-500:]}")
        return self

    def says(self, pattern):
        expect(re.search(pattern, self.err), f"standard error has no /{pattern}/: {self.err}")
        return self


def rivulet(*arguments, stdin=b"", code=None, seconds=DEADLINE):
    done = subprocess.run([RIVULET, *arguments], input=stdin, capture_output=True, timeout=seconds, check=False)
    run = Run(done.returncode, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))
    return run if code is None else run.is_code(code)


class Client:
    """Commands against one broker."""

    def __init__(self, broker):
        self.broker = broker

    def __call__(self, *arguments, **options):
        return rivulet(*arguments, "--bootstrap", self.broker.address, **options)

    def create(self, name, partitions=1, *more):
        return self("topic", "create", name, "--partitions", str(partitions), *more, code=0)

    def all_of(self, topic, form="%v\\n", *more):
        return self("consume", topic, "--from-beginning", "--timeout", "500ms", "--format", form, *more, code=0).out


TESTS = []


def test(function):
    """Run with a folder of its own."""
    TESTS.append(function)
    return function


def with_broker(function, make=Broker, give=Client):
    """Run with a Client of a broker of its own; `make` and `give` for other brokers, and other things made of them."""

    def run(folder):
        broker = make(folder)
        try:
            function(give(broker))
        finally:
            broker.stop()

    run.__name__ = function.__name__
    TESTS.append(run)
    return function


def main():
    passed = failed = not_permitted = 0
    for function in TESTS:
        if len(sys.argv) > 1 and function.__name__ not in sys.argv[1:]:
            continue
        folder = tempfile.mkdtemp(prefix="cli_test.")
        start = time.monotonic()
        try:
            function(folder)
            passed += 1
            print(f"{function.__name__}: {time.monotonic() - start:.1f} s")
            shutil.rmtree(folder)
        except NotPermitted as why:
            not_permitted += 1
            print(f"not permitted here: {function.__name__}: {why}")
            shutil.rmtree(folder)
        except (Failed, AssertionError, ValueError, KeyError, OSError, subprocess.SubprocessError) as error:
            failed += 1
            print(f"failed: {function.__name__}: {error}\n    its files are in {folder}")
        sys.stdout.flush()
    if not_permitted:
        print(f"{not_permitted} not permitted here")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0
