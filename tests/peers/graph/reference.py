"""What Microsoft publishes of Graph: the metadata of v1.0, and the permissions reference.

The data is not part of this repository: without it, nothing is judged.
"""

import json
import os
import pathlib
import re
import sys
import urllib.parse
import xml.etree.ElementTree

from csdl import EDM, Metadata, Wrong, collected

SOURCES = pathlib.Path(__file__).resolve().parents[3]
SHARED = pathlib.Path(os.environ.get("AIRLOCK_SHARED", SOURCES.parent / "shared"))
GRAPH = "https://graph.microsoft.com"

# Calls that the documentation of `group: add member` has, and the reference lacks.
UNLISTED = {
    ("POST", "/groups/{id}/members"): {
        "GroupMember.ReadWrite.All": True,
        "Group.ReadWrite.All": False,
        "Directory.ReadWrite.All": False,
    },
}


def spelled(path):
    """A path as the permissions reference is compared: keys without names, letters small."""
    cast = r"/microsoft\.graph\.(group|directoryrole|application)$"
    path = re.sub(cast, "", path.split("?")[0].lower())
    # The reference has the memberships themselves, and a path of LAPS that was withdrawn.
    path = path.removesuffix("/$ref").replace("/directory/devicelocal", "/devicelocal")
    return re.sub(r"\{[^}]*\}|[0-9a-f]{8}-[0-9a-f-]{27}", "{id}", path.replace("'", ""))


def with_plain_keys(path):
    """A path as the metadata is followed: keys in segments of their own."""
    return re.sub(r"\((\w+)='?([^')]*)'?\)", r"/\2", path)


def judge_refusal(answer):
    """A refusal has the form of Graph's."""
    error = answer.json()["error"]
    if set(error) - {"code", "message", "innerError", "details"} or not error["code"]:
        raise Wrong(f"{answer.status_code}: {error}")
    if set(error["innerError"]) != {"date", "request-id", "client-request-id"}:
        raise Wrong(f"innerError {error['innerError']}")


class Reference:
    """The published data, and what is judged by it alone."""

    def __init__(self):
        folder = SHARED / "data" / "graph"
        if not folder.is_dir():
            print(f"SKIPPED: reference data not found ({folder})")
            sys.exit(0)
        csdl = folder / "v1.0-Prod.csdl"
        self.metadata = Metadata(csdl)
        self.permissions = json.loads((folder / "permissions.json").read_text())["permissions"]
        self.covering = self._covering()
        # The parameters of actions, which stand in their bodies.
        self.actions = {}
        for action in xml.etree.ElementTree.parse(csdl).iter(f"{EDM}Action"):
            bound, *parameters = action.findall(f"{EDM}Parameter")
            self.actions[self.metadata.full(bound.get("Type")), action.get("Name")] = {
                one.get("Name"): one.get("Type") for one in parameters
            }

    def _covering(self):
        """By method and path, the permissions that cover a call, and whether each is the least."""
        covering = {}
        for permission, about in self.permissions.items():
            for paths in about["pathSets"]:
                if "Application" not in paths["schemeKeys"]:
                    continue
                for path, mark in paths["paths"].items():
                    least = re.search(r"least=([\w,]*)", mark)
                    is_least = bool(least) and "Application" in least[1].split(",")
                    for method in paths["methods"]:
                        call = (method, spelled(path))
                        covering.setdefault(call, {})[permission] = is_least
        for call, about in UNLISTED.items():
            assert call not in covering, f"{call} is in the reference now: take it from there"
            covering[call] = about
        return covering

    def covers(self, method, path):
        """The permissions that cover a call, and whether each is the least; none if unknown."""
        return self.covering.get((method, spelled(path)), {})

    def level(self, permission):
        """How privileged Microsoft ranks a permission, from 1 to 5."""
        return self.permissions[permission]["schemes"]["Application"]["privilegeLevel"]

    def judge_body(self, body, path):
        """The body of a request has the names and types of what its path leads to."""
        path = with_plain_keys(path)
        target, operation = self.metadata.follow(path)
        if operation is None:
            return self.metadata.judge(body, collected(target) or target, path, False)
        bound, _ = self.metadata.follow(path.split("?")[0].rpartition("/")[0])
        inner = collected(bound)
        line = [one.name for one in self.metadata.line(inner or bound)]
        of = [f"Collection({name})" if inner else name for name in line]
        known = [(name, operation) for name in of if (name, operation) in self.actions]
        [parameters] = (self.actions[key] for key in known)
        if set(body) != set(parameters):
            raise Wrong(f"{path} takes {sorted(parameters)}, and not {sorted(body)}")
        return sum(1 + self.metadata.judge(body[name], kind, f"{path} {name}", False)
                   for name, kind in parameters.items())

    def judge_answer(self, status, body, method, path):
        """An answer of the local Graph is what the metadata says that path leads to."""
        where = f"{method} {path}"
        # A delta query answers with the collection, and the link to what comes after it.
        delta = path.split("?")[0].endswith("/delta")
        target, _ = self.metadata.follow(with_plain_keys(path.replace("/delta", "")))
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
            return self.metadata.judge(body, collected(target), where)
        if collected(target) or target.startswith("Edm."):
            unknown = set(body) - {"value", "@odata.context", "@odata.nextLink", "@odata.count"}
            if delta:
                unknown -= {"@odata.deltaLink"}
            if unknown:
                raise Wrong(f"{where}: {unknown} beside value")
            return self.metadata.judge(body["value"], target, where, False)
        return self.metadata.judge(body, target, where, False)

    def judge_query(self, path):
        """The names in `$select` and `$filter` are properties of what the path leads to."""
        target, _ = self.metadata.follow(with_plain_keys(path))
        target = collected(target) or target
        query = urllib.parse.urlsplit(path).query
        query = urllib.parse.parse_qs(query, strict_parsing=True) if query else {}
        known = {"$select", "$filter", "$top", "$count"}
        if set(query) - known:
            raise Wrong(f"{path}: {set(query) - known}")
        names = query.get("$select", [""])[0].split(",") if "$select" in query else []
        names += re.findall(r"([A-Za-z]\w*) eq ", query.get("$filter", [""])[0])
        for name in names:
            if not self.metadata.selectable(target, name):
                raise Wrong(f"{target} has no property {name} ({path})")
        return len(names)
