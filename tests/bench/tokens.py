"""Entra access tokens: one that a person really got, and as many like it as are asked for."""

import base64
import hashlib
import json
import secrets
import time
import urllib.parse

import requests

from cloud import TIMEOUT_S, sign_in

PERSON = "harriet@contoso.example"
EXCHANGE = "api://AzureADTokenExchange"
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class Tokens:
    """Tokens for Airlock's API, by the Entra of a local cloud."""

    def __init__(self, cloud):
        self.cloud = cloud
        self.tenant = cloud.tenant
        self.audience = cloud.client_id("airlock-portal")
        self.issuer = f"https://{cloud.names['entra']}/{cloud.tenant}/v2.0"
        metadata = f"{self.issuer}/.well-known/openid-configuration"
        self.metadata = requests.get(metadata, timeout=TIMEOUT_S).json()
        self.first = self._redeemed()
        payload = self.first.split(".")[1]
        self.claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))

    def _redeemed(self):
        """Signs a person in, and redeems the code as the portal's application does."""
        redirect_uri = f"http://127.0.0.1:9/{secrets.token_urlsafe(8)}"
        self.cloud.control(
            "POST", "/redirect-uris", {"application": "airlock-portal", "uri": redirect_uri}
        )
        verifier = secrets.token_urlsafe(48)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        asked = {
            "client_id": self.audience,
            "response_type": "code",
            "response_mode": "query",
            "redirect_uri": redirect_uri,
            "scope": f"openid api://{self.audience}/access_as_user",
            "code_challenge": challenge.decode().rstrip("="),
            "code_challenge_method": "S256",
            "state": secrets.token_urlsafe(16),
            "nonce": secrets.token_urlsafe(16),
        }
        authorize = f"{self.metadata['authorization_endpoint']}?{urllib.parse.urlencode(asked)}"
        code = sign_in(authorize, PERSON)["code"]
        answer = requests.post(
            self.metadata["token_endpoint"],
            data={
                "grant_type": "authorization_code",
                "client_id": self.audience,
                "client_assertion_type": BEARER,
                "client_assertion": self.cloud.token_of("signin", EXCHANGE),
                "code": code,
                "redirect_uri": redirect_uri,
                "code_verifier": verifier,
                "scope": asked["scope"],
            },
            timeout=TIMEOUT_S,
        )
        assert answer.ok, answer.text
        return answer.json()["access_token"]

    def minted(self, key="current", **changes):
        """A token like the first one, with some claims changed and signed anew."""
        claims = {**self.claims, **changes}
        minted = self.cloud.control("POST", "/mint", {"claims": claims, "key": key})
        return minted["token"]

    def distinct(self, count):
        """Good tokens, no two of them alike."""
        return [self.minted(uti=secrets.token_urlsafe(16)) for _ in range(count)]

    def bad(self):
        """Tokens that nobody may accept, each named for what is wrong with it."""
        now = int(time.time())
        return {
            "signed by nobody": self.minted(key="none"),
            "signed by an unknown key": self.minted(key="stranger"),
            "for another application": self.minted(aud=self.cloud.client_id("airlock-intake")),
            "by another issuer": self.minted(iss=f"{self.issuer}/"),
            "of another tenant": self.minted(tid=self.cloud.tenant_of("fabrikam.example")),
            "expired": self.minted(exp=now - 3600),
            "not yet valid": self.minted(nbf=now + 3600),
            "without the scope": self.minted(scp="openid"),
            "of an application": self.minted(idtyp="app"),
        }
