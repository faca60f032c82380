"""A person at Airlock's command line: the real client, in a folder of its own."""

import json
import os
import pathlib
import subprocess
import tempfile

from cloud import TIMEOUT_S, direct

WAIT_S = 90


class Person:
    """Someone who is signed in."""

    folder = tempfile.TemporaryDirectory(prefix="airlock-peers-")

    def __init__(self, cloud, name):
        self.cloud = cloud
        self.name = name
        self.profile = name.split("@")[0]
        self.program = pathlib.Path(cloud.stack["programs"]) / "airlockctl"
        self.does("sign-in", "--tenant", name.split("@")[1], "--as", name)
        [session] = pathlib.Path(self.folder.name).rglob(f"*-{self.profile}.json")
        self.session = json.loads(session.read_text())

    def does(self, *words):
        """Types a command; what it prints."""
        command = [self.program, "--stack", os.environ.get("AIRLOCK_STACK", ".local/stack.json")]
        done = subprocess.run(
            [*command, "--profile", self.profile, "--json", *words],
            env={"XDG_CONFIG_HOME": self.folder.name, "PATH": os.environ["PATH"]},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=WAIT_S,
        )
        said = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == 0, f"airlockctl {' '.join(words)}: {done.returncode} {said}"
        return json.loads(done.stdout)

    def asks(self, operation, user):
        """Asks for an operation; the request as it stands then."""
        return self.does("ask", operation, "--user", user, "--purpose", f"peers: {operation}")

    def follows(self, request):
        """Waits until nothing more will happen to a request."""
        return self.does("watch", request, "--for", str(WAIT_S // 2))

    def approves(self, asked):
        """Approves what somebody else asked, naming what that is."""
        named = ["--operation", asked["operation"], "--user", asked["target"]]
        return self.does("decide", asked["id"], "approve", "--reason", "peers", *named)

    def calls(self, method, path, body=None):
        """Calls the API with the session, as no browser."""
        return direct.request(
            method,
            self.cloud.stack["api"] + path,
            headers={"authorization": f"Session {self.session['cookie']}"},
            json=body,
            timeout=TIMEOUT_S,
        )

    def key_of(self, request):
        """The private key, in base64url, that a request's secret is encrypted to."""
        files = pathlib.Path(self.folder.name).rglob(f"*-{self.profile}.pending.json")
        [awaited] = [json.loads(file.read_text()) for file in files]
        return awaited[request]["key"]
