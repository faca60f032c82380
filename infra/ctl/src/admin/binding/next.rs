//! What comes after what stands: the next version of a tenant's binding, and of its secrets.
//!
//! Secrets have versions of their own, and a binding names the one that holds with it. Once a tenant
//! has had any, a version says that there are none: so a withdrawal is signed, and counted, as well.

use airlock_core::{
    binding::{Binding, Isolation, Level},
    identity::TenantId,
    secret_binding::{Driven as _, Driver, SecretBinding, SecretBindings, SecretName, Secrets},
    time::Timestamp,
};

use super::{TenantTerms, Thing, versions::Bound};
use crate::admin::publish::{LIFETIME_S, RENEW_S, Standing};

/// What is to be signed: the secrets first, because the binding names their digest.
#[derive(Clone, Debug)]
pub struct Next {
    /// The next binding. It names the secrets that stand, until others are signed.
    pub binding: Binding,
    /// The next secrets, if they change.
    pub secrets: Option<SecretBindings>,
}

/// What is wanted would leave something behind that nobody looks after any more.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotNext {
    /// A tenant's data, or what opens it, would have to be moved.
    #[error(transparent)]
    Moves(#[from] WouldMove),
    /// A name of a secret would come to mean another thing.
    #[error(
        "the secret {name} of {tenant} is the {bound} and cannot become the {wanted}: what is known of its rotation is about the first; withdraw it, and bind the other by another name"
    )]
    Becomes {
        /// The tenant.
        tenant: TenantId,
        /// The secret's name.
        name: SecretName,
        /// What it is.
        bound: Thing,
        /// What it would be.
        wanted: Thing,
    },
}

/// A tenant that is bound already would find its data, or what opens it, somewhere else.
///
/// Under new terms handlers look in the new place and find nothing: requests and ledger would
/// seem never to have been, and what stands encrypted would not open. So `isolation` is what a
/// tenant is first bound with.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{layer} isolation of {tenant} is `{bound}` and cannot become `{wanted}`: what the tenant has would have to be moved, and signing a binding moves nothing"
)]
pub struct WouldMove {
    tenant: TenantId,
    layer: &'static str,
    bound: Level,
    wanted: Level,
}

/// What is to be signed for this to hold; `None` if it does, for long enough and by the root of
/// today.
///
/// # Errors
///
/// [`NotNext`].
pub fn next(
    bound: Option<&Bound>,
    wanted: &TenantTerms,
    now: Timestamp,
) -> Result<Option<Next>, NotNext> {
    let next = following(bound, wanted, now)?;
    let stands = bound.is_some_and(|bound| {
        next.secrets.is_none()
            && bound.binding.value.terms == wanted.terms
            && is_good(&bound.binding, bound.binding.value.iat, now)
    });
    Ok((!stands).then_some(next))
}

/// What is to be signed for this to hold, whatever stands. Secrets that stand are not signed again
/// for nothing.
///
/// # Errors
///
/// [`NotNext`].
pub fn following(
    bound: Option<&Bound>,
    wanted: &TenantTerms,
    now: Timestamp,
) -> Result<Next, NotNext> {
    let binding = bound.map(|bound| &bound.binding.value);
    if let Some(binding) = binding {
        check_place(wanted.tenant, binding.terms.isolation, wanted.terms.isolation)?;
    }
    let before = bound.and_then(|bound| bound.secrets.as_ref());
    if let Some(before) = before {
        check_things(wanted.tenant, &before.value.secrets, &wanted.secrets)?;
    }
    let says_it = |before: &Standing<SecretBindings>| {
        before.value.secrets == wanted.secrets && is_good(before, before.value.iat, now)
    };
    let is_nothing = before.is_none() && wanted.secrets.iter().next().is_none();
    let secrets = (!is_nothing && !before.is_some_and(says_it)).then(|| SecretBindings {
        tnt: wanted.tenant,
        ver: before.map_or(1, |before| before.value.ver + 1),
        iat: now,
        exp: now.plus_s(LIFETIME_S),
        secrets: wanted.secrets.clone(),
    });
    let binding = Binding {
        tnt: wanted.tenant,
        ver: binding.map_or(1, |binding| binding.ver + 1),
        iat: now,
        exp: now.plus_s(LIFETIME_S),
        terms: wanted.terms.clone(),
        secrets: binding.and_then(|binding| binding.secrets),
    };
    Ok(Next { binding, secrets })
}

/// The same as the next version, all of it: for another root.
#[must_use]
pub fn renewed(bound: &Bound, now: Timestamp) -> Next {
    let exp = now.plus_s(LIFETIME_S);
    let before = &bound.binding.value;
    let secrets = bound.secrets.as_ref().map(|secrets| {
        let before = &secrets.value;
        SecretBindings { ver: before.ver + 1, iat: now, exp, ..before.clone() }
    });
    Next { binding: Binding { ver: before.ver + 1, iat: now, exp, ..before.clone() }, secrets }
}

/// Secrets that are bound and would be no more.
pub fn withdrawn<'a>(
    before: &'a Secrets,
    wanted: &Secrets,
) -> impl Iterator<Item = &'a SecretBinding> {
    before.iter().filter(|secret| wanted.named(secret.name.as_str()).is_none())
}

/// What is left of a secret that nothing changes any more.
#[must_use]
pub fn remains(secret: &SecretBinding) -> String {
    let what = match &secret.driver {
        Driver::EntraClientSecret { application, secret, .. } => format!(
            "every credential that application {application} has, and vault secret {secret},"
        ),
        Driver::KeyVaultKey { key } => format!("every version of vault key {key}"),
        Driver::Generated { secret, .. } => format!("every version of vault secret {secret}"),
    };
    format!(
        "{} is withdrawn: {what} stays as it is, an old one beside the new one too, and nothing \
         replaces or removes it any more",
        secret.name
    )
}

/// Whether the root of today signed it, and not long ago.
fn is_good<T>(standing: &Standing<T>, iat: Timestamp, now: Timestamp) -> bool {
    standing.is_by_present_root && now.since_s(iat) < RENEW_S
}

fn check_place(tenant: TenantId, bound: Isolation, wanted: Isolation) -> Result<(), WouldMove> {
    let layers = [
        ("data", bound.data.level(), wanted.data.level()),
        ("secrets", bound.secrets.level(), wanted.secrets.level()),
    ];
    match layers.into_iter().find(|(_, bound, wanted)| bound != wanted) {
        Some((layer, bound, wanted)) => Err(WouldMove { tenant, layer, bound, wanted }),
        None => Ok(()),
    }
}

fn check_things(tenant: TenantId, bound: &Secrets, wanted: &Secrets) -> Result<(), NotNext> {
    for secret in wanted.iter() {
        let Some(before) = bound.named(secret.name.as_str()) else { continue };
        if before.driver.identity() != secret.driver.identity() {
            let (bound, wanted) = (Thing::of(&before.driver), Thing::of(&secret.driver));
            return Err(NotNext::Becomes { tenant, name: secret.name.clone(), bound, wanted });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
