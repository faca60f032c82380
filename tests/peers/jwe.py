"""Secret results, decrypted by foreign libraries: what the worker encrypts to a requester's key is a
JWE that anyone's library understands, and opens with that key alone."""

import base64
import json

from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jwe as joserfc_jwe
from joserfc.jwk import ECKey
from jwcrypto import jwe as jwcrypto_jwe
from jwcrypto.jwk import JWK
from jwcrypto.jwe import InvalidJWEData

from cloud import Checks, Cloud
from node import judged_by
from person import Person

SAM, NINA = "sam@contoso.example", "nina@contoso.example"

cloud = Cloud()
checks = Checks()


def encoded(number):
    """A coordinate of P-256 in base64url."""
    return base64.urlsafe_b64encode(number.to_bytes(32, "big")).rstrip(b"=").decode()


def decoded(text):
    """Bytes from base64url."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def private_jwk(scalar):
    """The whole JWK of a private key of which the scalar was kept."""
    key = ec.derive_private_key(int.from_bytes(decoded(scalar), "big"), ec.SECP256R1())
    point = key.public_key().public_numbers()
    public = {"kty": "EC", "crv": "P-256", "x": encoded(point.x), "y": encoded(point.y)}
    return {**public, "d": scalar}


def known_to_the_directory(operation):
    """What the local directory itself knows: the only other place where the value is."""
    people = cloud.control("GET", "/directory")["tenants"][cloud.tenant]["people"]
    if operation == "password.reset":
        return people[NINA]["password"]
    return people[NINA]["temporaryAccessPasses"][-1]["temporaryAccessPass"]


with checks.that("sam signs in with airlockctl, and may issue secrets at once", needed=True):
    sam = Person(cloud, SAM)
    directory = cloud.control("GET", "/directory")["tenants"][cloud.tenant]["people"]
    nina = directory[NINA]["id"]

for operation in ("tap.issue", "password.reset"):
    with checks.that(f"{operation}: a JWE comes back, with nothing in its header but what it needs"):
        request = sam.follows(sam.asks(operation, nina)["id"])
        assert (request["state"], request["reveal"]) == ("succeeded", "ready"), request
        jwk = private_jwk(sam.key_of(request["id"]))
        answer = sam.calls("POST", f"/api/requests/{request['id']}/reveal", {})
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        sealed = answer.json()["result"]
        header, key, *_ = sealed.split(".")
        header = json.loads(decoded(header))
        assert key == "", "there is an encrypted key"
        assert {name: header[name] for name in header if name != "epk"} == {
            "alg": "ECDH-ES", "enc": "A256GCM", "cty": "text/plain",
        }, header
        assert set(header["epk"]) == {"kty", "crv", "x", "y"}, "d would give it all away"
        value = known_to_the_directory(operation)
        assert value and value not in sealed

    with checks.that(f"{operation}: jwcrypto reads the very value that the directory has"):
        box = jwcrypto_jwe.JWE(algs=["ECDH-ES", "A256GCM"])
        box.deserialize(sealed, JWK(**jwk))
        assert box.payload.decode() == value

    with checks.that(f"{operation}: so does joserfc"):
        opened = joserfc_jwe.decrypt_compact(
            sealed, ECKey.import_key(jwk), algorithms=["ECDH-ES", "A256GCM"]
        )
        assert opened.plaintext.decode() == value

    with checks.that(f"{operation}: with another key, or one bit changed, it stays closed"):
        parts = sealed.split(".")
        changed = []
        for index in (2, 3, 4):
            inside = bytearray(decoded(parts[index]))
            inside[0] ^= 1
            text = base64.urlsafe_b64encode(inside).rstrip(b"=").decode()
            changed.append((".".join([*parts[:index], text, *parts[index + 1:]]), JWK(**jwk)))
        lighter = {**header, "cty": "text/html"}
        text = base64.urlsafe_b64encode(json.dumps(lighter).encode()).rstrip(b"=").decode()
        changed.append((".".join([text, *parts[1:]]), JWK(**jwk)))
        changed.append((sealed, JWK.generate(kty="EC", crv="P-256")))
        for text, key in changed:
            try:
                jwcrypto_jwe.JWE(algs=["ECDH-ES", "A256GCM"]).deserialize(text, key)
            except InvalidJWEData:
                continue
            raise AssertionError("it was opened")

    judged_by("jwe.mjs", {"what": operation, "jwe": sealed, "jwk": jwk, "value": value}, checks)

    with checks.that(f"{operation}: it is shown once"):
        again = sam.calls("POST", f"/api/requests/{request['id']}/reveal", {})
        assert again.status_code in (404, 409, 410), again.text
        assert again.headers["content-type"] == "application/problem+json"
        assert sealed not in again.text
        stored = json.dumps(cloud.control("GET", "/cosmos/tenants"))
        assert sealed not in stored, "it still stands in the database"

    with checks.that(f"{operation}: the value stands in no document, message, blob or log"):
        places = ["/cosmos/tenants", "/cosmos/sessions", "/bus", "/blobs", "/calls", "/effects"]
        places += [f"/logs/{app}" for app in ("signin", "intake", "execute", "rotate", "drift")]
        for place in places:
            text = json.dumps(cloud.control("GET", place))
            assert value not in text, f"it stands in {place}"
            assert base64.b64encode(value.encode()).decode() not in text, f"it stands in {place}"

checks.end()
