//! Application permissions: which of them open which route.
//!
//! From Microsoft's permissions reference. Left out are the Intune permissions that also open users,
//! and the `Basic` ones, which show less than is modelled here: refusing more than the real one
//! does is the safe direction.

use super::{call::Call, problem::Refusal};

/// Users and their properties.
pub const READ_USERS: &[&str] =
    &["User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"];
/// What a user is a member of.
pub const READ_MEMBERSHIPS: &[&str] = &[
    "User.Read.All",
    "GroupMember.Read.All",
    "Group.Read.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
/// App roles that were assigned to a user.
pub const READ_APP_ROLES: &[&str] = &["AppRoleAssignment.ReadWrite.All", "Directory.Read.All"];
/// Active assignments of directory roles.
pub const READ_ROLES: &[&str] = &[
    "RoleManagement.Read.Directory",
    "RoleManagement.ReadWrite.Directory",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
/// Eligibility for directory roles. `Directory.Read.All` is not enough.
pub const READ_ELIGIBILITY: &[&str] = &[
    "RoleEligibilitySchedule.Read.Directory",
    "RoleEligibilitySchedule.ReadWrite.Directory",
    "RoleManagement.Read.All",
    "RoleManagement.Read.Directory",
    "RoleManagement.ReadWrite.Directory",
];
/// Revoking sessions.
pub const REVOKE_SESSIONS: &[&str] =
    &["User.RevokeSessions.All", "User.ReadWrite.All", "Directory.ReadWrite.All"];
/// Enabling and disabling accounts together with a permission of [`READ_USERS`].
pub const ENABLE_AND_DISABLE: &[&str] =
    &["User.EnableDisableAccount.All", "User.ReadWrite.All", "Directory.ReadWrite.All"];
/// Setting passwords, together with a directory role of [`PASSWORD_ROLES`].
pub const SET_PASSWORD: &[&str] = &["User-PasswordProfile.ReadWrite.All"];
/// Issuing temporary access passes.
pub const WRITE_PASSES: &[&str] =
    &["UserAuthMethod-TAP.ReadWrite.All", "UserAuthenticationMethod.ReadWrite.All"];
/// Listing temporary access passes.
pub const READ_PASSES: &[&str] = &[
    "UserAuthMethod-TAP.Read.All",
    "UserAuthMethod-TAP.ReadWrite.All",
    "UserAuthenticationMethod.Read.All",
    "UserAuthenticationMethod.ReadWrite.All",
];
/// Listing authentication methods of every kind.
pub const READ_METHODS: &[&str] =
    &["UserAuthenticationMethod.Read.All", "UserAuthenticationMethod.ReadWrite.All"];
/// What a user is directly a member of.
pub const READ_DIRECT_MEMBERSHIPS: &[&str] = &["Directory.Read.All", "Directory.ReadWrite.All"];
/// A group and its properties.
pub const READ_GROUP: &[&str] = &[
    "GroupMember.Read.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
/// What a group is a member of.
pub const READ_ABOVE_GROUP: &[&str] = &["Directory.Read.All", "Directory.ReadWrite.All"];
/// Adding and removing members of groups.
pub const WRITE_MEMBERS: &[&str] =
    &["GroupMember.ReadWrite.All", "Group.ReadWrite.All", "Directory.ReadWrite.All"];
/// The same for groups that can hold directory roles, besides one of [`WRITE_MEMBERS`].
pub const WRITE_PRIVILEGED_MEMBERS: &[&str] = &["RoleManagement.ReadWrite.Directory"];
/// Licences that the tenant has bought.
pub const READ_LICENCES: &[&str] = &[
    "LicenseAssignment.Read.All",
    "Organization.Read.All",
    "Organization.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
/// Assigning licences to users.
pub const ASSIGN_LICENCES: &[&str] =
    &["LicenseAssignment.ReadWrite.All", "User.ReadWrite.All", "Directory.ReadWrite.All"];
/// Devices, and who is registered for them.
pub const READ_DEVICES: &[&str] =
    &["Device.Read.All", "Device.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All"];
/// Passwords of local administrators.
pub const READ_CREDENTIALS: &[&str] = &["DeviceLocalCredential.Read.All"];
/// Recovery keys, without the keys.
pub const READ_KEYS_BASIC: &[&str] = &["BitlockerKey.ReadBasic.All", "BitlockerKey.Read.All"];
/// Recovery keys themselves.
pub const READ_KEYS: &[&str] = &["BitlockerKey.Read.All"];
/// Dismissing risks.
pub const WRITE_RISK: &[&str] = &["IdentityRiskyUser.ReadWrite.All"];
/// The tenant itself.
pub const READ_ORGANIZATION: &[&str] = &[
    "Organization.Read.All",
    "Organization.ReadWrite.All",
    "User.Read.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
/// Conditional-access policies.
pub const READ_POLICIES: &[&str] = &["Policy.Read.All"];
/// Changing them: all of these. None of Airlock's applications has them.
pub const WRITE_POLICIES: &[&str] =
    &["Policy.Read.All", "Policy.ReadWrite.ConditionalAccess", "Application.Read.All"];
/// App registrations and service principals, whoever owns them: `Application.ReadWrite.OwnedBy`
/// reads all of them.
pub const READ_APPLICATIONS: &[&str] = &[
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Application.ReadWrite.OwnedBy",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
/// Federated credentials of app registrations. `Directory.Read.All` is not enough.
pub const READ_FEDERATED: &[&str] =
    &["Application.Read.All", "Application.ReadWrite.All", "Application.ReadWrite.OwnedBy"];
/// What a service principal is a member of. `Application.ReadWrite.OwnedBy` is not enough.
pub const READ_PRINCIPALS_MEMBERSHIPS: &[&str] = &[
    "Application.Read.All",
    "Application.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
];
/// Delegated grants.
pub const READ_GRANTS: &[&str] =
    &["Directory.Read.All", "Directory.ReadWrite.All", "DelegatedPermissionGrant.ReadWrite.All"];
/// The audit log.
pub const READ_AUDITS: &[&str] = &["AuditLog.Read.All"];
/// Changing app registrations that the caller owns; with [`WRITE_ALL_APPLICATIONS`], any.
pub const WRITE_OWNED_APPLICATIONS: &[&str] =
    &["Application.ReadWrite.OwnedBy", WRITE_ALL_APPLICATIONS];
/// Changing any app registration.
pub const WRITE_ALL_APPLICATIONS: &str = "Application.ReadWrite.All";

/// Directory roles with which an application may set the passwords of ordinary people.
pub const PASSWORD_ROLES: &[&str] =
    &["User Administrator", "Privileged Authentication Administrator", "Global Administrator"];
/// Directory roles with which it may also change the protected ones.
pub const PROTECTED_ROLES: &[&str] =
    &["Privileged Authentication Administrator", "Global Administrator"];

impl Call<'_> {
    /// Refuses a caller who holds none of these permissions.
    pub fn needs(&self, one_of: &[&str]) -> Result<(), Refusal> {
        if one_of.iter().any(|permission| self.may(permission)) {
            Ok(())
        } else {
            Err(Refusal::denied())
        }
    }

    /// Whether the token carries this permission, and the directory still grants it: a token
    /// issued before a permission was withdrawn loses it at once.
    pub fn may(&self, permission: &str) -> bool {
        let names = |list: &[String]| list.iter().any(|name| name == permission);
        let granted = self.held.permissions.as_ref().is_none_or(|granted| names(granted));
        granted && names(&self.caller.roles)
    }

    /// Whether the calling service principal holds one of these directory roles.
    pub fn holds_role(&self, one_of: &[&str]) -> bool {
        self.held.roles.iter().any(|role| one_of.contains(&role.as_str()))
    }
}
