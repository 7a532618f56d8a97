"""What the benchmarks share: their report, the programs that they start and end, counters, folders and devices."""

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

from _cli import free_port

OUT = os.environ.get("OUT", "build/native-release")
RIVULET = os.environ.get("RIVULET", OUT + "/rivulet")
HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
MIB = 1 << 20
TICK = os.sysconf("SC_CLK_TCK")


class Report:
    """The lines that a person reads, and their sum."""

    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, figure, limit, above=False, unit=""):
        good = figure >= limit if above else figure <= limit
        self.passed += good
        self.failed += not good
        sign = ">=" if above else "<="
        self.line(name, f"{figure:.2f}{unit}", f"{sign} {limit:g}{unit}", "PASS" if good else "MISS")

    def fail(self, name, why):
        self.failed += 1
        self.line(name, "-", why, "MISS")

    def note(self, name, figure):
        self.line(name, figure, "", "")

    def skip(self, name, why):
        self.line(name, "-", "", f"SKIPPED: {why}")

    @staticmethod
    def text(line):
        print(line.rstrip(), flush=True)

    @staticmethod
    def line(name, figure, target, verdict):
        print(f"{name:<62} {figure:>12}  {target:<11} {verdict}".rstrip(), flush=True)


def program(name):
    return f"{OUT}/bench_{name}"


def load(port, command, **options):
    argv = [program("load"), command, "--port", str(port)]
    for key, value in options.items():
        argv += ["--" + key, str(value)]
    return argv


def run(argv):
    """Runs to the end; the last JSON line that it printed."""
    done = subprocess.run(argv, stdout=subprocess.PIPE, timeout=120, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(argv)}: exit {done.returncode}")
    lines = done.stdout.splitlines()
    return json.loads(lines[-1]) if lines else {}


class Marked:
    """A program that says when counters are to be read."""

    def __init__(self, argv):
        self.argv = argv
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)

    def mark(self, which):
        for line in self.process.stdout:
            found = json.loads(line)
            if found.get("mark") == which:
                return found
        raise RuntimeError(f"{' '.join(self.argv)}: ended without the mark {which}")

    def end(self):
        self.process.stdout.close()
        stop(self.process)


@contextlib.contextmanager
def beside(argv):
    """A program that runs while we do something else, and no longer."""
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        yield process
    finally:
        stop(process)
        process.stdout.close()


def stop(process, sign=signal.SIGTERM):
    if process.poll() is None:
        process.send_signal(sign)
    try:
        return process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def dies_with_us():
    """For the child of a fork: however we end, no server stays."""
    pr_set_pdeathsig = 1
    ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGKILL)


def counters(pid):
    """What /proc says of a process: bytes through read and write calls, CPU seconds, memory."""
    with open(f"/proc/{pid}/io") as f:
        found = {k: int(v) for k, v in (line.split(":") for line in f)}
    with open(f"/proc/{pid}/stat") as f:
        fields = f.read().rsplit(")", 1)[1].split()
    found["cpu"] = (int(fields[11]) + int(fields[12])) / TICK
    return found


def cpu_seconds(pid):
    """Of all threads that are there, to the nanosecond; ticks where the kernel does not count so."""
    try:
        total = 0
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/schedstat") as f:
                total += int(f.read().split()[0])
        return total / 1e9
    except OSError:
        return counters(pid)["cpu"]


def memory(pid):
    with open(f"/proc/{pid}/status") as f:
        found = dict(re.findall(r"^(VmRSS|VmHWM|RssAnon|RssFile):\s+(\d+) kB", f.read(), re.M))
    return {k: int(v) * 1024 for k, v in found.items()}


class Broker:
    """The shipped program on a free port, with its store in `folder`; `under`: the command line of what it is looked at with."""

    def __init__(self, folder, settings=None, config=None, fetch=None, under=()):
        self.port = free_port()
        self.folder = folder
        self.log_path = folder + ".log"
        self.argv = [*under, RIVULET, "serve"] + (["-c", config] if config else [])
        sets = {"storage.dir": folder, "listener.compact.bind": f"127.0.0.1:{self.port}"}
        sets.update(settings or {})
        for key, value in sets.items():
            self.argv += ["--set", f"{key}={value}"]
        self.started = time.monotonic()
        with open(self.log_path, "wb") as log:
            self.process = subprocess.Popen(self.argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=log, preexec_fn=dies_with_us)
        self.pid = self.process.pid
        with beside(load(self.port, "await", seconds=60, topic=fetch or "")) as waiting:
            while waiting.poll() is None and self.process.poll() is None:
                time.sleep(0.005)
            if self.process.poll() is None:
                answer = waiting.communicate()[0]
            else:
                answer = None
        if not answer:
            stop(self.process)
            raise RuntimeError(f"the broker does not start: {self.log().strip()}")
        answer = json.loads(answer)
        self.ready, self.fetched = answer["ready"], answer["fetched"]

    def log(self):
        with open(self.log_path, errors="replace") as f:
            return f.read()

    def topic(self, name="bench", partitions=64, config=""):
        run(load(self.port, "topic", topic=name, partitions=partitions, config=config))

    def load(self, command, **options):
        return run(load(self.port, command, **options))

    def counters(self):
        return counters(self.pid)

    def kill(self):
        stop(self.process, signal.SIGKILL)

    def stop(self):
        return stop(self.process)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.kill()


@contextlib.contextmanager
def temporary(where=None):
    folder = tempfile.mkdtemp(prefix="rivulet-bench.", dir=where)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def in_memory(bytes_needed):
    """A folder whose files live in RAM, so that no disk is worn or waited for; the usual temporary folder if there is none."""
    with contextlib.suppress(OSError):
        if os.statvfs("/dev/shm").f_bavail * os.statvfs("/dev/shm").f_frsize > bytes_needed and os.access("/dev/shm", os.W_OK):
            return "/dev/shm"
    return None


class LoopDevice:
    """ext4 on a loop device over a file in RAM: its counters are what reaches a card."""

    def __init__(self, folder, name, size):
        self.image = f"{folder}/{name}.image"
        self.mount = f"{folder}/{name}"
        self.device = None
        self.mounted = False
        try:
            with open(self.image, "wb") as f:
                f.truncate(size)
            os.mkdir(self.mount)
            self.device = self._do("losetup", "--find", "--show", self.image).strip()
            self._do("mkfs.ext4", "-q", "-b", "4096", "-E", "lazy_itable_init=0,lazy_journal_init=0", self.device)
            self._do("mount", self.device, self.mount)
            self.mounted = True
        except (RuntimeError, OSError):
            self.close()
            raise

    @staticmethod
    def _do(*argv):
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ, "PATH": path})
        if done.returncode != 0:
            raise RuntimeError(f"{argv[0]}: {(done.stderr or done.stdout).strip()}")
        return done.stdout

    def bytes_written(self):
        with open(f"/sys/block/{os.path.basename(self.device)}/stat") as f:
            return int(f.read().split()[6]) * 512

    def close(self):
        if self.mounted:
            self._do("umount", self.mount)
        if self.device:
            self._do("losetup", "--detach", self.device)
        self.mounted = self.device = None
