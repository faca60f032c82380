"""What is asked of Graph before anything is done: one batch about the target, and the reads that
operations declare.

The record shows that a batch was sent, and not what was in it. That stands in a snapshot, with
which the unit tests compare each batch that is made.
"""

import re

from graph.reference import SOURCES
from graph.stage import LOOKUP, call


def of_every_target():
    """The questions of the batch, by name; `T` stands for the target."""
    questions = {}
    for file in (SOURCES / "handlers" / "azure" / "src" / "graph").rglob("*.rs"):
        for match in re.finditer(r"^ +([a-z-]+): GET (/\S+)$", file.read_text(), re.MULTILINE):
            questions[match[1]] = match[2]
    return questions


def check(checks, stage, reference, operations):
    """Each exists, is covered by a permission, and is what a permission is needed for."""
    questions = of_every_target()
    reads = [read.split(" ") for operation in operations for read in operation["reads"]]
    held = stage.granted[LOOKUP]

    with checks.that("what is asked about a target exists, by path, selected and compared names"):
        found = "user" in questions and len(questions) >= 5
        assert found, "the snapshot of the batch was not found"
        some_id = "/00000000-0000-0000-0000-000000000000"
        names = sum(
            reference.judge_query(path.replace("/T", some_id, 1)) for path in questions.values()
        )
        assert names, "nothing is selected"

    with checks.that("each of these questions is covered by a permission of who asks"):
        assert questions
        for name, path in questions.items():
            covers = reference.covers("GET", path.replace("/T", "/{id}", 1))
            assert held & set(covers), f"{name}: {path} wants one of {sorted(covers)}"

    with checks.that("the whole batch is answered with Graph's names and types"):
        batch = [
            {"id": name, "method": "GET", "url": _about(path, stage.nina)}
            for name, path in questions.items()
        ]
        answer = call(stage.tokens[stage.contoso][LOOKUP], "POST", "/$batch", {"requests": batch})
        assert questions and answer.status_code == 200, answer.text
        answers = {one["id"]: one for one in answer.json()["responses"]}
        assert set(answers) == set(questions), sorted(answers)
        for name, one in answers.items():
            path = next(asked["url"] for asked in batch if asked["id"] == name)
            reference.judge_answer(one["status"], one["body"], "GET", path)

    with checks.that("what operations look at before exists, and is covered for who looks"):
        assert reads, "no operation looks at anything"
        for method, path in reads:
            reference.judge_query(path)
            covers = reference.covers(method, path)
            assert held & set(covers), f"{method} {path} wants one of {sorted(covers)}"

    with checks.that("and each permission of who looks is needed for one of these"):
        looks = [("GET", path.replace("/T", "/{id}", 1)) for path in questions.values()] + reads
        for permission in held:
            rest = held - {permission}
            assert any(
                not rest & set(reference.covers(method, path)) for method, path in looks
            ), f"{permission} can be taken away"


def _about(path, target):
    return path.replace("/T", f"/{target}").replace("'T'", f"'{target}'")
