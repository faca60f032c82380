//! Types of resources, and the versions of their interface.

use std::fmt;

use super::problem::Problem;

/// Namespace of what is said about other resources: its paths begin with theirs.
pub const AUTHORIZATION: &str = "Microsoft.Authorization";

/// A provider of resources.
#[derive(Debug, PartialEq, Eq)]
struct Provider {
    namespace: &'static str,
    /// Versions of its interface that are answered. They do not differ in what is served here.
    versions: &'static [&'static str],
}

/// A type of resource: `Microsoft.Web/sites/functions`.
#[derive(Debug, PartialEq, Eq)]
pub struct Kind {
    provider: &'static Provider,
    /// Its name, below the namespace.
    name: &'static str,
}

static WEB: Provider = Provider {
    namespace: "Microsoft.Web",
    versions: &["2024-04-01", "2024-11-01", "2025-03-01", "2025-05-01"],
};
static IDENTITY: Provider =
    Provider { namespace: "Microsoft.ManagedIdentity", versions: &["2023-01-31", "2024-11-30"] };
static VAULT: Provider = Provider {
    namespace: "Microsoft.KeyVault",
    versions: &["2024-11-01", "2025-05-01", "2026-02-01", "2026-05-15"],
};
static DATABASE: Provider = Provider {
    namespace: "Microsoft.DocumentDB",
    versions: &["2025-04-15", "2025-10-15", "2026-03-15"],
};
static BUS: Provider =
    Provider { namespace: "Microsoft.ServiceBus", versions: &["2024-01-01", "2026-01-01"] };
static STORAGE: Provider = Provider {
    namespace: "Microsoft.Storage",
    versions: &["2024-01-01", "2025-01-01", "2026-04-01", "2026-09-01"],
};
static DOOR: Provider =
    Provider { namespace: "Microsoft.Cdn", versions: &["2025-06-01", "2025-12-01", "2026-10-01"] };
static ROLES: Provider = Provider { namespace: AUTHORIZATION, versions: &["2022-04-01"] };

/// Versions in which Resource Manager itself is asked about a group.
const OWN: &[&str] = &["2021-04-01", "2024-03-01", "2025-04-01"];

macro_rules! kinds {
    ($($constant:ident = $provider:ident $name:literal;)*) => {
        $(pub static $constant: Kind = Kind { provider: &$provider, name: $name };)*
        static ALL: &[&Kind] = &[$(&$constant),*];
    };
}

kinds! {
    SITES = WEB "sites";
    SITE_CONFIG = WEB "sites/config";
    SITE_CONFIG_LIST = WEB "sites/config/list";
    FUNCTIONS = WEB "sites/functions";
    PUBLISHING = WEB "sites/basicPublishingCredentialsPolicies";
    HOST_KEYS = WEB "sites/host/listkeys";
    IDENTITIES = IDENTITY "userAssignedIdentities";
    FEDERATED = IDENTITY "userAssignedIdentities/federatedIdentityCredentials";
    VAULTS = VAULT "vaults";
    ACCOUNTS = DATABASE "databaseAccounts";
    SQL_ROLE_ASSIGNMENTS = DATABASE "databaseAccounts/sqlRoleAssignments";
    SQL_ROLE_DEFINITIONS = DATABASE "databaseAccounts/sqlRoleDefinitions";
    ACCOUNT_KEYS = DATABASE "databaseAccounts/listKeys";
    NAMESPACES = BUS "namespaces";
    NAMESPACE_KEYS = BUS "namespaces/AuthorizationRules/listKeys";
    STORAGE_ACCOUNTS = STORAGE "storageAccounts";
    STORAGE_KEYS = STORAGE "storageAccounts/listKeys";
    BLOB_SERVICES = STORAGE "storageAccounts/blobServices";
    CONTAINERS = STORAGE "storageAccounts/blobServices/containers";
    PROFILES = DOOR "profiles";
    ENDPOINTS = DOOR "profiles/afdEndpoints";
    ROUTES = DOOR "profiles/afdEndpoints/routes";
    ORIGIN_GROUPS = DOOR "profiles/originGroups";
    ORIGINS = DOOR "profiles/originGroups/origins";
    DOMAINS = DOOR "profiles/customDomains";
    RULE_SETS = DOOR "profiles/ruleSets";
    SECURITY_POLICIES = DOOR "profiles/securityPolicies";
    DOOR_SECRETS = DOOR "profiles/secrets";
    ROLE_ASSIGNMENTS = ROLES "roleAssignments";
    ROLE_DEFINITIONS = ROLES "roleDefinitions";
}

/// What can hold or be a secret: asked for by POST, so that whoever only reads is not shown it.
static ASKED_FOR: [&Kind; 5] =
    [&SITE_CONFIG_LIST, &HOST_KEYS, &ACCOUNT_KEYS, &NAMESPACE_KEYS, &STORAGE_KEYS];

impl Kind {
    /// The type of this name.
    ///
    /// # Errors
    ///
    /// If there is none.
    pub fn named(namespace: &str, types: &[&str]) -> Result<&'static Self, Problem> {
        let name = types.join("/");
        let mut of_provider = ALL
            .iter()
            .filter(|kind| kind.provider.namespace.eq_ignore_ascii_case(namespace))
            .peekable();
        if of_provider.peek().is_none() {
            return Err(Problem::no_namespace(namespace));
        }
        of_provider
            .find(|kind| kind.name.eq_ignore_ascii_case(&name))
            .copied()
            .ok_or_else(|| Problem::no_type(namespace, &name))
    }

    /// Whether resources of this type stand by themselves, below no other.
    #[must_use]
    pub fn is_top_level(&self) -> bool {
        !self.name.contains('/') && !self.is_about_others()
    }

    /// The last part of its name.
    #[must_use]
    pub fn last(&self) -> &'static str {
        self.name.rsplit('/').next().unwrap_or_default()
    }

    /// Whether it is something that is said about other resources.
    #[must_use]
    pub fn is_about_others(&self) -> bool {
        self.provider.namespace == AUTHORIZATION
    }

    /// Whether it is an action, which is asked for by POST alone.
    #[must_use]
    pub fn is_asked_for(&self) -> bool {
        ASKED_FOR.contains(&self)
    }

    /// Whether its provider always writes `nextLink`, and `null` on the last page.
    #[must_use]
    pub fn says_that_no_page_follows(&self) -> bool {
        self.provider == &WEB
    }

    /// Asks whether this version of its interface is answered.
    ///
    /// # Errors
    ///
    /// If not.
    pub fn answers(&self, version: &str) -> Result<(), Problem> {
        let versions = self.provider.versions;
        if versions.contains(&version) {
            return Ok(());
        }
        Err(Problem::no_version(self.name, version, versions))
    }
}

/// Asks whether Resource Manager itself answers this version.
///
/// # Errors
///
/// If not.
pub fn answers(version: &str) -> Result<(), Problem> {
    if OWN.contains(&version) { Ok(()) } else { Err(Problem::no_own_version(version, OWN)) }
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.provider.namespace, self.name)
    }
}
