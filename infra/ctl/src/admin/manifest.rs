//! An app's `manifest.json`: what its package is, and whom it trusts.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use airlock_core::{
    digest::Digest,
    identity::App,
    jws::{NotSigned, NotVerified, Signed},
    manifest::{Manifest, ManifestFile},
    package::MANIFEST,
    ports::Signer,
    time::Timestamp,
};

use super::deployment::{Deployment, NotDescribed};

/// Applications that a manifest names by themselves; all others are workers.
const PORTAL: &str = "airlock-portal";
const INTAKE: &str = "airlock-intake";

/// The manifest was not written.
#[derive(Debug, thiserror::Error)]
pub enum NotWritten {
    /// The file was not read or written.
    #[error("{}", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// The root did not sign.
    #[error("root did not sign")]
    NotSigned(#[from] NotSigned),
    /// The root's signature does not verify by its public key.
    #[error("root signed with another key")]
    OtherKey(#[source] NotVerified),
    /// It has no JSON form.
    #[error("manifest not written as JSON")]
    Json(#[from] serde_json::Error),
}

/// What the manifest of an app's package says.
///
/// # Errors
///
/// [`NotDescribed`] if the deployment lacks something that every handler depends on.
pub fn describe(
    deployment: &Deployment,
    app: App,
    root: &dyn Signer,
    package: Digest,
    now: Timestamp,
) -> Result<Manifest, NotDescribed> {
    let workers = deployment.applications.iter();
    let workers = workers.filter(|(name, _)| ![PORTAL, INTAKE].contains(&name.as_str()));
    let text = |text: &str| text.to_owned();
    Ok(Manifest {
        app,
        iat: now,
        root: root.current(),
        package,
        tenant: deployment.tenant,
        authority: text(deployment.authority.as_str()),
        sign_in_pages: text(deployment.sign_in_pages.as_str()),
        graph: text(deployment.graph.as_str()),
        vault: text(deployment.vault.as_str()),
        cosmos: text(deployment.cosmos.as_str()),
        bus: text(deployment.bus.as_str()),
        blobs: text(deployment.blobs.as_str()),
        anchors: text(deployment.anchors.as_str()),
        resource_manager: text(deployment.resource_manager.as_str()),
        resources: text(deployment.resources.as_str()),
        sites: deployment.sites.iter().map(|(app, site)| (*app, text(site.as_str()))).collect(),
        ledger: text(deployment.ledger.as_str()),
        portal: text(deployment.portal.as_str()),
        api: text(deployment.api.as_str()),
        confirmations: text(deployment.confirmations.as_str()),
        portal_client: deployment.application(PORTAL)?,
        intake_client: deployment.application(INTAKE)?,
        signin_principal: deployment.identity(App::Signin)?.principal_id,
        principals: deployment
            .identities
            .iter()
            .map(|(app, identity)| (*app, identity.principal_id))
            .collect(),
        workers: workers.map(|(name, known)| (name.clone(), known.client_id)).collect(),
        may_override: deployment.may_override.iter().map(|name| text(name.as_str())).collect(),
    })
}

/// Id of an app's manifest as it is stored, in the deployment's partition.
#[must_use]
pub fn document_id(app: App) -> String {
    format!("deployment-{app}")
}

/// The manifest in the package, if it is this very one but for the time of its signature.
///
/// # Errors
///
/// [`NotWritten`] if the file cannot be read.
pub fn stands(
    folder: &Path,
    wanted: &Manifest,
    now: Timestamp,
) -> Result<Option<Signed<Manifest>>, NotWritten> {
    let path = folder.join(MANIFEST);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(NotWritten::Io(path, error)),
    };
    // Whatever else is there is replaced: a package is not evidence.
    let Ok(file) = serde_json::from_slice::<ManifestFile>(&text) else { return Ok(None) };
    let Ok(found) = file.manifest.verify(&wanted.root, now) else { return Ok(None) };
    let dated = Manifest { iat: found.iat, ..wanted.clone() };
    let same = serde_json::to_value(found.value())? == serde_json::to_value(&dated)?;
    Ok((same && file.root == wanted.root).then_some(file.manifest))
}

/// Signs the manifest into its package.
///
/// # Errors
///
/// [`NotWritten`]. A file that was written in part is refused by the handler.
pub async fn write(
    folder: &Path,
    manifest: &Manifest,
    root: &dyn Signer,
    now: Timestamp,
) -> Result<Signed<Manifest>, NotWritten> {
    let signed = Signed::sign(manifest, root).await?;
    signed.verify(&root.current(), now).map_err(NotWritten::OtherKey)?;
    let file = ManifestFile { root: root.current(), manifest: signed.clone() };
    let text = serde_json::to_string_pretty(&file)? + "\n";
    let path = folder.join(MANIFEST);
    fs::write(&path, text).map_err(|error| NotWritten::Io(path, error))?;
    Ok(signed)
}

#[cfg(test)]
mod tests {
    use airlock_core::{
        base64url, jwe,
        manifest::NotDeployed,
        memory::{Dice, LocalKey},
        package,
    };

    use serde_json::{Value, json};

    use super::*;
    use crate::{
        admin::deployment::tests::{TENANT, good},
        scratch::Scratch,
    };

    const NOW: Timestamp = Timestamp::from_unix_s(1_700_000_000);

    fn root() -> LocalKey {
        LocalKey::new(&jwe::private_key(&Dice).unwrap()).unwrap()
    }

    async fn signed(root: &LocalKey) -> (Scratch, Manifest) {
        let package = Scratch::new();
        fs::write(package.path().join("host.json"), "{}").unwrap();
        let digest = package::digest(package.path()).unwrap();
        let manifest = describe(&good(), App::Signin, root, digest, NOW).unwrap();
        write(package.path(), &manifest, root, NOW).await.unwrap();
        (package, manifest)
    }

    fn opened(package: &Scratch, set: &[&str]) -> Result<Manifest, NotDeployed> {
        let text = fs::read_to_string(package.path().join(MANIFEST)).unwrap();
        let is_set = |name: &str| set.contains(&name);
        Manifest::open(&text, App::Signin, is_set, NOW).map(|manifest| manifest.value().clone())
    }

    #[tokio::test]
    async fn a_handler_opens_what_was_signed_into_its_package() {
        let (package, _) = signed(&root()).await;

        let manifest = opened(&package, &["SSL_CERT_FILE", "HTTPS_PROXY"]).unwrap();

        assert_eq!(manifest.tenant.to_string(), TENANT);
        assert_eq!(manifest.package, package::digest(package.path()).unwrap());
        let workers: Vec<&String> = manifest.workers.keys().collect();
        assert_eq!(workers, ["airlock-rotator", "airlock-worker-accounts"]);
        assert_eq!(manifest.sites[&App::Execute], "airlock-execute");
        assert_eq!(manifest.principals.len(), 6);
        assert_eq!(manifest.principals[&App::Signin], manifest.signin_principal);
        assert!(matches!(opened(&package, &["NO_PROXY"]), Err(NotDeployed::Moved(_))));
    }

    #[tokio::test]
    async fn no_member_of_a_manifest_is_changed_by_whoever_cannot_sign_as_its_root() {
        let root = root();
        let (package, manifest) = signed(&root).await;
        let path = package.path().join(MANIFEST);
        let good: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        let members = serde_json::to_value(&manifest).unwrap();
        let stranger = self::root();

        for (name, member) in members.as_object().unwrap() {
            let mut changed = members.clone();
            changed[name] = other(member);
            let jws = rewritten(good["manifest"].as_str().unwrap(), &changed);
            fs::write(&path, json!({ "root": good["root"], "manifest": jws }).to_string()).unwrap();
            assert!(opened(&package, &[]).is_err(), "{name} in the signed text");

            let Ok(changed) = serde_json::from_value::<Manifest>(changed) else { continue };
            let theirs = Signed::sign(&changed, &stranger).await.unwrap();
            let file = json!({ "root": good["root"], "manifest": theirs });
            fs::write(&path, file.to_string()).unwrap();
            assert!(opened(&package, &[]).is_err(), "{name} signed by somebody else");
        }
        // The file's own word for the root, which is what it would be verified by.
        let theirs = Signed::sign(&manifest, &stranger).await.unwrap();
        let file = json!({ "root": stranger.key(), "manifest": theirs });
        fs::write(&path, file.to_string()).unwrap();
        assert!(opened(&package, &[]).is_err());
        let file = json!({ "root": stranger.key(), "manifest": good["manifest"] });
        fs::write(&path, file.to_string()).unwrap();
        assert!(opened(&package, &[]).is_err());
        fs::write(&path, good.to_string()).unwrap();
        assert!(opened(&package, &["SSL_CERT_FILE", "HTTPS_PROXY"]).is_ok());
    }

    /// A value of the same kind, if there is one, that is another.
    fn other(member: &Value) -> Value {
        match member {
            Value::String(text) => text.chars().rev().collect::<String>().into(),
            Value::Number(number) => (number.as_i64().unwrap() + 1).into(),
            Value::Array(_) => json!(["NO_PROXY"]),
            Value::Object(_) => json!({}),
            other => other.clone(),
        }
    }

    /// The same header and signature around other claims.
    fn rewritten(jws: &str, claims: &Value) -> String {
        let parts: Vec<&str> = jws.split('.').collect();
        let claims = base64url::encode(claims.to_string());
        format!("{}.{claims}.{}", parts[0], parts[2])
    }

    #[tokio::test]
    async fn the_same_manifest_is_not_signed_again_and_any_other_is() {
        let root = root();
        let (package, manifest) = signed(&root).await;
        let stands = |manifest: &Manifest| {
            stands(package.path(), manifest, NOW.plus_s(9)).unwrap().is_some()
        };

        assert!(stands(&Manifest { iat: NOW.plus_s(9), ..manifest.clone() }));
        assert!(!stands(&Manifest { app: App::Intake, ..manifest.clone() }));
        assert!(!stands(&Manifest { package: Digest::of(&[]), ..manifest.clone() }));
        assert!(!stands(&Manifest { may_override: Vec::new(), ..manifest.clone() }));
        assert!(!stands(&Manifest { root: self::root().key().clone(), ..manifest.clone() }));

        fs::write(package.path().join(MANIFEST), "{}").unwrap();
        assert!(!stands(&manifest));
    }
}
