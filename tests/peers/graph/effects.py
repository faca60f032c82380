"""What the worker sends to Graph to carry an operation out.

The record shows that a call was made, and not its body. That stands in snapshots, with which the
unit tests compare each call that an operation makes.
"""

import json
import re

from graph.reference import SOURCES, spelled, with_plain_keys
from graph.stage import ENTERPRISEPACK, LOOKUP

CALL = re.compile(
    r"airlock-worker-([a-z]+): (GET|POST|PATCH|DELETE) (/\S+)(?: (\{.*\}))?\"?#?\)?;?$"
)


def snapshots(stage):
    """Path and body of each call of an operation that has one, by worker, method and path."""
    bodies = {}
    for file in (SOURCES / "handlers" / "core" / "src" / "catalog").rglob("*.rs"):
        for line in file.read_text().splitlines():
            if (match := CALL.search(line)) and match[4]:
                body = match[4].replace("NINA", stage.nina)
                path = match[3].replace("NINA", stage.nina)
                path = path.replace("LISTED", stage.in_contoso["group"])
                bodies[match[1], match[2], spelled(path)] = (path, json.loads(body))
    return bodies


def declared(calls, method, path):
    """The call, of those that an operation declares, that this one is."""
    for one in calls:
        of, template = one.split(" ")
        pattern = re.escape(template.split("?")[0])
        pattern = re.sub(r"\\\{\w+\\\}", "[A-Za-z0-9_-]+", pattern)
        if of == method and re.fullmatch(pattern, path):
            return one
    return None


def parameters(stage):
    """What is asked with each operation, of Nina's."""
    here = stage.in_contoso
    return {
        "mfa.reset": "methods=phone,authenticator,passkey,software_oath,windows_hello,email",
        "group.add": f"group={here['group']}",
        "group.remove": f"group={here['group']}",
        "license.assign": f"sku={ENTERPRISEPACK}",
        "laps.read": f"device={here['device']}",
        "bitlocker.read": f"key={here['key']}",
    }


def check(checks, stage, reference, operations, sam, april):
    """Sam asks for every operation, April approves it, and each request is looked at."""
    cloud = stage.cloud
    with checks.that("every body that operations send has Graph's names and types"):
        bodies = snapshots(stage)
        for path, body in bodies.values():
            reference.judge_body(body, path)
        # A password is random, so that no snapshot has it.
        profile = {"password": "x", "forceChangePasswordNextSignIn": True}
        reference.judge_body({"passwordProfile": profile}, f"/users/{stage.nina}")
        wanted = {
            (operation["application"].removeprefix("airlock-worker-"), method, spelled(path))
            for operation in operations
            for method, path in (call.split(" ") for call in operation["calls"])
            # Sent without a body.
            if method in ("POST", "PATCH") and not path.endswith("/revokeSignInSessions")
        }
        missing = wanted - set(bodies) - {("passwords", "PATCH", "/users/{id}")}
        assert not missing, f"no snapshot shows the body of {missing}"

    before = cloud.after()
    sent = set()
    for operation in operations:
        name = operation["name"]
        with checks.that(f"{name} is carried out by the requests that it declares, and they exist"):
            start = cloud.after()
            given = parameters(stage).get(name)
            more = ("--parameter", given) if given else ()
            purpose = ("--purpose", f"peers: {name}")
            request = sam.does("ask", name, "--user", stage.nina, *purpose, *more)
            if request["state"] == "pending":
                april.approves(request)
            ended = sam.follows(request["id"])
            assert ended["state"] == "succeeded", ended
            made = [
                (call["method"], call["path"].removeprefix("/v1.0"))
                for call in cloud.control("GET", f"/calls?after={start}")
                if call["service"] == "graph" and call["caller"] == operation["application"]
            ]
            calls = {declared(operation["calls"], method, path) for method, path in made}
            assert calls == set(operation["calls"]), (calls, operation["calls"])
            for method, path in made:
                reference.metadata.follow(with_plain_keys(path))
                sent.add((operation["application"], method, path))

    with checks.that("nothing else was asked of Graph by the worker, and nothing was refused"):
        batches = 0
        reads = {read for operation in operations for read in operation["reads"]}
        for made in cloud.control("GET", f"/calls?after={before}"):
            # What drift reads by the clock is judged by the paths of its own.
            if made["service"] != "graph" or made["app"] == "drift":
                continue
            method, path = made["method"], made["path"]
            assert path.startswith("/v1.0/"), f"{path} is not judged: only v1.0 is described"
            path = path.removeprefix("/v1.0")
            if (made["caller"], method, path) in sent:
                # The default method is tried before its turn.
                early = method == "DELETE" and made["status"] == 400 and "phoneMethods" in path
                assert early or made["status"] < 400, made
                continue
            assert made["status"] and made["status"] < 400, made
            assert made["caller"] == LOOKUP, f"{method} {path} is no operation's"
            if (method, path) == ("POST", "/$batch"):
                batches += 1
                continue
            assert declared(reads, method, path), f"{method} {path} is no operation's to read"
        assert batches >= len(operations), f"{batches} targets were looked at"
