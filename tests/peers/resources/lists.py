"""Lists that are told in parts, and answers that do not fit: what the client makes of either."""

from .stage import ids

# By a patch of the vault. The client itself would take each of them without a word.
SPOILT = {
    "a word of no list": {"properties": {"networkAcls": {"defaultAction": "Shut"}}},
    "a word where a yes or no belongs": {"properties": {"enablePurgeProtection": "Enabled"}},
    "a number in quotes": {"properties": {"softDeleteRetentionInDays": "90"}},
    "one thing for a list": {"properties": {"accessPolicies": {}}},
    "a member in another place": {"publicNetworkAccess": "Disabled"},
    "a member of another name": {"properties": {"networkAcls": {"default": "Deny"}}},
    "a number among words": {"tags": {"stage": 1}},
}


def _longer(clients, declared):
    """The longer lists of each provider, and how they are asked for."""
    group, intake = declared.group, declared.principals["intake"]
    account = declared.database.rpartition("/")[2]
    blobs = declared.blobs.rpartition("/")[2]
    roles = clients.authorization.role_assignments
    identities = clients.identities.user_assigned_identities
    documents = clients.cosmos.sql_resources
    return {
        "resources": lambda: clients.resources.resources.list_by_resource_group(group),
        "sites": lambda: clients.web.web_apps.list_by_resource_group(group),
        "functions": lambda: clients.web.web_apps.list_functions(group, declared.site("intake")),
        "containers": lambda: clients.storage.blob_containers.list(group, blobs),
        "identities": lambda: identities.list_by_resource_group(group),
        "roles": lambda: roles.list_for_resource_group(group),
        "roles of intake": lambda: roles.list_for_scope(
            declared.group_id, filter=f"principalId eq '{intake}'"
        ),
        "database roles": lambda: documents.list_sql_role_assignments(group, account),
    }


def _single(clients, group):
    """Lists of what there is one of, of the providers that have no longer ones."""
    return {
        "vaults": lambda: clients.vaults.vaults.list_by_resource_group(group),
        "buses": lambda: clients.bus.namespaces.list_by_resource_group(group),
        "front doors": lambda: clients.cdn.profiles.list_by_resource_group(group),
    }


def check(checks, stage):
    """By lists of every provider that has longer ones."""
    declared, drift, group = stage.declared, stage.drift, stage.group
    lists = _longer(drift, declared)

    with checks.that("the group is told, and 17 resources of 7 types in it"):
        told = drift.one(lambda: drift.resources.resource_groups.get(group))
        assert (told.name, told.id) == (group, declared.group_id), told.id
        contents = drift.all(lists["resources"])
        kinds = {one.type for one in contents}
        assert (len(ids(contents)), len(kinds)) == (17, 7), sorted(kinds)
        within = f"{declared.group_id}/providers/".lower()
        assert all(place.startswith(within) for place in ids(contents)), ids(contents)

    with checks.that(f"the client follows {len(lists)} lists over short pages to the same end"):
        whole = {name: drift.pages(ask) for name, ask in lists.items()}
        assert all(len(pages) == 1 for pages in whole.values())
        with stage.altered():
            # In another order and in capitals, two to a page. Words in capitals are beside the
            # lists of the models, as they can be in Azure: so ids alone are compared.
            stage.cloud.control("POST", "/resources/shuffle", {})
            for name, ask in lists.items():
                pages = [list(page) for page in ask().by_page()]
                things = [one for page in pages for one in page]
                assert len(pages) == (len(things) + 1) // 2 > 1, f"{name}: {len(pages)} pages"
                [before] = whole[name]
                assert ids(things) == ids(before), name
                assert [one.id for one in things] != [one.id for one in before], name

    with checks.that("in the versions that the clients were made for, the same is told"):
        other = drift.in_their_own_versions()
        asked = lists | _single(drift, group)
        for name, ask in (_longer(other, declared) | _single(other, group)).items():
            assert other.all(ask) == drift.all(asked[name]), name

    with checks.that(f"an answer that does not fit the models is noticed, in {len(SPOILT)} ways"):
        for what, patch in SPOILT.items():
            with stage.altered() as change:
                change(declared.vault, patch=patch)
                assert _misfit(drift, group), f"{what} went unnoticed"
        assert not _misfit(drift, group)


def _misfit(drift, group):
    """Why the vault does not fit the client's model."""
    try:
        drift.all(lambda: drift.vaults.vaults.list_by_resource_group(group))
    except AssertionError as misfit:
        return str(misfit)
    return None
