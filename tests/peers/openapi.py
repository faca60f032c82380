"""The OpenAPI document, judged by foreign programs: openapi-spec-validator reads it, jsonschema
compares the answers of a journey with it, and Schemathesis calls whatever it describes."""

import base64
import collections
import json
import os
import pathlib
import re
import secrets
import subprocess
import sys
import tempfile
import urllib.parse
import warnings

import jsonschema
import msal
from azure.identity import ManagedIdentityCredential
from cryptography.hazmat.primitives.asymmetric import ec
from openapi_spec_validator import OpenAPIV31SpecValidator, validate
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

import openapi_calls
from cloud import TIMEOUT_S, Checks, Cloud, direct, sign_in
from person import Person

SAM, APRIL, HARRIET = "sam@contoso.example", "april@contoso.example", "harriet@contoso.example"
NINA, OSCAR = "nina@contoso.example", "oscar@contoso.example"

# What the platform passes on to the service; others it answers itself. A browser's preflight is
# answered without being an operation.
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

# A failure repeats with the same seed.
SEED = 3
EXAMPLES = 40
# Requests that wait to be decided, and secrets that can be had.
WAITING, READY = 12, 3
RUN_S = 300
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
document = {}


def operation(name):
    """Where an operation is: path and method."""
    [found] = [
        (path, method)
        for path, item in document["paths"].items()
        for method, described in item.items()
        if described.get("operationId") == name
    ]
    return found


def claims_within(validator, schema, text, _):
    """`contentSchema`, of a compact JWS: the list of its decoded header and claims."""
    if validator.schema.get("contentMediaType") != "application/jwt":
        return
    parts = [part + "=" * (-len(part) % 4) for part in text.split(".")[:2]]
    contents = [json.loads(base64.urlsafe_b64decode(part)) for part in parts]
    yield from validator.descend(contents, schema)


def as_described(answer, name, status=200):
    """The JSON of an answer, if it is what the operation says."""
    path, method = operation(name)
    assert answer.status_code == status, f"{name}: {answer.status_code} {answer.text}"
    media_type = answer.headers["content-type"]
    said = document["paths"][path][method]["responses"][str(status)]["content"]
    pointer = ["paths", path, method, "responses", str(status), "content", media_type, "schema"]
    assert media_type in said, f"{name}: {media_type}"
    escaped = (part.replace("~", "~0").replace("/", "~1") for part in pointer)
    reference = f"urn:airlock:openapi#/{urllib.parse.quote('/'.join(escaped))}"
    validator = judge(
        # A member that is not described may come one day; it does not now.
        {"$ref": reference, "unevaluatedProperties": False},
        registry=registry,
        format_checker=judge.FORMAT_CHECKER,
    )
    body = answer.json()
    validator.validate(body)
    return body


def requests_of(schema):
    """The members that a schema has, with those of which it is made."""
    if "$ref" in schema:
        schema = document["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
    members = set(schema.get("properties", {}))
    return members.union(*(requests_of(part) for part in schema.get("allOf", [])))


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
    document.update(answer.json())

with checks.that("openapi-spec-validator: it is valid OpenAPI 3.1, and so is every schema in it"):
    assert document["openapi"].startswith("3.1."), document["openapi"]
    validate(document, cls=OpenAPIV31SpecValidator)

with checks.that("nothing is described that no operation needs"):
    text = json.dumps(document)
    for name in document["components"]["schemas"]:
        assert f'"#/components/schemas/{name}"' in text, name
    for name in document["components"]["securitySchemes"]:
        assert f'{{"{name}": []' in text or f', "{name}": []' in text, name

resource = Resource.from_contents(document, default_specification=DRAFT202012)
registry = Registry().with_resource("urn:airlock:openapi", resource)
judge = jsonschema.validators.extend(
    jsonschema.Draft202012Validator, {"contentSchema": claims_within}
)

with checks.that("people sign in with airlockctl", needed=True):
    sam, april, harriet = (Person(cloud, name) for name in (SAM, APRIL, HARRIET))
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
    described = requests_of({"$ref": "#/components/schemas/RequestView"})
    for request in listed:
        assert set(request) <= described, set(request) - described

with checks.that("Schemathesis: no 5xx and nothing undescribed, whatever is made up"):
    session = f"Authorization: Session {sam.session['cookie']}"
    said = schemathesis("--header", session, more=["ignored_auth"])
    checks.note(f"{calls(said)} calls, seed {SEED}")

answers = []
with checks.that("Schemathesis: nor if it can sign, and knows what there is"):
    with tempfile.TemporaryDirectory(prefix="airlock-peers-") as folder:
        oscar = people[OSCAR]["id"]
        waiting = [asks(harriet, "account.disable", oscar).json()["id"] for _ in range(WAITING)]
        given = {
            "callers": {"requester": sam.session, "decider": april.session},
            "token": token,
            "tenants": [cloud.tenant, *(tenant for tenant in directory if tenant != cloud.tenant)],
            "people": [person["id"] for person in people.values()],
            "operations": [entry["name"] for entry in catalog],
            "secret": [entry["name"] for entry in catalog if entry["secret"]],
            "parameters": {entry["name"]: parameters_of(entry) for entry in catalog},
            "pending": waiting,
            "ready": [
                asks(sam, "tap.issue", nina, reveal_to=secret).json()["id"] for _ in range(READY)
            ],
            "requests": [taken["id"], pending["id"], *waiting],
        }
        for request in given["ready"]:
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
    names = {
        described["operationId"]
        for item in document["paths"].values()
        for described in item.values()
    }
    done = {name for name, status in answers if status in (200, 202)}
    # The document itself is what it was given, and not among what it calls.
    assert names - {"describe"} == done, f"never done: {sorted(names - done)}"

checks.end()
