"""Microsoft Graph, judged by its own metadata and permissions reference.

Three things are compared with Microsoft's published data: what the local Graph answers, what the
worker sends to it while every operation of the catalog is carried out, and the permissions that
each operation names for the calls that it declares. The data is not part of this repository:
without it, nothing is judged.
"""

import json
import os
import pathlib
import re
import sys
import urllib.parse
import xml.etree.ElementTree

import requests

from cloud import TIMEOUT_S, Checks, Cloud
from csdl import EDM, Metadata, Wrong, collected
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
# principal, `{key}` a recovery key, `{fido2}` and the like a method of that kind.
READS = [
    "/users",
    "/users/{user}",
    "/users/{user}/memberOf",
    "/users/{user}/transitiveMemberOf",
    "/users/{user}/transitiveMemberOf/microsoft.graph.group",
    "/users/{user}/transitiveMemberOf/microsoft.graph.directoryRole",
    "/users/{user}/ownedObjects",
    "/users/{user}/ownedObjects/microsoft.graph.group",
    "/users/{user}/appRoleAssignments",
    "/users/{user}/authentication/temporaryAccessPassMethods",
    "/users/{user}/authentication/methods",
    "/groups/{group}",
    "/groups/{group}/transitiveMemberOf",
    "/subscribedSkus",
    "/devices(deviceId='{device}')/registeredOwners",
    "/devices(deviceId='{device}')/registeredUsers",
    "/directory/deviceLocalCredentials/{device}?$select=credentials",
    "/informationProtection/bitlocker/recoveryKeys/{key}",
    "/informationProtection/bitlocker/recoveryKeys/{key}?$select=key",
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
    (
        "POST",
        "/groups/{group}/members/$ref",
        {"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/{user}"},
    ),
    ("DELETE", "/groups/{group}/members/{user}/$ref", None),
    (
        "POST",
        "/users/{user}/assignLicense",
        {"addLicenses": [{"skuId": "{sku}", "disabledPlans": []}], "removeLicenses": []},
    ),
    ("POST", "/identityProtection/riskyUsers/dismiss", {"userIds": ["{user}"]}),
    ("DELETE", "/users/{user}/authentication/emailMethods/{email}", None),
    ("DELETE", "/users/{user}/authentication/fido2Methods/{fido2}", None),
    ("DELETE", "/users/{user}/authentication/softwareOathMethods/{softwareOath}", None),
    (
        "DELETE",
        "/users/{user}/authentication/windowsHelloForBusinessMethods/{windowsHelloForBusiness}",
        None,
    ),
    (
        "DELETE",
        "/users/{user}/authentication/microsoftAuthenticatorMethods/{microsoftAuthenticator}",
        None,
    ),
    # The default method, which goes last.
    ("DELETE", "/users/{user}/authentication/phoneMethods/{phone}", None),
]

# The least application permissions of each operation, from the documentation of each call. Whoever
# adds an operation adds it here, and so it is looked up twice by two people.
REVIEWED = {
    "sessions.revoke": {"User.RevokeSessions.All"},
    "account.disable": {"User.EnableDisableAccount.All", "User.Read.All"},
    "account.enable": {"User.EnableDisableAccount.All", "User.Read.All"},
    "password.reset": {"User-PasswordProfile.ReadWrite.All"},
    "tap.issue": {"UserAuthMethod-TAP.ReadWrite.All"},
    "mfa.reset": {
        "UserAuthenticationMethod.Read.All",
        "UserAuthMethod-Phone.ReadWrite.All",
        "UserAuthMethod-MicrosoftAuthApp.ReadWrite.All",
        "UserAuthMethod-Passkey.ReadWrite.All",
        "UserAuthMethod-SoftwareOATH.ReadWrite.All",
        "UserAuthMethod-WindowsHello.ReadWrite.All",
        "UserAuthMethod-Email.ReadWrite.All",
    },
    "group.add": {"GroupMember.ReadWrite.All"},
    "group.remove": {"GroupMember.ReadWrite.All"},
    "license.assign": {"LicenseAssignment.ReadWrite.All"},
    "laps.read": {"DeviceLocalCredential.Read.All"},
    "bitlocker.read": {"BitlockerKey.Read.All"},
    "risk.dismiss": {"IdentityRiskyUser.ReadWrite.All"},
}
# Permissions that the reference does not list for an operation's call, and why they are named.
BESIDES = {
    ("account.disable", "User.Read.All"): "User.EnableDisableAccount.All works only with it",
    ("account.enable", "User.Read.All"): "User.EnableDisableAccount.All works only with it",
}
# The reference marks the least permission of a call, whatever it writes. These are narrower than
# the marked one, because they are for one property alone.
NARROWER = {"User.EnableDisableAccount.All", "User-PasswordProfile.ReadWrite.All"}
# More than the marked permission, because the reference does not tell what is selected.
SELECTED = {("bitlocker.read", "BitlockerKey.Read.All"): "the marked one does not show the key"}
# Calls that the documentation of `group: add member` has, and the reference lacks.
UNLISTED = {
    ("POST", "/groups/{id}/members"): {
        "GroupMember.ReadWrite.All": True,
        "Group.ReadWrite.All": False,
        "Directory.ReadWrite.All": False,
    },
}
# What is asked with each operation, of Nina's.
ENTERPRISEPACK = "6fd2c87f-b296-42f0-b197-1e91e994b900"
KINDS = "phone,authenticator,passkey,software_oath,windows_hello,email"
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
    # The reference has the memberships themselves, and a path of LAPS that was withdrawn.
    path = path.removesuffix("/$ref").replace("/directory/devicelocal", "/devicelocal")
    return re.sub(r"\{[^}]*\}|[0-9a-f]{8}-[0-9a-f-]{27}", "{id}", path.replace("'", ""))


def with_plain_keys(path):
    """A path as the metadata is followed: keys in segments of their own."""
    return re.sub(r"\((\w+)='?([^')]*)'?\)", r"/\2", path)


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
for call_of, about in UNLISTED.items():
    assert call_of not in covering, f"{call_of} is in the reference now: take it from there"
    covering[call_of] = about

# The parameters of actions, which stand in their bodies.
actions = {}
for action in xml.etree.ElementTree.parse(reference / "v1.0-Prod.csdl").iter(f"{EDM}Action"):
    bound, *parameters = action.findall(f"{EDM}Parameter")
    actions[graph.full(bound.get("Type")), action.get("Name")] = {
        one.get("Name"): one.get("Type") for one in parameters
    }


def judge_body(body, path):
    """The body of a request has the names and types of what its path leads to."""
    path = with_plain_keys(path)
    target, operation = graph.follow(path)
    if operation is None:
        return graph.judge(body, collected(target) or target, path, False)
    bound, _ = graph.follow(path.split("?")[0].rpartition("/")[0])
    inner = collected(bound)
    line = [one.name for one in graph.line(inner or bound)]
    of = [f"Collection({name})" if inner else name for name in line]
    [parameters] = [actions[name, operation] for name in of if (name, operation) in actions]
    if set(body) != set(parameters):
        raise Wrong(f"{path} takes {sorted(parameters)}, and not {sorted(body)}")
    return sum(1 + graph.judge(body[name], kind, f"{path} {name}", False)
               for name, kind in parameters.items())


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
    target, _ = graph.follow(with_plain_keys(path))
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
    target, _ = graph.follow(with_plain_keys(path))
    target = collected(target) or target
    query = urllib.parse.urlsplit(path).query
    query = urllib.parse.parse_qs(query, strict_parsing=True) if query else {}
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


def places(tenant, group, device, user):
    """What stands for the names in paths, in one tenant."""
    here = directory[tenant]
    [recovery_key] = here["devices"][device]["recoveryKeys"]
    methods = {method["kind"]: method["id"] for method in here["people"][user]["methods"]}
    return methods | {
        "principal": principal,
        "group": here["groups"][group]["id"],
        "device": here["devices"][device]["deviceId"],
        "key": recovery_key["id"],
        "sku": ENTERPRISEPACK,
    }


in_contoso = places(cloud.tenant, "Travel Booking", "NINA-LAPTOP", "nina@contoso.example")
in_fabrikam = places(fabrikam, "Print Room", "FLORA-LAPTOP", FLORA)


def filled(what, user, values=in_contoso):
    """A path or a body with its keys."""
    if isinstance(what, str):
        return re.sub(r"\{(\w+)\}", lambda name: (values | {"user": user})[name[1]], what)
    if isinstance(what, list):
        return [filled(one, user, values) for one in what]
    if isinstance(what, dict):
        return {name: filled(one, user, values) for name, one in what.items()}
    return what


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
        path, body = filled(path, flora, in_fabrikam), filled(body, flora, in_fabrikam)
        if body:
            judge_body(body, path)
        done = 0
        for name, token in tokens[fabrikam].items():
            answer = call(token, method, path, body)
            if answer.ok:
                done += 1
                inside = answer.json() if answer.content else None
                judge_answer(answer.status_code, inside, method, path)
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
            user, values = flora, in_fabrikam
            if "{principal}" in path:
                token, user, values = tokens[cloud.tenant][name], people[0], in_contoso
            answer = call(
                token, method, filled(path, user, values), filled(body, user, values)
            )
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

with checks.that("what operations look at before exists, and is covered for who looks"):
    for operation in operations:
        for read in operation["reads"]:
            method, path = read.split(" ")
            judge_query(path)
            covers = covering.get((method, spelled(path)), {})
            assert granted[LOOKUP] & set(covers), f"{read} wants one of {sorted(covers)}"

with checks.that("and each permission of the application that looks is needed for one of these"):
    looks = [("GET", path.replace("/T", "/{id}", 1)) for path in questions.values()]
    looks += [tuple(read.split(" ")) for operation in operations for read in operation["reads"]]
    for permission in granted[LOOKUP]:
        rest = granted[LOOKUP] - {permission}
        assert any(
            not rest & set(covering.get((method, spelled(path)), {})) for method, path in looks
        ), f"{permission} can be taken away"

# The record shows that a call was made, and not its body. That stands in snapshots, with which the
# unit tests compare each call that an operation makes.
CALL = re.compile(
    r"airlock-worker-([a-z]+): (GET|POST|PATCH|DELETE) (/\S+)(?: (\{.*\}))?\"?#?\)?;?$"
)
bodies = {}
for file in (SOURCES / "handlers" / "core" / "src" / "catalog").rglob("*.rs"):
    for line in file.read_text().splitlines():
        if (match := CALL.search(line)) and match[4]:
            body = match[4].replace("NINA", nina)
            path = match[3].replace("NINA", nina).replace("LISTED", in_contoso["group"])
            bodies[match[1], match[2], spelled(path)] = (path, json.loads(body))

with checks.that("every body that operations send has Graph's names and types"):
    for path, body in bodies.values():
        judge_body(body, path)
    # A password is random, so that no snapshot has it.
    judge_body({"passwordProfile": {"password": "x", "forceChangePasswordNextSignIn": True}},
               f"/users/{nina}")
    wanted = {
        (operation["application"].removeprefix("airlock-worker-"), method, spelled(path))
        for operation in operations
        for method, path in (call.split(" ") for call in operation["calls"])
        # Sent without a body.
        if method in ("POST", "PATCH") and not path.endswith("/revokeSignInSessions")
    }
    missing = {one for one in wanted if one not in bodies} - {("passwords", "PATCH", "/users/{id}")}
    assert not missing, f"no snapshot shows the body of {missing}"


def declared(calls, method, path):
    """The call, of those that an operation declares, that this one is."""
    for one in calls:
        of, template = one.split(" ")
        pattern = re.escape(template.split("?")[0])
        pattern = re.sub(r"\\\{\w+\\\}", "[A-Za-z0-9_-]+", pattern)
        if of == method and re.fullmatch(pattern, path):
            return one
    return None


ASKED = {
    "mfa.reset": [f"methods={KINDS}"],
    "group.add": [f"group={in_contoso['group']}"],
    "group.remove": [f"group={in_contoso['group']}"],
    "license.assign": [f"sku={ENTERPRISEPACK}"],
    "laps.read": [f"device={in_contoso['device']}"],
    "bitlocker.read": [f"key={in_contoso['key']}"],
}
before = cloud.after()
sent = set()
for operation in operations:
    name = operation["name"]
    with checks.that(f"{name} is carried out by the requests that it declares, and they exist"):
        start = cloud.after()
        parameters = [word for given in ASKED.get(name, []) for word in ("--parameter", given)]
        purpose = ("--purpose", f"peers: {name}")
        request = sam.does("ask", name, "--user", nina, *purpose, *parameters)
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
            graph.follow(with_plain_keys(path))
            sent.add((operation["application"], method, path))

with checks.that("nothing else was asked of Graph by the worker, and nothing was refused"):
    questions_asked = 0
    reads = {read for operation in operations for read in operation["reads"]}
    for made in cloud.control("GET", f"/calls?after={before}"):
        if made["service"] != "graph":
            continue
        method, path = made["method"], made["path"]
        assert path.startswith("/v1.0/"), f"{path} is not judged: only v1.0 is described"
        path = path.removeprefix("/v1.0")
        if (made["caller"], method, path) in sent:
            # The default method is tried before its turn.
            tried_early = method == "DELETE" and made["status"] == 400 and "phoneMethods" in path
            assert tried_early or made["status"] < 400, made
            continue
        assert made["status"] and made["status"] < 400, made
        assert made["caller"] == LOOKUP, f"{method} {path} is no operation's"
        if (method, path) == ("POST", "/$batch"):
            questions_asked += 1
            continue
        assert declared(reads, method, path), f"{method} {path} is no operation's to read"
    assert questions_asked >= len(operations), f"{questions_asked} targets were looked at"

# The permissions that operations name.

for operation in operations:
    name, named = operation["name"], set(operation["permissions"])
    with checks.that(f"{name} names the least permissions that cover its requests"):
        assert name in REVIEWED, "not reviewed: add it to REVIEWED with its source"
        assert named == REVIEWED[name], f"{sorted(named)}, reviewed {sorted(REVIEWED[name])}"
        covers, marked = [], set()
        for method, path in (call.split(" ") for call in operation["calls"]):
            covers.append(covering[method, spelled(path)])
            marked |= {permission for permission, is_least in covers[-1].items() if is_least}
            assert named & set(covers[-1]), f"none of {sorted(named)} covers {method} {path}"
        for permission in named:
            if not any(permission in one for one in covers):
                reason = BESIDES.get((name, permission))
                assert reason, f"{permission} covers none of its requests"
                checks.note(f"{name} names {permission}: {reason}")
                continue
            rest = named - {permission}
            assert any(not rest & set(one) for one in covers), f"{permission} can be taken away"
            if permission not in marked:
                reason = SELECTED.get((name, permission))
                if reason:
                    checks.note(f"{name} names {permission}: {reason}")
                    continue
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
        more = granted[name] - needed.get(name, set())
        assert not more, f"{name}: {sorted(more)}"

with checks.that("every permission that is granted exists, as an application permission"):
    for name, held in granted.items():
        for permission in held:
            assert "Application" in permissions.get(permission, {}).get("schemes", {}), permission

checks.end()
