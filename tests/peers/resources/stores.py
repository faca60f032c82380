"""Vault, database, bus and storage: who can open them, from where, and what they keep."""

from azure.mgmt.cosmosdb.models import ContinuousModeBackupPolicy

from .stage import is_told, named

CLOSED = "Disabled"
# How long nothing of anchors and claims can be changed or deleted: ten years.
KEPT_DAYS = 3650


def check(checks, stage):
    """As drift reads them, and every container of blobs."""
    declared, drift, group = stage.declared, stage.drift, stage.group
    hosts = declared.names

    with checks.that("the vault is closed, open to roles alone, and keeps what is deleted"):
        [vault] = drift.all(lambda: drift.vaults.vaults.list_by_resource_group(group))
        is_told(vault, id=declared.vault, properties__vault_uri=f"https://{hosts['vault']}/")
        is_told(vault, properties__tenant_id=stage.cloud.tenant, properties__sku__name="premium")
        is_told(vault, properties__enable_rbac_authorization=True, properties__access_policies=[])
        is_told(vault, properties__enable_soft_delete=True)
        is_told(vault, properties__enable_purge_protection=True)
        is_told(vault, properties__public_network_access=CLOSED)
        rules = vault.properties.network_acls
        assert (rules.default_action, rules.bypass) == ("Deny", "None"), rules
        assert rules.ip_rules == rules.virtual_network_rules == [], rules

    with checks.that("the database is closed, without keys, and can be put back to any moment"):
        [account] = drift.all(lambda: drift.cosmos.database_accounts.list_by_resource_group(group))
        is_told(account, id=declared.database, identity__type="None")
        is_told(account, document_endpoint=f"https://{hosts['cosmos']}:443/")
        is_told(account, disable_local_auth=True, disable_key_based_metadata_write_access=True)
        is_told(account, public_network_access=CLOSED, ip_rules=[], virtual_network_rules=[])
        is_told(account, minimal_tls_version="Tls12", network_acl_bypass="None")
        is_told(account, consistency_policy__default_consistency_level="Strong")
        assert isinstance(account.backup_policy, ContinuousModeBackupPolicy), account.backup_policy

    with checks.that("the bus is closed and without keys"):
        [bus] = drift.all(lambda: drift.bus.namespaces.list_by_resource_group(group))
        is_told(bus, id=declared.bus, service_bus_endpoint=f"https://{hosts['bus']}:443/")
        is_told(bus, disable_local_auth=True, public_network_access=CLOSED)
        is_told(bus, minimum_tls_version="1.2", sku__name="Premium", status="Active")

    with checks.that("both storage accounts are closed, without keys, and open to nobody"):
        storage = drift.storage
        accounts = drift.all(lambda: storage.storage_accounts.list_by_resource_group(group))
        accounts = {account.id: account for account in accounts}
        wanted = {declared.blobs: hosts["blobs"], declared.anchors: hosts["anchors"]}
        assert accounts.keys() == wanted.keys(), accounts.keys()
        for place, account in accounts.items():
            is_told(account, primary_endpoints__blob=f"https://{wanted[place]}/", kind="StorageV2")
            is_told(account, allow_shared_key_access=False, allow_blob_public_access=False)
            is_told(account, is_local_user_enabled=False, is_sftp_enabled=False)
            is_told(account, default_to_o_auth_authentication=True)
            is_told(account, allow_cross_tenant_replication=False)
            is_told(account, enable_https_traffic_only=True, minimum_tls_version="TLS1_2")
            is_told(account, public_network_access=CLOSED)
            rules = account.network_rule_set
            assert (rules.default_action, rules.bypass) == ("Deny", "None"), rules
            assert rules.ip_rules == rules.virtual_network_rules == [], rules

    with checks.that("containers are those in use; nothing of anchors and claims can be deleted"):
        for place, wanted in declared.containers().items():
            name = accounts[place].name
            told = named(drift.all(lambda name=name: storage.blob_containers.list(group, name)))
            assert told.keys() == wanted, sorted(told)
            [service] = drift.all(lambda name=name: storage.blob_services.list(group, name))
            is_told(service, delete_retention_policy__enabled=True)
            is_told(service, container_delete_retention_policy__enabled=True)
            for container in told.values():
                is_kept = container.name in ("anchors", "claims")
                is_told(container, public_access="None", has_immutability_policy=is_kept)
                if is_kept:
                    is_told(container, immutability_policy__state="Locked")
                    is_told(container, immutability_policy__allow_protected_append_writes=False)
                    days = container.immutability_policy
                    assert days.immutability_period_since_creation_in_days == KEPT_DAYS, days
                else:
                    is_told(container, immutability_policy=None)
