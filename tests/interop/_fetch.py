"""What scripts run with and Debian does not have: fetched once, kept in build/interop (INTEROP), with the versions that are pinned here."""

import os
import shutil
import subprocess

from _cli import expect

HERE = os.path.dirname(os.path.abspath(__file__))
BUILD = os.path.abspath(os.environ.get("INTEROP", "build/interop"))
KAFKA = {"3.9.1": "kafka-3.9.1", "4.3.1": "kafka-4.3.1"}
MAVEN_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


def do(*command, folder=None):
    done = subprocess.run(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900, check=False)
    expect(done.returncode == 0, f"{' '.join(command[:4])}...: exit {done.returncode}: {done.stdout.decode('utf-8', 'replace')[-400:]}")


def text_of(path):
    try:
        with open(path, encoding="utf-8") as file:
            return file.read()
    except FileNotFoundError:
        return None


def once(name, make, of):
    """Makes build/interop/NAME if it is not there whole, or was made of something else; returns its path."""
    path, stamp = os.path.join(BUILD, name), os.path.join(BUILD, name + ".ok")
    if text_of(stamp) != of:
        os.makedirs(BUILD, exist_ok=True)
        shutil.rmtree(path, ignore_errors=True)
        make(path)
        with open(stamp, "w", encoding="utf-8") as file:
            file.write(of)
    return path


def jars(version):
    """The folder of Kafka's clients, server and tools."""
    pom = os.path.join(HERE, "kafka", "java")
    return once(KAFKA[version], lambda path: do("mvn", "-B", "-q", f"-Dkafka.version={version}", MAVEN_COPY, f"-DoutputDirectory={path}", "-DincludeScope=runtime",
                                                f"-DbuildDirectory={BUILD}", folder=pom), text_of(os.path.join(pom, "pom.xml")))
