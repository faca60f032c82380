"""The front door: every way from outside, and where it leads."""

import uuid

from .declared import OUTER
from .stage import is_told


def check(checks, stage):
    """As drift reads it: profile, endpoints, routes, and groups of origins."""
    declared, drift, group = stage.declared, stage.drift, stage.group
    cdn = drift.cdn

    with checks.that("there is one front door, with one host name outside", needed=True):
        [profile] = drift.all(lambda: cdn.profiles.list_by_resource_group(group))
        is_told(profile, sku__name="Premium_AzureFrontDoor", kind="frontdoor")
        assert uuid.UUID(profile.front_door_id)
        [endpoint] = drift.all(lambda: cdn.afd_endpoints.list_by_profile(group, profile.name))
        is_told(endpoint, enabled_state="Enabled")
        assert endpoint.host_name.endswith(".azurefd.net"), endpoint.host_name

    with checks.that("two ways lead to the two outer apps, over HTTPS alone, and none elsewhere"):
        led = {}
        door = (group, profile.name)
        for origins in drift.all(lambda: cdn.afd_origin_groups.list_by_profile(*door)):
            within = (*door, origins.name)
            [origin] = drift.all(lambda at=within: cdn.afd_origins.list_by_origin_group(*at))
            is_told(origin, enforce_certificate_name_check=True, enabled_state="Enabled")
            is_told(origin, origin_host_header=origin.host_name, https_port=443)
            led[origins.id.lower()] = origin.host_name
        routes = drift.all(lambda: cdn.routes.list_by_endpoint(*door, endpoint.name))
        ways = {}
        for route in routes:
            is_told(route, https_redirect="Enabled", forwarding_protocol="HttpsOnly")
            is_told(route, supported_protocols=["Http", "Https"], enabled_state="Enabled")
            is_told(route, rule_sets=[], custom_domains=[], origin_path=None)
            # What is answered to one person is kept for no other.
            is_told(route, cache_configuration=None)
            [path] = route.patterns_to_match
            ways[path] = led[route.origin_group.id.lower()]
        wanted = {path: declared.host(app) for app, path in OUTER.items()}
        assert ways == wanted and len(routes) == len(led) == len(wanted), (ways, led)

    with checks.that("the front door has no rules, domains, policies and secrets beside them"):
        for beside in (cdn.rule_sets, cdn.afd_custom_domains, cdn.security_policies, cdn.secrets):
            assert drift.all(lambda at=beside: at.list_by_profile(group, profile.name)) == []
