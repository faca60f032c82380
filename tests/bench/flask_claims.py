"""A baseline: what `GET /api/claims` does, as Flask and PyJWT would do it under gunicorn.

It verifies the whole token anew for every request, with keys that it has fetched once, and keeps
nothing of what it verified.
"""

import os

import jwt
from flask import Flask, request

ISSUER = os.environ["BENCH_ISSUER"]
AUDIENCE = os.environ["BENCH_AUDIENCE"]
TENANT = os.environ["BENCH_TENANT"]
SCOPE = "access_as_user"

# As forgiving as Airlock.
SKEW_S = 60

keys = jwt.PyJWKClient(os.environ["BENCH_KEYS"], cache_keys=True)
app = Flask(__name__)
# The order of the token's claims is as good as any.
app.json.sort_keys = False


@app.get("/api/claims")
def claims():
    """The claims of the caller's own token."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    if scheme != "Bearer":
        return {"status": 401}, 401
    try:
        verified = jwt.decode(
            token,
            keys.get_signing_key_from_jwt(token),
            algorithms=["RS256"],
            audience=AUDIENCE,
            issuer=ISSUER,
            leeway=SKEW_S,
            options={"require": ["exp", "nbf", "iat", "iss", "aud", "sub", "tid", "oid", "ver"]},
        )
    except jwt.PyJWTError:
        return {"status": 401}, 401
    if verified["tid"] != TENANT or verified["ver"] != "2.0":
        return {"status": 401}, 401
    if verified.get("idtyp") == "app" or SCOPE not in verified.get("scp", "").split():
        return {"status": 403}, 403
    return {"claims": verified}
