//! The app's own managed identity, and what it vouches for.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use airlock_core::{
    identity::{ObjectId, TenantId},
    ports::Clock,
    time::Timestamp,
};
use async_trait::async_trait;
use azure_core::{
    credentials::{AccessToken, TokenCredential, TokenRequestOptions},
    http::ClientMethodOptions,
};
use azure_identity::{
    ClientAssertion, ClientAssertionCredential, ClientAssertionCredentialOptions,
    ManagedIdentityCredential, ManagedIdentityCredentialOptions, UserAssignedId,
};

use crate::transport::Wire;

/// What a managed identity's token must be for, to be taken as an application's credential.
const EXCHANGE: &str = "api://AzureADTokenExchange/.default";

/// Before a token expires by less than this, a new one is asked for, in seconds.
const REFRESH_S: i64 = 300;

/// After a refresh that failed, how long the old token does without another try, in seconds.
const AGAIN_S: i64 = 30;

/// The app's own user-assigned managed identity. Its tokens are kept.
pub(crate) fn managed_identity(
    client_id: ObjectId,
    wire: &Wire,
    clock: Arc<dyn Clock>,
) -> azure_core::Result<Arc<Kept>> {
    let identity = ManagedIdentityCredential::new(Some(ManagedIdentityCredentialOptions {
        user_assigned_id: Some(UserAssignedId::ClientId(client_id.to_string())),
        client_options: wire.repeating(),
    }))?;
    Ok(Arc::new(Kept::new(identity, clock)))
}

/// An application that trusts the managed identity, in one tenant. It has no credential of its
/// own: the identity's token is its assertion.
pub(crate) fn application(
    client_id: ObjectId,
    tenant: TenantId,
    identity: Arc<dyn TokenCredential>,
    wire: &Wire,
) -> azure_core::Result<Arc<dyn TokenCredential>> {
    let credential = ClientAssertionCredential::new(
        tenant.to_string(),
        client_id.to_string(),
        VouchedFor(identity),
        Some(ClientAssertionCredentialOptions { client_options: wire.repeating() }),
    )?;
    Ok(credential)
}

/// The managed identity's token as an application's assertion.
#[derive(Debug)]
struct VouchedFor(Arc<dyn TokenCredential>);

#[async_trait]
impl ClientAssertion for VouchedFor {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let token = self.0.get_token(&[EXCHANGE], None).await?;
        Ok(token.token.secret().to_owned())
    }
}

/// Tokens that are kept until shortly before they expire.
///
/// Cosmos DB's driver asks for a token at every request, and `azure_identity`'s own cache
/// refuses a token that is still valid while it cannot be refreshed. This one keeps it; only
/// one caller refreshes, and none waits for that while the old token lasts.
pub(crate) struct Kept {
    source: Arc<dyn TokenCredential>,
    clock: Arc<dyn Clock>,
    slots: Mutex<HashMap<String, Arc<Slot>>>,
}

/// The token for one scope.
#[derive(Default)]
struct Slot {
    state: Mutex<State>,
    refreshing: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct State {
    token: Option<AccessToken>,
    not_again_before: Option<Timestamp>,
}

/// What is kept for a scope.
enum Found {
    Fresh(AccessToken),
    /// Valid, and due to be refreshed.
    Old(AccessToken),
    /// Valid, due, and tried in vain a moment ago.
    OldForNow(AccessToken),
    Nothing,
}

impl Kept {
    pub(crate) fn new(source: Arc<dyn TokenCredential>, clock: Arc<dyn Clock>) -> Self {
        Self { source, clock, slots: Mutex::default() }
    }

    fn slot(&self, scope: &str) -> Arc<Slot> {
        Arc::clone(lock(&self.slots).entry(scope.to_owned()).or_default())
    }

    async fn refresh(&self, slot: &Slot, scope: &str) -> azure_core::Result<AccessToken> {
        let asked = self.source.get_token(&[scope], None).await;
        let now = self.clock.now();
        let mut state = lock(&slot.state);
        match asked {
            Ok(token) => {
                *state = State { token: Some(token.clone()), not_again_before: None };
                Ok(token)
            }
            Err(error) => {
                state.not_again_before = Some(now.plus_s(AGAIN_S));
                match &state.token {
                    Some(token) if remaining_s(token, now) > 0 => {
                        let cause = crate::hosting::chain(&error);
                        tracing::warn!(scope, cause, "token not refreshed; the old one lasts");
                        Ok(token.clone())
                    }
                    _ => Err(error),
                }
            }
        }
    }
}

impl Slot {
    fn found(&self, now: Timestamp) -> Found {
        let state = lock(&self.state);
        match &state.token {
            Some(token) if remaining_s(token, now) > REFRESH_S => Found::Fresh(token.clone()),
            Some(token) if remaining_s(token, now) > 0 => {
                if state.not_again_before.is_some_and(|again| now < again) {
                    Found::OldForNow(token.clone())
                } else {
                    Found::Old(token.clone())
                }
            }
            _ => Found::Nothing,
        }
    }
}

const fn remaining_s(token: &AccessToken, now: Timestamp) -> i64 {
    Timestamp::from_unix_s(token.expires_on.unix_timestamp()).since_s(now)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing panics while it holds one; if it did, what is kept would still be whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait]
impl TokenCredential for Kept {
    async fn get_token(
        &self,
        scopes: &[&str],
        options: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        // A managed identity's token is for one resource. Anything else is its to refuse.
        let [scope] = *scopes else { return self.source.get_token(scopes, options).await };
        let slot = self.slot(scope);
        let _turn = match slot.found(self.clock.now()) {
            Found::Fresh(token) | Found::OldForNow(token) => return Ok(token),
            Found::Old(token) => match slot.refreshing.try_lock() {
                Ok(turn) => turn,
                Err(_) => return Ok(token),
            },
            Found::Nothing => slot.refreshing.lock().await,
        };
        // Whoever had the turn before may have brought one.
        if let Found::Fresh(token) | Found::OldForNow(token) = slot.found(self.clock.now()) {
            return Ok(token);
        }
        self.refresh(&slot, scope).await
    }
}

impl fmt::Debug for Kept {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Kept")
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

    use airlock_core::memory::SetClock;
    use azure_core::{error::ErrorKind, time::OffsetDateTime};

    use super::*;

    const NOON: i64 = 1_700_000_000;

    struct Source {
        clock: Arc<SetClock>,
        asked: AtomicUsize,
        fails: AtomicBool,
    }

    impl fmt::Debug for Source {
        fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
            formatter.write_str("Source")
        }
    }

    #[async_trait]
    impl TokenCredential for Source {
        async fn get_token(
            &self,
            scopes: &[&str],
            _: Option<TokenRequestOptions<'_>>,
        ) -> azure_core::Result<AccessToken> {
            let count = self.asked.fetch_add(1, SeqCst) + 1;
            tokio::task::yield_now().await;
            if self.fails.load(SeqCst) {
                return Err(azure_core::Error::with_message(ErrorKind::Io, "no endpoint"));
            }
            let expires = self.clock.now().plus_s(3600).as_unix_s();
            let expires = OffsetDateTime::from_unix_timestamp(expires).unwrap();
            Ok(AccessToken::new(format!("{}#{count}", scopes[0]), expires))
        }
    }

    fn world() -> (Arc<Kept>, Arc<Source>, Arc<SetClock>) {
        let clock = Arc::new(SetClock::at(Timestamp::from_unix_s(NOON)));
        let source = Arc::new(Source {
            clock: Arc::clone(&clock),
            asked: AtomicUsize::new(0),
            fails: AtomicBool::new(false),
        });
        let kept = Arc::new(Kept::new(
            Arc::clone(&source) as Arc<dyn TokenCredential>,
            Arc::clone(&clock) as Arc<dyn Clock>,
        ));
        (kept, source, clock)
    }

    async fn token(kept: &Kept, scope: &str) -> Result<String, azure_core::Error> {
        kept.get_token(&[scope], None).await.map(|token| token.token.secret().to_owned())
    }

    #[tokio::test]
    async fn a_token_is_kept_until_shortly_before_it_expires() {
        let (kept, source, clock) = world();

        assert_eq!(token(&kept, "a").await.unwrap(), "a#1");
        clock.advance_s(3600 - REFRESH_S - 1);
        assert_eq!(token(&kept, "a").await.unwrap(), "a#1");
        clock.advance_s(1);
        assert_eq!(token(&kept, "a").await.unwrap(), "a#2");
        assert_eq!(token(&kept, "b").await.unwrap(), "b#3");
        assert_eq!(source.asked.load(SeqCst), 3);
    }

    #[tokio::test]
    async fn many_first_callers_ask_once() {
        let (kept, source, _) = world();
        let callers = (0..20).map(|_| token(&kept, "a"));

        let tokens = futures::future::join_all(callers).await;

        assert!(tokens.into_iter().all(|token| token.unwrap() == "a#1"));
        assert_eq!(source.asked.load(SeqCst), 1);
    }

    #[tokio::test]
    async fn an_old_token_lasts_while_it_cannot_be_refreshed_and_no_longer() {
        let (kept, source, clock) = world();
        token(&kept, "a").await.unwrap();
        source.fails.store(true, SeqCst);

        clock.advance_s(3400);
        assert_eq!(token(&kept, "a").await.unwrap(), "a#1");
        assert_eq!(token(&kept, "a").await.unwrap(), "a#1");
        assert_eq!(source.asked.load(SeqCst), 2, "one try in vain, then a pause");
        clock.advance_s(200);
        assert!(token(&kept, "a").await.is_err());
        source.fails.store(false, SeqCst);
        assert!(token(&kept, "a").await.is_ok());
    }

    #[tokio::test]
    async fn nobody_waits_for_a_refresh_while_the_old_token_lasts() {
        let (kept, source, clock) = world();
        token(&kept, "a").await.unwrap();
        clock.advance_s(3400);

        let (one, other) = tokio::join!(token(&kept, "a"), token(&kept, "a"));

        assert_eq!((one.unwrap().as_str(), other.unwrap().as_str()), ("a#2", "a#1"));
        assert_eq!(source.asked.load(SeqCst), 2);
    }

    #[test]
    fn what_is_kept_prints_nothing() {
        assert_eq!(format!("{:?}", world().0), "Kept");
    }
}
