"""The ledgers that the handlers seal, audited from what `drift` publishes: by the packages behind
Go's own checksum database, by Sigstore's verifier, and by `airlockctl verify`. The key comes from
Key Vault, and the form in which verifiers are told it is made here.

    ledger_live.py AUDIT

AUDIT is audit.go as a program."""

import base64
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

import jwt
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient
from cryptography.hazmat.primitives import serialization

from cloud import Checks, Cloud
from node import judged_by
from person import Person
from tiles import bundles, entries, tiles

SAM, AUDREY = "sam@contoso.example", "audrey@contoso.example"
NINA = "nina@contoso.example"
# `drift` publishes at most every half minute.
PUBLISHED_S = 90

audit = pathlib.Path(sys.argv[1]).resolve()
cloud = Cloud()
cloud.be_found()
checks = Checks()
scratch = tempfile.TemporaryDirectory(prefix="airlock-peers-ledger-")
folder = pathlib.Path(scratch.name)


def in_file(name, text):
    """A file with this text."""
    file = folder / name
    file.write_text(text)
    return file


def published():
    """All that is published, by name."""
    blobs = cloud.control("GET", "/blobs")["blobs"].get("tiles", {})
    return {name: base64.b64decode(blob["body"]) for name, blob in blobs.items()}


def checkpoints(blobs, tree):
    """The names of a tree's checkpoints, newest first, and the newest one's lines."""
    names = sorted(name for name in blobs if name.startswith(f"{tree}/checkpoint/"))
    return names, blobs[names[0]].decode().split("\n")


def vkey(origin):
    """The key of a tree as verifiers of signed notes are told it (C2SP signed-note, type 2)."""
    spki = public.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    key_id = hashlib.sha256(spki).digest()[:4].hex()
    return f"{origin}+{key_id}+{base64.b64encode(bytes([2]) + spki).decode()}"


def said(*command, env=None):
    """Whether a program ended well, and what it said."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=env)
    assert done.returncode in (0, 1), f"{command[0]} ended with {done.returncode}: {done.stderr}"
    return done.returncode == 0, (done.stdout + done.stderr).strip()


with checks.that("a request is carried out, and its receipt is given", needed=True):
    nina = cloud.control("GET", "/directory")["tenants"][cloud.tenant]["people"][NINA]["id"]
    sam, audrey = Person(cloud, SAM), Person(cloud, AUDREY)
    request = sam.follows(sam.asks("sessions.revoke", nina)["id"])
    assert request["state"] == "succeeded", request
    answer = sam.calls("GET", f"/api/requests/{request['id']}/receipt")
    assert answer.status_code == 200, answer.text
    receipt = answer.json()

with checks.that("the key of the ledgers is in Key Vault, and the keyset lists it", needed=True):
    drift = cloud.managed_identity("drift", ManagedIdentityCredential)
    key = KeyClient(f"https://{cloud.names['vault']}", drift).get_key("drift-checkpoint").key
    encoded = {
        name: base64.urlsafe_b64encode(part).rstrip(b"=").decode()
        for name, part in (("x", key.x), ("y", key.y))
    }
    jwk = {"kty": "EC", "crv": "P-256", **encoded}
    public = jwt.PyJWK(jwk, "ES256").key
    documents = cloud.control("GET", "/cosmos/bindings")
    [stored] = [one for one in documents if (one["tenant"], one["id"]) == ("platform", "keyset")]
    claims = jwt.decode(stored["artefact"], options={"verify_signature": False})
    [listed] = [one for one in claims["keys"] if one["jwk"]["x"] == jwk["x"]]
    assert listed["app"] == "drift" and listed["signs"] == ["checkpoint"], listed
    manifest = pathlib.Path(cloud.stack["state"]) / "apps" / "drift" / "manifest.json"
    believed = ("--keyset", in_file("keyset.json", json.dumps(stored)), "--root", manifest)

with checks.that("all that happened is published", needed=True):
    until = time.monotonic() + PUBLISHED_S
    wanted = int(receipt["receipt"].split("\n")[1].removeprefix("index ")) + 1
    while True:
        blobs = published()
        trees = sorted({"/".join(name.split("/")[:2]) for name in blobs})
        size = int(checkpoints(blobs, f"{cloud.tenant}/0")[1][1])
        if size >= wanted:
            break
        assert time.monotonic() < until, f"{size} entries of {wanted}"
        time.sleep(1)

for tree in trees:
    names, lines = checkpoints(blobs, tree)
    origin, size = lines[0], int(lines[1])
    files = ["checkpoint", *tiles(size), *(path for path, _ in bundles(size))]
    needed = folder / tree
    older = []
    with checks.that(f"{tree}: its checkpoint needs {len(files)} files, and they are there"):
        for name in files:
            (needed / name).parent.mkdir(parents=True, exist_ok=True)
            stored = names[0] if name == "checkpoint" else f"{tree}/{name}"
            (needed / name).write_bytes(blobs[stored])
        for at, name in enumerate(names[1:]):
            file = folder / f"{tree.replace('/', '-')}-{at}"
            file.write_bytes(blobs[name])
            older.append(file)

    with checks.that(f"{tree}: x/mod/sumdb audits all of it, and that it grew"):
        holds, found = said(audit, vkey(origin), needed, *older)
        assert holds, found
        checks.note(found)

    with checks.that(f"{tree}: x/mod/sumdb refuses it with one bit of an entry changed"):
        file = needed / next(path for path, _ in bundles(size))
        good = file.read_bytes()
        file.write_bytes(good[:50] + bytes([good[50] ^ 1]) + good[51:])
        assert not said(audit, vkey(origin), needed)[0]
        file.write_bytes(good)

    with checks.that(f"{tree}: airlockctl finds the same in a copy of all that is published"):
        copy = folder / "copies" / tree
        for name, data in blobs.items():
            if name.startswith(f"{tree}/"):
                file = copy / name.removeprefix(f"{tree}/")
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
        command = (sam.program, "verify", "tiles", copy)
        for by in (("--key", vkey(origin)), (*believed, "--origin", origin)):
            holds, found = said(*command, *by)
            assert holds and f"{size} entries" in found, found

    with checks.that(f"{tree}: every entry is a statement of its tenant"):
        for path, _ in bundles(size):
            for entry in entries((needed / path).read_bytes()):
                statement = jwt.decode(entry, options={"verify_signature": False})
                assert statement["tenantid"] == tree.split("/")[0], statement

origin = checkpoints(blobs, f"{cloud.tenant}/0")[1][0]
receipt_file = in_file("receipt.json", json.dumps(receipt))

with checks.that("airlockctl verifies the receipt offline, by the keyset and by the key"):
    command = (sam.program, "verify", "receipt", receipt_file)
    nowhere = {"PATH": os.environ["PATH"]}
    holds, found = said(*command, *believed, "--origin", origin, env=nowhere)
    assert holds and "outcome succeeded" in found, found
    assert said(*command, "--key", vkey(origin), env=nowhere)[0]
    assert not said(*command, "--key", vkey(f"{origin[:-1]}1"), env=nowhere)[0]

with checks.that("airlockctl audits the tree as the API serves it to an auditor, and to no other"):
    by = (*believed, "--origin", origin)
    found = audrey.does("verify", "live", *map(str, by))
    assert found["faults"] == [] and found["entries"] >= wanted, found
    answer = sam.calls("GET", f"/api/ledger/{cloud.tenant}/0/checkpoint")
    assert answer.status_code in (403, 404), answer.status_code

with checks.that("airlockctl verifies a receipt that it asks for itself"):
    found = sam.does("verify", "live", "--request", request["id"], *map(str, by))
    assert found["holds"] and found["ending"] == "succeeded", found

with checks.that("the receipt's entry says which request ended"):
    statement = jwt.decode(receipt["statement"], options={"verify_signature": False})
    assert statement["type"] == "airlock.request.ended", statement
    assert statement["data"]["request"] == request["id"].split(".")[1], statement

material = [{"receipt": receipt["receipt"], "entry": receipt["statement"]}]
judged_by("ledger_receipts.mjs", {"vkey": vkey(origin), "receipts": material}, checks)
checks.end()
