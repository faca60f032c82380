"""Appends to one tenant's ledger over the local cloud: by one process of intake and by four.

Each request waits for an approval, so that taking it is one leaf and nothing more: it is judged,
its statement is signed by Key Vault, and Cosmos DB takes both in one batch. Processes race for the
tree's head, as they do where the Functions host starts several.
"""

import concurrent.futures
import json
import os
import pathlib
import socket
import subprocess
import time

from cloud import TIMEOUT_S, direct
from intake import PERSON, TARGET, lift_quotas
from load import Load, http
from person import Person
from signer import Signer
from tables import rows

OPERATION = "account.disable"

PROCESSES = [1, 4]
CONNECTIONS = [1, 8]

# Requests that are signed for each second and process, just before.
SIGNED_PER_S = 300


class Writer:
    """One more process like the one that the host runs, with the same package and settings."""

    def __init__(self, pid):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        pairs = pathlib.Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        settings = dict(pair.decode().split("=", 1) for pair in pairs if b"=" in pair)
        settings["FUNCTIONS_CUSTOMHANDLER_PORT"] = str(self.port)
        self.process = subprocess.Popen(
            [os.readlink(f"/proc/{pid}/exe")],
            cwd=os.readlink(f"/proc/{pid}/cwd"),
            env=settings,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        until = time.monotonic() + TIMEOUT_S
        while True:
            try:
                direct.get(f"http://127.0.0.1:{self.port}/api/health", timeout=TIMEOUT_S)
                return
            except OSError:
                assert time.monotonic() < until, "another process does not answer"
                time.sleep(0.05)

    def end(self):
        """Ends it, as the host does."""
        self.process.terminate()
        self.process.wait(TIMEOUT_S)


def measure(cloud, folder, seconds):
    """Prints how many leaves a second are appended."""
    lift_quotas(cloud, folder)
    person = Person(cloud, PERSON)
    signer = Signer(person.session)
    target = cloud.control("GET", "/directory")["tenants"][cloud.tenant]["people"][TARGET]["id"]
    headers = {"authorization": f"Session {person.session['cookie']}"}
    pid = cloud.control("GET", "/processes")["intake"]["pid"]
    writers = [Writer(pid) for _ in range(max(PROCESSES))]
    try:
        lines = [
            _line(writers[:processes], connections, seconds, folder, (signer, target, headers))
            for processes in PROCESSES
            for connections in CONNECTIONS
        ]
    finally:
        for writer in writers:
            writer.end()
    print(
        f"\nAppends to one tenant's ledger: {OPERATION}, which waits for an approval, straight to "
        "processes of\nintake; Key Vault and Cosmos DB of the local cloud run on the same machine"
    )
    rows(["processes", "at a time each", "appends/s", "p50 ms", "p99 ms", "not taken"], lines)


def _line(writers, connections, seconds, folder, asking):
    signer, target, headers = asking

    def load(writer):
        requests = [
            http(
                "POST",
                "/api/requests",
                headers,
                json.dumps({"request": signer.asks(OPERATION, target)[0]}).encode(),
            )
            for _ in range(seconds * SIGNED_PER_S)
        ]
        return Load(folder / f"appends-{writer.port}", requests)

    # What a process needs once, it has before it is measured.
    for writer in writers:
        signed, _ = signer.asks(OPERATION, target)
        answer = direct.post(
            f"http://127.0.0.1:{writer.port}/api/requests",
            headers=headers,
            json={"request": signed},
            timeout=TIMEOUT_S,
        )
        assert answer.status_code in (202, 503), f"{answer.status_code} {answer.text}"
    loads = [load(writer) for writer in writers]
    with concurrent.futures.ThreadPoolExecutor(len(writers)) as pool:
        told = list(
            pool.map(
                lambda load, writer: load.against(writer.port, seconds, connections),
                loads,
                writers,
            )
        )
    for one in told:
        assert one["sent"] <= one["held"], f"more than {SIGNED_PER_S} requests/s: sign more"
    taken = sum(one["answered"] - one["refused"] for one in told)
    length = max(one["seconds"] for one in told)
    return [
        str(len(writers)),
        str(connections),
        f"{taken / length:,.1f}",
        f"{max(one['p50_ms'] for one in told):.1f}",
        f"{max(one['p99_ms'] for one in told):.1f}",
        str(sum(one["refused"] for one in told)),
    ]
