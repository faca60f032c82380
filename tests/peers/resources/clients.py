"""Microsoft's clients of Resource Manager, one for each provider, all as one managed identity."""

import json

from azure.identity import ManagedIdentityCredential
from azure.mgmt.authorization import AuthorizationManagementClient
from azure.mgmt.cdn import CdnManagementClient
from azure.mgmt.cosmosdb import CosmosDBManagementClient
from azure.mgmt.keyvault import KeyVaultManagementClient
from azure.mgmt.msi import ManagedServiceIdentityClient
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.servicebus import ServiceBusManagementClient
from azure.mgmt.storage import StorageManagementClient
from azure.mgmt.web import WebSiteManagementClient

from .models import misfits

# The versions in which drift reads, and those of what it does not ask for itself.
VERSIONS = {
    AuthorizationManagementClient: "2022-04-01",
    CdnManagementClient: "2025-12-01",
    CosmosDBManagementClient: "2026-03-15",
    KeyVaultManagementClient: "2026-02-01",
    ManagedServiceIdentityClient: "2024-11-30",
    ResourceManagementClient: "2025-04-01",
    ServiceBusManagementClient: "2026-01-01",
    StorageManagementClient: "2026-04-01",
    WebSiteManagementClient: "2025-03-01",
}

# App Service says of each part of an app where it is, and of a function what it is called, which
# Microsoft's description of it leaves out. Nothing else may be beside the models.
BESIDE = {
    "SiteConfigResource": {"location"},
    "StringDictionary": {"location"},
    "FunctionEnvelope": {"location", "properties.name"},
    "CsmPublishingCredentialsPoliciesEntity": {"location"},
}


class Clients:
    """Whoever reads, with everything that was answered so far."""

    def __init__(self, credential, subscription, versions=VERSIONS):
        self.credential = credential
        self.subscription = subscription
        self.versions = versions
        self.answers = []
        self.judged = 0
        self.authorization = self.client(AuthorizationManagementClient)
        self.cdn = self.client(CdnManagementClient)
        self.cosmos = self.client(CosmosDBManagementClient)
        self.vaults = self.client(KeyVaultManagementClient)
        self.identities = self.client(ManagedServiceIdentityClient)
        self.resources = self.client(ResourceManagementClient)
        self.bus = self.client(ServiceBusManagementClient)
        self.storage = self.client(StorageManagementClient)
        self.web = self.client(WebSiteManagementClient)

    @classmethod
    def of(cls, cloud, identity, subscription):
        """As the managed identity of an app."""
        return cls(cloud.managed_identity(identity, ManagedIdentityCredential), subscription)

    def in_their_own_versions(self):
        """The same, each in the version that it was made for."""
        return Clients(self.credential, self.subscription, versions={})

    def client(self, kind, version=None):
        """A client that asks once, in a version of its provider's interface."""
        version = version or self.versions.get(kind)
        return kind(
            self.credential,
            self.subscription,
            raw_response_hook=lambda heard: self.answers.append(heard.http_response),
            retry_total=0,
            **({"api_version": version} if version else {}),
        )

    def one(self, ask):
        """What was asked for, after its model was compared with what was answered."""
        self.answers.clear()
        parsed = ask()
        [answer] = self.answers
        self.fits(parsed, json.loads(answer.text()))
        return parsed

    def all(self, ask):
        """A whole list, after each one's model was compared with what was answered of it."""
        return [one for page in self.pages(ask) for one in page]

    def pages(self, ask):
        """A list as it came. The client follows from page to page."""
        self.answers.clear()
        pages = [list(page) for page in ask().by_page()]
        answered = [json.loads(answer.text())["value"] for answer in self.answers]
        assert [len(page) for page in pages] == [len(page) for page in answered]
        for page, raw in zip(pages, answered):
            for parsed, one in zip(page, raw):
                self.fits(parsed, one)
        return pages

    def fits(self, parsed, answered):
        """What was answered is what the model says that there can be."""
        kind = type(parsed)
        beside = BESIDE.get(kind.__name__, set())
        wrong = [
            f"{kind.__name__} {misfit}"
            for misfit in misfits(kind, answered)
            if misfit.partition(":")[0] not in beside
        ]
        assert not wrong, "; ".join(wrong)
        self.judged += 1
