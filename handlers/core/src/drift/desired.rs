//! What shall be: `infra/identities.json` and the functions of each app, as they were when this
//! program was built, and where the deployment has them, as its signed manifest says.
//!
//! One typed model, made once. Nothing of it comes from what could have drifted.

mod azure_roles;
mod functions;
mod roles;

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::actual::{AppRole, Federated, Name, RoleAssignment};
use crate::{
    identity::{App, ObjectId, TenantId},
    manifest::Manifest,
};

pub use functions::functions;
pub use roles::{CustomAzureRole, Role};
use roles::{DeclaredAzureRole, DeclaredRole};

/// The file that Bicep deploys, and that everything is compared with.
const IDENTITIES: &str = include_str!("../../../../infra/identities.json");

/// The application that drift reads directories as.
pub const OBSERVER: &str = "airlock-observer";
/// The application that rotates secrets.
pub const ROTATOR: &str = "airlock-rotator";
/// The application that people sign in to.
pub const PORTAL: &str = "airlock-portal";

/// The directory role that removes credentials of one application: one of the deployment's own.
const CREDENTIAL_REMOVER: &str = "Airlock Credential Remover";

/// Whose tokens a managed identity exchanges.
const EXCHANGE: &str = "api://AzureADTokenExchange";

/// Where the sign-in page sends people back to, at the API.
const CALLBACK: &str = "/auth/callback";

/// What was declared.
#[derive(Clone, Debug)]
pub struct Desired {
    /// The tenant of the deployment: home of its identities and registrations.
    pub home: TenantId,
    /// Registrations by name.
    pub applications: BTreeMap<String, Application>,
    /// Principal ids of the apps' managed identities.
    pub principals: BTreeMap<App, ObjectId>,
    /// App roles that these identities hold themselves. That is all that they hold in a directory:
    /// whatever else they do there, they do as a registration that trusts them.
    pub calls: BTreeMap<App, BTreeSet<AppRole>>,
    /// The directory role that removes credentials of single registrations.
    pub credential_remover: Role,
    /// Who issues the tokens that registrations trust.
    pub issuer: String,
    /// For whom such tokens are.
    pub audience: &'static str,
    /// Names of the function apps.
    pub sites: BTreeMap<App, Name>,
    /// Azure's role assignments.
    pub role_assignments: BTreeSet<RoleAssignment>,
    /// Azure's roles of the deployment's own.
    pub azure_roles: Vec<CustomAzureRole>,
}

/// What was declared of one registration and its service principals.
#[derive(Clone, Debug)]
pub struct Application {
    /// Client id.
    pub client: ObjectId,
    /// Principal id of the one managed identity that it trusts.
    pub trusts: Option<ObjectId>,
    /// Microsoft Graph application permissions.
    pub permissions: BTreeSet<String>,
    /// Directory roles, over the whole directory.
    pub directory_roles: BTreeSet<Role>,
    /// Delegated scopes that it exposes.
    pub scopes: BTreeSet<String>,
    /// App roles that it exposes.
    pub app_roles: BTreeSet<String>,
    /// Where people may be sent back to.
    pub redirects: BTreeSet<String>,
    /// Names of the registrations that it may take credentials away from: it holds
    /// [`Desired::credential_remover`] over each of them, in their home tenant.
    pub removes_credentials_of: BTreeSet<String>,
    /// Whether `airlock-remediator` may take credentials away from it.
    pub mendable: bool,
}

/// The deployment does not fit what was declared.
#[derive(Debug, thiserror::Error)]
pub enum NotDesired {
    /// `identities.json` is not of its form.
    #[error("declared identities not understood")]
    Form(#[from] serde_json::Error),
    /// The manifest lacks what was declared.
    #[error("manifest does not know {0}")]
    Unknown(String),
}

/// `infra/identities.json`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Declared {
    identities: BTreeMap<App, DeclaredIdentity>,
    applications: BTreeMap<String, DeclaredApplication>,
    directory_roles: BTreeMap<String, DeclaredRole>,
    azure_roles: BTreeMap<String, DeclaredAzureRole>,
    #[serde(rename = "queues")]
    _queues: serde::de::IgnoredAny,
    #[serde(rename = "containers")]
    _containers: serde::de::IgnoredAny,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeclaredIdentity {
    keys: Keys,
    #[serde(default)]
    rotates: Vec<String>,
    #[serde(default)]
    secrets: BTreeMap<String, Vec<String>>,
    #[serde(rename = "signs")]
    _signs: serde::de::IgnoredAny,
    cosmos: BTreeMap<String, Vec<String>>,
    blobs: BTreeMap<String, Vec<String>>,
    send: Vec<String>,
    receive: Vec<String>,
    calls: Vec<String>,
    #[serde(default)]
    arm: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    sign: Vec<String>,
    wrap: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeclaredApplication {
    trusts: Option<App>,
    permissions: BTreeSet<String>,
    directory_roles: BTreeSet<String>,
    scopes: BTreeSet<String>,
    app_roles: BTreeSet<String>,
    #[serde(default)]
    removes_credentials_of: BTreeSet<String>,
}

impl Desired {
    /// What was declared for the deployment that this manifest describes.
    ///
    /// # Errors
    ///
    /// [`NotDesired`].
    pub fn of(manifest: &Manifest) -> Result<Self, NotDesired> {
        let declared: Declared = serde_json::from_str(IDENTITIES)?;
        let mendable: BTreeSet<&String> =
            declared.applications.values().flat_map(|each| &each.removes_credentials_of).collect();
        let applications = declared.applications.iter().map(|(name, each)| {
            let unknown = || NotDesired::Unknown(name.clone());
            let trusts = each.trusts.map(|app| principal(manifest, app)).transpose()?;
            let directory_roles = each
                .directory_roles
                .iter()
                .map(|name| roles::role(&declared.directory_roles, name));
            let application = Application {
                client: client(manifest, name).ok_or_else(unknown)?,
                trusts,
                permissions: each.permissions.clone(),
                directory_roles: directory_roles.collect::<Result<_, NotDesired>>()?,
                scopes: each.scopes.clone(),
                app_roles: each.app_roles.clone(),
                redirects: redirects(manifest, name),
                removes_credentials_of: each.removes_credentials_of.clone(),
                mendable: mendable.contains(name),
            };
            Ok((name.clone(), application))
        });
        let applications = applications.collect::<Result<_, NotDesired>>()?;
        let apps = declared.identities.keys();
        let principals = apps.map(|app| Ok((*app, principal(manifest, *app)?)));
        let principals = principals.collect::<Result<_, NotDesired>>()?;
        Ok(Self {
            home: manifest.tenant,
            applications,
            role_assignments: azure_roles::assignments(&declared, &principals, manifest)?,
            azure_roles: roles::custom(&declared.azure_roles),
            credential_remover: roles::role(&declared.directory_roles, CREDENTIAL_REMOVER)?,
            calls: calls(&declared, manifest)?,
            principals,
            issuer: format!("{}/{}/v2.0", manifest.authority, manifest.tenant),
            audience: EXCHANGE,
            sites: manifest.sites.iter().map(|(app, name)| (*app, Name::new(name))).collect(),
        })
    }

    /// Client ids of all registrations.
    #[must_use]
    pub fn clients(&self) -> Vec<ObjectId> {
        self.applications.values().map(|application| application.client).collect()
    }

    /// Whether a federated credential is the one that was declared for an application: its one
    /// managed identity, as the deployment's tenant says who it is, and for that purpose alone.
    #[must_use]
    pub fn is_declared(&self, found: &Federated, application: &Application) -> bool {
        application.trusts.is_some_and(|principal| found.subject == principal.to_string())
            && found.issuer == self.issuer
            && found.audiences.iter().eq([self.audience])
    }

    /// Roles in the deployment's tenant that are not Entra's own: what they allow was declared too.
    pub fn custom_roles(&self) -> impl Iterator<Item = &Role> {
        let held = self.applications.values().flat_map(|each| &each.directory_roles);
        let all: BTreeSet<&Role> = held.chain([&self.credential_remover]).collect();
        all.into_iter().filter(|role| role.actions.is_some())
    }

    /// The app whose managed identity this is.
    #[must_use]
    pub fn identity(&self, principal: ObjectId) -> Option<App> {
        let mut all = self.principals.iter();
        all.find(|(_, known)| **known == principal).map(|(app, _)| *app)
    }

    /// The registration with a client id, and its name.
    #[must_use]
    pub fn named(&self, client: ObjectId) -> Option<(&str, &Application)> {
        let mut all = self.applications.iter();
        let (name, application) = all.find(|(_, each)| each.client == client)?;
        Some((name, application))
    }
}

fn client(manifest: &Manifest, name: &str) -> Option<ObjectId> {
    match name {
        PORTAL => Some(manifest.portal_client),
        "airlock-intake" => Some(manifest.intake_client),
        name => manifest.workers.get(name).copied(),
    }
}

fn principal(manifest: &Manifest, app: App) -> Result<ObjectId, NotDesired> {
    let known = manifest.principals.get(&app).copied();
    known.ok_or_else(|| NotDesired::Unknown(format!("the identity of {app}")))
}

/// Every app role of the applications that each identity calls.
fn calls(
    declared: &Declared,
    manifest: &Manifest,
) -> Result<BTreeMap<App, BTreeSet<AppRole>>, NotDesired> {
    let of = |identity: &DeclaredIdentity| -> Result<BTreeSet<AppRole>, NotDesired> {
        let mut all = BTreeSet::new();
        for name in &identity.calls {
            let called = declared.applications.get(name).zip(client(manifest, name));
            let (called, resource) = called.ok_or_else(|| NotDesired::Unknown(name.clone()))?;
            all.extend(
                called.app_roles.iter().map(|role| AppRole { resource, role: role.clone() }),
            );
        }
        Ok(all)
    };
    declared.identities.iter().map(|(app, identity)| Ok((*app, of(identity)?))).collect()
}

fn redirects(manifest: &Manifest, name: &str) -> BTreeSet<String> {
    let portal = (name == PORTAL).then(|| format!("{}{CALLBACK}", manifest.api));
    portal.into_iter().collect()
}
