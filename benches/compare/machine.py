"""Processes of this machine: starting them on a processor of their own, what they cost, and ending them.

Owns nothing about gateways.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request

TICKS = os.sysconf("SC_CLK_TCK")
# What is measured has the first processor to itself; whoever asks and answers has the others.
PROCESSORS = sorted(os.sched_getaffinity(0))
MEASURED = {PROCESSORS[0]}
AROUND = set(PROCESSORS[1:]) or MEASURED


class Missing(Exception):
    """Something is not on this machine, or does not start: said in the table, and the others go on."""


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def program(*names):
    """The first of `names` that is installed; servers are where only a superuser's path leads."""
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return found
    raise Missing(f"{names[0]} is not installed")


def said(*command):
    """What a command prints, for versions."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return (done.stdout + done.stderr).strip()


class Process:
    """One that runs until `stop`, with everything that it starts."""

    def __init__(self, name, command, folder, port, processors=MEASURED):
        self.name, self.port, self.folder = name, port, folder
        self.log = open(os.path.join(folder, f"{name}.log"), "wb")
        environment = {**os.environ, "HOME": folder, "NODE_ENV": "production"}
        self.child = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
            start_new_session=True, preexec_fn=lambda: os.sched_setaffinity(0, processors))

    def wait_until_ready(self, seconds=20):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self.child.poll() is not None:
                break
            try:
                socket.create_connection(("127.0.0.1", self.port), 0.2).close()
                return self
            except OSError:
                time.sleep(0.05)
        last = open(self.log.name, errors="replace").read()[-400:].strip()
        self.stop()
        raise Missing(f"{self.name} does not start: {last}")

    def tree(self):
        """Its process id and those of its descendants."""
        parents = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                fields = stat(int(entry))
                if fields:
                    parents.setdefault(int(fields[1]), []).append(int(entry))
        found = [self.child.pid]
        for pid in found:
            found.extend(parents.get(pid, []))
        return found

    def cpu_seconds(self):
        """User and system time of the whole tree so far, children that ended included."""
        total = 0
        for pid in self.tree():
            fields = stat(pid)
            if fields:
                total += sum(int(field) for field in fields[11:15])
        return total / TICKS

    def memory_kib(self):
        """Resident and proportional sizes of the whole tree."""
        sizes = {"Rss": 0, "Pss": 0}
        for pid in self.tree():
            try:
                text = open(f"/proc/{pid}/smaps_rollup").read()
            except OSError:
                continue
            for name in sizes:
                sizes[name] += int(re.search(rf"^{name}:\s+(\d+)", text, re.M).group(1))
        return sizes["Rss"], sizes["Pss"]

    def stop(self):
        for pid in reversed(self.tree()):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.child.wait()
        self.log.close()


def stat(pid):
    """The fields of /proc/PID/stat behind the name, or nothing when it ended."""
    try:
        return open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    except OSError:
        return None


def status_of(url, fields=None, body=None):
    """The status of one answer; 0 if there is none."""
    request = urllib.request.Request(url, data=body, headers=fields or {})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except OSError:
        return 0, b""


UNITS = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


def milliseconds(text):
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text).groups()
    return float(number) * UNITS[unit]


def load(process, url, seconds, connections, script):
    """Asks for `seconds` and says what it cost the process: requests, requests/s, CPU us each, p50 and p99 in ms."""
    command = [program("wrk"), "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script, url]
    before = process.cpu_seconds()
    done = subprocess.run(command, capture_output=True, text=True, timeout=seconds + 60, check=False,
                          preexec_fn=lambda: os.sched_setaffinity(0, AROUND))
    cpu = process.cpu_seconds() - before
    text = done.stdout
    counted = re.search(r"(\d+) requests in ([\d.]+(?:us|ms|s|m)),", text)
    if not counted or int(counted.group(1)) == 0:
        raise Missing(f"{process.name} answered nothing: {text[-200:]} {done.stderr[-200:]}")
    requests, took = int(counted.group(1)), milliseconds(counted.group(2)) / 1000
    bad = sum(int(number) for number in re.findall(r"Non-2xx or 3xx responses: (\d+)", text))
    broken = re.search(r"Socket errors: (.*)", text)
    percentile = lambda percent: milliseconds(re.search(rf"^\s+{percent}%\s+(\S+)", text, re.M).group(1))
    return {"requests": requests, "per_second": requests / took, "cpu_us": cpu * 1e6 / requests, "p50_ms": percentile(50),
            "p99_ms": percentile(99), "bad": bad, "socket_errors": broken.group(1) if broken else None}


def write_json(path, value):
    with open(path, "w") as file:
        json.dump(value, file, indent=2)
        file.write("\n")
