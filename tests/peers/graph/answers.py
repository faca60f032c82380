"""What the local Graph answers, and whom it answers."""

from csdl import Wrong
from graph.reference import judge_refusal
from graph.routes import READS, WRITES
from graph.stage import LOOKUP, call


def check(checks, stage, reference):
    """Every route, asked by every application."""
    for path in READS:
        with checks.that(f"GET {path}: what is answered has Graph's names and types"):
            judged = 0
            users = stage.people if "{user}" in path else stage.people[:1]
            for name, token in stage.tokens[stage.contoso].items():
                for user in users:
                    answer = call(token, "GET", stage.filled(path, user))
                    if answer.ok:
                        judged += reference.judge_answer(
                            answer.status_code, answer.json(), "GET", stage.filled(path, user)
                        )
                    else:
                        judge_refusal(answer)
            if not judged and "temporaryAccessPass" not in path:
                raise Wrong("no application may read it, so that nothing was judged")

    with checks.that("every property of a user that can be selected has Graph's name and type"):
        offered, looking = 0, stage.tokens[stage.contoso][LOOKUP]
        for one in reference.metadata.line("graph.user"):
            for name in one.properties:
                for user in stage.people:
                    answer = call(looking, "GET", f"/users/{user}", query=f"?$select={name}")
                    if answer.status_code == 400:
                        judge_refusal(answer)
                        break
                    body = answer.json()
                    if name not in body:
                        raise Wrong(f"{name} was selected and is not there")
                    reference.metadata.judge(body, "graph.user", f"/users?$select={name}", False)
                else:
                    offered += 1
        assert offered >= 11, f"only {offered} can be selected"

    for method, path, body in WRITES:
        what = next(iter(body)) if body else "nothing"
        with checks.that(f"{method} {path} with {what}: names, types and answer are Graph's"):
            path = stage.filled(path, stage.flora, stage.in_fabrikam)
            body = stage.filled(body, stage.flora, stage.in_fabrikam)
            if body:
                reference.judge_body(body, path)
            done = 0
            for name, token in stage.tokens[stage.fabrikam].items():
                answer = call(token, method, path, body)
                if answer.ok:
                    done += 1
                    inside = answer.json() if answer.content else None
                    reference.judge_answer(answer.status_code, inside, method, path)
                else:
                    judge_refusal(answer)
            if not done:
                raise Wrong("no application may do it, so that nothing was judged")

    with checks.that("a pass that was made is listed with Graph's types, without its value"):
        path = f"/users/{stage.flora}/authentication/temporaryAccessPassMethods"
        answer = call(stage.tokens[stage.fabrikam]["airlock-worker-methods"], "GET", path)
        judged = reference.judge_answer(answer.status_code, answer.json(), "GET", path)
        assert judged, "nothing was judged"
        assert [one["temporaryAccessPass"] for one in answer.json()["value"]] == [None]

    with checks.that("a property that Graph does not have is refused, in body and selection"):
        for body in ({"acountEnabled": False}, {"passwordProfile": {"pasword": "x"}}):
            token = stage.tokens[stage.fabrikam]["airlock-worker-accounts"]
            assert call(token, "PATCH", f"/users/{stage.flora}", body).status_code == 400
        token = stage.tokens[stage.contoso][LOOKUP]
        assert call(token, "GET", "/users", query="?$select=acountEnabled").status_code == 400

    with checks.that("the local Graph allows nothing that the permissions reference does not"):
        asked = [("GET", path, None) for path in READS] + WRITES
        for method, path, body in asked:
            covers = set(reference.covers(method, path))
            for name, token in stage.tokens[stage.fabrikam].items():
                user, values = stage.flora, stage.in_fabrikam
                if "{principal}" in path:
                    token = stage.tokens[stage.contoso][name]
                    user, values = stage.people[0], stage.in_contoso
                here, sent = (stage.filled(what, user, values) for what in (path, body))
                answer = call(token, method, here, sent)
                allowed, covered = answer.ok, bool(covers & stage.granted[name])
                if allowed and not covered:
                    raise Wrong(f"{name} may {method} {path}, with {sorted(stage.granted[name])}")
                if covered and not allowed and answer.status_code == 403:
                    refused = f"{name} is refused {method} {path} {body or ''}"
                    checks.note(f"stricter than Graph: {refused}")
