"""Who signed what, followed from the admin root by foreign libraries: keyset, permit, claim, outcome,
and the ledger in which they stand. Everything is read from the database, and nothing in it is
believed: the root's public key is asked of Key Vault."""

import base64
import hashlib
import json
import pathlib

import jwt
import rfc8785
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import CryptographyClient, KeyWrapAlgorithm
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from jwcrypto.jwk import JWK

from cloud import Checks, Cloud
from node import judged_by
from person import Person

SAM, APRIL, HARRIET = "sam@contoso.example", "april@contoso.example", "harriet@contoso.example"
NINA = "nina@contoso.example"

# Old artefacts are read too; what expires is judged where it is used.
UNDATED = {"verify_exp": False, "verify_aud": False}

cloud = Cloud()
cloud.be_found()
checks = Checks()


def encoded(data):
    """Bytes in base64url."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def sha256(*parts):
    """A digest as it is written in documents."""
    return encoded(hashlib.sha256(b"".join(parts)).digest())


def digest(jws):
    """The digest of what was signed: not of the signature, which has a twin."""
    return sha256(jws.rpartition(".")[0].encode())


def verified(jws, jwk, typ):
    """The claims, after PyJWT verified the signature. It would not look at `typ` itself."""
    header = jwt.get_unverified_header(jws)
    assert header == {"alg": "ES256", "typ": typ, "kid": JWK(**jwk).thumbprint()}, header
    return jwt.decode(jws, jwt.PyJWK(jwk, "ES256").key, algorithms=["ES256"], options=UNDATED)


material = []


def opened(jws, app, purpose, typ):
    """The claims of an artefact whose key the keyset lists for this app and purpose."""
    kid = jwt.get_unverified_header(jws)["kid"]
    [key] = [key for key in keyset["keys"] if JWK(**key["jwk"]).thumbprint() == kid]
    assert key["app"] == app, f"the key is {key['app']}'s, and not {app}'s"
    assert purpose in key["signs"], f"the key may not sign {purpose}"
    material.append({"typ": typ, "jws": jws, "jwk": key["jwk"]})
    return verified(jws, key["jwk"], typ)


with checks.that("one request is carried out, and one that was approved", needed=True):
    nina = cloud.control("GET", "/directory")["tenants"][cloud.tenant]["people"][NINA]["id"]
    sam, april, harriet = Person(cloud, SAM), Person(cloud, APRIL), Person(cloud, HARRIET)
    request = sam.follows(sam.asks("tap.issue", nina)["id"])
    assert request["state"] == "succeeded", request
    asked = harriet.asks("account.enable", nina)
    assert (asked["state"], asked["needs_approvals"]) == ("pending", 1), asked
    april.approves(asked)
    asked = harriet.follows(asked["id"])
    assert asked["state"] == "succeeded", asked

with checks.that("the root in every package is the key that Key Vault has", needed=True):
    admin = cloud.managed_identity("admin", ManagedIdentityCredential)
    vault = KeyClient(f"https://{cloud.names['vault']}", admin)
    key = vault.get_key("admin-root").key
    root = {"kty": "EC", "crv": "P-256", "x": encoded(key.x), "y": encoded(key.y)}
    for app in ("signin", "intake", "execute", "rotate", "drift"):
        package = pathlib.Path(cloud.stack["state"]) / "apps" / app
        manifest = json.loads((package / "manifest.json").read_text())
        assert manifest["root"] == root, app
        claims = verified(manifest["manifest"], root, "deployment+jwt")
        assert (claims["app"], claims["root"]) == (app, root), claims["app"]

with checks.that("the keyset is signed by it, and each key in it is the one in Key Vault", needed=True):
    documents = cloud.control("GET", "/cosmos/bindings")
    [stored] = [one for one in documents if (one["tenant"], one["id"]) == ("platform", "keyset")]
    keyset = verified(stored["artefact"], root, "keyset+jwt")
    material.append({"typ": "keyset+jwt", "jws": stored["artefact"], "jwk": root})
    for key in keyset["keys"]:
        own = cloud.managed_identity(key["app"], ManagedIdentityCredential)
        vault = KeyClient(f"https://{cloud.names['vault']}", own)
        points = []
        for one in ("signing", "checkpoint"):
            if key["app"] == "drift" or one == "signing":
                held = vault.get_key(f"{key['app']}-{one}").key
                points.append((encoded(held.x), encoded(held.y)))
        assert (key["jwk"]["x"], key["jwk"]["y"]) in points, f"{key['app']} has no such key"

with checks.that("no key may sign for two doors: permits, claims and sessions have a key each"):
    for one, other in (("permit", "claim"), ("permit", "session"), ("session", "confirmation")):
        assert not any({one, other} <= set(key["signs"]) for key in keyset["keys"]), (one, other)

with checks.that("bindings are signed by the root, each for its own tenant"):
    bindings = [one for one in documents if one["id"] == "binding"]
    assert len(bindings) == 3
    for stored in bindings:
        assert verified(stored["artefact"], root, "binding+jwt")["tnt"] == stored["tenant"]
        material.append({"typ": "binding+jwt", "jws": stored["artefact"], "jwk": root})

documents = {
    one["id"]: one
    for one in cloud.control("GET", "/cosmos/tenants")
    if one["tenant"] == cloud.tenant
}


def decoded(text):
    """Bytes of base64url."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def unsealed(document):
    """Salt and text of an encrypted document, with intake's right to unwrap its data key."""
    sealed = document["sealed"]
    stored = json.loads(documents[sealed["key"]]["body"])
    intake = cloud.managed_identity("intake", ManagedIdentityCredential)
    wrapping = CryptographyClient(stored["kid"], intake, retry_total=0)
    key = wrapping.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, decoded(stored["wrapped"])).key
    # Tenant, document and field, each with its length, and the version of the format.
    place = b""
    for part in (cloud.tenant, document["id"], "contents"):
        place += len(part).to_bytes(8, "big") + part.encode()
    place += (1).to_bytes(4, "big")
    clear = AESGCM(key).decrypt(decoded(sealed["iv"]), decoded(sealed["data"]), place)
    return clear[:16], clear[16:]


def record_of(view):
    """The stored document of a request, and its contents."""
    document = documents[f"request-{view['id'].split('.')[1]}"]
    return document, json.loads(unsealed(document)[1])


def judge_person(evidence, jws, typ):
    """A person's artefact is signed by the key that two outer apps vouch for."""
    person = evidence["person"]
    session = opened(person["session"], "signin", "session", "session+jwt")
    confirmation = opened(person["confirmation"], "intake", "confirmation", "confirmation+jwt")
    assert confirmation["session"] == digest(person["session"]), "another session is confirmed"
    jwk = session["cnf"]["jwk"]
    assert confirmation["jkt"] == JWK(**jwk).thumbprint(), "another key is confirmed"
    for name in ("tid", "oid"):
        assert confirmation[name] == session[name], name
    material.append({"typ": typ, "jws": jws, "jwk": jwk})
    claims = verified(jws, jwk, typ)
    assert session["iat"] <= claims["iat"] <= session["exp"], "the session was over"
    return session, claims


for name, view in (("a request", request), ("an approved request", asked)):
    with checks.that(f"{name}: asked by the person's own key, which signin and intake vouch for"):
        document, record = record_of(view)
        evidence = record["evidence"]["proven"]
        session, ask = judge_person(evidence, evidence["request"], "request+jwt")
        assert digest(evidence["request"]) == view["id"].split(".")[1], "another digest"
        assert ask["tnt"] == cloud.tenant and ask["op"]["target"]["user"] == nina, ask

    with checks.that(f"{name}: intake's permit is for it, and for what it asks"):
        permit = opened(record["permit"], "intake", "permit", "effect-permit+jwt")
        assert (permit["iss"], permit["aud"]) == ("intake", "execute")
        assert permit["req"] == digest(evidence["request"])
        # Who asked and which id they gave it stand in the request, and nowhere else.
        assert not {"sub", "txn", "act"} & set(permit)
        assert not any(name in json.dumps(permit) for name in (session["oid"], ask["jti"], nina))
        assert 0 < permit["exp"] - permit["iat"] <= 600
        [detail] = permit["authorization_details"]
        assert detail["actions"] == [ask["op"]["name"]]

    with checks.that(f"{name}: execute's claim uses up exactly that permit, in store and blob"):
        claim = opened(record["claim"], "execute", "claim", "claim+jwt")
        assert (claim["jti"], claim["req"]) == (permit["jti"], permit["req"])
        assert claim["op_hash"] == detail["op_hash"]
        assert permit["nbf"] <= claim["iat"] <= permit["exp"]
        blobs = cloud.control("GET", "/blobs")["blobs"]["claims"]
        blob = blobs[f"{cloud.tenant}/{permit['req']}"]
        assert base64.b64decode(blob["body"]).decode() == record["claim"]

    with checks.that(f"{name}: the outcome is execute's, for that request, after the claim"):
        outcome = opened(record["outcome"], "execute", "outcome", "outcome+jwt")
        assert (outcome["req"], outcome["ending"]) == (permit["req"], "succeeded")
        assert outcome["iat"] >= claim["iat"]
        if record.get("result"):
            assert outcome["result"] == sha256(record["result"].encode()), "another result"

    with checks.that(f"{name}: the stored document is what its last statement commits to"):
        statement = opened(document["statement"], "execute", "statement", "statement+jwt")
        assert (statement["subject"], statement["tenantid"]) == (document["id"], cloud.tenant)
        salt, text = unsealed(document)
        committed = sha256(b"airlock commitment\0", salt, text)
        assert statement["data"]["document"] == committed


def refused(jws, jwk, typ):
    """Whether PyJWT does not verify it."""
    try:
        verified(jws, jwk, typ)
    except jwt.InvalidTokenError:
        return True
    return False


def refused_by_key(jws, jwk):
    """Whether PyJWT does not verify it by another key, whatever its header says."""
    try:
        jwt.decode(jws, jwt.PyJWK(jwk, "ES256").key, algorithms=["ES256"], options=UNDATED)
    except jwt.InvalidSignatureError:
        return True
    return False


def spoiled(jws, part, change):
    """The same with one of its three parts changed."""
    parts = jws.split(".")
    parts[part] = encoded(change(decoded(parts[part])))
    return ".".join(parts)


with checks.that("PyJWT verifies the permit by the published key, and refuses a changed one"):
    signer = next(one["jwk"] for one in material if one["jws"] == record["permit"])
    kind = "effect-permit+jwt"
    verified(record["permit"], signer, kind)
    text = decoded(record["permit"].split(".")[1])
    for name in (b'"req":"', b'"op_hash":"', b'"tnt":"', b'"jti":"', b'"exp":1'):
        at = text.index(name) + len(name)
        letter = b"1" if text[at : at + 1] != b"1" else b"2"
        changed = spoiled(record["permit"], 1, lambda claims: claims[:at] + letter + claims[at + 1 :])
        assert changed != record["permit"] and refused(changed, signer, kind), name
    changed = spoiled(record["permit"], 2, lambda one: one[:40] + bytes([one[40] ^ 1]) + one[41:])
    assert refused(changed, signer, kind)
    other = [key["jwk"] for key in keyset["keys"] if key["jwk"] != signer]
    assert all(refused_by_key(record["permit"], jwk) for jwk in other)

with checks.that("the operation's hash is of its canonical JSON, hidden by the request's signature"):
    understood = {
        "name": "account.enable",
        "parameters": {},
        "target": {"user": nina},
        "tenant": cloud.tenant,
    }
    canonical = rfc8785.dumps(understood)
    assert detail["op_hash_alg"] == "sha-256/request-signature-r/sha-256-jcs"
    operation = hashlib.sha256(canonical).digest()
    hidden_by = decoded(evidence["request"].rpartition(".")[2])[:32]
    assert detail["op_hash"] == sha256(b"airlock operation\0", hidden_by, operation)
    # Without the request, whoever guesses the operation finds it nowhere.
    assert encoded(operation) not in json.dumps([permit, claim, outcome])

with checks.that("the approval is april's own, over the digest that harriet's request has"):
    [decision] = record["decisions"]
    session, said = judge_person(decision, decision["decision"], "decision+jwt")
    assert said["req"] == digest(evidence["request"]) and said["verdict"] == "approve", said
    assert permit["apr"] == [digest(decision["decision"])]

with checks.that("the ledger's root follows from its leaves by RFC 6962"):
    head = documents["head"]
    leaves = sorted(
        (one for one in documents.values() if one["kind"] == "leaf"), key=lambda one: one["id"]
    )
    assert [one["id"] for one in leaves] == [f"leaf-0000-{at:012}" for at in range(len(leaves))]
    assert head["frontier"]["size"] == len(leaves)

    def tree(hashes):
        """MTH of RFC 6962, section 2.1, over hashes of leaves."""
        if len(hashes) == 1:
            return hashes[0]
        split = 1 << (len(hashes) - 1).bit_length() - 1
        return hashlib.sha256(b"\x01" + tree(hashes[:split]) + tree(hashes[split:])).digest()

    hashes = [hashlib.sha256(b"\x00" + one["statement"].encode()).digest() for one in leaves]
    assert head["root"] == encoded(tree(hashes)), "another root"
    seen = permit["lgr"]
    assert 0 < seen["size"] <= len(leaves)
    assert seen["root"] == encoded(tree(hashes[: seen["size"]])), "the permit saw another tree"

with checks.that("every leaf is a statement of the app that made it, and none stands twice"):
    said = []
    for one in leaves:
        app = json.loads(base64.urlsafe_b64decode(one["statement"].split(".")[1] + "=="))["iss"]
        said.append(opened(one["statement"], app, "statement", "statement+jwt"))
    assert len({one["id"] for one in said}) == len(said)
    assert all(one["tenantid"] == cloud.tenant for one in said)
    types = [one["type"] for one in said if one["data"].get("request") == permit["req"]]
    ways = ("received", "permitted", "claimed", "ended")
    assert types == [f"airlock.request.{way}" for way in ways], types

judged_by("signatures.mjs", material, checks)
checks.end()
