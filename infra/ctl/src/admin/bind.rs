//! Binding, step by step: review, sign, store, look back, roll forward.

use std::{fs, path::Path};

use airlock_core::{binding::Binding, identity::TenantId, trust::KEPT_S};
use anyhow::Context as _;
use futures::future::try_join_all;
use serde_json::{Value, json};

use super::{
    Office,
    binding::{
        Bindings, TenantTerms,
        difference::Difference,
        versions::{self, Earlier, SignedBindings},
    },
    publish::{Press, Published, Standing},
};
use crate::{
    foreign::Plain,
    screen::{self, Form},
};

impl Office {
    /// Signs and publishes every binding of a file.
    pub(super) async fn bind(&self, file: Option<&Path>) -> anyhow::Result<()> {
        let bindings = self.reviewed(file)?;
        let press = self.press().await?;
        let now = self.clock.now();
        let published = try_join_all(bindings.tenants.iter().map(async |wanted| {
            versions::publish(&press, wanted, now)
                .await
                .with_context(|| format!("binding of {} not published", wanted.terms.name))
        }))
        .await?;
        tell(&published)
    }

    /// Shows how the reviewed bindings differ from what stands.
    pub(super) async fn plan_bindings(&self, file: Option<&Path>) -> anyhow::Result<()> {
        let bindings = self.reviewed(file)?;
        let press = self.press().await?;
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

    fn show_plan(
        &self,
        wanted: &TenantTerms,
        standing: Option<&Standing<Binding>>,
    ) -> anyhow::Result<()> {
        let next = versions::wanted(standing, wanted, self.clock.now())?;
        let (name, tenant) = (Plain(&wanted.terms.name), wanted.tenant);
        let terms = standing.map(|standing| &standing.value.terms);
        let difference = Difference::between(terms, &wanted.terms)?;
        match (standing, next) {
            (Some(standing), None) => {
                screen::line(format_args!(
                    "{name} ({tenant}): binding {} is unchanged",
                    standing.value.ver
                ))?;
            }
            (_, Some(next)) if difference.is_empty() => screen::line(format_args!(
                "{name} ({tenant}): binding {} says the same, for another {} days",
                next.ver,
                next.exp.since_s(next.iat) / (24 * 3600)
            ))?,
            (_, Some(next)) => {
                screen::line(format_args!("{name} ({tenant}): binding {}", next.ver))?;
                screen::line(difference)?;
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
        let mut signed = SignedBindings { bindings: Vec::new() };
        for terms in &reviewed.tenants {
            let standing = versions::standing(&press, terms.tenant).await?;
            let Some(next) = versions::wanted(standing.as_ref(), terms, self.clock.now())? else {
                continue;
            };
            signed.bindings.push(press.sign(&next).await?);
            screen::note(format_args!("binding {} of {} is signed", next.ver, next.tnt));
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
        tell(&versions::apply(&press, &bindings).await?)
    }

    /// Lists the versions of a tenant's binding, newest first.
    pub(super) async fn history(&self, tenant: TenantId, form: Form) -> anyhow::Result<()> {
        let press = self.press().await?;
        let standing = versions::standing(&press, tenant).await?;
        let standing = standing.with_context(|| format!("tenant {tenant} is not bound"))?;
        let newest = standing.value.ver;
        let (mut shown, mut lines) = (Vec::new(), Vec::new());
        let mut later: Option<Binding> = None;
        for version in self.versions(&press, tenant, standing).await? {
            shown.push(member(&version));
            lines.push(line(&version, later.as_ref())?);
            later = Some(version.value);
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
        standing: Standing<Binding>,
    ) -> anyhow::Result<Vec<Standing<Binding>>> {
        let newest = standing.value.ver;
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

    /// Signs the terms of an earlier version as a new one.
    pub(super) async fn roll_forward(&self, tenant: TenantId, to: u64) -> anyhow::Result<()> {
        let press = self.press().await?;
        let Earlier { standing, kept } = versions::earlier(&press, tenant, to).await?;
        let terms = TenantTerms { tenant, terms: kept.value.terms };
        let terms = Bindings::again(terms, self.deployment.tenant)
            .with_context(|| format!("the terms of binding {to} cannot be signed again"))?;
        let difference = Difference::between(Some(&standing.value.terms), &terms.terms)?;
        let binding = versions::roll_forward(&press, &standing, &terms, self.clock.now()).await?;
        screen::line(format_args!(
            "binding {} of {tenant} says what binding {to} said",
            binding.ver
        ))?;
        if !difference.is_empty() {
            screen::line(difference)?;
        }
        screen::note(
            "The reviewed file says otherwise: what is bound from it next takes this back, unless \
             the file is changed as well.",
        );
        Ok(())
    }

    fn reviewed(&self, file: Option<&Path>) -> anyhow::Result<Bindings> {
        let file = file.unwrap_or(&self.deployment.bindings);
        Ok(Bindings::read(file, self.deployment.tenant)?)
    }
}

/// Versions that are shown at the most.
const MOST_VERSIONS: u64 = 50;

fn member(version: &Standing<Binding>) -> Value {
    let Standing { value, artefact, .. } = version;
    json!({
        "ver": value.ver,
        "iat": value.iat,
        "exp": value.exp,
        "digest": artefact.digest(),
        "root": artefact.key(),
        "terms": value.terms,
    })
}

/// A version, and what the one after it changed.
fn line(version: &Standing<Binding>, later: Option<&Binding>) -> anyhow::Result<String> {
    let Standing { value, artefact, .. } = version;
    let changed = match later {
        Some(later) => Difference::between(Some(&value.terms), &later.terms)?,
        None => Difference::default(),
    };
    let text = format!(
        "binding {}, signed {}, until {}, {}",
        value.ver,
        value.iat,
        value.exp,
        artefact.digest()
    );
    Ok(match later {
        Some(later) if !changed.is_empty() => {
            format!("{text}; binding {} changed:\n{changed}", later.ver)
        }
        _ => text,
    })
}

fn tell(published: &[Published<Binding>]) -> anyhow::Result<()> {
    for published in published {
        match published {
            Published::New(binding) => screen::line(format_args!(
                "binding {} of {} ({}), until {}",
                binding.ver,
                Plain(&binding.terms.name),
                binding.tnt,
                binding.exp
            ))?,
            Published::Unchanged(binding) => screen::line(format_args!(
                "binding {} of {} ({}) is unchanged",
                binding.ver,
                Plain(&binding.terms.name),
                binding.tnt
            ))?,
        }
    }
    if published.iter().any(|each| matches!(each, Published::New(_))) {
        screen::note(format_args!(
            "Requests are carried out by the new terms at once, and taken, decided and shown by \
             them in {KEPT_S} seconds at the latest."
        ));
    }
    Ok(())
}
