//! A person who is signed in: what they ask and decide carries their client key's signature.

pub mod misfit;
pub mod opened;

use std::{sync::Arc, time::Duration};

use airlock_core::{
    ask::{Ask, MAX_PURPOSE_BYTES, MAX_TICKET_BYTES},
    catalog::{Asked, Change, Target},
    digest::Digest,
    identity::{PersonId, TenantId},
    jwe::NotSealed,
    jwk::NotAKey,
    jws::{NotSigned, Signed},
    ports::{Clock, Entropy},
    secret::Secret,
    time::Timestamp,
};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use self::misfit::Misfit;
use super::{
    api::{Api, NotDone},
    client_key::ClientKey,
    view::{RequestId, RequestView, Requests, SessionView},
};
use crate::foreign;

/// First and longest time between two looks at a request.
const LOOKS: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(3)];

/// A person who is signed in.
pub struct Me {
    api: Api,
    key: ClientKey,
    sid: Digest,
    person: PersonId,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
}

/// What a person wants done.
#[derive(Clone, Debug)]
pub struct Order {
    /// Name of the operation.
    pub operation: String,
    /// On what.
    pub target: Target,
    /// Where.
    pub tenant: TenantId,
    /// How.
    pub parameters: Map<String, Value>,
    /// Why.
    pub purpose: String,
    /// The ticket that it belongs to.
    pub ticket: Option<String>,
    /// Whether it is an emergency.
    pub break_glass: bool,
    /// How long it may wait for approvals, in seconds.
    pub lifetime_s: i64,
}

/// A request that is signed and not sent yet.
pub struct Prepared {
    /// Its name, which follows from what was signed.
    pub id: RequestId,
    /// The key that its secret will be encrypted to. Keep it before sending: there is no other
    /// copy.
    pub reveal: Option<ClientKey>,
    /// Until when it may be carried out.
    pub expires: Timestamp,
    once: Uuid,
    signed: Signed<Ask>,
}

/// A request was not signed, because this program does not understand what it would sign.
#[derive(Debug, thiserror::Error)]
pub enum NotPrepared {
    /// It is not an operation with such parameters.
    #[error(transparent)]
    Misfit(#[from] Misfit),
    /// Too little or too much was said about why.
    #[error("a purpose has 1 to {MAX_PURPOSE_BYTES} bytes")]
    Purpose,
    /// Too little or too much stands for a ticket.
    #[error("a ticket has 1 to {MAX_TICKET_BYTES} bytes")]
    Ticket,
    /// The key could not sign.
    #[error("request not signed")]
    NotSigned(#[from] NotSigned),
    /// There is no key.
    #[error("no key for the secret")]
    NoKey(#[from] NotSealed),
    /// The key has no public half.
    #[error("client key not usable")]
    Key(#[from] NotAKey),
}

/// A secret was not seen.
#[derive(Debug, thiserror::Error)]
pub enum NotRevealed {
    /// The API did not hand it out.
    #[error(transparent)]
    Api(#[from] NotDone),
    /// It is not encrypted to this request's key.
    #[error("the secret cannot be decrypted with this request's key")]
    NotOurs(#[from] NotSealed),
    /// Anybody can encrypt anything to that key: what came is not what a worker makes.
    #[error(
        "what was sent as the secret would do something to a terminal, or is no secret: nothing of \
         it is shown. Tell whoever runs this API"
    )]
    NoSecret,
}

#[derive(Deserialize)]
struct Revealed {
    result: String,
}

impl Me {
    /// Whoever holds this key and session.
    #[must_use]
    pub fn new(
        api: Api,
        key: ClientKey,
        sid: Digest,
        person: PersonId,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self { api, key, sid, person, clock, entropy }
    }

    /// Who this is.
    #[must_use]
    pub const fn person(&self) -> PersonId {
        self.person
    }

    /// The API, called with the session.
    #[must_use]
    pub const fn api(&self) -> &Api {
        &self.api
    }

    /// Who this is, as the API says.
    ///
    /// # Errors
    ///
    /// [`NotDone`].
    pub async fn session(&self) -> Result<SessionView, NotDone> {
        self.api.get("/auth/session").await
    }

    /// Signs a request.
    ///
    /// What it means is understood here first: nobody should sign what their own program does
    /// not understand.
    ///
    /// # Errors
    ///
    /// [`NotPrepared`].
    pub async fn prepare(&self, order: &Order) -> Result<Prepared, NotPrepared> {
        if order.purpose.trim().is_empty() || order.purpose.len() > MAX_PURPOSE_BYTES {
            return Err(NotPrepared::Purpose);
        }
        let is_ticket = |ticket: &String| (1..=MAX_TICKET_BYTES).contains(&ticket.len());
        if !order.ticket.as_ref().is_none_or(is_ticket) {
            return Err(NotPrepared::Ticket);
        }
        let mut asked = Asked {
            name: order.operation.clone(),
            target: order.target.clone(),
            parameters: Value::Object(order.parameters.clone()),
        };
        let change = Change::understand(order.tenant, &asked)
            .map_err(|_| misfit::of(order.tenant, &asked, &order.parameters))?;
        // With defaults filled in: what they are elsewhere, and later, shall not matter.
        asked.parameters = change.parameters();
        let entry = *change.entry();
        let reveal = entry.secret.then(|| ClientKey::draw(&*self.entropy)).transpose()?;
        let now = self.clock.now();
        let ask = Ask {
            jti: Uuid::new_v4(),
            iat: now,
            exp: now.plus_s(order.lifetime_s),
            aud: entry.worker,
            tnt: order.tenant,
            sid: self.sid,
            by: self.person,
            op: asked,
            purpose: order.purpose.clone(),
            ticket: order.ticket.clone(),
            break_glass: order.break_glass,
            reveal_to: reveal.as_ref().map(ClientKey::public).transpose()?,
        };
        let signed = Signed::sign(&ask, &self.key.signer()?).await?;
        let id = RequestId { tenant: order.tenant, digest: signed.digest() };
        Ok(Prepared { id, reveal, expires: ask.exp, once: ask.jti, signed })
    }

    /// Sends a signed request. Sent twice it is still one.
    ///
    /// # Errors
    ///
    /// [`NotDone`].
    pub async fn send(&self, prepared: &Prepared) -> Result<RequestView, NotDone> {
        let body = json!({ "request": prepared.signed });
        self.api.post_once("/api/requests", &prepared.once.to_string(), &body).await
    }

    /// A request as it stands.
    ///
    /// # Errors
    ///
    /// [`NotDone`].
    pub async fn request(&self, id: RequestId) -> Result<RequestView, NotDone> {
        self.api.get(&format!("/api/requests/{id}")).await
    }

    /// Requests in a tenant.
    ///
    /// # Errors
    ///
    /// [`NotDone`].
    pub async fn requests(
        &self,
        tenant: TenantId,
        state: Option<&str>,
    ) -> Result<Requests, NotDone> {
        let mut query = vec![("tenant", tenant.to_string())];
        query.extend(state.map(|state| ("state", state.to_owned())));
        self.api.find("/api/requests", &query).await
    }

    /// Looks at a request until nothing more will happen to it, or until the time is over, and
    /// tells each change.
    ///
    /// # Errors
    ///
    /// [`NotDone`], unless it may be better at the next look.
    pub async fn watch(
        &self,
        id: RequestId,
        until: Option<Timestamp>,
        mut changed: impl FnMut(&RequestView),
    ) -> Result<RequestView, NotDone> {
        let [mut pause, longest] = LOOKS;
        let mut last = None;
        loop {
            match self.request(id).await {
                Ok(view) => {
                    let standing = view.standing();
                    if last.as_ref() != Some(&standing) {
                        changed(&view);
                        last = Some(standing);
                        [pause, _] = LOOKS;
                    }
                    let over = until.is_some_and(|until| self.clock.now() >= until);
                    if view.state.is_final() || over {
                        return Ok(view);
                    }
                }
                Err(error) if error.is_transient() => {
                    if until.is_some_and(|until| self.clock.now() >= until) {
                        return Err(error);
                    }
                }
                Err(error) => return Err(error),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 3 / 2).min(longest);
        }
    }

    /// Fetches and decrypts the secret of a request. The API hands it out once.
    ///
    /// # Errors
    ///
    /// [`NotRevealed`].
    pub async fn reveal(&self, id: RequestId, key: &ClientKey) -> Result<Secret, NotRevealed> {
        let path = format!("/api/requests/{id}/reveal");
        let revealed: Revealed = self.api.post(&path, &json!({})).await?;
        let secret = key.open(&revealed.result)?;
        foreign::secret_lines(secret.expose()).map(|_| secret).ok_or(NotRevealed::NoSecret)
    }
}

#[cfg(test)]
mod tests;
