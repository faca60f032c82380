//! What a deployment trusts: `manifest.json` in each app's package, signed by the admin root.
//!
//! Settings name things; they cannot move trust. Which root signs, which authority issues
//! tokens, which hosts may be called stands here, in the package that was deployed.

use serde::{Deserialize, Serialize};

use crate::{
    digest::Digest,
    identity::{App, ObjectId, TenantId},
    jwk::PublicKey,
    jws::{Artefact, NotVerified, Signed, Typ, Verified},
    time::Timestamp,
};

/// The contents of `manifest.json`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The app that the package is.
    pub app: App,
    /// When the admin plane signed it.
    pub iat: Timestamp,
    /// The admin root: signs keyset, bindings, and this.
    pub root: PublicKey,
    /// SHA-256 over the package's files without this one.
    pub package: Digest,
    /// Tenant of the deployment: where managed identities and app registrations live.
    pub tenant: TenantId,
    /// Entra's authority, `https://login.microsoftonline.com`.
    pub authority: String,
    /// Origin of Entra's pages for browsers; in Azure the same as the authority.
    pub sign_in_pages: String,
    /// Microsoft Graph, `https://graph.microsoft.com`.
    pub graph: String,
    /// Key Vault.
    pub vault: String,
    /// Cosmos DB account.
    pub cosmos: String,
    /// Service Bus namespace, as a host name.
    pub bus: String,
    /// Storage account of claims and tiles.
    pub blobs: String,
    /// Storage account of anchors.
    pub anchors: String,
    /// Azure Resource Manager, `https://management.azure.com`.
    pub resource_manager: String,
    /// Id of the resource group that everything of the deployment is in.
    pub resources: String,
    /// Names of the function apps' resources.
    pub sites: std::collections::BTreeMap<App, String>,
    /// Name of the ledger, with which the origin of every tree begins: a name like a host's,
    /// that is never called.
    pub ledger: String,
    /// Origin of the portal: the only one whose scripts may call.
    pub portal: String,
    /// Origin of the API.
    pub api: String,
    /// Where `signin` asks `intake` to confirm a session.
    pub confirmations: String,
    /// `airlock-portal`: people sign in to it.
    pub portal_client: ObjectId,
    /// `airlock-intake`: the audience of `signin`'s calls to `intake`.
    pub intake_client: ObjectId,
    /// `signin`'s managed identity: the only caller of confirmations.
    pub signin_principal: ObjectId,
    /// Principal ids of all managed identities, the admin plane's included.
    pub principals: std::collections::BTreeMap<App, ObjectId>,
    /// Worker applications by name.
    pub workers: std::collections::BTreeMap<String, ObjectId>,
    /// Settings that could move trust and may be set all the same. Empty in Azure; the local
    /// cloud's names its own certificate authority and its proxy.
    pub may_override: Vec<String>,
}

impl Artefact for Manifest {
    const TYP: Typ = Typ::Deployment;

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.iat)
    }

    fn expires(&self) -> Option<Timestamp> {
        None
    }
}

/// The file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// The root that signed it: what makes it trusted is that it came with the package.
    pub root: PublicKey,
    /// The signed contents.
    pub manifest: Signed<Manifest>,
}

/// Environment variables that could redirect a handler's calls or change whom it trusts.
pub const TRUST_MOVERS: [&str; 16] = [
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
    "AZURE_AUTHORITY_HOST",
    "AZURE_COSMOS_EMULATOR_HOST",
    "MSI_ENDPOINT",
    "IMDS_ENDPOINT",
    "AZURE_FEDERATED_TOKEN_FILE",
    "REQUESTS_CA_BUNDLE",
];

/// Why a package's manifest is not accepted.
#[derive(Debug, thiserror::Error)]
pub enum NotDeployed {
    /// The file is not a manifest.
    #[error("manifest.json not understood")]
    Form(#[source] serde_json::Error),
    /// Its root did not sign it.
    #[error("manifest.json not verified")]
    NotVerified(#[source] NotVerified),
    /// It is another app's.
    #[error("manifest.json is for another app")]
    OtherApp,
    /// The environment holds settings that would move trust.
    #[error("set but not allowed by manifest.json: {}", .0.join(", "))]
    Moved(Vec<&'static str>),
}

impl Manifest {
    /// Client ids of Airlock's own applications, none of which has a secret.
    #[must_use]
    pub fn own_clients(&self) -> std::collections::BTreeSet<ObjectId> {
        let workers = self.workers.values().copied();
        workers.chain([self.portal_client, self.intake_client]).collect()
    }

    /// Opens a package's manifest.
    ///
    /// # Errors
    ///
    /// [`NotDeployed`].
    pub fn open(
        file: &str,
        app: App,
        is_set: impl Fn(&str) -> bool,
        now: Timestamp,
    ) -> Result<Verified<Self>, NotDeployed> {
        let file: ManifestFile = serde_json::from_str(file).map_err(NotDeployed::Form)?;
        let manifest = file.manifest.verify(&file.root, now).map_err(NotDeployed::NotVerified)?;
        if manifest.root != file.root {
            return Err(NotDeployed::NotVerified(NotVerified::Other("root")));
        }
        if manifest.app != app {
            return Err(NotDeployed::OtherApp);
        }
        let moved: Vec<&'static str> = TRUST_MOVERS
            .into_iter()
            .filter(|name| is_set(name) && !manifest.may_override.iter().any(|may| may == name))
            .collect();
        if moved.is_empty() { Ok(manifest) } else { Err(NotDeployed::Moved(moved)) }
    }
}
