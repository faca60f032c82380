"""Function apps: who they are, who reaches them, what they run and what they are told."""

from .declared import APPS, IDENTITIES, OUTER, functions
from .stage import is_told, named


def check(checks, stage):
    """As drift reads them: the list, and below each site its configuration, settings, functions and
    publishing policies."""
    declared, web, group = stage.declared, stage.drift.web.web_apps, stage.group
    drift = stage.drift

    with checks.that("each app is a site, reached over HTTPS alone", needed=True):
        sites = named(drift.all(lambda: web.list_by_resource_group(group)))
        assert sites.keys() == {declared.site(app) for app in APPS}, sites.keys()
        sites = {app: sites[declared.site(app)] for app in APPS}
        for app, site in sites.items():
            is_told(site, https_only=True, state="Running", kind="functionapp,linux")
            is_told(site, default_host_name=declared.host(app), enabled=True)
            alone = drift.one(lambda name=site.name: web.get(group, name))
            assert alone == site, f"{app} is another thing alone than among others"

    with checks.that("each app is its own identity, and no other"):
        for app, site in sites.items():
            is_told(site, identity__type="UserAssigned", identity__principal_id=None)
            [(identity, assigned)] = site.identity.user_assigned_identities.items()
            assert identity.lower().endswith(f"/userassignedidentities/airlock-{app}"), identity
            assert assigned.principal_id == declared.principals[app], app
            assert assigned.client_id == declared.client_id(app), app

    with checks.that("only the two outer apps are open to the network outside"):
        for app, site in sites.items():
            is_told(site, public_network_access="Enabled" if app in OUTER else "Disabled")
            network, _, subnet = site.virtual_network_subnet_id.partition("/subnets/")
            assert network.startswith(declared.group_id) and subnet == app, subnet

    with checks.that("each app runs a package that its own identity fetches, as a custom handler"):
        for app, site in sites.items():
            is_told(site, function_app_config__runtime__name="custom")
            is_told(site, function_app_config__runtime__version="1.0")
            storage = site.function_app_config.deployment.storage
            assert storage.type == "blobContainer", storage
            assert storage.value == f"https://{declared.names['blobs']}/package-{app}", storage
            fetches = storage.authentication
            assert fetches.type == "UserAssignedIdentity", fetches
            [identity] = site.identity.user_assigned_identities
            assert fetches.user_assigned_identity_resource_id == identity, fetches

    with checks.that("the front door alone is let into the outer apps, and nobody into the inner"):
        [door] = drift.all(lambda: drift.cdn.profiles.list_by_resource_group(group))
        for app, site in sites.items():
            config = drift.one(lambda name=site.name: web.get_configuration(group, name))
            is_told(config, min_tls_version="1.2", scm_min_tls_version="1.2")
            is_told(config, ftps_state="Disabled", remote_debugging_enabled=False)
            is_told(config, public_network_access=site.public_network_access)
            is_told(config, ip_security_restrictions_default_action="Deny")
            is_told(config, scm_ip_security_restrictions_default_action="Deny")
            rules = [*config.ip_security_restrictions, *config.scm_ip_security_restrictions]
            admitting = [rule for rule in rules if rule.action != "Deny"]
            assert len(admitting) == (app in OUTER), admitting
            for rule in admitting:
                is_told(rule, ip_address="AzureFrontDoor.Backend", tag="ServiceTag", action="Allow")
                is_told(rule, headers={"x-azure-fdid": [door.front_door_id]})

    with checks.that("each app is told names, and nothing that opens anything"):
        for app, site in sites.items():
            told = drift.one(lambda name=site.name: web.list_application_settings(group, name))
            keys = IDENTITIES["identities"][app]["keys"]
            assert told.properties == {
                "AIRLOCK_CLIENT_ID": declared.client_id(app),
                "AIRLOCK_SIGNING_KEY": keys["sign"][0],
                "AIRLOCK_DATA_KEY": keys["wrap"][0],
                "AIRLOCK_DATABASE": "airlock",
                "AIRLOCK_LOG": "info",
                "AirlockBus__fullyQualifiedNamespace": declared.names["bus"],
                "AirlockBus__credential": "managedidentity",
                "AirlockBus__clientId": declared.client_id(app),
            }, f"{app}: {sorted(told.properties)}"

    with checks.that("each app's functions are those of its package, bound as it says"):
        for app, site in sites.items():
            told = named(drift.all(lambda name=site.name: web.list_functions(group, name)))
            # With the name of the site before it.
            bound = {f"{site.name}/{name}": config for name, config in functions(app).items()}
            assert {name: one.config for name, one in told.items()} == bound, sorted(told)
            for one in told.values():
                is_told(one, is_disabled=False, language="Custom")

    with checks.that("no app can be deployed to with a password, by FTP or its deployment site"):
        for app, site in sites.items():
            policies = web.list_basic_publishing_credentials_policies
            listed = named(drift.all(lambda name=site.name: policies(group, name)))
            ftp = drift.one(lambda name=site.name: web.get_ftp_allowed(group, name))
            scm = drift.one(lambda name=site.name: web.get_scm_allowed(group, name))
            assert listed == {"ftp": ftp, "scm": scm}, sorted(listed)
            for policy in listed.values():
                is_told(policy, allow=False)
