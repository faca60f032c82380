"""The permissions of each operation as a person looked them up, and why some are not what the
reference marks."""

# The least application permissions of each operation, from the documentation of each call. Whoever
# adds an operation adds it here, and so it is looked up twice by two people.
REVIEWED = {
    "sessions.revoke": {"User.RevokeSessions.All"},
    "account.disable": {"User.EnableDisableAccount.All", "User.Read.All"},
    "account.enable": {"User.EnableDisableAccount.All", "User.Read.All"},
    "password.reset": {"User-PasswordProfile.ReadWrite.All"},
    "tap.issue": {"UserAuthMethod-TAP.ReadWrite.All"},
    "mfa.reset": {
        "UserAuthenticationMethod.Read.All",
        "UserAuthMethod-Phone.ReadWrite.All",
        "UserAuthMethod-MicrosoftAuthApp.ReadWrite.All",
        "UserAuthMethod-Passkey.ReadWrite.All",
        "UserAuthMethod-SoftwareOATH.ReadWrite.All",
        "UserAuthMethod-WindowsHello.ReadWrite.All",
        "UserAuthMethod-Email.ReadWrite.All",
    },
    "group.add": {"GroupMember.ReadWrite.All"},
    "group.remove": {"GroupMember.ReadWrite.All"},
    "license.assign": {"LicenseAssignment.ReadWrite.All"},
    "laps.read": {"DeviceLocalCredential.Read.All"},
    "bitlocker.read": {"BitlockerKey.Read.All"},
    "risk.dismiss": {"IdentityRiskyUser.ReadWrite.All"},
}
# Permissions that the reference does not list for an operation's call, and why they are named.
BESIDES = {
    ("account.disable", "User.Read.All"): "User.EnableDisableAccount.All works only with it",
    ("account.enable", "User.Read.All"): "User.EnableDisableAccount.All works only with it",
}
# The reference marks the least permission of a call, whatever it writes. These are narrower than
# the marked one, because they are for one property alone.
NARROWER = {"User.EnableDisableAccount.All", "User-PasswordProfile.ReadWrite.All"}
# More than the marked permission, because the reference does not tell what is selected.
SELECTED = {("bitlocker.read", "BitlockerKey.Read.All"): "the marked one does not show the key"}
