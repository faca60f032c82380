//! Keys: whose signatures count, since when, and for what.

use std::{fs, path::Path, sync::Arc, time::Duration};

use airlock_core::{
    jwk::Thumbprint,
    jws::{NotVerified, Signed},
    keyset::{Keyset, KeysetKey},
    ports::{Partition, Signer},
    root::{Countersigned, Replacement},
    secret_binding::{PlatformDriver, Secrets},
    time::{LEEWAY_S, Timestamp},
    trust::{KEPT_S, KEYSET_ID},
};
use anyhow::{Context as _, ensure};
use futures::future::{try_join, try_join_all};

use super::{
    Office,
    authority::Authority,
    binding::{next::renewed, versions},
    keyset::{self, Listed, NotPlanned, Plan, Wanted},
    platform,
    publish::{NotPublished, Press, Published, Standing},
};
use crate::{
    cli::{Admit, KeyOrder, ReplaceRoot, Revoke},
    screen::{self, Form},
};

/// How long both roots count if nobody says, in seconds: long enough to sign everything again.
const OVERLAP_S: i64 = 10 * 60;

/// Seconds after which every handler goes by a new keyset: those that keep one, and a little for
/// clocks and calls.
const KNOWN_S: i64 = KEPT_S + LEEWAY_S;

impl Office {
    /// Carries out an order about keys.
    pub(super) async fn keys(&self, order: &KeyOrder, form: Form) -> anyhow::Result<()> {
        match order {
            KeyOrder::Show => self.show_keys(form).await,
            KeyOrder::Export(options) => self.export_keys(&options.file).await,
            KeyOrder::Publish => self.publish_keys(None).await,
            KeyOrder::Admit(options) => self.admit(options).await,
            KeyOrder::Revoke(options) => self.revoke(options).await,
            KeyOrder::ReplaceRoot(options) => self.replace_root(options).await,
        }
    }

    async fn show_keys(&self, form: Form) -> anyhow::Result<()> {
        let standing = self.keyset().await?;
        let keyset = &standing.value;
        let mut lines = vec![format!(
            "keyset {}, signed {}, until {}, by the root {}",
            keyset.ver,
            keyset.iat,
            keyset.exp,
            standing.artefact.key()
        )];
        lines.extend(keyset.keys.iter().map(line));
        form.result(keyset, lines.join("\n"))?;
        Ok(())
    }

    /// Writes the keyset as the root signed it.
    async fn export_keys(&self, file: &Path) -> anyhow::Result<()> {
        let Standing { value, artefact, .. } = self.keyset().await?;
        let text = format!("{}\n", artefact.as_str());
        fs::write(file, text).with_context(|| file.display().to_string())?;
        screen::line(format_args!("keyset {} is in {}", value.ver, file.display()))?;
        Ok(())
    }

    /// Signs and publishes the keys that the deployment names, and which of them are changed on
    /// schedule, if that is said.
    pub(super) async fn publish_keys(
        &self,
        secrets: Option<&Secrets<PlatformDriver>>,
    ) -> anyhow::Result<()> {
        let Plan { wanted, notes } = keyset::plan(&self.deployment.identities)?;
        for note in notes {
            screen::note(note);
        }
        let read = wanted.into_iter().map(async |wanted| {
            let key = self.hosted.vault().key(&wanted.key).await?;
            anyhow::Ok(Listed { app: wanted.app, jwk: key.public, signs: wanted.signs })
        });
        let (listed, press) = try_join(try_join_all(read), self.press()).await?;
        let published = platform::publish(&press, &listed, secrets, self.clock.now()).await;
        tell(&published.context("keyset not published")?)
    }

    /// Lists a key before it is used.
    async fn admit(&self, options: &Admit) -> anyhow::Result<()> {
        let Admit { app, key: name, key_version, from } = options;
        let plan = keyset::plan(&self.deployment.identities)?;
        let is_it = |wanted: &Wanted| wanted.app == *app && wanted.key == *name;
        let Some(Wanted { signs, .. }) = plan.wanted.into_iter().find(is_it) else {
            anyhow::bail!("the deployment grants {app} no key {} to sign with", name.as_str());
        };
        let vault = self.hosted.vault();
        let key = match key_version {
            Some(version) => vault.version(name, version).await?,
            None => vault.key(name).await?,
        };
        let kid = key.public.thumbprint();
        let authority = self.authority().await?;
        if authority.roots.named(kid).is_some() {
            return Err(NotPlanned::Root(kid).into());
        }
        let listed = Listed { app: *app, jwk: key.public, signs };
        screen::note(format_args!("{app}'s key {} is {kid}", name.as_str()));
        self.change(|keyset, now| keyset::admitted(keyset, &listed, *from, now)).await
    }

    /// Lets a key's signatures count no longer.
    async fn revoke(&self, options: &Revoke) -> anyhow::Result<()> {
        let Revoke { key, from } = options;
        self.change(|keyset, now| keyset::revoked(keyset, *key, from.unwrap_or(now), now)).await
    }

    async fn change(
        &self,
        change: impl FnOnce(&Keyset, Timestamp) -> Result<Option<Keyset>, NotPlanned>,
    ) -> anyhow::Result<()> {
        let press = self.press().await?;
        let now = self.clock.now();
        let next = |standing: Option<&Standing<Keyset>>| {
            let standing = standing.ok_or(NotPublished::Nothing)?;
            Ok(change(&standing.value, now)?)
        };
        let published = press.publish(&Partition::deployment(), KEYSET_ID, next).await;
        tell(&published.context("keyset not published")?)
    }

    /// Lets another key be the root, and has it sign everything again.
    async fn replace_root(&self, options: &ReplaceRoot) -> anyhow::Result<()> {
        let vault = self.hosted.vault();
        let key = match &options.key_version {
            Some(version) => vault.version(&options.new, version).await?,
            None => vault.key(&options.new).await?,
        };
        let new: Arc<dyn Signer> = Arc::new(vault.signer(options.new.clone(), key));
        let authority = self.authority().await?;
        let authority = if *authority.roots.present() == new.current() {
            ensure!(authority.roots.replacements() > 0, "that key is the root, and always was");
            screen::note("That key is the root already: what it has not signed is signed now.");
            authority
        } else {
            let standing = self.keyset().await?;
            let now = self.clock.now();
            let from = options.from.unwrap_or_else(|| now.plus_s(OVERLAP_S));
            let replaced = hand_over(&authority, &new, from, now).await?;
            let (replacement, authority) = replaced;
            let kid = new.current().thumbprint();
            let keyset = keyset::handed_over(&standing.value, replacement, kid, now)?;
            let press = self.press_of(Arc::clone(&authority)).await?;
            let artefact = press.sign(&keyset).await?;
            press.store(&Partition::deployment(), KEYSET_ID, &artefact, Some(&standing)).await?;
            screen::line(format_args!("keyset {} says that {kid} is the root", keyset.ver))?;
            screen::note(format_args!(
                "The old root counts until {from}. Then let nobody use it any more: disable its \
                 version in the vault{}.",
                self.still_named(options)?
            ));
            authority
        };
        self.hosted.succeeded_by(Arc::clone(&authority)).await;
        self.until_known(&authority).await?;
        self.sign_again(&self.press_of(authority).await?).await?;
        self.deploy_all().await
    }

    /// Waits until no handler goes by a keyset from before, to which the new root is a stranger;
    /// unless the old root ends sooner: then nothing is to be waited for.
    async fn until_known(&self, authority: &Authority) -> anyhow::Result<()> {
        let known = self.keyset().await?.value.iat.plus_s(KNOWN_S);
        let left = known.since_s(self.clock.now());
        let overlaps = authority.roots.before_ends().is_some_and(|ends| ends > known);
        if let (true, Ok(left @ 1..)) = (overlaps, u64::try_from(left)) {
            screen::note(format_args!(
                "In {left} seconds every handler knows the new root. Then it signs what the old \
                 one has signed."
            ));
            tokio::time::sleep(Duration::from_secs(left)).await;
        }
        Ok(())
    }

    fn still_named(&self, options: &ReplaceRoot) -> anyhow::Result<String> {
        let named = self.deployment.root()?;
        Ok(if *named == options.new {
            String::new()
        } else {
            format!(", and name {} in the deployment as the root", options.new.as_str())
        })
    }

    /// Every binding that an earlier root signed, or whose secrets it signed, as it stands.
    async fn sign_again(&self, press: &Press<'_>) -> anyhow::Result<()> {
        for tenant in self.store().await?.tenants().await? {
            let standing = versions::standing(press, tenant).await?;
            let Some(standing) = standing.filter(|standing| !standing.is_by_present_root()) else {
                continue;
            };
            // Of a root whose time is over nobody knows when it signed: a person must look.
            let counts = || -> Result<(), NotVerified> {
                press.open(&standing.binding.artefact)?;
                standing.secrets.iter().try_for_each(|it| press.open(&it.artefact).map(drop))
            };
            counts().with_context(|| {
                format!("the binding of {tenant} counts no longer: bind from the reviewed file")
            })?;
            let signed = versions::sign(press, renewed(&standing, self.clock.now())).await?;
            versions::replace(press, &signed, Some(&standing)).await?;
            let ver = signed.next.binding.ver;
            screen::line(format_args!("binding {ver} of {tenant}, by the new root"))?;
        }
        self.sign_secrets_again(press).await
    }

    /// The deployment's own secrets, if an earlier root signed them.
    async fn sign_secrets_again(&self, press: &Press<'_>) -> anyhow::Result<()> {
        let bound = platform::standing(press).await?;
        let Some(bound) = bound else { return Ok(()) };
        let Some(secrets) = bound.secrets.as_ref().filter(|it| !it.is_by_present_root) else {
            return Ok(());
        };
        press
            .open(&secrets.artefact)
            .context("the deployment's own secrets count no longer: bind from the reviewed file")?;
        let wanted = bound.secrets();
        let published = platform::publish(press, &[], Some(&wanted), self.clock.now()).await?;
        tell(&published)
    }

    async fn keyset(&self) -> anyhow::Result<Standing<Keyset>> {
        let press = self.press().await?;
        let standing = press.standing(&Partition::deployment(), KEYSET_ID).await?;
        standing.context("nothing was published: `airlockctl admin bootstrap` does")
    }
}

/// Has a replacement signed by both roots, and follows it.
async fn hand_over(
    authority: &Authority,
    new: &Arc<dyn Signer>,
    from: Timestamp,
    now: Timestamp,
) -> anyhow::Result<(Countersigned, Arc<Authority>)> {
    ensure!(from >= now, "the old root ends now, or later, and not at {from}");
    let replacement = Replacement {
        ver: authority.roots.replacements() as u64 + 1,
        old: authority.roots.present().clone(),
        new: new.current(),
        iat: now,
        from,
    };
    let roots =
        authority.roots.clone().replaced(replacement.clone()).context(
            "that key cannot become the root: it was one before, or the times are wrong",
        )?;
    let countersigned = Countersigned {
        by_old: Signed::sign(&replacement, &*authority.signer).await?,
        by_new: Signed::sign(&replacement, &**new).await?,
    };
    let signer = Arc::clone(new);
    Ok((countersigned, Arc::new(Authority { signer, roots })))
}

fn line(key: &KeysetKey) -> String {
    let kid: Thumbprint = key.jwk.thumbprint();
    let signs: Vec<&str> = key.signs.iter().map(|typ| typ.media_type()).collect();
    let revoked = key.revoked.map_or_else(String::new, |from| format!(", revoked from {from}"));
    format!("{kid}  {}: {}, from {}{revoked}", key.app, signs.join(" "), key.nbf)
}

fn tell(published: &Published<Keyset>) -> anyhow::Result<()> {
    match published {
        Published::New(keyset) => screen::line(format_args!(
            "keyset {} of {} keys, until {}",
            keyset.ver,
            keyset.keys.len(),
            keyset.exp
        ))?,
        Published::Unchanged(keyset) => {
            screen::line(format_args!("keyset {} is unchanged", keyset.ver))?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use airlock_core::{
        jwe,
        memory::{Dice, LocalKey},
        root::Roots,
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_s(1_700_000_000);

    fn key() -> Arc<dyn Signer> {
        Arc::new(LocalKey::new(&jwe::private_key(&Dice).unwrap()).unwrap())
    }

    fn authority(root: &Arc<dyn Signer>) -> Authority {
        Authority { roots: Roots::from(&root.current()), signer: Arc::clone(root) }
    }

    #[tokio::test]
    async fn whoever_knows_the_old_root_follows_what_was_handed_over() {
        let (old, new) = (key(), key());

        let (link, after) =
            hand_over(&authority(&old), &new, NOW.plus_s(OVERLAP_S), NOW).await.unwrap();

        let followed = Roots::follow(&old.current(), &[link], NOW).unwrap();
        assert_eq!(*followed.present(), new.current());
        assert_eq!(*after.roots.present(), new.current());
        assert_eq!(after.roots.before_ends(), Some(NOW.plus_s(OVERLAP_S)));
    }

    #[tokio::test]
    async fn a_root_ends_in_time_to_come_and_for_good() {
        let (old, new) = (key(), key());
        let first = authority(&old);

        assert!(hand_over(&first, &new, NOW.plus_s(-1), NOW).await.is_err());
        assert!(hand_over(&first, &old, NOW, NOW).await.is_err());
        let (_, second) = hand_over(&first, &new, NOW, NOW).await.unwrap();
        assert!(hand_over(&second, &old, NOW, NOW).await.is_err());
    }

    #[test]
    fn a_key_is_shown_with_what_it_signs_and_from_when_on_it_counts_no_longer() {
        let jwk = key().current();
        let (kid, signs) = (jwk.thumbprint(), vec![airlock_core::jws::Typ::Permit]);
        let app = airlock_core::identity::App::Intake;
        let listed = KeysetKey { jwk, app, signs, nbf: NOW, revoked: Some(NOW.plus_s(60)) };

        assert_eq!(
            line(&listed),
            format!(
                "{kid}  intake: effect-permit+jwt, from 2023-11-14T22:13:20Z, revoked from \
                 2023-11-14T22:14:20Z"
            )
        );
    }
}
