"""Key Vault, judged by Microsoft's client. It verifies ES256 and wraps locally, with the public key
alone, and so is a true judge of how signatures and keys are encoded."""

import base64
import hashlib
import os

from azure.core.exceptions import HttpResponseError
from azure.core.rest import HttpRequest
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.keys.crypto import (
    CryptographyClient,
    KeyWrapAlgorithm,
    SignatureAlgorithm,
)
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives import hashes

from cloud import Checks, Cloud

cloud = Cloud()
cloud.be_found()
checks = Checks()
vault = f"https://{cloud.names['vault']}"
digest = hashlib.sha256(b"what is signed").digest()


def credential(identity):
    """The managed identity of an app."""
    return cloud.managed_identity(identity, ManagedIdentityCredential)


def keys(identity):
    """The vault's keys, as an app sees them. The challenge's resource is checked."""
    return KeyClient(vault, credential(identity), retry_total=0)


def using(identity, key):
    """Cryptography with a key, as an app."""
    return CryptographyClient(key, credential(identity), retry_total=0)


def calls(after, what):
    """Recorded calls of an operation on a key; of signatures those by `execute`'s, as others sign
    all the time."""
    recorded = cloud.control("GET", f"/calls?after={after}")
    return [
        call
        for call in recorded
        if call["path"].split("/")[-1].lower() == what
        and (what != "sign" or "/execute-signing/" in call["path"])
    ]


def forbidden(doing):
    """The vault answers 403, in its own words."""
    try:
        doing()
    except HttpResponseError as error:
        assert error.status_code == 403, f"{error.status_code} {error}"
        assert error.error.code == "Forbidden", error.error
    else:
        raise AssertionError("it was allowed")


with checks.that("execute finds its signing key: P-256, and no private part", needed=True):
    signing = keys("execute").get_key("execute-signing")
    assert (signing.key.kty, signing.key.crv) == ("EC", "P-256"), signing.key
    assert signing.key.d is None
    assert signing.id.startswith(f"{vault}/keys/execute-signing/"), signing.id

with checks.that("execute signs ES256, and the client verifies without the vault"):
    before = cloud.after()
    execute = using("execute", signing)
    signed = execute.sign(SignatureAlgorithm.es256, digest)
    assert len(signed.signature) == 64, len(signed.signature)
    assert signed.key_id == signing.id
    assert execute.verify(SignatureAlgorithm.es256, digest, signed.signature).is_valid
    other = hashlib.sha256(b"something else").digest()
    assert not execute.verify(SignatureAlgorithm.es256, other, signed.signature).is_valid
    assert len(calls(before, "sign")) == 1
    assert not calls(before, "verify"), "the vault was asked to verify"

with checks.that("a digest of the wrong size is not signed"):
    try:
        using("execute", signing).sign(SignatureAlgorithm.es256, digest[:31])
    except HttpResponseError as error:
        assert error.status_code == 400, error
    else:
        raise AssertionError("it was signed")

with checks.that("a key is not used with an algorithm of another kind"):
    try:
        using("execute", signing.id).sign(SignatureAlgorithm.rs256, digest)
    except (HttpResponseError, ValueError) as error:
        assert getattr(error, "status_code", 400) == 400, error
    else:
        raise AssertionError("it was signed")

with checks.that("intake is refused execute's signing key, to look at and to sign with"):
    forbidden(lambda: keys("intake").get_key("execute-signing"))
    forbidden(lambda: using("intake", signing.id).sign(SignatureAlgorithm.es256, digest))

with checks.that("what the client wraps with the public key, the vault unwraps: RSA-OAEP-256"):
    wrapping = keys("execute").get_key("tenant-data")
    assert wrapping.key.kty == "RSA" and wrapping.key.d is None
    assert len(wrapping.key.n) >= 256, "shorter than 2048 bits"
    before = cloud.after()
    data_key = os.urandom(32)
    execute = using("execute", wrapping)
    wrapped = execute.wrap_key(KeyWrapAlgorithm.rsa_oaep_256, data_key).encrypted_key
    assert not calls(before, "wrapkey"), "the vault was asked to wrap"
    assert execute.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped).key == data_key
    assert len(calls(before, "unwrapkey")) == 1

with checks.that("what the vault wraps, it unwraps"):
    client = keys("execute")
    request = HttpRequest(
        "POST",
        f"{wrapping.id}/wrapkey?api-version=7.6",
        json={
            "alg": "RSA-OAEP-256",
            "value": base64.urlsafe_b64encode(data_key).rstrip(b"=").decode(),
        },
    )
    answer = client.send_request(request)
    answer.raise_for_status()
    value = answer.json()["value"]
    wrapped = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    assert wrapped != data_key
    assert execute.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped).key == data_key

with checks.that("a wrapped key that was changed is not unwrapped"):
    changed = bytes([*wrapped[:-1], wrapped[-1] ^ 1])
    try:
        execute.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, changed)
    except HttpResponseError as error:
        assert error.status_code == 400, error
    else:
        raise AssertionError("it was unwrapped")

with checks.that("OAEP with SHA-1 is not RSA-OAEP-256"):
    public = using("execute", wrapping).create_rsa_public_key().public_numbers().public_key()
    sha1 = padding.OAEP(mgf=padding.MGF1(hashes.SHA1()), algorithm=hashes.SHA1(), label=None)
    try:
        execute.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, public.encrypt(data_key, sha1))
    except HttpResponseError as error:
        assert error.status_code == 400, error
    else:
        raise AssertionError("it was unwrapped")

with checks.that("signin, which sees people's tokens, cannot unwrap the tenants' data keys"):
    forbidden(
        lambda: using("signin", wrapping.id).unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped)
    )

with checks.that("nobody but the admin plane signs with the root, not even intake"):
    root = keys("admin").get_key("admin-root")
    for identity in ("signin", "intake", "execute", "rotate", "drift"):
        app = using(identity, root.id)
        forbidden(lambda app=app: app.sign(SignatureAlgorithm.es256, digest))

with checks.that("a key that does not exist is 404 to its reader"):
    try:
        keys("execute").get_key("execute-signing", "0" * 32)
    except HttpResponseError as error:
        assert error.status_code == 404, error
    else:
        raise AssertionError("there is one")

checks.end()
