//! Reading a finding that was written down, and writing down what becomes of it.

use super::{
    Book, Kept, Lies, MORE, NOT_GENUINE, NotOpened, NotSettled, RESOLVED, STALE_S, STANDING,
    Settled, ToMend, UNREADABLE, check,
    next::{Look, Under, happened, next},
    open,
};
use crate::{
    event::outgoing,
    finding::{Drifted, Finding, KIND, State, StoredFinding, Verdict},
    identity::App,
    jws::Signed,
    ledger::{Commit, Contents, Document, Happened, NotCommitted, NotGenuine, commit::Change},
    ports::Found,
    time::Timestamp,
};

/// What came of writing one down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// It is as it was, and stands.
    Same,
    /// It was written down.
    Anew,
    /// Not: somebody else wrote there in that moment.
    Conflict,
}

/// For how long a finding can be read after it was last written down, in seconds: ten years. It is
/// evidence, and stands in the way of nobody's reading of others.
const READABLE_S: i64 = 10 * 365 * 86_400;

impl Book<'_> {
    /// What a finding is after this round. None: as it was.
    pub(super) fn after(&self, before: Option<&Kept>, look: Look<'_>) -> Option<Drifted> {
        let is_collective = match look {
            Look::Seen(observed) => observed.deviation.thing == MORE,
            Look::Gone | Look::Unknown => before.is_some_and(Kept::is_collective),
        };
        // Who accepts it has not seen what it stands for.
        let accepted = if is_collective { &[] } else { self.accepted };
        let under = Under { accepted, may_mend: self.may_mend, now: self.now };
        next(before.map(|before| &before.drifted), look, under)
    }

    /// Moves one finding on, if what is known now makes another of it. Remote calls: none, or a
    /// signature and a commit.
    pub(super) async fn keep(
        &self,
        before: Option<Kept>,
        look: Look<'_>,
        settled: &mut Settled,
    ) -> Result<Written, NotSettled> {
        let Some(after) = self.after(before.as_ref(), look) else {
            // What nobody saw is not asked for: it may be gone.
            if let (Some(before), Look::Seen(_)) = (before, look) {
                settled.to_mend.extend(to_mend(&before.drifted, before.document.body.finding));
            }
            return Ok(Written::Same);
        };
        let happened = happened(before.as_ref().map(|before| &before.drifted), &after);
        let about = match (look, &before) {
            (Look::Seen(observed), _) => observed.subject(),
            (_, Some(before)) => before.subject.clone(),
            (_, None) => return Ok(Written::Same),
        };
        let document = before.map(|before| before.document);
        let Some(signed) = self.commit(document, &after, about, happened).await? else {
            return Ok(Written::Conflict);
        };
        tracing::info!(
            partition = self.partition.key(),
            check = after.check,
            fingerprint = %after.fingerprint,
            severity = after.severity.name(),
            state = after.state.name(),
            "drift",
        );
        settled.detected += usize::from(happened == Happened::DriftDetected);
        settled.resolved += usize::from(happened == Happened::DriftResolved);
        settled.to_mend.extend(to_mend(&after, signed));
        Ok(Written::Anew)
    }

    /// None: somebody else wrote there first, whoever that is.
    async fn commit(
        &self,
        before: Option<Document<StoredFinding>>,
        after: &Drifted,
        subject: String,
        happened: Happened,
    ) -> Result<Option<Signed<Finding>>, NotSettled> {
        let finding = Finding {
            iss: App::Drift,
            tnt: self.tenant,
            subject,
            verdict: verdict(after, self.now),
            iat: self.now,
            exp: self.now.plus_s(READABLE_S),
            drift: Some(after.clone()),
        };
        let signed = Signed::sign(&finding, &*self.ports.signer).await?;
        let told = matches!(happened, Happened::DriftDetected | Happened::DriftResolved);
        let entropy = &*self.ports.entropy;
        let told = told.then(|| {
            let fingerprint = Some(after.fingerprint);
            let (app, reason) = (App::Drift, word(&after.check));
            outgoing(app, happened, self.partition, fingerprint, reason, entropy, self.now)
        });
        let commit = Commit {
            happened,
            principal: None,
            request: None,
            reason: None,
            traceparent: None,
            change: Some(Change {
                id: super::document_id(after.fingerprint),
                kind: KIND,
                at: before.as_ref().map_or(self.now.as_unix_s(), |document| document.at),
                hint: Some(hint(&after.state).to_owned()),
                contents: Contents::Clear {
                    salt: before.as_ref().map(|document| document.salt),
                    body: serde_json::to_string(&StoredFinding { finding: signed.clone() })?,
                },
                replaces: before.map(|document| document.etag),
            }),
            markers: Vec::new(),
            counts: Vec::new(),
            outgoing: told.transpose()?.into_iter().collect(),
            subject: None,
            artefact: None,
        };
        match self.ledger.commit(self.partition, commit, self.now).await {
            Ok(_) => Ok(Some(signed)),
            Err(NotCommitted::Conflict) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What lies in the place of this id. Remote calls: one read.
    pub(super) async fn read(&self, id: &str) -> Result<Option<Lies>, NotSettled> {
        match self.ports.documents.read(self.partition, id).await? {
            Some(found) => self.open(found).await.map(Some),
            None => Ok(None),
        }
    }

    pub(super) async fn open(&self, found: Found) -> Result<Lies, NotSettled> {
        let opened = open(found, self.partition, self.ledger, self.trust, self.now).await;
        let error = match opened {
            Ok((document, Finding { subject, drift: Some(drifted), .. })) => {
                return Ok(Lies::Genuine(Box::new(Kept { document, drifted, subject })));
            }
            Ok(_) => NotGenuine::Contents("finding").into(),
            Err(error) if error.is_violation() => error,
            Err(NotOpened::NotProven(error)) => return Err(error.into()),
            Err(error) => error,
        };
        let (partition, error) =
            (self.partition.key(), &error as &(dyn std::error::Error + 'static));
        tracing::error!(partition, error, "integrity violation: stored finding not genuine");
        Ok(Lies::Spoilt)
    }
}

fn to_mend(drifted: &Drifted, finding: Signed<Finding>) -> Option<ToMend> {
    let State::Remediating { attempt, since } = drifted.state else { return None };
    let mend = drifted.mend.clone()?;
    Some(ToMend { finding, fingerprint: drifted.fingerprint, attempt, since, mend })
}

/// The check that an event tells of.
fn word(check: &str) -> &'static str {
    match check {
        NOT_GENUINE => NOT_GENUINE,
        check => check::named(check).map_or(UNREADABLE, |check| check.name),
    }
}

const fn hint(state: &State) -> &'static str {
    match state {
        State::Open | State::Accepted { .. } | State::Remediating { .. } => STANDING,
        State::Resolved { .. } => RESOLVED,
    }
}

fn verdict(drifted: &Drifted, now: Timestamp) -> Verdict {
    match drifted.state {
        State::Resolved { .. } => Verdict::Match,
        _ if drifted.check != UNREADABLE => Verdict::Drift,
        _ if now.since_s(drifted.first_seen) >= STALE_S => Verdict::Stale,
        _ => Verdict::Unreadable,
    }
}
