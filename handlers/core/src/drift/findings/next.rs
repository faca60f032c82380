//! What becomes of a finding: pure.

use super::{Observed, UNREADABLE};
use crate::{
    binding::Accepted,
    drift::severity::Severity,
    finding::{Drifted, State},
    ledger::Happened,
    time::Timestamp,
};

/// Age from which on it is written down again that a finding is seen, in seconds.
const RENEW_S: i64 = 12 * 3600;

/// How long a source may be unreadable before what was seen there counts no more, in seconds.
pub const STALE_S: i64 = 3600;

/// How long Airlock's own remedy is waited for before it is asked again, in seconds: as long as
/// what was asked can be approved and carried out.
pub const AGAIN_S: i64 = 3600;

/// How often Airlock is asked to mend one finding. After that it is for people.
const MOST_ATTEMPTS: u32 = 5;

/// What a round knows of the thing that a finding is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Look<'a> {
    /// It deviates.
    Seen(&'a Observed),
    /// It was looked for, and deviates no more.
    Gone,
    /// Nothing: a source was not read, or what was found has happened and is not undone by being
    /// out of sight.
    Unknown,
}

/// By whose terms.
#[derive(Clone, Copy, Debug)]
pub(super) struct Under<'a> {
    /// What is taken as it is.
    pub accepted: &'a [Accepted],
    /// Whether `drift` may ask for what mends.
    pub may_mend: bool,
    pub now: Timestamp,
}

/// What a finding is after this round. None: as it was.
pub(super) fn next(before: Option<&Drifted>, look: Look<'_>, under: Under<'_>) -> Option<Drifted> {
    let standing = before.filter(|before| !matches!(before.state, State::Resolved { .. }));
    match look {
        Look::Seen(observed) => seen(standing, observed, under),
        Look::Gone => {
            let at = under.now;
            standing.map(|standing| Drifted { state: State::Resolved { at }, ..standing.clone() })
        }
        Look::Unknown => {
            let standing = standing?;
            let state = match (acceptance(standing, under), &standing.state) {
                (Some(accepted), _) => accepted,
                // Nothing is asked for what was not seen.
                (None, State::Accepted { .. }) => State::Open,
                (None, _) => return None,
            };
            (state != standing.state).then(|| Drifted { state, ..standing.clone() })
        }
    }
}

/// What to tell the world of a finding that changed.
///
/// That it came, worsened or is accepted no more is an event, and that it went: whoever watches
/// events alone knows what stands open, and how bad it is.
pub(super) fn happened(before: Option<&Drifted>, after: &Drifted) -> Happened {
    let stood = |before: &&Drifted| !matches!(before.state, State::Resolved { .. });
    let Some(before) = before.filter(stood) else { return Happened::DriftDetected };
    match (&before.state, &after.state) {
        (_, State::Resolved { .. }) => Happened::DriftResolved,
        (_, State::Accepted { .. }) => Happened::Compared,
        (State::Accepted { .. }, _) => Happened::DriftDetected,
        _ if after.severity > before.severity => Happened::DriftDetected,
        _ => Happened::Compared,
    }
}

fn seen(
    standing: Option<&Drifted>,
    observed: &Observed,
    under @ Under { now, .. }: Under<'_>,
) -> Option<Drifted> {
    let first_seen = standing.map_or(now, |standing| standing.first_seen);
    let is_stale = observed.check == UNREADABLE && now.since_s(first_seen) >= STALE_S;
    let mut after = Drifted {
        fingerprint: observed.fingerprint,
        check: observed.check.to_owned(),
        severity: if is_stale { Severity::High } else { observed.severity },
        declared: observed.deviation.declared.clone(),
        found: observed.deviation.found.clone(),
        first_seen,
        last_seen: now,
        state: State::Open,
        mend: observed.deviation.mend.clone(),
    };
    // Only now it is known what there is to accept.
    if let Some(state) = acceptance(&after, under).or_else(|| mending(standing, &after, under)) {
        after.state = state;
    }
    let same = standing.is_some_and(|standing| {
        let dated = Drifted { last_seen: standing.last_seen, ..after.clone() };
        dated == *standing && now.since_s(standing.last_seen) < RENEW_S
    });
    (!same).then_some(after)
}

/// As the terms take it, if they take exactly this: the longest of what they say.
fn acceptance(drifted: &Drifted, under: Under<'_>) -> Option<State> {
    let evidence = drifted.evidence();
    let all = under.accepted.iter().filter(|each| {
        each.finding == drifted.fingerprint && each.evidence == evidence && under.now < each.until
    });
    let accepted = all.max_by_key(|each| each.until)?;
    Some(State::Accepted { reason: accepted.reason.clone(), until: accepted.until })
}

/// That Airlock is asked to mend it, if it can be.
fn mending(standing: Option<&Drifted>, after: &Drifted, under: Under<'_>) -> Option<State> {
    if !under.may_mend || after.mend.is_none() {
        return None;
    }
    let asked = match standing.map(|standing| &standing.state) {
        Some(State::Remediating { attempt, since }) => Some((*attempt, *since)),
        _ => None,
    };
    let now = under.now;
    Some(match asked {
        Some((attempt, since)) if now.since_s(since) < AGAIN_S || attempt >= MOST_ATTEMPTS => {
            State::Remediating { attempt, since }
        }
        Some((attempt, _)) => State::Remediating { attempt: attempt + 1, since: now },
        None => State::Remediating { attempt: 1, since: now },
    })
}

#[cfg(test)]
mod tests;
