"""The OpenAPI document, judged by foreign programs: openapi-spec-validator reads it, jsonschema
compares the answers of a journey with it, and Schemathesis calls whatever it describes."""

import collections
import json
import os
import pathlib
import re
import secrets
import subprocess
import sys
import tempfile
import time
import warnings

import jwt
import msal
from azure.identity import ManagedIdentityCredential
from cryptography.hazmat.primitives.asymmetric import ec
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

import openapi_calls
import openapi_ledger
from cloud import TIMEOUT_S, Checks, Cloud, direct, sign_in
from openapi_described import Described
from person import Person
from tiles import bundles, entries

SAM, APRIL, HARRIET = "sam@contoso.example", "april@contoso.example", "harriet@contoso.example"
AUDREY = "audrey@contoso.example"
NINA, OSCAR = "nina@contoso.example", "oscar@contoso.example"
# A customer, whose binding makes Contoso's approvers its own, but not Contoso's auditors.
CUSTOMER = "fabrikam.example"

# What the platform passes on to the service; others it answers itself. A browser's preflight is
# answered without being an operation.
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

# A failure repeats with the same seed.
SEED = 3
EXAMPLES = 40
# Requests that wait to be decided, and secrets that can be had.
WAITING, READY = 12, 3
RUN_S = 300
# `drift` publishes at most every half minute.
PUBLISHED_S = 90
CHECKS = [
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "unsupported_method",
    "allow_header_conformance",
]

cloud = Cloud()
checks = Checks()
api = cloud.stack["api"]


def parameters_of(entry):
    """The parameters of an operation, as the catalog's examples give them."""
    needed = [parameter for parameter in entry["parameters"] if parameter["required"]]
    return {parameter["name"]: value_of(parameter["example"]) for parameter in needed}


def value_of(typed):
    """JSON, if that is what somebody typed; else the words."""
    try:
        return json.loads(typed)
    except ValueError:
        return typed


def said_in(artefact):
    """The claims of a compact JWS."""
    return jwt.decode(artefact, options={"verify_signature": False})


def checkpoint_of(tree, epoch=0):
    """Where a tree's newest checkpoint is."""
    return f"/api/ledger/{tree}/{epoch}/checkpoint"


def published(overseer, tree, size=1):
    """The checkpoint of a tree that an overseer reads, once it is of so many entries."""
    until = time.monotonic() + PUBLISHED_S
    while True:
        answer = overseer.calls("GET", checkpoint_of(tree))
        if answer.status_code != 404:
            found = openapi_ledger.checkpoint(as_described(answer, "readCheckpoint"))
            if found.size >= size:
                return found
        assert time.monotonic() < until, f"{size} entries are not published: {answer.text}"
        time.sleep(1)


def asks(person, operation, user, **others):
    """Asks for an operation, as a client of its own; what the API answers."""
    claims = openapi_calls.ask(person.session, cloud.tenant, operation, user, **others)
    signed = openapi_calls.signed(person.session, "request+jwt", claims)
    return person.calls("POST", "/api/requests", {"request": signed})


def schemathesis(*options, more=(), **environment):
    """Runs it in a folder of its own; what it says, if it found nothing."""
    with tempfile.TemporaryDirectory(prefix="airlock-peers-") as folder:
        settings = f"[phases.coverage]\nunexpected-methods = {json.dumps(METHODS)}\n"
        pathlib.Path(folder, "schemathesis.toml").write_text(settings)
        program = pathlib.Path(sys.executable).parent / "schemathesis"
        done = subprocess.run(
            [
                program, "run", f"{api}/api/openapi.json", "--no-color",
                "--phases", "examples,coverage,fuzzing", "--checks", ",".join([*CHECKS, *more]),
                "--seed", str(SEED), "--max-examples", str(EXAMPLES), "--continue-on-failure",
                "--request-timeout", str(TIMEOUT_S), "--rate-limit", "auto", "--suppress-health-check", "all",
                "--warnings", "off", *options,
            ],
            cwd=folder,
            env={
                "PATH": os.environ["PATH"],
                "HOME": folder,
                "PYTHONPATH": str(pathlib.Path(__file__).parent),
                "PYTHONDONTWRITEBYTECODE": "1",
                **environment,
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=RUN_S,
        )
    if done.returncode != 0:
        print(done.stdout + done.stderr, flush=True)
    assert done.returncode == 0, f"Schemathesis ended with {done.returncode}, see above"
    return done.stdout


def calls(said):
    """How many calls Schemathesis made, as it says."""
    return re.search(r"(\d+) generated", said).group(1)


with checks.that("a stranger may read the document", needed=True):
    answer = direct.get(f"{api}/api/openapi.json", timeout=TIMEOUT_S)
    assert answer.status_code == 200, answer.text
    document = answer.json()

with checks.that("openapi-spec-validator: it is valid OpenAPI 3.1, and so is every schema in it"):
    assert document["openapi"].startswith("3.1."), document["openapi"]
    validate(document, cls=OpenAPIV31SpecValidator)

with checks.that("nothing is described that no operation needs"):
    text = json.dumps(document)
    for name in document["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name
    for name in document["components"]["securitySchemes"]:
        assert f'{{"{name}": []' in text or f', "{name}": []' in text, name

described = Described(document)
as_described = described.told

with checks.that("people sign in with airlockctl", needed=True):
    sam, april = Person(cloud, SAM), Person(cloud, APRIL)
    harriet, audrey = Person(cloud, HARRIET), Person(cloud, AUDREY)
    directory = cloud.control("GET", "/directory")["tenants"]
    people = directory[cloud.tenant]["people"]
    nina = people[NINA]["id"]

with checks.that("an access token is had with MSAL", needed=True):
    cloud.be_found()
    # MSAL would rather have a form posted. The product chooses the query, and so does this.
    warnings.filterwarnings("ignore", message="response_mode='form_post' is recommended")
    credential = cloud.managed_identity("signin", ManagedIdentityCredential)
    exchange = "api://AzureADTokenExchange/.default"
    portal = cloud.client_id("airlock-portal")
    client = msal.ConfidentialClientApplication(
        portal,
        authority=f"https://{cloud.names['entra']}/{cloud.tenant}",
        instance_discovery=False,
        client_credential={"client_assertion": lambda: credential.get_token(exchange).token},
    )
    back = f"http://127.0.0.1:9/{secrets.token_urlsafe(8)}"
    cloud.control("POST", "/redirect-uris", {"application": "airlock-portal", "uri": back})
    flow = client.initiate_auth_code_flow([f"api://{portal}/access_as_user"], redirect_uri=back)
    tokens = client.acquire_token_by_auth_code_flow(flow, sign_in(flow["auth_uri"], SAM))
    token = tokens["access_token"]

with checks.that("jsonschema: a journey is answered as described, to the claims of each signature"):
    catalog = as_described(sam.calls("GET", "/api/operations"), "listOperations")["operations"]
    as_described(sam.calls("GET", "/api/tenants"), "listTenants")
    as_described(direct.get(f"{api}/api/health", timeout=TIMEOUT_S), "readHealth")
    bearer = {"authorization": f"Bearer {token}"}
    claims = direct.get(f"{api}/api/claims", headers=bearer, timeout=TIMEOUT_S)
    as_described(claims, "readClaims")

    pending = asks(harriet, "account.disable", nina)
    pending = as_described(pending, "submitRequest", 202)
    assert pending["state"] == "pending", pending
    shown = april.calls("GET", f"/api/requests/{pending['id']}")
    assert "proven" in as_described(shown, "showRequest")["evidence"], shown.text
    claims = openapi_calls.decision(april.session, pending["id"], "deny")
    body = {"decision": openapi_calls.signed(april.session, "decision+jwt", claims)}
    decided = april.calls("POST", f"/api/requests/{pending['id']}/decision", body)
    assert as_described(decided, "decideRequest")["state"] == "turned_down", decided.text

    secret = openapi_calls.public_jwk(ec.generate_private_key(ec.SECP256R1()))
    taken = asks(sam, "tap.issue", nina, reveal_to=secret)
    taken = as_described(taken, "submitRequest", 202)
    ready = sam.follows(taken["id"])
    assert (ready["state"], ready["reveal"]) == ("succeeded", "ready"), ready
    shown = as_described(sam.calls("GET", f"/api/requests/{taken['id']}"), "showRequest")
    assert shown["outcome"]["ending"] == "succeeded", shown
    revealed = sam.calls("POST", f"/api/requests/{taken['id']}/reveal", {})
    as_described(revealed, "revealResult")
    again = sam.calls("POST", f"/api/requests/{taken['id']}/reveal", {})
    as_described(again, "revealResult", 410)
    listed = april.calls("GET", f"/api/requests?tenant={cloud.tenant}")
    listed = as_described(listed, "listRequests")["requests"]
    assert {pending["id"], taken["id"]} <= {request["id"] for request in listed}
    members = described.members({"$ref": "#/components/schemas/RequestView"})
    for request in listed:
        assert set(request) <= members, set(request) - members

receipt_of = "/api/requests/{}/receipt".format

with checks.that("jsonschema: how a request ended is proven as described, to whoever may see it"):
    proven = as_described(sam.calls("GET", receipt_of(taken["id"])), "readReceipt")
    statement, outcome = said_in(proven["statement"]), said_in(proven["outcome"])
    digest = taken["id"].rpartition(".")[2]
    assert statement["type"] == "airlock.request.ended", statement
    assert statement["data"]["request"] == outcome["req"] == digest, (statement, outcome)
    assert outcome["ending"] == "succeeded", outcome
    overseen = as_described(april.calls("GET", receipt_of(taken["id"])), "readReceipt")
    assert overseen["statement"] == proven["statement"], overseen

    as_described(harriet.calls("GET", receipt_of(taken["id"])), "readReceipt", 404)
    stranger = direct.get(f"{api}{receipt_of(taken['id'])}", timeout=TIMEOUT_S)
    as_described(stranger, "readReceipt", 401)
    # Turned down by people, it was never carried out: no worker has a word on how.
    as_described(harriet.calls("GET", receipt_of(pending["id"])), "readReceipt", 409)

with checks.that("jsonschema: a checkpoint is told as described, to whoever oversees its tree"):
    customer = cloud.tenant_of(CUSTOMER)
    index, sealed = openapi_ledger.receipt(proven["receipt"])
    newest = published(april, cloud.tenant, sealed.size)
    for overseer, tree in [(april, customer), (audrey, "platform"), (audrey, cloud.tenant)]:
        seen = published(overseer, tree)
        assert seen.origin.endswith(f"/t/{tree}/0"), seen

    # As if there were no tree: as for an epoch that never began.
    others = [(sam, cloud.tenant), (harriet, customer), (audrey, customer), (april, "platform")]
    for other, tree in others:
        as_described(other.calls("GET", checkpoint_of(tree)), "readCheckpoint", 404)
    as_described(april.calls("GET", checkpoint_of(cloud.tenant, 1)), "readCheckpoint", 404)
    stranger = direct.get(f"{api}{checkpoint_of(cloud.tenant)}", timeout=TIMEOUT_S)
    as_described(stranger, "readCheckpoint", 401)

with checks.that("the receipt and the checkpoint are of one tree, and its entry is in it"):
    assert sealed.origin == newest.origin, (sealed, newest)
    assert newest.origin.endswith(f"/t/{cloud.tenant}/0"), newest
    assert index < sealed.size <= newest.size, (index, sealed, newest)
    leaves = []
    for path, _ in bundles(newest.size):
        answer = april.calls("GET", f"/api/ledger/{cloud.tenant}/0/{path}")
        assert answer.status_code == 200, f"{path}: {answer.status_code} {answer.text}"
        leaves += entries(answer.content)
    assert len(leaves) == newest.size, (len(leaves), newest)
    assert leaves[index].decode() == proven["statement"], index
    assert openapi_ledger.root(leaves) == newest.root, newest
    assert openapi_ledger.root(leaves[: sealed.size]) == sealed.root, sealed
    checks.note(f"entry {index} of {sealed.size} in the receipt, of {newest.size} by now")

with checks.that("Schemathesis: no 5xx and nothing undescribed, whatever is made up"):
    session = f"Authorization: Session {sam.session['cookie']}"
    said = schemathesis("--header", session, more=["ignored_auth"])
    checks.note(f"{calls(said)} calls, seed {SEED}")

answers = []
with checks.that("Schemathesis: nor if it can sign, and knows what there is"):
    with tempfile.TemporaryDirectory(prefix="airlock-peers-") as folder:
        oscar = people[OSCAR]["id"]
        waiting = [asks(harriet, "account.disable", oscar).json()["id"] for _ in range(WAITING)]
        revealable = [
            asks(sam, "tap.issue", nina, reveal_to=secret).json()["id"] for _ in range(READY)
        ]
        given = {
            "callers": {"requester": sam.session, "decider": april.session},
            "token": token,
            "tenants": [cloud.tenant, *(tenant for tenant in directory if tenant != cloud.tenant)],
            "people": [person["id"] for person in people.values()],
            # Whom they are asked of are people.
            "operations": [entry["name"] for entry in catalog if entry["target"] == "user"],
            "secret": [entry["name"] for entry in catalog if entry["secret"]],
            "parameters": {entry["name"]: parameters_of(entry) for entry in catalog},
            "pending": waiting,
            "ready": revealable,
            "ended": [taken["id"], *revealable],
            "requests": [taken["id"], pending["id"], *waiting],
        }
        for request in revealable:
            sam.follows(request)
        file, answered = pathlib.Path(folder, "given"), pathlib.Path(folder, "answered")
        file.touch(mode=0o600)
        file.write_text(json.dumps(given))
        said = schemathesis(
            SCHEMATHESIS_HOOKS="openapi_calls",
            AIRLOCK_PEERS_GIVEN=str(file),
            AIRLOCK_PEERS_ANSWERED=str(answered),
        )
        checks.note(f"{calls(said)} calls, seed {SEED}")
        answers = [tuple(json.loads(line)) for line in answered.read_text().splitlines()]
    by_operation = collections.defaultdict(collections.Counter)
    for name, status in answers:
        by_operation[name][status] += 1
    for name, statuses in sorted(by_operation.items()):
        counted = ", ".join(f"{count} x {status}" for status, count in sorted(statuses.items()))
        checks.note(f"{name}: {counted}")

with checks.that("and each operation was asked for what it can do, and did it"):
    names = set(described.operations())
    done = {name for name, status in answers if status in (200, 202)}
    # The document itself is what it was given, and not among what it calls.
    assert names - {"describe"} == done, f"never done: {sorted(names - done)}"

checks.end()
