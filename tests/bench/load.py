"""Load, made by wrk: a fixed number of connections that are kept alive, each with one request at a
time. What wrk itself costs is nobody's CPU time here."""

import json
import pathlib
import subprocess

SCRIPT = pathlib.Path(__file__).with_name("replay.lua")

# Longer than anything that Airlock waits for itself.
TIMEOUT_S = 30


class Load:
    """Requests in a file that wrk replays in turn, over and over."""

    def __init__(self, file, requests):
        self.file = pathlib.Path(file)
        self.held = len(requests)
        assert all(b"\0" not in request for request in requests)
        self.file.write_bytes(b"".join(request + b"\0" for request in requests))

    def against(self, port, seconds, connections):
        """What wrk measured on a port of this machine."""
        done = subprocess.run(
            [
                "wrk",
                "--threads=1",
                f"--connections={connections}",
                f"--duration={seconds}s",
                f"--timeout={TIMEOUT_S}s",
                f"--script={SCRIPT}",
                f"http://127.0.0.1:{port}",
                "--",
                str(self.file),
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=seconds + 2 * TIMEOUT_S,
        )
        lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
        assert done.returncode == 0 and len(lines) == 1, done.stdout + done.stderr
        return json.loads(lines[0])


def http(method, path, headers, body=b""):
    """A request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "host: localhost"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body:
        lines += ["content-type: application/json", f"content-length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body
