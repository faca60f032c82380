"""Every route that the local Graph offers below v1.0, but two: a secret of an application is removed
by the id that making it told, and so where one is made (rotation.py), and a federated credential
by an application that has no permission for it, but a directory role, which the reference does not
know.

`{user}` is a person, `{principal}` a service principal, `{application}` an app registration,
`{key}` a recovery key, `{fido2}` and the like a method of that kind.
"""

READS = [
    "/users",
    "/users/{user}",
    "/users/{user}/memberOf",
    "/users/{user}/transitiveMemberOf",
    "/users/{user}/transitiveMemberOf/microsoft.graph.group",
    "/users/{user}/transitiveMemberOf/microsoft.graph.directoryRole",
    "/users/{user}/ownedObjects",
    "/users/{user}/ownedObjects/microsoft.graph.group",
    "/users/{user}/appRoleAssignments",
    "/users/{user}/authentication/temporaryAccessPassMethods",
    "/users/{user}/authentication/methods",
    "/groups/{group}",
    "/groups/{group}/transitiveMemberOf",
    "/subscribedSkus",
    "/devices(deviceId='{device}')/registeredOwners",
    "/devices(deviceId='{device}')/registeredUsers",
    "/directory/deviceLocalCredentials/{device}?$select=credentials",
    "/informationProtection/bitlocker/recoveryKeys/{key}",
    "/informationProtection/bitlocker/recoveryKeys/{key}?$select=key",
    "/identity/conditionalAccess/policies",
    "/roleManagement/directory/roleAssignments",
    "/roleManagement/directory/roleEligibilityScheduleInstances",
    "/organization",
    "/servicePrincipals",
    "/servicePrincipals/{principal}",
    "/applications",
    "/applications/{application}",
    "/applications/{application}/owners",
    "/applications/{application}/federatedIdentityCredentials",
    "/applications/delta",
    "/applications/delta?$select=appId,web",
    "/servicePrincipals/{principal}/owners",
    "/servicePrincipals/{principal}/ownedObjects",
    "/servicePrincipals/{principal}/ownedObjects/microsoft.graph.application",
    "/servicePrincipals/{principal}/transitiveMemberOf",
    "/servicePrincipals/{principal}/appRoleAssignments",
    "/servicePrincipals/{principal}/appRoleAssignedTo",
    "/servicePrincipals/{principal}/oauth2PermissionGrants",
    "/servicePrincipals/delta",
    "/oauth2PermissionGrants",
    "/oauth2PermissionGrants/delta",
    "/roleManagement/directory/roleDefinitions",
    "/auditLogs/directoryAudits",
]
WRITES = [
    ("PATCH", "/users/{user}", {"accountEnabled": True}),
    (
        "PATCH",
        "/users/{user}",
        {"passwordProfile": {"password": "Peers-2026!", "forceChangePasswordNextSignIn": True}},
    ),
    ("POST", "/users/{user}/revokeSignInSessions", None),
    (
        "POST",
        "/users/{user}/authentication/temporaryAccessPassMethods",
        {"lifetimeInMinutes": 60, "isUsableOnce": True},
    ),
    (
        "POST",
        "/groups/{group}/members/$ref",
        {"@odata.id": "https://graph.microsoft.com/v1.0/directoryObjects/{user}"},
    ),
    ("DELETE", "/groups/{group}/members/{user}/$ref", None),
    (
        "POST",
        "/users/{user}/assignLicense",
        {"addLicenses": [{"skuId": "{sku}", "disabledPlans": []}], "removeLicenses": []},
    ),
    ("POST", "/applications/{application}/addPassword", {"passwordCredential": {}}),
    ("POST", "/identityProtection/riskyUsers/dismiss", {"userIds": ["{user}"]}),
    ("DELETE", "/users/{user}/authentication/emailMethods/{email}", None),
    ("DELETE", "/users/{user}/authentication/fido2Methods/{fido2}", None),
    ("DELETE", "/users/{user}/authentication/softwareOathMethods/{softwareOath}", None),
    (
        "DELETE",
        "/users/{user}/authentication/windowsHelloForBusinessMethods/{windowsHelloForBusiness}",
        None,
    ),
    (
        "DELETE",
        "/users/{user}/authentication/microsoftAuthenticatorMethods/{microsoftAuthenticator}",
        None,
    ),
    # The default method, which goes last.
    ("DELETE", "/users/{user}/authentication/phoneMethods/{phone}", None),
]
