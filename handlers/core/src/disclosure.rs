//! What a request says, to whoever is about to decide it.
//!
//! A decision is signed over a digest. Whoever signs reads here what that digest stands for, out
//! of the signed request itself: the server that shows it can hide a request, and cannot show
//! another one.

use serde_json::Value;

use crate::{
    ask::RequestEvidence,
    catalog::{Asked, Change, Entry, NotUnderstood, Target},
    digest::Digest,
    identity::TenantId,
    jws::NotVerified,
    request::Principal,
    time::Timestamp,
};

/// A request, as its own signature says it.
///
/// The request names its requester, and is signed by the key of the session beside it. That
/// `signin` and `intake` stand for that session is not verified here, because a decider holds no
/// keyset. The worker verifies it, and that the session is the named person's: a decision about
/// a request that names somebody else moves nothing.
#[derive(Debug)]
pub struct Disclosed {
    digest: Digest,
    change: Change,
    requester: String,
    purpose: String,
    ticket: Option<String>,
    break_glass: bool,
    asked_at: Timestamp,
    expires: Timestamp,
}

/// What is shown is not the request that was named.
#[derive(Debug, thiserror::Error)]
pub enum NotDisclosed {
    /// Its signature, its digest or its tenant.
    #[error("what the server shows is not that request")]
    NotVerified(#[from] NotVerified),
    /// It is genuine and of a form that this program does not know.
    #[error("the request is not understood")]
    NotUnderstood(#[from] NotUnderstood),
}

impl RequestEvidence {
    /// Reads the request of this digest in this tenant. Its time may be over.
    ///
    /// # Errors
    ///
    /// [`NotDisclosed`] if it is another request, another tenant's, not signed by the key of
    /// the session beside it, or not understood.
    pub fn disclose(&self, tenant: TenantId, digest: Digest) -> Result<Disclosed, NotDisclosed> {
        if self.digest() != digest {
            return Err(NotVerified::Other("request").into());
        }
        match self {
            Self::Proven { request, person } => {
                let session = person.session.peek()?;
                let ask = request.verify_undated(&session.cnf.jwk)?;
                if ask.sid != session.sid_hash() {
                    return Err(NotVerified::Other("session").into());
                }
                Ok(Disclosed {
                    digest,
                    change: in_tenant(tenant, ask.tnt, &ask.op)?,
                    requester: ask.by.to_string(),
                    purpose: ask.purpose,
                    ticket: ask.ticket,
                    break_glass: ask.break_glass,
                    asked_at: ask.iat,
                    expires: ask.exp,
                })
            }
            Self::Attested { attestation } => {
                let attestation = attestation.peek()?;
                Ok(Disclosed {
                    digest,
                    change: in_tenant(tenant, attestation.tnt, &attestation.op)?,
                    requester: Principal::Attested(attestation.sub).to_string(),
                    purpose: attestation.purpose,
                    ticket: attestation.ticket,
                    break_glass: false,
                    asked_at: attestation.iat,
                    expires: attestation.exp,
                })
            }
            Self::Produced { event } => {
                let event = event.peek()?;
                let data = event.data();
                Ok(Disclosed {
                    digest,
                    change: in_tenant(tenant, event.tenant(), &data.op)?,
                    requester: Principal::Produced(event.source().to_owned()).to_string(),
                    purpose: data.purpose.clone(),
                    ticket: data.ticket.clone(),
                    break_glass: false,
                    asked_at: event.time(),
                    expires: event.until(),
                })
            }
        }
    }
}

fn in_tenant(named: TenantId, signed: TenantId, asked: &Asked) -> Result<Change, NotDisclosed> {
    if named != signed {
        return Err(NotVerified::Other("tenant").into());
    }
    Ok(Change::understand(signed, asked)?)
}

impl Disclosed {
    /// What a decision about it names.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// The tenant that it changes.
    #[must_use]
    pub const fn tenant(&self) -> TenantId {
        self.change.tenant()
    }

    /// The operation.
    #[must_use]
    pub const fn entry(&self) -> &'static Entry {
        self.change.entry()
    }

    /// What it changes.
    #[must_use]
    pub const fn target(&self) -> &Target {
        self.change.target()
    }

    /// The operation's parameters, as they are understood.
    #[must_use]
    pub fn parameters(&self) -> Value {
        self.change.parameters()
    }

    /// Who asks: the person of the session, or the service or producer that it names.
    #[must_use]
    pub fn requester(&self) -> &str {
        &self.requester
    }

    /// Why.
    #[must_use]
    pub fn purpose(&self) -> &str {
        &self.purpose
    }

    /// The ticket that it belongs to.
    #[must_use]
    pub fn ticket(&self) -> Option<&str> {
        self.ticket.as_deref()
    }

    /// Whether it is an emergency that waits for no approval.
    #[must_use]
    pub const fn breaks_glass(&self) -> bool {
        self.break_glass
    }

    /// When it was signed.
    #[must_use]
    pub const fn asked_at(&self) -> Timestamp {
        self.asked_at
    }

    /// Until when it may be carried out.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        identity::Role::HelpdeskAgent,
        jws::Signed,
        tests::world::{CONTOSO, FABRIKAM, NINA, OLGA, World},
    };

    #[tokio::test]
    async fn a_request_says_itself_what_it_is_and_who_signed_it() {
        let world = World::new().await;
        let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
        let ask = world.ask(&harriet, "account.disable", NINA);
        let evidence = harriet.proven(Signed::sign(&ask, &harriet.key).await.unwrap());

        let says = evidence.disclose(CONTOSO, evidence.digest()).unwrap();

        assert_eq!((says.entry().name, says.target()), ("account.disable", &Target::User(NINA)));
        assert_eq!((says.tenant(), says.requester()), (CONTOSO, &*harriet.id().to_string()));
        assert_eq!((says.purpose(), says.expires()), (&*ask.purpose, ask.exp));
    }

    #[tokio::test]
    async fn another_request_tenant_signer_or_session_is_not_shown_for_it() {
        let world = World::new().await;
        let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
        let henry = world.sign_in(CONTOSO, 2, &[HelpdeskAgent]).await;
        let sign = async |ask, by| Signed::sign(&ask, by).await.unwrap();
        let asked = sign(world.ask(&harriet, "account.disable", NINA), &harriet.key).await;
        let other = sign(world.ask(&harriet, "account.disable", OLGA), &harriet.key).await;
        let forged = sign(world.ask(&harriet, "account.disable", NINA), &henry.key).await;
        let mut elsewhere = world.ask(&harriet, "account.disable", NINA);
        elsewhere.sid = Digest::of(&[b"another session"]);
        let elsewhere = sign(elsewhere, &harriet.key).await;
        let named = asked.digest();
        let refused = |evidence: RequestEvidence, tenant, digest| {
            matches!(evidence.disclose(tenant, digest), Err(NotDisclosed::NotVerified(_)))
        };

        assert!(harriet.proven(asked.clone()).disclose(CONTOSO, named).is_ok());
        assert!(refused(harriet.proven(other), CONTOSO, named));
        assert!(refused(harriet.proven(asked.clone()), FABRIKAM, named));
        assert!(refused(henry.proven(asked), CONTOSO, named));
        let digest = forged.digest();
        assert!(refused(harriet.proven(forged), CONTOSO, digest));
        let digest = elsewhere.digest();
        assert!(refused(harriet.proven(elsewhere), CONTOSO, digest));
    }

    #[tokio::test]
    async fn what_this_program_does_not_know_is_not_shown_as_something_else() {
        let world = World::new().await;
        let harriet = world.sign_in(CONTOSO, 1, &[HelpdeskAgent]).await;
        let mut ask = world.ask(&harriet, "account.disable", NINA);
        ask.op.name = "tenant.delete".to_owned();
        let evidence = harriet.proven(Signed::sign(&ask, &harriet.key).await.unwrap());

        let says = evidence.disclose(CONTOSO, evidence.digest());

        assert!(matches!(says, Err(NotDisclosed::NotUnderstood(NotUnderstood::Operation))));
    }
}
