"""Servers as the kernel sees them: all the processes of each, their CPU time and their memory."""

import contextlib
import os
import pathlib
import signal
import socket
import subprocess
import time

TICKS_S = os.sysconf("SC_CLK_TCK")
MIB = 2**20

# How long a server may take until it listens, and until it has ended.
START_S = 30
END_S = 10


class Server:
    """The processes below one that was started, or one process that somebody else runs."""

    def __init__(self, name, pid, port):
        self.name = name
        self.pid = pid
        self.port = port

    def pids(self):
        """Every process of it, the first one first."""
        found, waiting = [], [self.pid]
        while waiting:
            pid = waiting.pop(0)
            found.append(pid)
            for children in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                waiting += map(int, children.read_text().split())
        return found

    def serving(self):
        """Those that serve: not the one that only watches over others."""
        pids = self.pids()
        return pids[1:] if len(pids) > 1 else pids

    def cpu_s(self):
        """User and system time of every process of it so far."""
        return sum(_cpu_s(pid) for pid in self.pids())

    def resident_mib(self, pids):
        """Resident memory, as the sum over these processes."""
        return sum(_kib(f"/proc/{pid}/status", "VmRSS") for pid in pids) / 1024

    def anonymous_mib(self, pids):
        """The part of it that no file on disk holds as well, as it does a program's code."""
        return sum(_kib(f"/proc/{pid}/status", "RssAnon") for pid in pids) / 1024

    def proportional_mib(self, pids):
        """All of it, with what is shared counted once."""
        return sum(_kib(f"/proc/{pid}/smaps_rollup", "Pss") for pid in pids) / 1024


def _cpu_s(pid):
    # After the name, which may hold anything but ends at the last parenthesis: state is the third
    # field, utime the 14th, stime the 15th (proc(5)).
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_S


def _kib(file, name):
    for line in pathlib.Path(file).read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1])
    raise AssertionError(f"{file} has no {name}")


def free_port():
    """A port that was free a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@contextlib.contextmanager
def running(name, command, environment, port, log):
    """Runs a server of our own until the block is left."""
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_it_listens(name, process, port, log)
        yield Server(name, process.pid, port)
    finally:
        process.terminate()
        try:
            process.wait(END_S)
        except subprocess.TimeoutExpired:
            # Its session is its own: nobody else is in it.
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_until_it_listens(name, process, port, log):
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        if process.poll() is not None:
            break
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        time.sleep(0.05)
    raise AssertionError(f"{name} does not listen:\n{pathlib.Path(log).read_text()[-2000:]}")
