//! Bringing back a tree that `drift` refused to seal.
//!
//! The admin plane reads what it takes to see what is wrong and writes nothing to any tenant's
//! data: its order lies among the bindings, and `drift` carries it out.

use std::{fs, path::Path};

use airlock_core::{
    identity::TenantId,
    jws::Signed,
    keyset::{Keyset, Trust},
    ledger::{
        Anchors,
        recovery::{RECOVERY_ID, Recovery},
    },
    ports::{PLATFORM, Partition},
    recovery::{self, Claimed, Examined},
    tenancy::TenantScope,
    trust::KEYSET_ID,
};
use anyhow::{Context as _, ensure};

use super::{Office, binding::versions, publish::Standing};
use crate::{foreign::Plain, screen};

/// A tree: a tenant's, or the deployment's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tree {
    /// A tenant's.
    Tenant(TenantId),
    /// The deployment's own.
    Platform,
}

/// Faults that are shown at the most: after so many nobody reads on.
const MOST_FAULTS: usize = 40;

impl Office {
    /// Shows what was sealed last, what stands after it, and what would stay behind.
    pub(super) async fn plan_recovery(&self, tree: Tree) -> anyhow::Result<()> {
        show(&self.examined(tree).await?)
    }

    /// Signs an order to go on after what was sealed last, into a file.
    pub(super) async fn sign_recovery(
        &self,
        tree: Tree,
        reason: &str,
        out: &Path,
    ) -> anyhow::Result<()> {
        let examined = self.examined(tree).await?;
        show(&examined)?;
        let order = examined.order(reason, self.clock.now())?;
        let signed = self.press().await?.sign(&order).await?;
        fs::write(out, format!("{}\n", signed.as_str()))
            .with_context(|| out.display().to_string())?;
        screen::line(format_args!(
            "order to open epoch {} is in {}, until {}",
            order.epoch,
            out.display(),
            order.exp
        ))?;
        Ok(())
    }

    /// Stores a signed order where `drift` looks for it.
    pub(super) async fn apply_recovery(&self, signed: &Path) -> anyhow::Result<()> {
        let text = fs::read_to_string(signed).with_context(|| signed.display().to_string())?;
        let order: Signed<Recovery> = Signed::parse(text.trim())
            .with_context(|| format!("{} was not understood", signed.display()))?;
        let press = self.press().await?;
        let says = press.open(&order).context("the order does not count")?;
        let tree = Tree::named(&says.tnt).context("the order is about no tree")?;
        let partition = tree.orders();
        let standing: Option<Standing<Recovery>> = press.standing(&partition, RECOVERY_ID).await?;
        if let Some(standing) = &standing {
            // An order that was stored must not give way to an older one.
            ensure!(
                standing.value.iat <= says.iat,
                "a newer order stands already, of {}",
                standing.value.iat
            );
        }
        press.store(&partition, RECOVERY_ID, &order, standing.as_ref()).await?;
        screen::line(format_args!(
            "order to open epoch {} of {} stands until {}: drift carries it out, if it finds what \
             the order says",
            says.epoch, says.tnt, says.exp
        ))?;
        Ok(())
    }

    async fn examined(&self, tree: Tree) -> anyhow::Result<Examined> {
        let press = self.press().await?;
        let now = self.clock.now();
        let keyset: Standing<Keyset> = press
            .standing(&Partition::deployment(), KEYSET_ID)
            .await?
            .context("nothing was published: there is no tree")?;
        let authority = self.authority().await?;
        let trust = Trust::verify(authority.roots.present(), &keyset.artefact, now)?;
        let partition = match tree {
            Tree::Platform => Partition::platform(),
            Tree::Tenant(tenant) => {
                let binding = versions::standing(&press, tenant).await?;
                let binding = binding.with_context(|| format!("tenant {tenant} is not bound"))?;
                // Where its data lies, the binding says.
                let scope = TenantScope::enter(&trust, &binding.binding.artefact, tenant, now)?;
                Partition::tenant(&scope)
            }
        };
        let documents = self.hosted.documents(&self.deployment).await?;
        let anchors = self.hosted.anchors(&self.deployment)?;
        let anchors = Anchors::new(anchors, self.deployment.ledger.as_str());
        Ok(recovery::examine(&*documents, &anchors, &partition, &trust, now).await?)
    }
}

impl Tree {
    fn named(partition: &str) -> Option<Self> {
        if partition == PLATFORM {
            Some(Self::Platform)
        } else {
            partition.parse().ok().map(Self::Tenant)
        }
    }

    /// Where `drift` looks for orders about it.
    fn orders(self) -> Partition {
        match self {
            Self::Tenant(tenant) => Partition::bindings(tenant),
            Self::Platform => Partition::deployment(),
        }
    }
}

fn show(examined: &Examined) -> anyhow::Result<()> {
    let Examined { partition, newest, refusals, last, head, quarantined, epoch, faults } = examined;
    screen::line(format_args!("tree of {partition}, anchored {newest} times"))?;
    for refused in refusals {
        let when = refused.at.map_or_else(String::new, |at| format!(" at {at}"));
        let why = refused.reason.as_deref().unwrap_or("by a key that counts no longer");
        screen::line(format_args!("  refused{when}, anchor {}: {}", refused.number, Plain(why)))?;
    }
    match last {
        Some(sealed) => {
            let seal = &sealed.checkpoint.seal;
            screen::line(format_args!(
                "  sealed last at {}, anchor {}: {}, {} leaves, root {}",
                seal.time,
                seal.number,
                sealed.checkpoint.origin,
                sealed.checkpoint.size,
                sealed.checkpoint.root
            ))?;
        }
        None => screen::line("  never sealed")?,
    }
    match head {
        Claimed::Gone => screen::line("  the head is gone")?,
        Claimed::NotUnderstood => screen::line("  the head is not understood")?,
        Claimed::Tree { epoch, size, root } => {
            screen::line(format_args!(
                "  the head says: epoch {epoch}, {size} leaves, root {root}"
            ))?;
        }
    }
    for fault in faults.iter().take(MOST_FAULTS) {
        screen::line(format_args!("  {} {}", Plain(&fault.of), fault.why))?;
    }
    if let Some(more @ 1..) = faults.len().checked_sub(MOST_FAULTS) {
        screen::line(format_args!("  and {more} faults more"))?;
    }
    screen::line(format_args!(
        "would open epoch {epoch} and leave {} leaves behind, from {} on, root {}",
        quarantined.count, quarantined.from, quarantined.root
    ))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_lies_where_drift_looks_for_it() {
        let tenant = "605d9d43-3534-4810-8152-9d01a268ad22";

        let places: Vec<Option<String>> = [PLATFORM, tenant, "contoso.example", ""]
            .map(|name| Tree::named(name).map(|tree| tree.orders().key().to_owned()))
            .into();

        assert_eq!(places, [Some(PLATFORM.to_owned()), Some(tenant.to_owned()), None, None]);
    }
}
