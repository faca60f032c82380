"""Entra, judged by Microsoft's own clients: MSAL and azure-identity for the protocol, PyJWT for the
tokens. MSAL alone would accept tokens with a wrong audience or expiry, so it is not asked alone."""

import hashlib
import secrets
import warnings

import jwt
import msal
import requests
from azure.core.exceptions import ClientAuthenticationError
from azure.identity import ClientAssertionCredential, ManagedIdentityCredential

from cloud import TIMEOUT_S, Checks, Cloud, sign_in

SAM = "sam@contoso.example"
EXCHANGE = "api://AzureADTokenExchange/.default"
GRAPH = "https://graph.microsoft.com"

cloud = Cloud()
cloud.be_found()
checks = Checks()
# MSAL would rather have a form posted. The product chooses the query, and so does this.
warnings.filterwarnings("ignore", message="response_mode='form_post' is recommended")

authority = f"https://{cloud.names['entra']}/{cloud.tenant}"
issuer = f"{authority}/v2.0"
metadata = requests.get(f"{issuer}/.well-known/openid-configuration", timeout=TIMEOUT_S).json()
keys = jwt.PyJWKSet.from_dict(requests.get(metadata["jwks_uri"], timeout=TIMEOUT_S).json())
portal = cloud.client_id("airlock-portal")
redirect_uri = f"http://127.0.0.1:9/{secrets.token_urlsafe(8)}"
api = f"api://{portal}/access_as_user"


def verified(token, audience, issued_by=issuer):
    """The claims of a token, after PyJWT verified signature, issuer, audience and time."""
    key = keys[jwt.get_unverified_header(token)["kid"]].key
    return jwt.decode(
        token,
        key,
        algorithms=["RS256"],
        audience=audience,
        issuer=issued_by,
        options={"require": ["exp", "iat", "nbf", "iss", "aud", "sub"]},
    )


def assertion_of(identity):
    """What MSAL calls whenever it needs a client assertion."""
    credential = cloud.managed_identity(identity, ManagedIdentityCredential)
    return lambda: credential.get_token(EXCHANGE).token


def client(application, trusted, **differently):
    """An MSAL client without a secret."""
    where = {"authority": authority, "instance_discovery": False}
    return msal.ConfidentialClientApplication(
        cloud.client_id(application),
        client_credential={"client_assertion": assertion_of(trusted)},
        **(differently or where),
    )


def refused(result, error, code):
    """What MSAL returned is this refusal of Entra's."""
    assert result.get("error") == error, result
    assert code in result["error_codes"], result
    assert result["error_description"].startswith(f"AADSTS{code}: "), result
    for name in ("timestamp", "trace_id", "correlation_id"):
        assert result[name], name


def at(claims, name, value):
    """A claim is exactly this."""
    assert claims.get(name) == value, f"{name}: {claims.get(name)!r} is not {value!r}"


with checks.that("the authority publishes RS256 keys for signatures, and itself as issuer", needed=True):
    assert metadata["issuer"] == issuer, metadata["issuer"]
    assert len(keys.keys) >= 2, "one key leaves no room for a rollover"
    assert all(key.public_key_use == "sig" and key.key_type == "RSA" for key in keys.keys)

cloud.control("POST", "/redirect-uris", {"application": "airlock-portal", "uri": redirect_uri})

with checks.that("azure-identity gets the token of a managed identity, and PyJWT verifies it"):
    claims = verified(assertion_of("signin")(), "api://AzureADTokenExchange")
    signin = cloud.names["identities"]["signin"]
    at(claims, "oid", signin["principal_id"])
    at(claims, "sub", signin["principal_id"])
    at(claims, "azp", signin["client_id"])
    at(claims, "idtyp", "app")

with checks.that("MSAL's own managed identity client gets one too"):
    with cloud.running_as("signin"):
        identity = msal.ManagedIdentityClient(
            msal.UserAssignedManagedIdentity(client_id=signin["client_id"]),
            http_client=requests.Session(),
        )
        result = identity.acquire_token_for_client(resource="https://vault.azure.net")
    verified(result["access_token"], "https://vault.azure.net")

with checks.that("a managed identity's token is not to be had with another's header"):
    execute = cloud.names["identities"]["execute"]["client_id"]
    try:
        with cloud.running_as("signin"):
            ManagedIdentityCredential(client_id=execute).get_token(EXCHANGE)
    except ClientAuthenticationError as error:
        assert "No User Assigned or Delegated Managed Identity found" in str(error), error
    else:
        raise AssertionError("it was given out")

for name, app in (
    ("by its authority", client("airlock-portal", "signin")),
    (
        "as a plain OpenID provider",
        client("airlock-portal", "signin", oidc_authority=issuer),
    ),
):
    with checks.that(f"MSAL, told {name}, signs a person in: code, PKCE and nonce", needed=True):
        flow = app.initiate_auth_code_flow([api], redirect_uri=redirect_uri, login_hint=SAM)
        assert "code_challenge_method=S256" in flow["auth_uri"] and "nonce=" in flow["auth_uri"]
        result = app.acquire_token_by_auth_code_flow(flow, sign_in(flow["auth_uri"], SAM))
        assert "access_token" in result, result

app = client("airlock-portal", "signin")
flow = app.initiate_auth_code_flow([api], redirect_uri=redirect_uri, login_hint=SAM)
answered = sign_in(flow["auth_uri"], SAM)
result = app.acquire_token_by_auth_code_flow(flow, answered)

with checks.that("PyJWT verifies the ID token: audience, nonce, person and roles"):
    claims = verified(result["id_token"], portal)
    # MSAL sends the SHA-256 of the nonce that it keeps.
    at(claims, "nonce", hashlib.sha256(flow["nonce"].encode()).hexdigest())
    at(claims, "tid", cloud.tenant)
    at(claims, "preferred_username", SAM)
    at(claims, "roles", ["SeniorAgent"])
    at(claims, "ver", "2.0")

with checks.that("PyJWT verifies the access token: audience, client, scope and the same person"):
    token = verified(result["access_token"], portal)
    at(token, "azp", portal)
    at(token, "scp", "access_as_user")
    for name in ("oid", "tid", "sub", "sid", "roles"):
        at(token, name, claims[name])

with checks.that("MSAL finds the account, answers from its cache, and refreshes"):
    [account] = app.get_accounts()
    at(account, "home_account_id", f"{claims['oid']}.{cloud.tenant}")
    cached = app.acquire_token_silent([api], account)
    assert cached["access_token"] == result["access_token"], "not from the cache"
    renewed = app.acquire_token_silent([api], account, force_refresh=True)
    assert renewed["access_token"] != result["access_token"], renewed
    at(verified(renewed["access_token"], portal), "oid", claims["oid"])

with checks.that("a code is good once"):
    again = app.acquire_token_by_authorization_code(
        answered["code"],
        [api],
        redirect_uri=redirect_uri,
        data={"code_verifier": flow["code_verifier"]},
    )
    refused(again, "invalid_grant", 54005)

with checks.that("a code is worth nothing without its PKCE verifier"):
    other = app.initiate_auth_code_flow([api], redirect_uri=redirect_uri)
    code = sign_in(other["auth_uri"], SAM)
    other["code_verifier"] = secrets.token_urlsafe(48)
    refused(app.acquire_token_by_auth_code_flow(other, code), "invalid_grant", 501481)

with checks.that("a person who cancels is reported to the client, with its state"):
    other = app.initiate_auth_code_flow([api], redirect_uri=redirect_uri)
    answer = sign_in(other["auth_uri"], None)
    at(answer, "state", other["state"])
    at(answer, "error", "access_denied")
    assert app.acquire_token_by_auth_code_flow(other, answer)["error"] == "access_denied"

with checks.that("a redirect URI that is not registered is told to the person, not followed"):
    other = app.initiate_auth_code_flow([api], redirect_uri="http://127.0.0.1:9/elsewhere")
    try:
        sign_in(other["auth_uri"], SAM)
    except AssertionError as error:
        assert "AADSTS50011" in str(error), error
    else:
        raise AssertionError("it was followed")

with checks.that("the portal trusts signin's identity and no other's"):
    other = client("airlock-portal", "intake")
    flow = other.initiate_auth_code_flow([api], redirect_uri=redirect_uri)
    result = other.acquire_token_by_auth_code_flow(flow, sign_in(flow["auth_uri"], SAM))
    refused(result, "invalid_client", 700213)

with checks.that("a client secret is refused: there is none"):
    other = msal.ConfidentialClientApplication(
        portal, client_credential="a secret", authority=authority, instance_discovery=False
    )
    refused(other.acquire_token_for_client([f"{GRAPH}/.default"]), "invalid_client", 7000215)

with checks.that("a worker application gets a Graph token, with its permissions and no more"):
    lookup = client("airlock-worker-lookup", "execute")
    result = lookup.acquire_token_for_client([f"{GRAPH}/.default"])
    claims = verified(result["access_token"], GRAPH)
    at(claims, "azp", cloud.client_id("airlock-worker-lookup"))
    at(claims, "idtyp", "app")
    granted = ["BitlockerKey.ReadBasic.All", "Directory.Read.All", "RoleManagement.Read.Directory"]
    assert sorted(claims["roles"]) == granted
    assert "scp" not in claims

with checks.that("Graph answers that token"):
    users = requests.get(
        f"{GRAPH}/v1.0/users",
        headers={"authorization": f"Bearer {result['access_token']}"},
        timeout=TIMEOUT_S,
    )
    assert users.status_code == 200, users.text
    names = [user["userPrincipalName"] for user in users.json()["value"]]
    assert SAM in names, names

with checks.that("in another tenant the same application gets that tenant's token"):
    fabrikam = cloud.tenant_of("fabrikam.example")
    there = f"https://{cloud.names['entra']}/{fabrikam}"
    app = client(
        "airlock-worker-lookup", "execute", authority=there, instance_discovery=False
    )
    result = app.acquire_token_for_client([f"{GRAPH}/.default"])
    at(verified(result["access_token"], GRAPH, f"{there}/v2.0"), "tid", fabrikam)

with checks.that("azure-identity gets it as well, with an assertion of its own making"):
    credential = ClientAssertionCredential(
        cloud.tenant,
        cloud.client_id("airlock-worker-accounts"),
        assertion_of("execute"),
        disable_instance_discovery=True,
    )
    claims = verified(credential.get_token(f"{GRAPH}/.default").token, GRAPH)
    at(claims, "azp", cloud.client_id("airlock-worker-accounts"))

with checks.that("Graph refuses a worker what its application was not granted"):
    denied = requests.get(
        f"{GRAPH}/v1.0/organization",
        headers={
            "authorization": "Bearer "
            + client("airlock-worker-passwords", "execute").acquire_token_for_client(
                [f"{GRAPH}/.default"]
            )["access_token"]
        },
        timeout=TIMEOUT_S,
    )
    assert denied.status_code == 403, denied.text
    assert denied.json()["error"]["code"] == "Authorization_RequestDenied", denied.text

with checks.that("no outer identity passes for a worker"):
    for outer in ("signin", "intake"):
        result = client("airlock-worker-passwords", outer).acquire_token_for_client(
            [f"{GRAPH}/.default"]
        )
        refused(result, "invalid_client", 700213)

checks.end()
