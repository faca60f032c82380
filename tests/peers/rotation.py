"""What a rotation does, judged by Microsoft's own clients: new versions of secrets and keys by
azure-keyvault-secrets and azure-keyvault-keys, client secrets by MSAL. Where Microsoft's metadata of
Graph is there, the answers about applications are compared with it."""

import datetime
import hashlib
import os
import time

import jwt
import msal
import requests
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.identity import ManagedIdentityCredential
from azure.keyvault.keys import KeyClient, KeyCurveName
from azure.keyvault.keys.crypto import (
    CryptographyClient,
    KeyWrapAlgorithm,
    SignatureAlgorithm,
)
from azure.keyvault.secrets import SecretClient

from cloud import TIMEOUT_S, Checks, Cloud
from graph.reference import SHARED, Reference

GRAPH = "https://graph.microsoft.com"
ROTATOR, OWNED, NOT_OWNED = "airlock-rotator", "line-of-business", "payroll"

cloud = Cloud()
cloud.be_found()
checks = Checks()
vault = f"https://{cloud.names['vault']}"
authority = f"https://{cloud.names['entra']}/{cloud.tenant}"
fabrikam = cloud.tenant_of("fabrikam.example")
digest = hashlib.sha256(b"what is signed").digest()
data_key = os.urandom(32)
# Nothing here is told apart by what an earlier run left in the vault.
name = f"client-secret-peer-{os.urandom(4).hex()}"


def credential(identity):
    """The managed identity of an app."""
    return cloud.managed_identity(identity, ManagedIdentityCredential)


def secrets(identity):
    """The vault's secrets, as an app sees them. The challenge's resource is checked."""
    return SecretClient(vault, credential(identity), retry_total=0)


def keys(identity):
    """The vault's keys, as an app sees them."""
    return KeyClient(vault, credential(identity), retry_total=0)


def using(identity, key):
    """Cryptography with a version of a key, as an app."""
    return CryptographyClient(key, credential(identity), retry_total=0)


def refused(doing, inner):
    """The vault answers 403, and says by a code why."""
    try:
        doing()
    except HttpResponseError as error:
        assert error.status_code == 403, f"{error.status_code} {error}"
        assert error.error.code == "Forbidden", error.error
        assert error.error.innererror["code"] == inner, error.error.innererror
    else:
        raise AssertionError("it was allowed")


def graph(method, path, body=None, tenant=None):
    """Asks Graph as the rotator."""
    token = cloud.application_token(ROTATOR, "rotate", tenant or cloud.tenant, f"{GRAPH}/.default")
    return requests.request(
        method,
        f"{GRAPH}/v1.0{path}",
        headers={"authorization": f"Bearer {token}"},
        json=body,
        timeout=TIMEOUT_S,
    )


def application(display_name, tenant=None):
    """An app registration of a tenant's own, as Graph shows it."""
    answer = graph("GET", f"/applications?$filter=displayName eq '{display_name}'", tenant=tenant)
    assert answer.ok, answer.text
    [found] = answer.json()["value"]
    return found


def credentials(display_name):
    """What the cloud tells of an application's secrets, by their ids."""
    shown = cloud.control("GET", "/rotation/credentials")[cloud.tenant][display_name]
    return {one["keyId"]: one for one in shown["credentials"]}


def token_by(secret, client_id, tenant=None):
    """What MSAL gets for a secret. A new client, so that nothing comes from a cache."""
    where = f"https://{cloud.names['entra']}/{tenant or cloud.tenant}"
    client = msal.ConfidentialClientApplication(
        client_id, client_credential=secret, authority=where, instance_discovery=False
    )
    return client.acquire_token_for_client([f"{GRAPH}/.default"])


def until(wanted, ask):
    """Asks until the answer is the wanted one, as after every change at Entra."""
    for _ in range(100):
        answer = ask()
        if wanted(answer):
            return answer
        time.sleep(0.05)
    raise AssertionError(f"still {answer}")


def added(where, **wanted):
    """A new secret of an application."""
    body = {"passwordCredential": {"displayName": "peers", **wanted}}
    answer = graph("POST", f"/applications/{where['id']}/addPassword", body)
    assert answer.status_code == 200, answer.text
    return answer.json()


with checks.that("a secret is set, and its value read by name and by version", needed=True):
    rotate = secrets("rotate")
    old = rotate.set_secret(name, "first", content_type="text/plain", tags={"keyId": "1"})
    new = rotate.set_secret(name, "second")
    assert old.properties.version != new.properties.version
    assert rotate.get_secret(name).value == "second"
    read = rotate.get_secret(name, old.properties.version)
    assert (read.value, read.properties.tags) == ("first", {"keyId": "1"}), read.properties
    assert read.properties.content_type == "text/plain"

with checks.that("versions of a secret are listed with attributes and without values"):
    listed = list(rotate.list_properties_of_secret_versions(name))
    assert {one.version for one in listed} == {old.properties.version, new.properties.version}
    assert all(one.enabled and one.created_on for one in listed)

with checks.that("a version that is disabled is not read; the other one is"):
    rotate.update_secret_properties(name, old.properties.version, enabled=False)
    refused(lambda: rotate.get_secret(name, old.properties.version), "SecretDisabled")
    assert rotate.get_secret(name).value == "second"
    rotate.update_secret_properties(name, old.properties.version, enabled=True)
    assert rotate.get_secret(name, old.properties.version).value == "first"

with checks.that("a secret that was never set is not found"):
    try:
        rotate.get_secret(f"{name}-other")
    except ResourceNotFoundError as error:
        assert error.error.code == "SecretNotFound", error.error
    else:
        raise AssertionError("there is one")

with checks.that("nobody but the rotator sees or sets it, and nobody deletes it"):
    for identity in ("signin", "intake", "execute", "drift", "admin"):
        other = secrets(identity)
        refused(lambda other=other: other.get_secret(name), "ForbiddenByRbac")
        refused(lambda other=other: other.set_secret(name, "third"), "ForbiddenByRbac")
    refused(lambda: rotate.begin_delete_secret(name), "ForbiddenByRbac")
    refused(lambda: rotate.set_secret("operator-sign-in", "mine"), "ForbiddenByRbac")
    assert rotate.get_secret(name).value == "second"

with checks.that("a key gets a new version, and the old one unwraps what it wrapped", needed=True):
    ring, before = keys("rotate"), keys("execute").get_key("tenant-data")
    wrapped = using("execute", before).wrap_key(KeyWrapAlgorithm.rsa_oaep_256, data_key)
    version = ring.rotate_key("tenant-data")
    assert version.properties.version != before.properties.version
    assert version.key.kty == "RSA" and len(version.key.n) == len(before.key.n)
    newest = keys("execute").get_key("tenant-data")
    assert newest.id == version.id
    old_version = using("execute", before.id)
    assert old_version.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.encrypted_key).key == data_key
    again = using("execute", newest).wrap_key(KeyWrapAlgorithm.rsa_oaep_256, data_key)
    unwrapped = using("execute", newest.id).unwrap_key(
        KeyWrapAlgorithm.rsa_oaep_256, again.encrypted_key
    )
    assert unwrapped.key == data_key
    versions = {one.version for one in ring.list_properties_of_key_versions("tenant-data")}
    assert {before.properties.version, newest.properties.version} <= versions

with checks.that("a version of a key that is disabled unwraps nothing, until it is enabled again"):
    def unwrap():
        return old_version.unwrap_key(KeyWrapAlgorithm.rsa_oaep_256, wrapped.encrypted_key).key

    off = ring.update_key_properties("tenant-data", before.properties.version, enabled=False)
    try:
        assert off.properties.enabled is False
        refused(unwrap, "KeyDisabled")
    finally:
        # Whatever the handlers wrapped by it must open again.
        ring.update_key_properties("tenant-data", before.properties.version, enabled=True)
    assert unwrap() == data_key

with checks.that("a signing key gets a version that its app signs with, and the rotator does not"):
    before = keys("drift").get_key("drift-checkpoint")
    made = ring.create_ec_key(
        "drift-checkpoint", curve=KeyCurveName.p_256, tags={"state": "next"}
    )
    assert made.properties.tags == {"state": "next"}
    drift = using("drift", made)
    signed = drift.sign(SignatureAlgorithm.es256, digest)
    assert signed.key_id == made.id
    assert drift.verify(SignatureAlgorithm.es256, digest, signed.signature).is_valid
    pinned = using("drift", before).sign(SignatureAlgorithm.es256, digest)
    assert pinned.key_id == before.id, "the old version goes on"
    refused(lambda: using("rotate", made.id).sign(SignatureAlgorithm.es256, digest), "ForbiddenByRbac")

with checks.that("nobody but the rotator makes versions or changes them, and he none of the root"):
    for identity in ("signin", "intake", "execute", "drift", "admin"):
        other = keys(identity)
        refused(lambda other=other: other.rotate_key("tenant-data"), "ForbiddenByRbac")
        refused(lambda other=other: other.create_rsa_key("tenant-data"), "ForbiddenByRbac")
        refused(
            lambda other=other: other.update_key_properties(
                "tenant-data", newest.properties.version, enabled=False
            ),
            "ForbiddenByRbac",
        )
    refused(lambda: ring.rotate_key("admin-root"), "ForbiddenByRbac")

with checks.that("Graph adds a client secret and tells it once", needed=True):
    owned = application(OWNED)
    first = added(owned)
    secret, key_id = first["secretText"], first["keyId"]
    assert 16 <= len(secret) <= 64 and first["hint"] == secret[:3], "not Graph's form"
    by_client = graph("GET", f"/applications(appId='{owned['appId']}')").json()
    [shown] = [one for one in by_client["passwordCredentials"] if one["keyId"] == key_id]
    assert shown["secretText"] is None and shown["displayName"] == "peers"
    assert secret not in graph("GET", "/applications").text

with checks.that("MSAL gets a token by it, after a while; PyJWT reads that a secret was presented"):
    result = until(
        lambda result: "access_token" in result, lambda: token_by(secret, owned["appId"])
    )
    metadata = requests.get(
        f"{authority}/v2.0/.well-known/openid-configuration", timeout=TIMEOUT_S
    ).json()
    published = requests.get(metadata["jwks_uri"], timeout=TIMEOUT_S).json()
    signing = jwt.PyJWKSet.from_dict(published)[
        jwt.get_unverified_header(result["access_token"])["kid"]
    ]
    claims = jwt.decode(
        result["access_token"],
        signing.key,
        algorithms=["RS256"],
        audience=GRAPH,
        issuer=f"{authority}/v2.0",
    )
    assert (claims["azp"], claims["azpacr"]) == (owned["appId"], "1"), claims
    assert claims["idtyp"] == "app", claims
    counted = credentials(OWNED)[key_id]
    assert counted["accepted"] == 1, counted

with checks.that("until Entra knows a new secret it is a wrong one: 7000215"):
    before = cloud.control("GET", "/rotation/propagation")
    cloud.control("PUT", "/rotation/propagation", {"added_ms": 60_000})
    try:
        late = added(owned)
    finally:
        cloud.control("PUT", "/rotation/propagation", before)
    result = token_by(late["secretText"], owned["appId"])
    assert result["error"] == "invalid_client", result
    assert result["error_codes"] == [7000215], result
    assert credentials(OWNED)[late["keyId"]]["refused"] == 1

with checks.that("two secrets are valid together, and removing one by its id leaves the other"):
    second = added(owned)
    until(
        lambda result: "access_token" in result,
        lambda: token_by(second["secretText"], owned["appId"]),
    )
    assert "access_token" in token_by(secret, owned["appId"])
    removed = graph("POST", f"/applications/{owned['id']}/removePassword", {"keyId": key_id})
    assert removed.status_code == 204, removed.text
    result = until(lambda result: "error" in result, lambda: token_by(secret, owned["appId"]))
    assert result["error_codes"] == [7000215], result
    assert "access_token" in token_by(second["secretText"], owned["appId"])
    again = graph("POST", f"/applications/{owned['id']}/removePassword", {"keyId": key_id})
    assert again.status_code == 400, again.text
    assert "No password credential found with keyId" in again.json()["error"]["message"]

with checks.that("a secret that has ended is told apart from a wrong one: 7000222"):
    end = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=2)
    brief = added(owned, endDateTime=end.isoformat().replace("+00:00", "Z"))
    result = until(
        lambda result: result.get("error_codes") == [7000222],
        lambda: token_by(brief["secretText"], owned["appId"]),
    )
    assert result["error"] == "invalid_client", result

with checks.that("a secret opens neither another application nor the same name in another tenant"):
    elsewhere = application(OWNED, fabrikam)
    for client_id, tenant in (
        (application("timesheets")["appId"], None),
        (elsewhere["appId"], fabrikam),
        (cloud.client_id("airlock-portal"), None),
    ):
        result = token_by(second["secretText"], client_id, tenant)
        assert result["error_codes"] == [7000215], result

with checks.that("the rotator gives no secret to what it does not own: workers, portal, itself"):
    targets = [application(NOT_OWNED)["id"]]
    for one in cloud.names["applications"]:
        targets.append(application(one)["id"])
    for target in targets:
        answer = graph("POST", f"/applications/{target}/addPassword", {"passwordCredential": {}})
        assert answer.status_code == 403, f"{answer.status_code} {answer.text}"
        assert answer.json()["error"]["code"] == "Authorization_RequestDenied", answer.text
        assert graph("GET", f"/applications/{target}").json()["passwordCredentials"] == []

with checks.that("owners of an application are listed, the rotator among them"):
    owners = graph("GET", f"/applications/{owned['id']}/owners").json()["value"]
    principal = cloud.names["applications"][ROTATOR]["service_principals"][cloud.tenant]
    assert principal in [one["id"] for one in owners], owners

with checks.that("nothing that was set or made is in what the cloud recorded"):
    told = "".join(
        str(cloud.control("GET", path))
        for path in ("/calls", "/tokens", "/effects", "/directory", "/rotation/credentials")
    ) + str(cloud.control("GET", "/rotation/vault"))
    for value in (secret, second["secretText"], late["secretText"], brief["secretText"]):
        assert value not in told, "a secret was recorded"

for one in (second, late, brief):
    graph("POST", f"/applications/{owned['id']}/removePassword", {"keyId": one["keyId"]})

if (SHARED / "data" / "graph").is_dir():
    reference = Reference()
    for method, path, body in (
        ("GET", "/applications", None),
        ("GET", f"/applications/{owned['id']}", None),
        ("GET", f"/applications/{owned['id']}/owners", None),
        ("POST", f"/applications/{owned['id']}/addPassword", {"passwordCredential": {}}),
    ):
        with checks.that(f"{method} {path.replace(owned['id'], '{id}')}: Graph's names and types"):
            answer = graph(method, path, body)
            if body:
                reference.judge_body(body, path)
            assert reference.judge_answer(answer.status_code, answer.json(), method, path)
            covered = reference.covers(method, path)
            assert "Application.ReadWrite.OwnedBy" in covered, sorted(covered)
            if method == "POST":
                last = {"keyId": answer.json()["keyId"]}
                path = f"/applications/{owned['id']}/removePassword"
                reference.judge_body(last, path)
                assert graph("POST", path, last).status_code == 204
else:
    print("SKIPPED: reference data of Graph not found")

checks.end()
