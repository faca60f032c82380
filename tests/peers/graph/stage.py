"""The running cloud, and a token of each application that Graph knows."""

import contextlib
import json
import re

import requests

from cloud import TIMEOUT_S, Cloud
from graph.reference import GRAPH, SOURCES

# An ordinary person there, whom nothing else in these checks needs.
FABRIKAM, FLORA = "fabrikam.example", "flora@fabrikam.example"
ENTERPRISEPACK = "6fd2c87f-b296-42f0-b197-1e91e994b900"
LOOKUP = "airlock-worker-lookup"


class Stage:
    """Who asks, whom they ask about, and what they may."""

    def __init__(self):
        self.cloud = cloud = Cloud()
        cloud.be_found()
        self.directory = cloud.control("GET", "/directory")["tenants"]
        self.contoso, self.fabrikam = cloud.tenant, cloud.tenant_of(FABRIKAM)
        people = self.directory[self.contoso]["people"]
        self.people = [person["id"] for person in people.values()]
        self.nina = people["nina@contoso.example"]["id"]
        self.flora = self.directory[self.fabrikam]["people"][FLORA]["id"]
        identities = json.loads((SOURCES / "infra" / "identities.json").read_text())
        workers = {
            name: application
            for name, application in identities["applications"].items()
            if application["permissions"]
        }
        self.granted = {name: set(one["permissions"]) for name, one in workers.items()}
        self.tokens = {
            tenant: {
                name: cloud.application_token(name, one["trusts"], tenant, f"{GRAPH}/.default")
                for name, one in workers.items()
            }
            for tenant in (self.contoso, self.fabrikam)
        }
        portal = cloud.names["applications"]["airlock-portal"]
        self.principal = portal["service_principals"][self.contoso]
        self.in_contoso = self._places(
            self.contoso, "Travel Booking", "NINA-LAPTOP", "nina@contoso.example", "timesheets"
        )
        self.in_fabrikam = self._places(
            self.fabrikam, "Print Room", "FLORA-LAPTOP", FLORA, "order-desk"
        )

    @contextlib.contextmanager
    def altered(self):
        """Something of every kind to be read: nobody declared grants, owners and further trusts."""
        snapshot = self.cloud.control("POST", "/directory/snapshot")
        portal, application = "airlock-portal", "timesheets"
        for change in (
            {"kind": "add_grant", "client": portal, "scope": "User.Read"},
            {"kind": "add_owner", "of": {"service_principal": portal},
             "owner": {"service_principal": "payroll"}},
            {"kind": "add_owner", "of": {"application": application},
             "owner": {"service_principal": portal}},
            {"kind": "add_to_group", "service_principal": portal, "group": "Helpdesk Tier 2"},
            {"kind": "grant_app_role", "to": portal, "role": "User.Read.All"},
            {"kind": "add_federated_credential", "application": application, "name": "ci",
             "subject": "repo:contoso/timesheets:ref:refs/heads/main"},
            {"kind": "add_certificate", "on": {"application": application}},
            {"kind": "add_password", "on": {"service_principal": portal}},
            {"kind": "write_audit", "by": {"service_principal": portal},
             "activity": "Update user", "target": "nina@contoso.example"},
            {"kind": "write_audit", "by": {"person": "nina@contoso.example"},
             "activity": "Update application", "target": application},
        ):
            self.cloud.control("POST", "/directory/changes", change)
        try:
            yield
        finally:
            self.cloud.control("POST", "/directory/restore", snapshot)

    def _places(self, tenant, group, device, user, application):
        """What stands for the names in paths, in one tenant."""
        here = self.directory[tenant]
        [recovery_key] = here["devices"][device]["recoveryKeys"]
        methods = {method["kind"]: method["id"] for method in here["people"][user]["methods"]}
        return methods | {
            "principal": self.principal,
            "application": here["applications"][application]["id"],
            "group": here["groups"][group]["id"],
            "device": here["devices"][device]["deviceId"],
            "key": recovery_key["id"],
            "sku": ENTERPRISEPACK,
        }

    def filled(self, what, user, values=None):
        """A path or a body with its keys, Contoso's unless told otherwise."""
        values = values or self.in_contoso
        if isinstance(what, str):
            return re.sub(r"\{(\w+)\}", lambda name: (values | {"user": user})[name[1]], what)
        if isinstance(what, list):
            return [self.filled(one, user, values) for one in what]
        if isinstance(what, dict):
            return {name: self.filled(one, user, values) for name, one in what.items()}
        return what


def call(token, method, path, body=None, query=""):
    """Calls the local Graph."""
    return requests.request(
        method,
        f"{GRAPH}/v1.0{path}{query}",
        headers={"authorization": f"Bearer {token}"},
        json=body,
        timeout=TIMEOUT_S,
    )
