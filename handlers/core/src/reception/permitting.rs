//! Signing permits, and committing what they permit together with the message that carries them.

use uuid::Uuid;

use super::{Caller, NotReceived, Reception, queue};
use crate::{
    identity::App,
    jws::Signed,
    keyset::Trust,
    ledger::{Commit, Document, Happened, Outgoing, commit::Marker},
    permit::{
        AuthorizationDetail, DETAIL_TYPE, LedgerSeen, Permit, PermittedChange, Reference, Version,
    },
    ports::{Message, Partition, PortError},
    record::{Record, State},
    request::{Authorized, Request},
    tenancy::TenantScope,
    time::Timestamp,
};

impl Reception {
    /// Signs a permit for exactly this request.
    pub(super) async fn permit(
        &self,
        record: &mut Record,
        request: &Request<Authorized>,
        scope: &TenantScope,
        trust: &Trust,
        now: Timestamp,
    ) -> Result<(), NotReceived> {
        let (size, root) = self.ledger.head(&Partition::tenant(scope)).await?;
        let entry = request.change().entry();
        let permit = Permit {
            iss: App::Intake,
            aud: entry.worker,
            sub: request.principal().to_string(),
            jti: self.uuid()?,
            txn: request.id(),
            iat: now,
            nbf: now,
            exp: now.plus_s(entry.risk.permit_lifetime_s()),
            tnt: request.tenant(),
            req: request.digest(),
            authorization_details: [AuthorizationDetail {
                r#type: DETAIL_TYPE.to_owned(),
                actions: [entry.name.to_owned()],
                op_hash: request.change().digest(),
            }],
            pol: self.policies.reference().clone(),
            apr: request.approvals().to_vec(),
            bnd: Reference {
                id: request.tenant().to_string(),
                ver: scope.binding().ver,
                hash: scope.binding().digest(),
            },
            ks: Version { ver: trust.version() },
            lgr: LedgerSeen { origin: origin(scope), size, root },
        };
        record.permit = Some(Signed::sign(&permit, &*self.ports.signer).await?);
        record.state = State::Permitted;
        Ok(())
    }

    pub(super) fn commit(
        record: &Record,
        previous: Option<&Document<Record>>,
        happened: Happened,
        caller: &Caller,
        markers: Vec<Marker>,
        traceparent: Option<String>,
        now: Timestamp,
    ) -> Result<Commit, NotReceived> {
        let mut outgoing = Vec::new();
        if happened == Happened::Permitted
            && let Some(permit) = &record.permit
        {
            let change = PermittedChange {
                attempt: 0,
                permit: permit.clone(),
                request: record.evidence.clone(),
                decisions: record.decisions.clone(),
            };
            outgoing.push(Outgoing {
                queue: queue(App::Execute).to_owned(),
                message: Message {
                    id: permit.digest().to_string(),
                    body: serde_json::to_vec(&change)?,
                    not_before: None,
                    traceparent: traceparent.clone(),
                },
            });
        }
        Ok(Commit {
            happened,
            principal: Some(caller.person.id().to_string()),
            request: Some(record.request),
            reason: None,
            traceparent,
            change: Some(record.change(previous, now)?),
            markers,
            outgoing,
        })
    }

    /// Commits, then sends what goes out. What cannot be sent now, `resend` sends.
    pub(super) async fn write(
        &self,
        scope: &TenantScope,
        commit: Commit,
        now: Timestamp,
    ) -> Result<(), NotReceived> {
        let partition = Partition::tenant(scope);
        let outgoing = commit.outgoing.clone();
        self.ledger.commit(&partition, commit, now).await?;
        for outgoing in outgoing {
            let ports = self.ports.clone();
            let partition = partition.clone();
            // Not awaited: the request is taken once it is committed.
            tokio::spawn(async move {
                let id = crate::outbox::document_id(&outgoing.message);
                if let Err(error) = crate::outbox::send_one(&ports, &partition, &id).await {
                    tracing::warn!(error = %error, "not sent yet; the outbox keeps it");
                }
            });
        }
        Ok(())
    }

    fn uuid(&self) -> Result<Uuid, PortError> {
        let mut bytes = [0; 16];
        self.ports.entropy.fill(&mut bytes)?;
        Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }
}

/// The name of a tenant's tree.
fn origin(scope: &TenantScope) -> String {
    format!("airlock.invalid/ledger/{}", scope.tenant())
}
