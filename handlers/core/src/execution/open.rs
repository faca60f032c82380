//! Opening a message: what it is about, and whether that is what was recorded.
//!
//! A message is believed as far as this: it carries a permit that names a request which is
//! stored, genuine, and stored with this very permit. Then the *stored* evidence is judged. So
//! whoever owns the bus can wake the worker up, and nothing else.

use crate::{
    digest::Digest,
    jws::{Signed, Verified},
    keyset::Trust,
    ledger::{Document, NotProven, NotRead},
    permit::{Permit, PermittedChange},
    ports::{Partition, PortError},
    record::{Record, document_id},
    tenancy::TenantScope,
    trust::NotTrusted,
};

use super::Worker;

/// A stored request that a genuine message is about.
pub(super) struct Opened {
    pub trust: Trust,
    pub scope: TenantScope,
    pub permit: Verified<Permit>,
    pub document: Document<Record>,
}

/// Why a message leads nowhere. None of it changes a request.
pub(super) enum Unopened {
    /// It, or what is stored, is not what our apps signed. Where that is recorded depends on
    /// how far the tenant is known.
    Violation { scope: Option<Box<TenantScope>>, request: Option<Digest>, what: &'static str },
    /// The request has ended already, and may have been erased since.
    Ended(Digest),
    /// The ledger is not proven.
    NotProven(NotProven),
    /// Something was not read.
    Port(PortError),
}

impl From<PortError> for Unopened {
    fn from(error: PortError) -> Self {
        Self::Port(error)
    }
}

impl Worker {
    /// Opens a message. Reads the keyset, the binding and the stored request afresh.
    pub(super) async fn open(&self, change: &PermittedChange) -> Result<Opened, Unopened> {
        let now = self.ports.clock.now();
        let trust = self.trust.trust().await.map_err(|error| untrusted(error, None))?;
        let permit = trust.open(&change.permit, now).map_err(|error| {
            tracing::error!(error = %error, "permit not verified");
            let what = "the permit is not intake's";
            Unopened::Violation { scope: None, request: None, what }
        })?;
        let request = permit.req;
        let nowhere = |what| Unopened::Violation { scope: None, request: Some(request), what };
        if permit.aud != self.app {
            return Err(nowhere("the permit is for another worker"));
        }
        // Older than what intake saw: somebody put an earlier signed version back.
        if trust.version() < permit.ks.ver {
            return Err(nowhere("the keyset is older than the permit's"));
        }
        let scope = self.trust.scope(&trust, permit.tnt).await;
        let scope = scope.map_err(|error| untrusted(error, Some(request)))?;
        let violation = |what| Unopened::Violation {
            scope: Some(Box::new(scope.clone())),
            request: Some(request),
            what,
        };
        if scope.binding().ver < permit.bnd.ver {
            return Err(violation("the binding is older than the permit's"));
        }
        let partition = Partition::tenant(&scope);
        let found = self.ports.documents.read(&partition, &document_id(request)).await?;
        let found = found.ok_or_else(|| violation("the request is not stored"))?;
        let order = found.json.get("erased").cloned();
        let keys = self.keys.of(&trust, &partition);
        let document: Document<Record> = match Document::open_sealed(found, keys, now).await {
            Ok(document) => document,
            Err(NotRead::Port(error)) => return Err(error.into()),
            Err(NotRead::Erased) => {
                let wrong = self.erased(&trust, &scope, request, order).await?;
                return Err(wrong.map_or(Unopened::Ended(request), violation));
            }
            Err(NotRead::NotGenuine(error)) => {
                tracing::error!(error = %error, "stored request not genuine");
                return Err(violation("the stored request is not genuine"));
            }
        };
        if !is_recorded(change, request, &document.body) {
            return Err(violation("the message is not what was recorded"));
        }
        if document.body.state.is_final() {
            return Err(Unopened::Ended(request));
        }
        Ok(Opened { trust, scope, permit, document })
    }
}

/// Whether a message carries the permit that is stored with the request that it names. Compared
/// is what was signed: the twin of its signature, which anybody can make, makes no other permit.
fn is_recorded(change: &PermittedChange, request: Digest, record: &Record) -> bool {
    record.request == request
        && record.evidence.digest() == request
        && record.permit.as_ref().map(Signed::digest) == Some(change.permit.digest())
}

fn untrusted(error: NotTrusted, request: Option<Digest>) -> Unopened {
    let what = match error {
        NotTrusted::Port(error) => return error.into(),
        NotTrusted::NotProven(error) => return Unopened::NotProven(error),
        NotTrusted::Older => return PortError::Unavailable(error.into()).into(),
        NotTrusted::NoBinding => "the tenant has no binding",
        NotTrusted::NoKeyset => "the deployment has no keyset",
        NotTrusted::Form(_) | NotTrusted::NotVerified(_) => {
            tracing::error!(error = %error, "not trusted");
            "the keyset or a binding is not genuine"
        }
    };
    Unopened::Violation { scope: None, request, what }
}
