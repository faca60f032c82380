"""Identities, and the roles that they hold: Azure's, the deployment's own, and the database's."""

from .declared import DOCUMENTS, IDENTITIES, own_roles
from .stage import ids, is_told, named


def _held(assignments):
    """To whom which role is assigned, over what."""
    held = [
        (one.principal_id, one.role_definition_id.rpartition("/")[2], one.scope.lower())
        for one in assignments
    ]
    assert len(set(held)) == len(held), "one is assigned twice"
    return set(held)


def check(checks, stage):
    """As drift reads them, and as it is told who is let in from outside Azure."""
    declared, drift, group = stage.declared, stage.drift, stage.group
    over_group = declared.group_id
    roles, definitions = drift.authorization.role_assignments, drift.authorization.role_definitions
    trusted = drift.identities.federated_identity_credentials
    granted = {one for right, one in declared.assigned() if right not in DOCUMENTS}
    documents = {one for right, one in declared.assigned() if right in DOCUMENTS}
    own = own_roles()

    with checks.that("each identity is the manifest's, and trusts nobody outside Azure"):
        every = drift.identities.user_assigned_identities
        identities = named(drift.all(lambda: every.list_by_resource_group(group)))
        wanted = {f"airlock-{name}" for name in IDENTITIES["identities"]}
        assert identities.keys() == wanted, identities.keys()
        for name, principal in declared.principals.items():
            identity = identities[f"airlock-{name}"]
            is_told(identity, principal_id=principal, client_id=declared.client_id(name))
            is_told(identity, tenant_id=stage.cloud.tenant)
            assert drift.all(lambda of=identity.name: trusted.list(group, of)) == [], name

    with checks.that("whoever an identity trusts is told: issuer, subject and audiences"):
        foreign = {"issuer": "https://elsewhere.example/", "subject": "a", "audiences": ["b", "c"]}
        place = f"{identities['airlock-execute'].id}/federatedIdentityCredentials/foreign"
        with stage.altered() as change:
            change(place, create={"properties": foreign})
            [told] = drift.all(lambda: trusted.list(group, "airlock-execute"))
            is_told(told, name="foreign", **foreign)

    with checks.that(f"Azure's roles are as granted, and no other: {len(granted)}", needed=True):
        assigned = drift.all(lambda: roles.list_for_resource_group(group))
        assert _held(assigned) == granted, _held(assigned) ^ granted
        for one in assigned:
            # A condition, or somebody who acts for another, would make another role of it.
            is_told(one, principal_type="ServicePrincipal", condition=None)
            is_told(one, delegated_managed_identity_resource_id=None)
        assert ids(drift.all(lambda: roles.list_for_scope(over_group))) == ids(assigned)

    with checks.that("roles can be asked for by principal, and by what counts at the group"):
        for name, principal in declared.principals.items():
            chosen = f"principalId eq '{principal}'"
            told = drift.all(lambda chosen=chosen: roles.list_for_scope(over_group, filter=chosen))
            assert _held(told) == {one for one in granted if one[0] == principal} != set(), name
        told = _held(drift.all(lambda: roles.list_for_scope(over_group, filter="atScope()")))
        assert told == {one for one in granted if one[2] == over_group.lower()} != set(), told

    with checks.that(f"the deployment's own roles allow what is declared, and no more: {len(own)}"):
        chosen = "type eq 'CustomRole'"
        custom = named(drift.all(lambda: definitions.list(over_group, filter=chosen)))
        assert custom.keys() == own.keys(), custom.keys()
        for name, told in custom.items():
            is_told(told, role_type="CustomRole", role_name=own[name]["name"])
            is_told(told, assignable_scopes=[over_group])
            [allowed] = told.permissions
            assert allowed.actions == own[name]["actions"], told.role_name
            assert allowed.data_actions == own[name]["data_actions"], told.role_name
            assert allowed.not_actions == allowed.not_data_actions == [], told.role_name

    with checks.that("every role that is assigned is defined, by the deployment or by Azure"):
        for place in {one.role_definition_id for one in assigned}:
            told = drift.one(lambda place=place: definitions.get_by_id(place))
            is_own = told.name in own
            is_told(told, id=place, role_type="CustomRole" if is_own else "BuiltInRole")
            is_told(told, assignable_scopes=[over_group] if is_own else ["/"])

    with checks.that(f"the database's roles are as granted, and no other: {len(documents)}"):
        sql, account = drift.cosmos.sql_resources, declared.database.rpartition("/")[2]
        assigned = drift.all(lambda: sql.list_sql_role_assignments(group, account))
        assert _held(assigned) == documents, _held(assigned) ^ documents
        defined = drift.all(lambda: sql.list_sql_role_definitions(group, account))
        assert {one.role_definition_id for one in assigned} <= {one.id for one in defined}
        assert all(one.properties.type == "BuiltInRole" for one in defined), defined
        # Their ids are the same in every account; the first one only reads.
        [allowed] = next(one for one in defined if one.name.endswith("1")).permissions
        reads = {action.rpartition("/")[2] for action in allowed.data_actions}
        assert reads == {"executeQuery", "read", "readChangeFeed", "readMetadata"}, reads
