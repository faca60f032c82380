"""`POST /api/requests`: how long until 202, what is called meanwhile, how many succeed a second.

One person asks for `sessions.revoke`, which policy allows at once: the request is verified, judged,
permitted by a signature and committed, and the permit is on its way to the worker.
"""

import collections
import concurrent.futures
import json
import pathlib
import subprocess
import time

from cloud import TIMEOUT_S, direct
from load import Load, http
from person import Person
from signer import Signer
from tables import rows

PERSON = "harriet@contoso.example"
TARGET = "nina@contoso.example"
OPERATION = "sessions.revoke"

CONNECTIONS = 32
WARM_UP_S = 3
VAULT_MS = [0, 25]
CALLS_GOAL = 3

# Requests that are signed for each second of a run, just before it: an old signature is refused.
SIGNED_PER_S = 1000

# How many warm requests are looked at one by one, and how long nothing may happen in between.
LOOKED_AT = 5
QUIET_S = 0.5

# A tenant's quotas count by the hour, and the bench asks more than people do.
NO_LIMIT = 1_000_000

# Without an end, as the local cloud's faults count.
ALWAYS = 2**32 - 1

# How long everything that was taken may need until nothing more happens to it.
SETTLED_S = 600


class Bench:
    """A person who asks, straight at intake's own port."""

    def __init__(self, cloud, folder):
        self.cloud = cloud
        self.folder = folder
        self.person = Person(cloud, PERSON)
        self.signer = Signer(self.person.session)
        directory = cloud.control("GET", "/directory")["tenants"]
        self.target = directory[cloud.tenant]["people"][TARGET]["id"]
        self.port = cloud.control("GET", "/processes")["intake"]["port"]
        self.headers = {"authorization": f"Session {self.person.session['cookie']}"}

    def one(self):
        """Asks once; the calls that were made until the answer, and those that came later.

        While the other apps are stopped or idle, they are all intake's.
        """
        before = self.quiet()
        signed, name = self.signer.asks(OPERATION, self.target)
        answer = direct.post(
            f"http://127.0.0.1:{self.port}/api/requests",
            headers=self.headers,
            json={"request": signed},
            timeout=TIMEOUT_S,
        )
        until = self.cloud.control("GET", f"/calls?after={before}")
        assert answer.status_code == 202, f"{answer.status_code} {answer.text}"
        self.quiet()
        last = max((call["n"] for call in until), default=before)
        later = self.cloud.control("GET", f"/calls?after={last}")
        return until, later, name

    def quiet(self):
        """Waits until nobody has called anything for a while; the number of the last call."""
        until = time.monotonic() + SETTLED_S
        last, now = None, self.cloud.after()
        while last != now:
            assert time.monotonic() < until, "there is always somebody who calls"
            time.sleep(QUIET_S)
            last, now = now, self.cloud.after()
        return now

    def run(self, seconds, connections):
        """Asks as fast as it is answered; what wrk measured, and the names of what was sent."""
        asked = [
            self.signer.asks(OPERATION, self.target) for _ in range(seconds * SIGNED_PER_S)
        ]
        load = Load(
            self.folder / "requests",
            [
                http(
                    "POST",
                    "/api/requests",
                    self.headers,
                    json.dumps({"request": signed}).encode(),
                )
                for signed, _ in asked
            ],
        )
        told = load.against(self.port, seconds, connections)
        # The same request again would be answered with what became of the first.
        assert told["sent"] <= told["held"], f"more than {SIGNED_PER_S} requests/s: sign more"
        assert not told["broken"], told
        assert told["answered"] > told["refused"], f"intake refuses: {told}"
        return told, [name for _, name in asked[: told["sent"]]]

    def states(self, names):
        """How far requests have come, as intake says."""

        def state(name):
            answer = self.person.calls("GET", f"/api/requests/{name}")
            if answer.status_code == 404:
                return "not taken"
            assert answer.ok, f"{answer.status_code} {answer.text}"
            return answer.json()["state"]

        with concurrent.futures.ThreadPoolExecutor(8) as asking:
            return dict(zip(names, asking.map(state, names), strict=True))

    def settled(self, names):
        """Waits until nothing more happens to these requests; how many ended how."""
        waiting, ended = names, collections.Counter()
        until = time.monotonic() + SETTLED_S
        while waiting:
            states = self.states(waiting)
            going_on = ("pending", "permitted", "executing")
            waiting = [name for name, state in states.items() if state in going_on]
            ended.update(state for state in states.values() if state not in going_on)
            if time.monotonic() > until:
                ended["not settled"] = len(waiting)
                break
            time.sleep(0.2)
        return ended

    def worked(self, started, effects, answered, names):
        """Waits until the worker has nothing left; how many ended how, and in how many seconds.

        The end is the last write to the database, as the local cloud recorded it: to look at every
        request all the time would slow down what is measured.
        """
        until = time.monotonic() + SETTLED_S
        # The queue as a whole is read only when it is short: each look copies its messages.
        while self.effects(effects) < answered or self.waiting():
            assert time.monotonic() < until, "the worker does not come to an end"
            time.sleep(0.2)
        writes = [
            call["at_ms"]
            for call in self.cloud.control("GET", "/calls")
            if call["service"] == "cosmos" and call["method"] == "POST"
        ]
        return self.settled(names), max(writes) / 1000 - started

    def effects(self, after):
        """How many changes the directory has seen since then."""
        return len(self.cloud.control("GET", f"/effects?after={after}"))

    def last_effect(self):
        """The number of the last change of the directory."""
        return max((one["n"] for one in self.cloud.control("GET", "/effects")), default=0)

    def waiting(self):
        """Messages that the worker has not dealt with."""
        queue = self.cloud.control("GET", "/bus")["permits-execute"]
        return sum(len(queue[kind]) for kind in ("active", "scheduled", "locked"))

    def delay_vault(self, delay_ms):
        """Lets every call of Key Vault wait."""
        self.cloud.control("DELETE", "/faults")
        if delay_ms:
            effect = {"kind": "delay", "ms": delay_ms}
            rule = {"service": "vault", "times": ALWAYS, "effect": effect}
            self.cloud.control("POST", "/faults", rule)


def lift_quotas(cloud, folder):
    """Signs the tenants' bindings anew, with quotas that the bench does not reach."""
    deployment = pathlib.Path(cloud.stack["deployment"])
    bindings = json.loads(pathlib.Path(json.loads(deployment.read_text())["bindings"]).read_text())
    for tenant in bindings["tenants"]:
        tenant["terms"]["quotas"] = {"tenant": NO_LIMIT, "caller": NO_LIMIT, "attested": NO_LIMIT}
    lifted = folder / "bindings.json"
    lifted.write_text(json.dumps(bindings))
    command = [str(pathlib.Path(cloud.stack["programs"]) / "airlockctl"), "admin", "bind"]
    done = subprocess.run(
        [*command, "--deployment", str(deployment), "--file", str(lifted)],
        env=cloud.stack["admin"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    # Bindings are kept for a while by whoever has read them.
    for app in ("intake", "execute"):
        switch(cloud, app, "stop", "stopped")
        switch(cloud, app, "start", "running")


def switch(cloud, app, how, state):
    """Stops or starts an app, and waits until it has."""
    cloud.control("POST", f"/processes/{app}/{how}")
    until = time.monotonic() + TIMEOUT_S
    while cloud.control("GET", "/processes")[app]["state"] != state:
        assert time.monotonic() < until, f"{app} is not {state}"
        time.sleep(0.05)


def measure(cloud, folder, seconds):
    """Prints everything about requests."""
    lift_quotas(cloud, folder)
    bench = Bench(cloud, folder)
    print(
        f"\nPOST /api/requests: {OPERATION}, signed by the client key of one person with one "
        "session,\nstraight to intake's own port; the cloud that intake calls runs on the same "
        "machine, with TLS"
    )
    _, names = bench.run(WARM_UP_S, CONNECTIONS)
    bench.settled(names)
    tell_calls(bench)
    tell_answers(bench, seconds)
    tell_successes(bench, seconds)


def tell_calls(bench):
    """What intake calls for one warm request."""
    switch(bench.cloud, "execute", "stop", "stopped")
    looked_at = [bench.one() for _ in range(LOOKED_AT)]
    switch(bench.cloud, "execute", "start", "running")
    bench.settled([name for _, _, name in looked_at])
    until, later, _ = min(looked_at, key=lambda one: len(one[0]))
    counts = ", ".join(str(len(until)) for until, _, _ in looked_at)
    print(
        f"""
  remote calls of intake until 202: {len(until)} (goal: {CALLS_GOAL}), the fewest of {LOOKED_AT}
  warm requests, one at a time ({counts}): others read again what is kept for a while, or
  the message was on its way before the answer was read"""
    )
    for calls, when in ((until, "until 202"), (later, "later")):
        for call in calls:
            what = f"{call['service']:<8}{call['method']:<6}{_brief(call['path'])}"
            print(f"    {when:<11}{what} {call['status']}")


def _brief(path):
    """A path without what is long and different every time."""
    return "/".join(part if len(part) <= 20 else "…" for part in path.split("/"))


def tell_answers(bench, seconds):
    """Time to 202."""
    print(
        "\n  time to 202; meanwhile the worker is stopped, so that only intake, wrk and the local "
        "cloud share the cores"
    )
    lines, names, taken = [], [], 0
    switch(bench.cloud, "execute", "stop", "stopped")
    effects = bench.last_effect()
    for delay_ms in VAULT_MS:
        bench.delay_vault(delay_ms)
        for connections in (1, CONNECTIONS):
            told, sent = bench.run(seconds, connections)
            names += sent
            taken += told["answered"] - told["refused"]
            lines.append(
                [
                    f"Key Vault at {delay_ms} ms, {connections} at a time",
                    f"{(told['answered'] - told['refused']) / told['seconds']:,.1f}",
                    f"{told['p50_ms']:.1f}",
                    f"{told['p99_ms']:.1f}",
                    str(told["refused"]),
                ]
            )
    bench.delay_vault(0)
    rows(["", "requests/s", "p50 ms", "p99 ms", "not 202"], lines)
    switch(bench.cloud, "execute", "start", "running")
    ended, needed_s = bench.worked(time.time(), effects, taken, names)
    print(
        f"\n  the worker alone, started before a queue of them: {ended['succeeded']} succeeded in "
        f"{needed_s:.1f} s, {ended['succeeded'] / needed_s:.1f} requests/s; all: {_told(ended)}"
    )


def tell_successes(bench, seconds):
    """Requests to Succeeded, with everything running."""
    lines = []
    for delay_ms in VAULT_MS:
        bench.delay_vault(delay_ms)
        effects, started = bench.last_effect(), time.time()
        told, names = bench.run(seconds, CONNECTIONS)
        taken = told["answered"] - told["refused"]
        ended, needed_s = bench.worked(started, effects, taken, names)
        lines.append(
            [
                f"Key Vault at {delay_ms} ms, {CONNECTIONS} at a time",
                f"{taken / told['seconds']:,.1f}",
                f"{told['p50_ms']:.1f}",
                f"{ended['succeeded'] / needed_s:,.1f}",
                f"{ended['succeeded']} in {needed_s:.1f} s",
                _told(ended),
            ]
        )
    bench.delay_vault(0)
    print(
        f"\n  to Succeeded, with everything running: {seconds} s of requests, and until the last "
        "has ended"
    )
    rows(["", "202/s", "p50 ms", "Succeeded/s", "", "all"], lines)


def _told(ended):
    return ", ".join(f"{count} {state}" for state, count in sorted(ended.items()))
