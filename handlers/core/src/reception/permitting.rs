//! Signing permits, and committing what they permit together with the message that carries them.

use tracing::Instrument as _;
use uuid::Uuid;

use super::{NotReceived, Reception, RequestName, queue};
use crate::{
    data_keys::TenantKeys,
    event,
    identity::App,
    jws::Signed,
    keyset::Trust,
    ledger::{Commit, Count, Document, Happened, Outgoing, commit::Marker},
    permit::{
        AuthorizationDetail, DETAIL_TYPE, LedgerSeen, OpHashAlg, Permit, PermittedChange,
        Reference, Version,
    },
    ports::{Message, Partition, PortError},
    record::{Record, State},
    request::{Authorized, Request},
    tenancy::TenantScope,
    time::Timestamp,
};

/// What is to be written about a request.
pub(super) struct Entry<'a> {
    pub record: &'a Record,
    /// As it was read; `None` if it is new.
    pub previous: Option<&'a Document<Record>>,
    pub happened: Happened,
    /// Who caused it.
    pub by: String,
    pub markers: Vec<Marker>,
    pub counts: Vec<Count>,
    /// What else goes out because of it.
    pub told: Option<Outgoing>,
    pub traceparent: Option<String>,
}

impl Entry<'_> {
    /// With the message that carries its permit, if it was permitted by this.
    async fn commit(self, keys: TenantKeys<'_>, now: Timestamp) -> Result<Commit, NotReceived> {
        let change = self.record.change(self.previous, keys, now).await?;
        let is_permitted = matches!(self.happened, Happened::Permitted | Happened::BrokeGlass);
        let permit = self.record.permit.as_ref().filter(|_| is_permitted);
        let message = permit.map(|permit| self.message(permit)).transpose()?;
        Ok(Commit {
            principal: Some(self.by),
            request: Some(self.record.request),
            traceparent: self.traceparent,
            change: Some(change),
            markers: self.markers,
            counts: self.counts,
            outgoing: message.into_iter().chain(self.told).collect(),
            ..Commit::of(self.happened)
        })
    }

    fn message(&self, permit: &Signed<Permit>) -> Result<Outgoing, NotReceived> {
        let change = PermittedChange { attempt: 0, permit: permit.clone() };
        // Signed just now, by this process.
        let worker = permit.peek().map_err(|error| NotReceived::Violation(error.into()))?.aud;
        Ok(Outgoing {
            queue: queue(worker).to_owned(),
            message: Message {
                id: permit.digest().to_string(),
                body: serde_json::to_vec(&change)?,
                not_before: None,
                traceparent: self.traceparent.clone(),
            },
        })
    }
}

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
        let proven = self.ledger.proven(&Partition::tenant(scope), trust, now).await;
        let proven = proven.map_err(NotReceived::NotProven)?;
        let entry = request.change().entry();
        let permit = Permit {
            iss: App::Intake,
            aud: entry.worker,
            jti: self.uuid()?,
            iat: now,
            nbf: now,
            exp: now.plus_s(entry.risk.permit_lifetime_s()),
            tnt: request.tenant(),
            req: request.digest(),
            authorization_details: [AuthorizationDetail {
                r#type: DETAIL_TYPE.to_owned(),
                actions: [entry.name.to_owned()],
                op_hash: request.op_hash(),
                op_hash_alg: OpHashAlg::BlindedByRequest,
            }],
            pol: self.policies.reference().clone(),
            apr: request.approvals().to_vec(),
            bnd: Reference {
                id: request.tenant().to_string(),
                ver: scope.binding().ver,
                hash: scope.binding().digest(),
            },
            ks: Version { ver: trust.version() },
            lgr: LedgerSeen {
                origin: proven.origin.to_string(),
                size: proven.size,
                root: proven.root,
            },
        };
        record.permit = Some(Signed::sign(&permit, &*self.ports.signer).await?);
        record.state = State::Permitted;
        Ok(())
    }

    /// The event that tells whoever watches.
    pub(super) fn told(
        &self,
        scope: &TenantScope,
        happened: Happened,
        name: RequestName,
        reason: &'static str,
        now: Timestamp,
    ) -> Result<Outgoing, PortError> {
        let (partition, request) = (Partition::tenant(scope), Some(name.digest));
        let entropy = &*self.ports.entropy;
        event::outgoing(App::Intake, happened, &partition, request, reason, entropy, now)
    }

    /// Commits, then sends what goes out. What cannot be sent now, `resend` sends.
    pub(super) async fn write(
        &self,
        scope: &TenantScope,
        trust: &Trust,
        entry: Entry<'_>,
        now: Timestamp,
    ) -> Result<(), NotReceived> {
        let partition = Partition::tenant(scope);
        let commit = entry.commit(self.keys.of(trust, &partition), now).await?;
        let outgoing = commit.outgoing.clone();
        self.ledger.commit(&partition, commit, now).await?;
        for outgoing in outgoing {
            let (ports, trust) = (self.ports.clone(), trust.clone());
            let partition = partition.clone();
            // Not awaited: the request is taken once it is committed.
            let send = async move {
                let id = crate::outbox::document_id(&outgoing.message);
                if let Err(error) = crate::outbox::send_one(&ports, &trust, &partition, &id).await {
                    tracing::warn!(error = %error, "not sent yet; the outbox keeps it");
                }
            };
            tokio::spawn(send.in_current_span());
        }
        Ok(())
    }

    pub(super) fn uuid(&self) -> Result<Uuid, PortError> {
        let mut bytes = [0; 16];
        self.ports.entropy.fill(&mut bytes)?;
        Ok(uuid::Builder::from_random_bytes(bytes).into_uuid())
    }
}
