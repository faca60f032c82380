"""Microsoft Graph, judged by its own metadata and permissions reference.

Three things are compared with Microsoft's published data: what the local Graph answers, what the
worker sends to it while every operation of the catalog is carried out, and the permissions that
each operation names. The data is not part of this repository: without it, nothing is judged.
"""

import json
import os
import pathlib
import re
import sys
import urllib.parse

import requests

from cloud import TIMEOUT_S, Checks, Cloud
from csdl import Metadata, Wrong, collected
from person import Person

HERE = pathlib.Path(__file__).resolve().parent
SOURCES = HERE.parent.parent
SHARED = pathlib.Path(os.environ.get("AIRLOCK_SHARED", SOURCES.parent / "shared"))
GRAPH = "https://graph.microsoft.com"
# An ordinary person there, whom nothing else in these checks needs.
FABRIKAM, FLORA = "fabrikam.example", "flora@fabrikam.example"

reference = SHARED / "data" / "graph"
if not reference.is_dir():
    print(f"SKIPPED: reference data not found ({reference})")
    sys.exit(0)

# Every route that the local Graph offers below v1.0. `{user}` is a person, `{principal}` a service
# principal.
READS = [
    "/users",
    "/users/{user}",
    "/users/{user}/transitiveMemberOf",
    "/users/{user}/transitiveMemberOf/microsoft.graph.group",
    "/users/{user}/transitiveMemberOf/microsoft.graph.directoryRole",
    "/users/{user}/ownedObjects",
    "/users/{user}/ownedObjects/microsoft.graph.group",
    "/users/{user}/appRoleAssignments",
    "/users/{user}/authentication/temporaryAccessPassMethods",
    "/roleManagement/directory/roleAssignments",
    "/roleManagement/directory/roleEligibilityScheduleInstances",
    "/organization",
    "/servicePrincipals",
    "/servicePrincipals/{principal}",
]
WRITES = [
    ("PATCH", "/users/{user}", {"accountEnabled": True}),
    (
        "PATCH",
        "/users/{user}",
        {"passwordProfile": {"password": "Peers-2026!", "forceChangePasswordNextSignIn": True}},
    ),
    ("POST", "/users/{user}/revokeSignInSessions", None),
    (
        "POST",
        "/users/{user}/authentication/temporaryAccessPassMethods",
        {"lifetimeInMinutes": 60, "isUsableOnce": True},
    ),
]

# The least application permissions of each operation, from the documentation of each call. Whoever
# adds an operation adds it here, and so it is looked up twice by two people.
REVIEWED = {
    "sessions.revoke": {"User.RevokeSessions.All"},
    "account.disable": {"User.EnableDisableAccount.All", "User.Read.All"},
    "account.enable": {"User.EnableDisableAccount.All", "User.Read.All"},
    "password.reset": {"User-PasswordProfile.ReadWrite.All"},
    "tap.issue": {"UserAuthMethod-TAP.ReadWrite.All"},
}
# Permissions that the reference does not list for an operation's call, and why they are named.
BESIDES = {
    ("account.disable", "User.Read.All"): "User.EnableDisableAccount.All works only with it",
    ("account.enable", "User.Read.All"): "User.EnableDisableAccount.All works only with it",
}
# The reference marks the least permission of a call, whatever it writes. These are narrower than
# the marked one, because they are for one property alone.
NARROWER = {"User.EnableDisableAccount.All", "User-PasswordProfile.ReadWrite.All"}
# Applications that no operation of the catalog uses yet.
NOT_USED_YET = {"airlock-worker-groups", "airlock-worker-devices"}
LOOKUP = "airlock-worker-lookup"

cloud = Cloud()
cloud.be_found()
checks = Checks()
graph = Metadata(reference / "v1.0-Prod.csdl")
permissions = json.loads((reference / "permissions.json").read_text())["permissions"]
identities = json.loads((SOURCES / "infra" / "identities.json").read_text())
directory = cloud.control("GET", "/directory")["tenants"]


def spelled(path):
    """A path as the permissions reference is compared: keys without names, letters small."""
    path = re.sub(r"/microsoft\.graph\.(group|directoryrole)$", "", path.split("?")[0].lower())
    return re.sub(r"\{[^}]*\}|[0-9a-f]{8}-[0-9a-f-]{27}", "{id}", path)


covering = {}
for permission, about in permissions.items():
    for paths in about["pathSets"]:
        if "Application" not in paths["schemeKeys"]:
            continue
        for path, mark in paths["paths"].items():
            least = re.search(r"least=([\w,]*)", mark)
            is_least = bool(least) and "Application" in least[1].split(",")
            for method in paths["methods"]:
                covering.setdefault((method, spelled(path)), {})[permission] = is_least


def level(permission):
    """How privileged Microsoft ranks a permission, from 1 to 5."""
    return permissions[permission]["schemes"]["Application"]["privilegeLevel"]


def call(token, method, path, body=None, query=""):
    """Calls the local Graph."""
    return requests.request(
        method,
        f"{GRAPH}/v1.0{path}{query}",
        headers={"authorization": f"Bearer {token}"},
        json=body,
        timeout=TIMEOUT_S,
    )


def judge_answer(status, body, method, path):
    """An answer of the local Graph is what the metadata says that path leads to."""
    where = f"{method} {path}"
    target, _ = graph.follow(path)
    if status == 204:
        if body is not None:
            raise Wrong(f"{where}: 204 with a body")
        return 0
    if status != (201 if method == "POST" and collected(target) else 200):
        raise Wrong(f"{where}: status {status}")
    context = body.get("@odata.context", "")
    if not context.startswith(f"{GRAPH}/v1.0/$metadata#"):
        raise Wrong(f"{where}: context {context!r}")
    if method == "POST" and collected(target):
        return graph.judge(body, collected(target), where)
    if collected(target) or target.startswith("Edm."):
        unknown = set(body) - {"value", "@odata.context", "@odata.nextLink", "@odata.count"}
        if unknown:
            raise Wrong(f"{where}: {unknown} beside value")
        return graph.judge(body["value"], target, where, False)
    return graph.judge(body, target, where, False)


def judge_refusal(answer):
    """A refusal has the form of Graph's."""
    error = answer.json()["error"]
    if set(error) - {"code", "message", "innerError", "details"} or not error["code"]:
        raise Wrong(f"{answer.status_code}: {error}")
    if set(error["innerError"]) != {"date", "request-id", "client-request-id"}:
        raise Wrong(f"innerError {error['innerError']}")


def judge_query(path):
    """The names in `$select` and `$filter` are properties of what the path leads to."""
    target, _ = graph.follow(path)
    target = collected(target) or target
    query = urllib.parse.parse_qs(urllib.parse.urlsplit(path).query, strict_parsing=True)
    known = {"$select", "$filter", "$top", "$count"}
    if set(query) - known:
        raise Wrong(f"{path}: {set(query) - known}")
    names = query.get("$select", [""])[0].split(",") if "$select" in query else []
    names += re.findall(r"([A-Za-z]\w*) eq ", query.get("$filter", [""])[0])
    for name in names:
        if not graph.selectable(target, name):
            raise Wrong(f"{target} has no property {name} ({path})")
    return len(names)


# What the local Graph answers.

fabrikam = cloud.tenant_of(FABRIKAM)
flora = directory[fabrikam]["people"][FLORA]["id"]
people = [person["id"] for person in directory[cloud.tenant]["people"].values()]
workers = {
    name: application["trusts"]
    for name, application in identities["applications"].items()
    if application["permissions"]
}
scope = f"{GRAPH}/.default"
tokens = {
    tenant: {
        name: cloud.application_token(name, trusted, tenant, scope)
        for name, trusted in workers.items()
    }
    for tenant in (cloud.tenant, fabrikam)
}
principal = cloud.names["applications"]["airlock-portal"]["service_principals"][cloud.tenant]
granted = {name: set(identities["applications"][name]["permissions"]) for name in workers}


def filled(path, user):
    """A path with its keys."""
    return path.replace("{user}", user).replace("{principal}", principal)


for path in READS:
    with checks.that(f"GET {path}: what is answered has Graph's names and types"):
        judged = 0
        users = people if "{user}" in path else people[:1]
        for name, token in tokens[cloud.tenant].items():
            for user in users:
                answer = call(token, "GET", filled(path, user))
                if answer.ok:
                    judged += judge_answer(
                        answer.status_code, answer.json(), "GET", filled(path, user)
                    )
                else:
                    judge_refusal(answer)
        if not judged and "temporaryAccessPass" not in path:
            raise Wrong("no application may read it, so that nothing was judged")

with checks.that("every property of a user that can be selected has Graph's name and type"):
    offered = 0
    for one in graph.line("graph.user"):
        for name in one.properties:
            for user in people:
                answer = call(
                    tokens[cloud.tenant][LOOKUP], "GET", f"/users/{user}", query=f"?$select={name}"
                )
                if answer.status_code == 400:
                    judge_refusal(answer)
                    break
                body = answer.json()
                if name not in body:
                    raise Wrong(f"{name} was selected and is not there")
                graph.judge(body, "graph.user", f"/users?$select={name}", False)
            else:
                offered += 1
    assert offered >= 11, f"only {offered} can be selected"

for method, path, body in WRITES:
    what = next(iter(body)) if body else "nothing"
    with checks.that(f"{method} {path} with {what}: names, types and answer are Graph's"):
        target, _ = graph.follow(path)
        if body:
            graph.judge(body, collected(target) or target, f"{method} {path}", False)
        done = 0
        for name, token in tokens[fabrikam].items():
            answer = call(token, method, filled(path, flora), body)
            if answer.ok:
                done += 1
                inside = answer.json() if answer.content else None
                judge_answer(answer.status_code, inside, method, filled(path, flora))
            else:
                judge_refusal(answer)
        if not done:
            raise Wrong("no application may do it, so that nothing was judged")

with checks.that("a pass that was made is listed with Graph's names and types, without its value"):
    path = f"/users/{flora}/authentication/temporaryAccessPassMethods"
    answer = call(tokens[fabrikam]["airlock-worker-methods"], "GET", path)
    assert judge_answer(answer.status_code, answer.json(), "GET", path), "nothing was judged"
    assert [one["temporaryAccessPass"] for one in answer.json()["value"]] == [None]

with checks.that("a property that Graph does not have is refused, in a body and in a selection"):
    for body in ({"acountEnabled": False}, {"passwordProfile": {"pasword": "x"}}):
        token = tokens[fabrikam]["airlock-worker-accounts"]
        assert call(token, "PATCH", f"/users/{flora}", body).status_code == 400
    token = tokens[cloud.tenant][LOOKUP]
    assert call(token, "GET", "/users", query="?$select=acountEnabled").status_code == 400

with checks.that("the local Graph allows nothing that the permissions reference does not"):
    asked = [("GET", path, None) for path in READS] + WRITES
    for method, path, body in asked:
        covers = set(covering.get((method, spelled(path)), {}))
        for name, token in tokens[fabrikam].items():
            known = {"{user}": flora, "{principal}": principal}
            if "{principal}" in path:
                token, known["{user}"] = tokens[cloud.tenant][name], people[0]
            target = path
            for key, value in known.items():
                target = target.replace(key, value)
            answer = call(token, method, target, body)
            allowed, covered = answer.ok, bool(covers & granted[name])
            if allowed and not covered:
                raise Wrong(f"{name} may {method} {path}, with {sorted(granted[name])}")
            if covered and not allowed and answer.status_code == 403:
                checks.note(f"stricter than Graph: {name} is refused {method} {path} {body or ''}")

# What the worker sends.

# The record shows that a batch was sent, and not what was in it. That stands in a snapshot, with
# which the unit tests compare each batch that is made.
questions = {}
for file in (SOURCES / "handlers" / "azure" / "src" / "graph").rglob("*.rs"):
    for match in re.finditer(r"^ +([a-z-]+): GET (/\S+)$", file.read_text(), re.MULTILINE):
        questions[match[1]] = match[2]

with checks.that("what is asked about a target exists, by path, selected and compared names"):
    assert "user" in questions and len(questions) >= 5, "the snapshot of the batch was not found"
    names = 0
    for path in questions.values():
        names += judge_query(path.replace("/T", "/00000000-0000-0000-0000-000000000000", 1))
    assert names, "nothing is selected"

with checks.that("each of these questions is covered by a permission of the application that asks"):
    assert questions
    for name, path in questions.items():
        covers = covering.get(("GET", spelled(path.replace("/T", "/{id}", 1))), {})
        assert granted[LOOKUP] & set(covers), f"{name}: {path} wants one of {sorted(covers)}"

with checks.that("and each permission of that application is needed by one of them"):
    for permission in granted[LOOKUP]:
        rest = granted[LOOKUP] - {permission}
        assert any(
            not rest & set(covering.get(("GET", spelled(path.replace("/T", "/{id}", 1))), {}))
            for path in questions.values()
        ), f"{permission} can be taken away"

with checks.that("the whole batch is answered with Graph's names and types"):
    nina = directory[cloud.tenant]["people"]["nina@contoso.example"]["id"]
    batch = [
        {"id": name, "method": "GET", "url": path.replace("/T", f"/{nina}").replace("'T'", f"'{nina}'")}
        for name, path in questions.items()
    ]
    answer = call(tokens[cloud.tenant][LOOKUP], "POST", "/$batch", {"requests": batch})
    assert questions and answer.status_code == 200, answer.text
    answers = {one["id"]: one for one in answer.json()["responses"]}
    assert set(answers) == set(questions), sorted(answers)
    for name, one in answers.items():
        path = next(asked["url"] for asked in batch if asked["id"] == name)
        judge_answer(one["status"], one["body"], "GET", path)

with checks.that("people sign in to have every operation of the catalog carried out", needed=True):
    sam = Person(cloud, "sam@contoso.example")
    april = Person(cloud, "april@contoso.example")
    operations = sam.calls("GET", "/api/operations").json()["operations"]
    assert operations, "the catalog is empty"

before = cloud.after()
sent = {}
for operation in operations:
    name = operation["name"]
    with checks.that(f"{name} is carried out by one Graph request that exists"):
        start = cloud.after()
        request = sam.asks(name, nina)
        if request["state"] == "pending":
            april.approves(request["id"])
        ended = sam.follows(request["id"])
        assert ended["state"] == "succeeded", ended
        effects = [
            effect["what"]
            for effect in cloud.control("GET", f"/effects?after={start}")
            if effect["service"] == "graph" and effect["what"]["user"] == nina
        ]
        assert len(effects) == 1, effects
        [effect] = effects
        sent[name] = effect
        assert effect["application"] == operation["application"], effect["application"]
        assert effect["path"].startswith("/v1.0/"), effect["path"]
        target, _ = graph.follow(effect["path"].removeprefix("/v1.0"))
        # The record keeps no password: only whether there was one.
        names = dict(effect["change"])
        if names.keys() == {"temporaryAccessPass"}:
            names = names["temporaryAccessPass"]
        if "passwordProfile" in names:
            profile = {k: v for k, v in names["passwordProfile"].items() if v is not None}
            profile["password"] = "kept to itself"
            names["passwordProfile"] = profile
        if names != {"revokeSignInSessions": True}:
            graph.judge(names, collected(target) or target, effect["path"], False)

with checks.that("nothing else was asked of Graph by the worker, and nothing was refused"):
    questions_asked = 0
    for made in cloud.control("GET", f"/calls?after={before}"):
        if made["service"] != "graph":
            continue
        method, path = made["method"], made["path"]
        assert path.startswith("/v1.0/"), f"{path} is not judged: only v1.0 is described"
        assert made["status"] and made["status"] < 400, made
        if path == "/v1.0/$batch":
            assert (method, made["caller"]) == ("POST", LOOKUP), made
            questions_asked += 1
            continue
        graph.follow(path.removeprefix("/v1.0"))
        if method != "GET":
            known = {(effect["method"], effect["path"]) for effect in sent.values()}
            assert (method, path) in known, f"{method} {path} is no operation's"
        else:
            assert made["caller"] == LOOKUP, made
    assert questions_asked >= len(sent), f"{questions_asked} targets were looked at"

# The permissions that operations name.

for operation in operations:
    name, named = operation["name"], set(operation["permissions"])
    with checks.that(f"{name} names the least permissions that cover its request"):
        assert name in REVIEWED, "not reviewed: add it to REVIEWED with its source"
        assert named == REVIEWED[name], f"{sorted(named)}, reviewed {sorted(REVIEWED[name])}"
        assert name in sent, "it was not carried out"
        covers = covering[sent[name]["method"], spelled(sent[name]["path"].removeprefix("/v1.0"))]
        marked = [permission for permission, is_least in covers.items() if is_least]
        assert named & set(covers), f"none of {sorted(named)} covers it"
        for permission in named:
            if permission not in covers:
                reason = BESIDES.get((name, permission))
                assert reason, f"{permission} does not cover the request"
                checks.note(f"{name} names {permission}: {reason}")
            elif permission not in marked:
                assert permission in NARROWER, f"the least are {marked}, and not {permission}"
                assert all(level(permission) <= level(one) for one in marked), permission
        application = operation["application"]
        assert named <= granted[application], f"{application} lacks {named - granted[application]}"

with checks.that("no worker application holds a permission that no operation names"):
    needed = {}
    for operation in operations:
        needed.setdefault(operation["application"], set()).update(operation["permissions"])
    for name in workers:
        if not name.startswith("airlock-worker-") or name == LOOKUP:
            continue
        if name in NOT_USED_YET and name not in needed:
            checks.note(f"{name} is not used by an operation yet: {sorted(granted[name])}")
            continue
        more = granted[name] - needed.get(name, set())
        assert not more, f"{name}: {sorted(more)}"

with checks.that("every permission that is granted exists, as an application permission"):
    for name, held in granted.items():
        for permission in held:
            assert "Application" in permissions.get(permission, {}).get("schemes", {}), permission

checks.end()
