"""The running local cloud, as its stack.json describes it, and how the checks against it are told.

Nothing here knows Entra, Key Vault or Graph: that is the business of the foreign clients, which
find the cloud as the handlers do, by a proxy and a certificate authority in the environment.
"""

import contextlib
import html.parser
import json
import logging
import os
import pathlib
import sys
import traceback
import urllib.parse

import requests

# Straight to the loopback: never through a proxy that the environment names.
direct = requests.Session()
direct.trust_env = False

TIMEOUT_S = 30


class Cloud:
    """A running local cloud."""

    def __init__(self):
        file = pathlib.Path(os.environ.get("AIRLOCK_STACK", ".local/stack.json"))
        try:
            self.stack = json.loads(file.read_text())
        except OSError as error:
            sys.exit(f"{file}: {error.strerror}. Start a local cloud with `cargo run` first.")
        self.tenant = self.stack["tenant"]
        self.names = self.control("GET", "/names")

    def control(self, method, path, body=None):
        """Asks the control API."""
        answer = direct.request(
            method,
            self.stack["control"] + path,
            headers={"x-airlock-control": self.stack["control_key"]},
            json=body,
            timeout=TIMEOUT_S,
        )
        if not answer.ok:
            raise AssertionError(f"control {method} {path}: {answer.status_code} {answer.text}")
        return answer.json()

    def after(self):
        """The number of the last thing that was recorded so far."""
        recorded = self.control("GET", "/calls")
        return max((call["n"] for call in recorded), default=0)

    def client_id(self, application):
        """The client id of an app registration."""
        return self.names["applications"][application]["client_id"]

    def tenant_of(self, domain):
        """The id of the tenant with this domain."""
        return next(card["id"] for card in self.names["tenants"] if card["domain"] == domain)

    def be_found(self):
        """Makes foreign clients in this process find and trust the cloud.

        Certificates are checked as ever; only the authority that vouches for them is another.
        """
        for name in ("HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
            os.environ.pop(name, None)
            os.environ.pop(name.lower(), None)
        os.environ.pop("https_proxy", None)
        os.environ["HTTPS_PROXY"] = self.stack["proxy"]
        for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"):
            os.environ[name] = self.stack["ca"]

    @contextlib.contextmanager
    def running_as(self, identity):
        """Lets whoever asks within find the managed identity of an app, as its process would.

        Microsoft's clients look at the environment at each call, not when they are made.
        """
        given = self.control("GET", f"/identity/{identity}")
        before = {name: os.environ.get(name) for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER")}
        os.environ.update(IDENTITY_ENDPOINT=given["url"], IDENTITY_HEADER=given["header"])
        try:
            yield given
        finally:
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value

    def managed_identity(self, identity, kind):
        """The credential of this kind of azure-identity's, for the identity of an app."""
        cloud = self
        credential = kind(client_id=self.names["identities"][identity]["client_id"])

        class Credential:
            def get_token(self, *scopes, **options):
                with cloud.running_as(identity):
                    return credential.get_token(*scopes, **options)

        return Credential()

    def token_of(self, identity, resource):
        """A token of a managed identity, asked for by hand."""
        given = self.control("GET", f"/identity/{identity}")
        answer = direct.get(
            given["url"],
            params={
                "api-version": "2019-08-01",
                "resource": resource,
                "client_id": given["client_id"],
            },
            headers={"x-identity-header": given["header"]},
            timeout=TIMEOUT_S,
        )
        answer.raise_for_status()
        return answer.json()["access_token"]

    def application_token(self, application, trusted, tenant, scope):
        """A token of an application, for which the identity that it trusts vouches."""
        answer = requests.post(
            f"https://{self.names['entra']}/{tenant}/oauth2/v2.0/token",
            data={
                "grant_type": "client_credentials",
                "client_id": self.client_id(application),
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": self.token_of(trusted, "api://AzureADTokenExchange"),
                "scope": scope,
            },
            timeout=TIMEOUT_S,
        )
        assert answer.ok, answer.text
        return answer.json()["access_token"]


class _Form(html.parser.HTMLParser):
    """The one form of a sign-in page."""

    def __init__(self):
        super().__init__()
        self.action = None
        self.fields = {}
        self.people = []

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        if tag == "form":
            self.action = attributes["action"]
        elif tag == "input":
            self.fields[attributes["name"]] = attributes.get("value", "")
        elif tag == "button" and attributes.get("name") == "person":
            self.people.append(attributes["value"])


def sign_in(authorize, person):
    """Plays a person at the sign-in page; `None` cancels. The parameters that the client gets."""
    page = direct.get(authorize, timeout=TIMEOUT_S, allow_redirects=False)
    if page.is_redirect:
        return _parameters(page)
    assert page.status_code == 200, f"{page.status_code} {page.text[-400:]}"
    form = _Form()
    form.feed(page.text)
    if person is None:
        choice = {"cancel": "yes"}
    else:
        assert person in form.people, f"{person} is not offered"
        choice = {"person": person}
    answer = direct.post(
        urllib.parse.urljoin(authorize, form.action),
        data={**form.fields, **choice},
        timeout=TIMEOUT_S,
        allow_redirects=False,
    )
    assert answer.is_redirect, f"{answer.status_code} {answer.text[-400:]}"
    return _parameters(answer)


def _parameters(answer):
    query = urllib.parse.urlsplit(answer.headers["location"]).query
    return dict(urllib.parse.parse_qsl(query))


class Checks:
    """Tells each check on a line of its own, and counts."""

    def __init__(self):
        self.passed = self.failed = 0
        # Libraries log each refusal; here most of them are asked for.
        logging.disable(logging.CRITICAL)

    @contextlib.contextmanager
    def that(self, sentence, needed=False):
        """What stands within proves the sentence. Nothing goes on after a needed one fails."""
        try:
            yield
        except Exception as error:  # a foreign client raises whatever it likes
            self.failed += 1
            why = str(error).strip() or type(error).__name__
            print(f"FAIL  {sentence}\n        {' '.join(why.split())[:600]}", flush=True)
            if os.environ.get("AIRLOCK_PEERS_TRACE"):
                traceback.print_exc()
            if needed:
                self.end()
        else:
            self.passed += 1
            print(f"ok    {sentence}", flush=True)

    def note(self, text):
        """Something that is not judged."""
        print(f"note  {text}", flush=True)

    def end(self):
        """Ends the process as the checks went."""
        sys.exit(1 if self.failed or not self.passed else 0)
