"""What Schemathesis cannot make up: requests and decisions that are signed, and names of what there
is. Loaded by Schemathesis itself; everything else of a call it makes up, or spoils, as it likes.

Who calls, and what there is, stands in the file that AIRLOCK_PEERS_GIVEN names. What was answered is
written, a line each, to the one that AIRLOCK_PEERS_ANSWERED names.
"""

import base64
import json
import os
import pathlib
import time
import uuid

import jwt
import schemathesis
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import strategies as st
from jwcrypto.jwk import JWK

FRESH_S = 60

# Which requests a path is for, by how it ends.
KINDS = {"decision": "pending", "receipt": "ended"}
# What is done by whoever decides; the rest is by whoever asks.
BY_THE_DECIDER = {"decideRequest", "listFindings", "listSecrets", "readCheckpoint"}


def encoded(data):
    """Bytes in base64url."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def private_key(scalar):
    """A key of which the scalar was kept."""
    number = int.from_bytes(base64.urlsafe_b64decode(scalar + "=" * (-len(scalar) % 4)), "big")
    return ec.derive_private_key(number, ec.SECP256R1())


def public_jwk(key):
    """Its public half: exactly four members."""
    point = key.public_key().public_numbers()
    x, y = (encoded(number.to_bytes(32, "big")) for number in (point.x, point.y))
    return {"kty": "EC", "crv": "P-256", "x": x, "y": y}


def signed(session, typ, claims):
    """A compact JWS by the client key of a session."""
    key = private_key(session["key"])
    header = {"kid": JWK(**public_jwk(key)).thumbprint(), "typ": typ}
    return jwt.encode(claims, key, algorithm="ES256", headers=header)


def ask(session, tenant, operation, user, parameters=None, **others):
    """The claims of a request that is in order."""
    now = int(time.time())
    return {
        "jti": str(uuid.uuid4()),
        "iat": now,
        "exp": now + 600,
        "aud": "execute",
        "tnt": tenant,
        "sid": session["sid"],
        "by": session["person"],
        "op": {"name": operation, "target": {"user": user}, "parameters": parameters or {}},
        "purpose": f"peers: {operation}",
        **others,
    }


def decision(session, request, verdict):
    """The claims of a decision that is in order."""
    now = int(time.time())
    tenant, digest = request.split(".")
    return {
        "jti": str(uuid.uuid4()),
        "iat": now,
        "exp": now + 600,
        "tnt": tenant,
        "req": digest,
        "sid": session["sid"],
        "verdict": verdict,
        "reason": "peers",
    }


def seldom(usual, unusual):
    """Mostly the one, and seldom the other."""
    return st.integers(0, 7).flatmap(lambda number: unusual if number == 7 else usual)


def strategies(given):
    """How Schemathesis makes up what it cannot: by format."""
    requester, decider = given["callers"]["requester"], given["callers"]["decider"]
    anything = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=40),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
        max_leaves=6,
    )
    moments = st.sampled_from([-FRESH_S - 1, 1 - FRESH_S, FRESH_S - 1, FRESH_S + 9, 0, 86_400, 86_401])
    tenants = st.sampled_from(given["tenants"]) | st.uuids().map(str)
    people = st.sampled_from(given["people"]) | st.uuids().map(str)
    operations = st.sampled_from(given["operations"]) | st.text(max_size=20)

    @st.composite
    def spoiled(draw, claims, members):
        """Claims in order; or with one member as it should not be, or one too many or too few."""
        how = draw(st.sampled_from(["not", "not", "not", "other", "any", "missing", "more"]))
        name = draw(st.sampled_from(sorted(members)))
        if how == "other":
            claims[name] = draw(members[name])
        elif how == "any":
            claims[name] = draw(anything)
        elif how == "missing":
            claims.pop(name, None)
        elif how == "more":
            claims[draw(st.text(min_size=1, max_size=8))] = draw(anything)
        return claims

    @st.composite
    def asks(draw):
        operation = draw(st.sampled_from(given["operations"]))
        others = {}
        if operation in given["secret"]:
            others["reveal_to"] = public_jwk(ec.generate_private_key(ec.SECP256R1()))
        user = draw(st.sampled_from(given["people"]))
        parameters = given["parameters"][operation]
        claims = ask(requester, given["tenants"][0], operation, user, parameters, **others)
        now = claims["iat"]
        asked = st.fixed_dictionaries(
            {"name": operations, "target": st.fixed_dictionaries({"user": people})},
            optional={"parameters": st.dictionaries(st.text(max_size=20), anything, max_size=3)},
        )
        members = {
            "jti": st.uuids().map(str),
            "iat": moments.map(lambda after: now + after),
            "exp": moments.map(lambda after: now + after),
            "aud": st.sampled_from(["execute", "rotate", "intake"]),
            "tnt": tenants,
            "sid": st.just(decider["sid"]),
            "by": st.just(decider["person"]),
            "op": asked,
            "purpose": st.text(max_size=1100),
            "ticket": st.text(max_size=110),
            "break_glass": st.booleans(),
            "reveal_to": st.just(public_jwk(ec.generate_private_key(ec.SECP256R1()))),
        }
        return signed(requester, "request+jwt", draw(spoiled(claims, members)))

    @st.composite
    def decisions(draw):
        verdicts = st.sampled_from(["approve", "deny", "withdraw", "review"])
        claims = decision(decider, draw(st.sampled_from(given["pending"])), draw(verdicts))
        now = claims["iat"]
        members = {
            "jti": st.uuids().map(str),
            "iat": moments.map(lambda after: now + after),
            "exp": moments.map(lambda after: now + after),
            "tnt": tenants,
            "req": st.binary(min_size=32, max_size=32).map(encoded),
            "sid": st.just(requester["sid"]),
            "verdict": verdicts,
            "reason": st.text(max_size=1100),
        }
        return signed(decider, "decision+jwt", draw(spoiled(claims, members)))

    known = st.sampled_from(given["requests"])
    unknown = st.builds(
        "{}.{}".format, tenants, st.binary(min_size=32, max_size=32).map(encoded)
    )
    tree = st.just(given["tenants"][0])
    return {
        "airlock-request": seldom(asks(), st.text()),
        "airlock-decision": seldom(decisions(), st.text()),
        "airlock-request-id": seldom(known, unknown),
        "airlock-pending-id": seldom(st.sampled_from(given["pending"]), known | unknown),
        "airlock-ended-id": seldom(st.sampled_from(given["ended"]), known | unknown),
        "airlock-tenant": tenants,
        "airlock-tree": seldom(tree, tenants | st.just("platform")),
    }


def formats(document):
    """Names the formats where something is taken, and leaves alone what is answered."""
    schemas = document["components"]["schemas"]
    schemas["SignedSubmission"]["properties"]["request"] = {"type": "string", "format": "airlock-request"}
    schemas["Deciding"]["properties"]["decision"] = {"type": "string", "format": "airlock-decision"}
    for path, item in document["paths"].items():
        for operation in item.values():
            for parameter in operation.get("parameters", []):
                name = parameter["name"]
                if name in ("tenant", "tree"):
                    parameter["schema"] = {"type": "string", "format": f"airlock-{name}"}
                elif name == "id":
                    kind = KINDS.get(path.rpartition("/")[2], "request")
                    parameter["schema"] = {"type": "string", "format": f"airlock-{kind}-id"}
                elif name == "epoch":
                    # The same numbers; but the one that there is comes often.
                    parameter["schema"] = {"anyOf": [{"const": 0}, parameter["schema"]]}


def operation_id(case):
    """Which operation a case is of."""
    return case.operation.definition.raw.get("operationId")


def decided(body):
    """The claims of a decision about a request, whatever else they say."""
    try:
        claims = jwt.decode(body["decision"], options={"verify_signature": False})
    except (jwt.InvalidTokenError, KeyError, TypeError):
        return None
    return claims if {"tnt", "req"} <= set(claims) else None


def load(given, answered):
    """Tells Schemathesis."""
    for name, strategy in strategies(given).items():
        schemathesis.openapi.format(name, strategy)

    @schemathesis.hook
    def before_load_schema(context, raw_schema):
        formats(raw_schema)

    waiting, ready = list(given["pending"]), list(given["ready"])

    @schemathesis.hook
    def before_call(context, case, kwargs):
        name = operation_id(case)
        caller = given["callers"]["decider" if name in BY_THE_DECIDER else "requester"]
        session = f"Session {caller['cookie']}"
        case.headers["Authorization"] = f"Bearer {given['token']}" if name == "readClaims" else session
        # What can be done once is made up too seldom to be done at all: each takes its turn.
        if name == "revealResult" and case.body == {} and ready:
            case.path_parameters["id"] = ready.pop()
        if name == "decideRequest" and waiting and (claims := decided(case.body)):
            case.path_parameters["id"] = waiting.pop()
            claims["tnt"], claims["req"] = case.path_parameters["id"].split(".")
            case.body = {"decision": signed(caller, "decision+jwt", claims)}

    @schemathesis.hook
    def after_call(context, case, response):
        name = operation_id(case)
        if case.method.upper() == case.operation.method.upper():
            answered.write(f"{json.dumps([name, response.status_code])}\n")
            answered.flush()


if "AIRLOCK_PEERS_GIVEN" in os.environ:
    load(
        json.loads(pathlib.Path(os.environ["AIRLOCK_PEERS_GIVEN"]).read_text()),
        open(os.environ["AIRLOCK_PEERS_ANSWERED"], "a"),
    )
