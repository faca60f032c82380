//! Ordering that a person is erased from a tenant.

use airlock_core::{
    base64url,
    erasure::{self, Erasure, ORDERED_S, StoredOrder},
    identity::{PersonId, TenantId},
    jws::{NotSigned, Signed},
    ports::{BatchError, Clock, Entropy, Partition, PortError, Signer, Write},
};

use super::{local, publish::Shelf};
use crate::{
    Surroundings, Usage,
    cli::{Erase, Place},
    named,
    screen::note,
};

/// Nothing was ordered.
#[derive(Debug, thiserror::Error)]
pub enum NotOrdered {
    /// There was no randomness.
    #[error("no randomness")]
    NoEntropy(#[source] PortError),
    /// The root did not sign.
    #[error("root did not sign")]
    NotSigned(#[from] NotSigned),
    /// It has no JSON form.
    #[error("order not written as JSON")]
    Form(#[from] serde_json::Error),
    /// The store did not take it, or its answer was lost. Ordering again is safe.
    #[error("order not stored")]
    Store(#[source] BatchError),
}

/// Who shall be erased from where, once somebody has said that they mean it; `None` if they do not.
///
/// # Errors
///
/// [`Usage`] if nobody can be asked, or a name is not known.
pub async fn meant(
    options: &Erase,
    place: &Place,
    surroundings: &Surroundings,
) -> anyhow::Result<Option<(TenantId, PersonId)>> {
    let stack = local::stack(place, options.deployed.deployment.as_ref());
    let tenant = named::tenant(stack.as_ref(), &options.tenant).await?;
    let tid = match &options.home {
        Some(home) => named::tenant(stack.as_ref(), home).await?,
        None => tenant,
    };
    let person = PersonId { tid, oid: named::user(stack.as_ref(), &options.user, tid).await? };
    if options.yes {
        return Ok(Some((tenant, person)));
    }
    let Some(terminal) = &surroundings.terminal else {
        let why = "an erasure cannot be taken back: without a terminal --yes says that it is meant";
        return Err(Usage(why.to_owned()).into());
    };
    note(format_args!(
        "Every request in tenant {tenant} that {} ({}) asked for, decided or was changed by gives \
         way to an order to erase. This cannot be taken back.",
        options.user, person.oid
    ));
    let answer = terminal.ask("Erase? [y/N]").await?;
    let yes = ["y", "yes"].iter().any(|yes| answer.eq_ignore_ascii_case(yes));
    if !yes {
        note("Nothing was ordered.");
    }
    Ok(yes.then_some((tenant, person)))
}

/// Signs an order and stores it where `intake` looks for orders.
///
/// # Errors
///
/// [`NotOrdered`].
pub async fn order(
    tenant: TenantId,
    person: PersonId,
    shelf: &dyn Shelf,
    root: &dyn Signer,
    (clock, entropy): (&dyn Clock, &dyn Entropy),
) -> Result<Erasure, NotOrdered> {
    let (mut salt, mut name) = ([0; 16], [0; 16]);
    for bytes in [&mut salt, &mut name] {
        entropy.fill(bytes).map_err(NotOrdered::NoEntropy)?;
    }
    let now = clock.now();
    let erasure = Erasure {
        jti: uuid::Builder::from_random_bytes(name).into_uuid(),
        tnt: tenant,
        subject: erasure::subject(&salt, person),
        iat: now,
        exp: now.plus_s(ORDERED_S),
    };
    let id = erasure::document_id(erasure.jti);
    let stored = StoredOrder {
        id: id.clone(),
        tenant: tenant.to_string(),
        kind: erasure::KIND.to_owned(),
        at: now.as_unix_s(),
        ttl: ORDERED_S,
        order: Signed::sign(&erasure, root).await?,
        person,
        salt: base64url::encode(salt),
    };
    let write = Write::Create(serde_json::to_value(&stored)?);
    let written = shelf.write(&Partition::bindings(tenant), &[write]).await;
    written.map_err(NotOrdered::Store)?;
    Ok(erasure)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use airlock_core::memory::{Dice, SetClock};

    use super::*;
    use crate::{
        cli::Deployed,
        fake::{NOW, Typist},
        terminal::Terminal,
    };

    const TENANT: &str = "605d9d43-3534-4810-8152-9d01a268ad22";
    const USER: &str = "11111111-2222-4333-8444-555555555555";

    async fn asked(
        user: &str,
        yes: bool,
        terminal: Option<Arc<Typist>>,
    ) -> anyhow::Result<Option<(TenantId, PersonId)>> {
        let options = Erase {
            deployed: Deployed { deployment: Some("nowhere/deployment.json".into()) },
            tenant: TENANT.parse().unwrap(),
            user: user.parse().unwrap(),
            home: None,
            yes,
        };
        let place = Place {
            stack: "nowhere/stack.json".into(),
            api: None,
            profile: "me".parse().unwrap(),
            json: false,
        };
        let surroundings = Surroundings {
            config: None,
            managed_identity: false,
            terminal: terminal.map(|typist| typist as Arc<dyn Terminal>),
            clock: Arc::new(SetClock::at(NOW)),
            entropy: Arc::new(Dice),
        };
        meant(&options, &place, &surroundings).await
    }

    #[tokio::test]
    async fn a_person_is_erased_only_if_somebody_says_that_it_is_meant() {
        let tid: TenantId = TENANT.parse().unwrap();
        let meant = Some((tid, PersonId { tid, oid: USER.parse().unwrap() }));

        assert_eq!(asked(USER, true, None).await.unwrap(), meant);
        for (answer, ordered) in [("y", true), ("YES", true), ("", false), ("n", false)] {
            let typist = Typist::who_types(answer);
            let found = asked(USER, false, Some(Arc::clone(&typist))).await.unwrap();
            assert_eq!(found, meant.filter(|_| ordered), "{answer}");
            assert_eq!(typist.asked().len(), 1);
        }
        let error = asked(USER, false, None).await.unwrap_err();
        assert!(error.is::<Usage>() && error.to_string().contains("--yes"), "{error}");
    }

    #[tokio::test]
    async fn a_name_is_taken_from_the_local_cloud_that_is_meant_and_from_no_other() {
        let error = asked("nina@contoso.example", true, None).await.unwrap_err();

        assert!(error.is::<Usage>(), "{error}");
    }
}
