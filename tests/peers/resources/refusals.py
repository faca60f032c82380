"""What Resource Manager refuses, and what Microsoft's clients make of that."""

import functools
import uuid

from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.identity import ManagedIdentityCredential
from azure.mgmt.resource.resources import ResourceManagementClient
from azure.mgmt.web import WebSiteManagementClient

from .clients import Clients
from .declared import IDENTITIES


def _refused(status, code, ask, kind=HttpResponseError):
    """What the client read of a refusal: exactly of this kind, with this code; and its sentence."""
    try:
        asked = ask()
        if hasattr(asked, "by_page"):
            list(asked)
    except kind as error:
        assert type(error) is kind, type(error)
        assert error.status_code == status, f"{error.status_code} {error}"
        assert error.error.code == code, error.error
        return error.error.message
    raise AssertionError("it was answered")


_forbidden = functools.partial(_refused, 403, "AuthorizationFailed")
_unknown = functools.partial(_refused, 401, "AuthenticationFailed", kind=ClientAuthenticationError)
_absent = functools.partial(_refused, 404, kind=ResourceNotFoundError)


def check(checks, stage):
    """To others than drift, to drift where it is granted nothing, and to whoever asks amiss."""
    declared, drift, group = stage.declared, stage.drift, stage.group
    site, web = declared.site("signin"), drift.web.web_apps

    with checks.that("nobody but drift reads, and each is told who they are and what they lack"):
        for name in IDENTITIES["identities"].keys() - {"drift"}:
            other = stage.as_app(name)
            roles = other.authorization.role_assignments
            for action, ask in {
                "Microsoft.Web/sites/read": (
                    lambda web=other.web.web_apps: web.list_by_resource_group(group)
                ),
                "Microsoft.Web/sites/config/list/action": (
                    lambda web=other.web.web_apps: web.list_application_settings(group, site)
                ),
                "Microsoft.Authorization/roleAssignments/read": (
                    lambda roles=roles: roles.list_for_resource_group(group)
                ),
            }.items():
                said = _forbidden(ask)
                for part in (declared.client_id(name), declared.principals[name], action):
                    assert f"'{part}'" in said, said

    with checks.that("drift writes nothing: no setting, no policy, no role"):
        roles = drift.authorization.role_assignments
        assigned = next(roles.list_for_resource_group(group)).id
        for action, ask in {
            "Microsoft.Web/sites/config/write": lambda: web.update_application_settings(
                group, site, {"properties": {"SSL_CERT_FILE": "/tmp/ca.pem"}}
            ),
            "Microsoft.Web/sites/basicPublishingCredentialsPolicies/write": (
                lambda: web.update_scm_allowed(group, site, {"properties": {"allow": True}})
            ),
            "Microsoft.Authorization/roleAssignments/delete": lambda: roles.delete_by_id(assigned),
        }.items():
            assert f"'{action}'" in _forbidden(ask), action

    with checks.that("drift gets no key: of storage, of the database, of the bus, of a host"):
        account, bus = declared.database.rpartition("/")[2], declared.bus.rpartition("/")[2]
        blobs, rule = declared.blobs.rpartition("/")[2], "RootManageSharedAccessKey"
        for action, ask in {
            "Microsoft.Storage/storageAccounts/listKeys": (
                lambda: drift.storage.storage_accounts.list_keys(group, blobs)
            ),
            "Microsoft.DocumentDB/databaseAccounts/listKeys": (
                lambda: drift.cosmos.database_accounts.list_keys(group, account)
            ),
            "Microsoft.ServiceBus/namespaces/AuthorizationRules/listKeys": (
                lambda: drift.bus.namespaces.list_keys(group, bus, rule)
            ),
            "Microsoft.Web/sites/host/listkeys": lambda: web.list_host_keys(group, site),
        }.items():
            assert f"'{action}/action'" in _forbidden(ask), action

    with checks.that("what is not there is not found: resource, group and subscription"):
        said = _absent("ResourceNotFound", lambda: web.get(group, "nobody"))
        assert "'Microsoft.Web/sites/nobody'" in said, said
        _absent("ResourceNotFound", lambda: drift.vaults.vaults.get(group, "nobody"))
        _absent("ResourceGroupNotFound", lambda: drift.resources.resource_groups.get("nobody"))
        elsewhere = Clients(drift.credential, str(uuid.uuid4())).resources.resource_groups
        _absent("SubscriptionNotFound", lambda: elsewhere.get(group))

    with checks.that("a version that nobody has is refused, by a provider and by Resource Manager"):
        old = drift.client(WebSiteManagementClient, "2015-08-01")
        said = _refused(
            400, "NoRegisteredProviderFound", lambda: old.web_apps.list_by_resource_group(group)
        )
        assert "'2015-08-01'" in said and "2025-03-01" in said, said
        old = drift.client(ResourceManagementClient, "2014-01-01")
        _refused(400, "InvalidApiVersionParameter", lambda: old.resource_groups.get(group))

    with checks.that("a token for another service is none here, nor is one that was changed"):
        for resource in ("https://vault.azure.net", "https://graph.microsoft.com"):
            other = _bearing(stage, lambda own, aud=resource: own(f"{aud}/.default"))
            _unknown(lambda other=other: other.resources.resource_groups.get(group))
        other = _bearing(stage, lambda own: _changed(own("https://management.azure.com/.default")))
        _unknown(lambda: other.resources.resource_groups.get(group))


def _bearing(stage, token):
    """Clients that have drift's credential, and make another token of what it gives."""
    credential = stage.cloud.managed_identity("drift", ManagedIdentityCredential)

    class Credential:
        def get_token(self, *scopes, **options):
            return token(credential.get_token)

    return Clients(Credential(), stage.declared.subscription)


def _changed(token):
    """A token with one character of its signature changed."""
    text = token.token
    at = text.rindex(".") + 8
    return token._replace(token=text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :])
