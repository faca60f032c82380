"""The permissions that operations name, and those that applications hold."""

from graph.reference import spelled
from graph.reviewed import BESIDES, NARROWER, REVIEWED, SELECTED
from graph.stage import LOOKUP


def check(checks, stage, reference, operations):
    """No more than each operation needs, and all of it."""
    for operation in operations:
        name, named = operation["name"], set(operation["permissions"])
        with checks.that(f"{name} names the least permissions that cover its requests"):
            assert name in REVIEWED, "not reviewed: add it to REVIEWED with its source"
            assert named == REVIEWED[name], f"{sorted(named)}, reviewed {sorted(REVIEWED[name])}"
            covers, marked = [], set()
            for method, path in (call.split(" ") for call in operation["calls"]):
                covers.append(reference.covering[method, spelled(path)])
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
                    level = reference.level(permission)
                    assert all(level <= reference.level(one) for one in marked), permission
            application = operation["application"]
            lacking = named - stage.granted[application]
            assert not lacking, f"{application} lacks {lacking}"

    with checks.that("no worker application holds a permission that no operation names"):
        needed = {}
        for operation in operations:
            needed.setdefault(operation["application"], set()).update(operation["permissions"])
        for name in stage.granted:
            if not name.startswith("airlock-worker-") or name == LOOKUP:
                continue
            more = stage.granted[name] - needed.get(name, set())
            assert not more, f"{name}: {sorted(more)}"

    with checks.that("every permission that is granted exists, as an application permission"):
        for name, held in stage.granted.items():
            for permission in held:
                about = reference.permissions.get(permission, {})
                assert "Application" in about.get("schemes", {}), permission
