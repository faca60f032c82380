//! Binding, step by step: review, sign, store, look back, roll forward.

use std::{fs, path::Path};

use airlock_core::{
    binding::Terms,
    identity::TenantId,
    keyset::Keyset,
    secret_binding::{PlatformDriver, Secrets},
    trust::KEPT_S,
};
use anyhow::Context as _;
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::{
    Office,
    binding::{
        Bindings, TenantTerms,
        difference::{Difference, Said},
        naming::Deployed,
        next::{self, Next},
        versions::{self, Bound, Earlier, Outcome, SignedBindings},
    },
    platform::{self, Checked, Signature, SignedPlatform},
    publish::{Press, Published},
};
use crate::{
    foreign::Plain,
    screen::{self, Form},
};

impl Office {
    /// Signs and publishes every binding of a file, the deployment's own among them.
    pub(super) async fn bind(&self, file: Option<&Path>) -> anyhow::Result<()> {
        let bindings = self.reviewed(file)?;
        let press = self.press().await?;
        let bound = platform::standing(&press).await?;
        let wanted = &bindings.platform.secrets;
        if let Some(next) = platform::binding(bound.as_ref(), wanted, self.clock.now())
            .context("the deployment's own secrets cannot be bound")?
        {
            let signed = platform::sign(&press, next).await?;
            platform::replace(&press, &signed, bound.as_ref()).await?;
            tell_platform(&Published::New(signed.says))?;
        }
        self.bind_tenants(&bindings).await
    }

    /// Signs and publishes every tenant's binding.
    pub(super) async fn bind_tenants(&self, bindings: &Bindings) -> anyhow::Result<()> {
        let press = self.press().await?;
        let now = self.clock.now();
        let published = try_join_all(bindings.tenants.iter().map(async |wanted| {
            versions::publish(&press, wanted, now)
                .await
                .with_context(|| format!("binding of {} not published", wanted.terms.name))
        }))
        .await?;
        for (wanted, (_, before)) in bindings.tenants.iter().zip(&published) {
            tell_withdrawn(before, &wanted.secrets);
        }
        tell(published.iter().map(|(published, _)| published))
    }

    /// Shows how the reviewed bindings differ from what stands.
    pub(super) async fn plan_bindings(&self, file: Option<&Path>) -> anyhow::Result<()> {
        let bindings = self.reviewed(file)?;
        let press = self.press().await?;
        let bound = platform::standing(&press).await?;
        self.show_platform(&bindings.platform.secrets, bound.as_ref())?;
        for wanted in &bindings.tenants {
            let standing = versions::standing(&press, wanted.tenant).await?;
            self.show_plan(wanted, standing.as_ref())?;
        }
        let named = |tenant: &TenantId| bindings.tenants.iter().any(|it| it.tenant == *tenant);
        for tenant in self.store().await?.tenants().await?.iter().filter(|tenant| !named(tenant)) {
            screen::line(format_args!("{tenant}: is bound, not in the file, and stays as it is"))?;
        }
        Ok(())
    }

    fn show_platform(
        &self,
        wanted: &Secrets<PlatformDriver>,
        bound: Option<&platform::Bound>,
    ) -> anyhow::Result<()> {
        let before = bound.map(platform::Bound::secrets).unwrap_or_default();
        let difference = Difference::of_secrets(&before, wanted)?;
        match platform::binding(bound, wanted, self.clock.now())? {
            None => {}
            Some(platform::Next { keyset, .. }) if difference.is_empty() => {
                screen::line(format_args!(
                    "platform: keyset {} names the same secrets, signed anew",
                    keyset.ver
                ))?;
            }
            Some(platform::Next { keyset, .. }) => {
                screen::line(format_args!("platform: keyset {}", keyset.ver))?;
                screen::line(difference)?;
            }
        }
        Ok(())
    }

    fn show_plan(&self, wanted: &TenantTerms, standing: Option<&Bound>) -> anyhow::Result<()> {
        let next = next::next(standing, wanted, self.clock.now())?;
        let (name, tenant) = (Plain(&wanted.terms.name), wanted.tenant);
        let before = standing.map(Bound::secrets).unwrap_or_default();
        let stands = standing.map(|bound| said(&bound.binding.value.terms, &before));
        let difference = Difference::between(stands, said(&wanted.terms, &wanted.secrets))?;
        match (standing, next) {
            (Some(standing), None) => {
                screen::line(format_args!(
                    "{name} ({tenant}): binding {} is unchanged",
                    standing.binding.value.ver
                ))?;
            }
            (_, Some(Next { binding, .. })) if difference.is_empty() => {
                screen::line(format_args!(
                    "{name} ({tenant}): binding {} says the same, for another {} days",
                    binding.ver,
                    binding.exp.since_s(binding.iat) / (24 * 3600)
                ))?;
            }
            (_, Some(Next { binding, .. })) => {
                screen::line(format_args!("{name} ({tenant}): binding {}", binding.ver))?;
                screen::line(difference)?;
                tell_withdrawn(&before, &wanted.secrets);
            }
            (None, None) => screen::line(format_args!("{name} ({tenant}): nothing to bind"))?,
        }
        Ok(())
    }

    /// Signs what differs from what stands, and writes it to a file.
    pub(super) async fn sign_bindings(
        &self,
        file: Option<&Path>,
        out: &Path,
    ) -> anyhow::Result<()> {
        let reviewed = self.reviewed(file)?;
        let press = self.press().await?;
        let mut signed = SignedBindings::default();
        let bound = platform::standing(&press).await?;
        let wanted = &reviewed.platform.secrets;
        if let Some(next) = platform::binding(bound.as_ref(), wanted, self.clock.now())? {
            let Signature { says, keyset, secrets } = platform::sign(&press, next).await?;
            screen::note(format_args!("keyset {} is signed", says.ver));
            signed.platform = secrets.map(|secrets| SignedPlatform { keyset, secrets });
        }
        for terms in &reviewed.tenants {
            let standing = versions::standing(&press, terms.tenant).await?;
            let Some(next) = next::next(standing.as_ref(), terms, self.clock.now())? else {
                continue;
            };
            screen::note(format_args!(
                "binding {} of {} is signed",
                next.binding.ver, next.binding.tnt
            ));
            signed.bindings.push(versions::sign(&press, next).await?.into());
        }
        let text = serde_json::to_string_pretty(&signed)? + "\n";
        fs::write(out, text).with_context(|| out.display().to_string())?;
        screen::line(format_args!("{} bindings in {}", signed.bindings.len(), out.display()))?;
        Ok(())
    }

    /// Stores what was signed.
    pub(super) async fn apply_bindings(&self, signed: &Path) -> anyhow::Result<()> {
        let text = fs::read(signed).with_context(|| signed.display().to_string())?;
        let bindings: SignedBindings = serde_json::from_slice(&text)
            .with_context(|| format!("{} was not understood", signed.display()))?;
        let press = self.press().await?;
        // Looked at before anything is stored: what came together is stored together or not.
        let of_platform = match &bindings.platform {
            Some(signed) => Some(Checked::of(&press, signed).await?),
            None => None,
        };
        let applied = versions::apply(&press, &bindings.bindings).await?;
        if let Some(checked) = of_platform {
            tell_platform(&checked.store(&press).await?)?;
        }
        tell(&applied)
    }

    /// Lists the versions of a tenant's binding, newest first.
    pub(super) async fn history(&self, tenant: TenantId, form: Form) -> anyhow::Result<()> {
        let press = self.press().await?;
        let standing = versions::standing(&press, tenant).await?;
        let standing = standing.with_context(|| format!("tenant {tenant} is not bound"))?;
        let newest = standing.binding.value.ver;
        let (mut shown, mut lines) = (Vec::new(), Vec::new());
        let mut later: Option<Bound> = None;
        for version in self.versions(&press, tenant, standing).await? {
            shown.push(member(&version));
            lines.push(line(&version, later.as_ref())?);
            later = Some(version);
        }
        form.result(&json!({ "tenant": tenant, "versions": shown }), lines.join("\n"))?;
        if newest > MOST_VERSIONS {
            screen::note(format_args!(
                "Of {newest} versions the newest {MOST_VERSIONS} are shown."
            ));
        }
        Ok(())
    }

    /// What stands, and what stood before, newest first.
    async fn versions(
        &self,
        press: &Press<'_>,
        tenant: TenantId,
        standing: Bound,
    ) -> anyhow::Result<Vec<Bound>> {
        let newest = standing.binding.value.ver;
        let mut found = vec![standing];
        let oldest = (newest + 1).saturating_sub(MOST_VERSIONS).max(1);
        for ver in (oldest..newest).rev() {
            match versions::kept(press, tenant, ver).await? {
                Some(kept) => found.push(kept),
                None => screen::note(format_args!("Binding {ver} was not kept.")),
            }
        }
        Ok(found)
    }

    /// Signs what an earlier version said as a new one.
    pub(super) async fn roll_forward(&self, tenant: TenantId, to: u64) -> anyhow::Result<()> {
        let press = self.press().await?;
        let Earlier { standing, kept } = versions::earlier(&press, tenant, to).await?;
        let secrets = kept.secrets();
        let wanted = TenantTerms { tenant, terms: kept.binding.value.terms, secrets };
        let wanted = Bindings::again(wanted, &Deployed::of(&self.deployment))
            .with_context(|| format!("what binding {to} said cannot be signed again"))?;
        let before = standing.secrets();
        let difference = Difference::between(
            Some(said(&standing.binding.value.terms, &before)),
            said(&wanted.terms, &wanted.secrets),
        )?;
        let binding = versions::roll_forward(&press, &standing, &wanted, self.clock.now()).await?;
        screen::line(format_args!(
            "binding {} of {tenant} says what binding {to} said",
            binding.ver
        ))?;
        if !difference.is_empty() {
            screen::line(difference)?;
        }
        tell_withdrawn(&before, &wanted.secrets);
        screen::note(
            "The reviewed file says otherwise: what is bound from it next takes this back, unless \
             the file is changed as well.",
        );
        Ok(())
    }

    /// The reviewed bindings: of a file, or those that the deployment names.
    pub(super) fn reviewed(&self, file: Option<&Path>) -> anyhow::Result<Bindings> {
        let file = file.unwrap_or(&self.deployment.bindings);
        Ok(Bindings::read(file, &Deployed::of(&self.deployment))?)
    }
}

/// Versions that are shown at the most.
const MOST_VERSIONS: u64 = 50;

const fn said<'a>(terms: &'a Terms, secrets: &'a Secrets) -> Said<'a> {
    Said { terms, secrets }
}

fn member(version: &Bound) -> Value {
    let Bound { binding, .. } = version;
    json!({
        "ver": binding.value.ver,
        "iat": binding.value.iat,
        "exp": binding.value.exp,
        "digest": binding.artefact.digest(),
        "root": binding.artefact.key(),
        "terms": binding.value.terms,
        "secrets": { "version": binding.value.secrets, "secrets": version.secrets() },
    })
}

/// A version, and what the one after it changed.
fn line(version: &Bound, later: Option<&Bound>) -> anyhow::Result<String> {
    let Bound { binding, .. } = version;
    let text = format!(
        "binding {}, signed {}, until {}, {}",
        binding.value.ver,
        binding.value.iat,
        binding.value.exp,
        binding.artefact.digest()
    );
    let Some(later) = later else { return Ok(text) };
    let (secrets, of_later) = (version.secrets(), later.secrets());
    let (before, after) = (&binding.value.terms, &later.binding.value);
    let changed = Difference::between(Some(said(before, &secrets)), said(&after.terms, &of_later))?;
    Ok(if changed.is_empty() {
        text
    } else {
        format!("{text}; binding {} changed:\n{changed}", after.ver)
    })
}

/// Whoever withdraws a secret is told what is left of it.
fn tell_withdrawn(before: &Secrets, wanted: &Secrets) {
    for secret in next::withdrawn(before, wanted) {
        screen::note(next::remains(secret));
    }
}

fn tell_platform(published: &Published<Keyset>) -> anyhow::Result<()> {
    let (Published::New(keyset) | Published::Unchanged(keyset)) = published;
    let how = match published {
        Published::New(_) => "names what is changed on schedule",
        Published::Unchanged(_) => "is unchanged",
    };
    Ok(screen::line(format_args!("keyset {} {how}", keyset.ver))?)
}

fn tell<'a>(published: impl IntoIterator<Item = &'a Published<Outcome>>) -> anyhow::Result<()> {
    let mut is_new = false;
    for published in published {
        let (Published::New(outcome) | Published::Unchanged(outcome)) = published;
        let Outcome { binding, secrets } = outcome;
        let (ver, name) = (binding.ver, Plain(&binding.terms.name));
        let with = match secrets.iter().count() {
            0 => String::new(),
            1 => " with 1 secret".to_owned(),
            count => format!(" with {count} secrets"),
        };
        match published {
            Published::New(_) => {
                is_new = true;
                screen::line(format_args!(
                    "binding {ver} of {name} ({}){with}, until {}",
                    binding.tnt, binding.exp
                ))?;
            }
            Published::Unchanged(_) => screen::line(format_args!(
                "binding {ver} of {name} ({}){with} is unchanged",
                binding.tnt
            ))?,
        }
    }
    if is_new {
        screen::note(format_args!(
            "Requests are carried out by the new terms at once, and taken, decided and shown by \
             them in {KEPT_S} seconds at the latest. Secrets are changed by the next round of \
             rotate."
        ));
    }
    Ok(())
}
