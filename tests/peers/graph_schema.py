"""Microsoft Graph, judged by its own metadata and permissions reference.

Three things are compared with Microsoft's published data: what the local Graph answers, what the
worker sends to it while every operation of the catalog is carried out, and the permissions that
each operation names for the calls that it declares. The data is not part of this repository:
without it, nothing is judged.
"""

from cloud import Checks
from graph import answers, effects, grants, questions
from graph.reference import Reference
from graph.stage import Stage
from person import Person

reference = Reference()
stage = Stage()
checks = Checks()

with stage.altered():
    answers.check(checks, stage, reference)

with checks.that("people sign in to have every operation of the catalog carried out", needed=True):
    sam = Person(stage.cloud, "sam@contoso.example")
    april = Person(stage.cloud, "april@contoso.example")
    operations = sam.calls("GET", "/api/operations").json()["operations"]
    # Rotation has no calls of its own to judge: they follow from how a secret is bound.
    operations = [operation for operation in operations if operation["target"] == "user"]
    assert operations, "the catalog is empty"

questions.check(checks, stage, reference, operations)
effects.check(checks, stage, reference, operations, sam, april)
grants.check(checks, stage, reference, operations)

checks.end()
