"""What a person's client signs: requests, by the key that their session is bound to."""

import base64
import hashlib
import json
import secrets
import time
import uuid

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

LIFETIME_S = 3600


class Signer:
    """The client key of a person who signed in with `airlockctl`."""

    def __init__(self, session):
        self.person = session["person"]
        self.tenant = self.person["tid"]
        self.sid = session["sid"]
        scalar = base64.urlsafe_b64decode(session["key"] + "=")
        self.key = ec.derive_private_key(int.from_bytes(scalar), ec.SECP256R1())
        point = self.key.public_key().public_numbers()
        x, y = (_base64url(part.to_bytes(32)) for part in (point.x, point.y))
        # RFC 7638: these members, in this order, without white space.
        jwk = json.dumps({"crv": "P-256", "kty": "EC", "x": x, "y": y}, separators=(",", ":"))
        self.kid = _base64url(hashlib.sha256(jwk.encode()).digest())

    def asks(self, operation, user):
        """A signed request, and its name in the API."""
        now = int(time.time())
        signed = jwt.encode(
            {
                "jti": str(uuid.uuid4()),
                "iat": now,
                "exp": now + LIFETIME_S,
                "aud": "execute",
                "tnt": self.tenant,
                "sid": self.sid,
                "by": self.person,
                "op": {"name": operation, "target": {"user": user}, "parameters": {}},
                "purpose": f"bench {secrets.token_hex(4)}",
            },
            self.key,
            algorithm="ES256",
            headers={"typ": "request+jwt", "kid": self.kid},
        )
        digest = hashlib.sha256(signed.rpartition(".")[0].encode()).digest()
        return signed, f"{self.tenant}.{_base64url(digest)}"


def _base64url(octets):
    return base64.urlsafe_b64encode(octets).decode().rstrip("=")
