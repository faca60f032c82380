//! What changes in a directory by Airlock, or of Airlock's, a claim accounts for, or it is told of.

mod behind;

use super::*;
use crate::{
    claim::{CONTAINER, Claim, RESUME_S, claim_blob},
    drift::{actual::DirectoryChange, sources::Span},
    identity::Role::SeniorAgent,
    jws::Signed,
    memory::{
        Fault, LocalKey,
        actual::{object, principal},
    },
    ports::Blobs as _,
    reception::RequestName,
    request::correlation,
    tests::world::{NINA, key},
    time::Timestamp,
};

const ACCOUNTS: u128 = 0xc010 + 2;
const ROTATOR: u128 = 0xc010 + 6;
const REMEDIATOR: u128 = 0xc010 + 7;
const OBSERVER: u128 = 0xc010 + 8;
const SKEW_S: i64 = 60;

fn of(client: u128) -> ObjectId {
    principal(CONTOSO, id(client))
}

/// A change by `airlock-worker-accounts`.
fn change(stage: &Stage, name: &str, request: Option<Digest>, target: &str) -> DirectoryChange {
    DirectoryChange {
        id: name.to_owned(),
        at: stage.world.now(),
        by: Some(of(ACCOUNTS)),
        correlation: request.map(correlation),
        activity: "Disable account".to_owned(),
        targets: [target.to_owned()].into(),
    }
}

impl Stage {
    fn logs(&self, change: DirectoryChange) {
        self.actual.is.lock().unwrap().changes.push(change);
    }

    async fn permitted(&self) -> Digest {
        let sam = self.world.sign_in(CONTOSO, 2, &[SeniorAgent]).await;
        let ask = self.world.ask(&sam, "sessions.revoke", NINA);
        let view = self.world.submit(&sam, &ask).await.unwrap();
        RequestName::parse(&view.id).unwrap().digest
    }

    /// A request that `execute` has claimed and carried out.
    async fn claimed(&self) -> Digest {
        let request = self.permitted().await;
        assert!(self.world.deliver_permit(&self.world.worker()).await);
        request
    }

    async fn claim(&self, request: Digest) -> Claim {
        let name = claim_blob(CONTOSO, request);
        let bytes = self.world.blobs.read(CONTAINER, &name).await.unwrap().unwrap();
        let signed: Signed<Claim> = Signed::parse(String::from_utf8(bytes).unwrap()).unwrap();
        signed.peek().unwrap()
    }

    /// Whoever owns the account of blobs puts another claim in the place of a request's.
    async fn replace(&self, request: Digest, claim: &Claim, by: &LocalKey) {
        let claim = Signed::sign(claim, by).await.unwrap();
        let name = claim_blob(CONTOSO, request);
        self.world.blobs.overwrite(CONTAINER, &name, claim.as_str().as_bytes());
    }

    /// Why each change stands that does, by its name, in the words of its finding.
    async fn told(&self, check: &str) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for finding in self.all().await {
            let Some(drifted) = finding.drift else { continue };
            if drifted.check == check && !matches!(drifted.state, State::Resolved { .. }) {
                let name = finding.subject.rsplit('/').next().unwrap().to_owned();
                let found = drifted.found.unwrap();
                all.push((name, found.rsplit(": ").next().unwrap().to_owned()));
            }
        }
        all.sort();
        all
    }

    async fn unaccounted(&self) -> Vec<(String, String)> {
        self.told("change-without-receipt").await
    }

    async fn names(&self, check: &str) -> Vec<String> {
        self.told(check).await.into_iter().map(|(name, _)| name).collect()
    }
}

#[tokio::test]
async fn a_change_with_a_claim_is_accounted_for_and_any_other_is_not() {
    let stage = Stage::new().await;
    let request = stage.claimed().await;
    let other = Digest::of(&[b"other"]);
    let rows = [
        (change(&stage, "claimed", Some(request), "nina"), None),
        (change(&stage, "again", Some(request), "nina"), None),
        (
            change(&stage, "besides", Some(request), "olga"),
            Some("the request that it names has changed something else"),
        ),
        (
            change(&stage, "unclaimed", Some(other), "nina"),
            Some("the request that it names was not claimed"),
        ),
        (change(&stage, "unnamed", None, "nina"), Some("it names no request")),
    ];
    let drift = stage.drift();
    let mut expected = Vec::new();
    for (change, why) in rows {
        expected.extend(why.map(|why| (change.id.clone(), why.to_owned())));
        expected.sort();
        stage.logs(change);

        drift.round().await.unwrap();
        stage.world.seal().await;

        assert_eq!(stage.unaccounted().await, expected);
    }
    // It has happened: that the log forgets it, or the process, undoes nothing.
    stage.actual.is.lock().unwrap().changes.clear();
    stage.round().await;
    assert_eq!(stage.unaccounted().await, expected);
}

fn far_off() -> Timestamp {
    Timestamp::parse("9999-12-31T00:00:00Z").unwrap()
}

fn lasts(claim: &mut Claim, seconds: i64) {
    claim.resume_until = claim.iat.plus_s(seconds);
}

fn earlier(claim: &mut Claim, seconds: i64) {
    claim.iat = claim.iat.plus_s(-seconds);
    lasts(claim, RESUME_S);
}

const NOT_GENUINE: Option<&str> = Some("the claim of the request that it names is not genuine");
const OTHER_WORKER: Option<&str> = Some("another worker claimed the request that it names");
const OTHER_TIME: Option<&str> = Some("the claim was not in force at that time");

#[tokio::test]
async fn a_claim_accounts_for_a_change_if_it_is_the_workers_own_and_of_this_request() {
    type Spoil = fn(&mut Claim);
    let rows: [(&str, App, Spoil, Option<&str>); 11] = [
        ("as it was", App::Execute, |_| {}, None),
        ("another tenant", App::Execute, |claim| claim.tnt = FABRIKAM, NOT_GENUINE),
        ("another request", App::Execute, |claim| claim.req = Digest::of(&[b"other"]), NOT_GENUINE),
        ("void", App::Execute, |claim| claim.void = true, NOT_GENUINE),
        ("for ever", App::Execute, |claim| claim.resume_until = far_off(), NOT_GENUINE),
        ("a second too long", App::Execute, |claim| lasts(claim, RESUME_S + 1), NOT_GENUINE),
        ("signed when the first attempt died", App::Execute, |claim| earlier(claim, 600), None),
        ("told of when it was over", App::Execute, |claim| earlier(claim, 961), NOT_GENUINE),
        ("by an app that claims nothing", App::Intake, |_| {}, NOT_GENUINE),
        ("in another's name", App::Rotate, |_| {}, NOT_GENUINE),
        ("another worker's", App::Rotate, |claim| claim.iss = App::Rotate, OTHER_WORKER),
    ];
    for (what, by, spoil, why) in rows {
        let stage = Stage::new().await;
        let request = stage.claimed().await;
        let mut claim = stage.claim(request).await;
        spoil(&mut claim);
        stage.replace(request, &claim, stage.world.key_of(by)).await;
        stage.logs(change(&stage, "it", Some(request), "nina"));

        stage.round().await;

        let told = stage.unaccounted().await;
        assert_eq!(told.first().map(|(_, why)| why.as_str()), why, "{what}");
    }
}

#[tokio::test]
async fn what_is_no_claim_or_by_a_key_that_nobody_lists_accounts_for_nothing() {
    let stage = Stage::new().await;
    let (one, other) = (stage.claimed().await, stage.claimed().await);
    stage.world.blobs.overwrite(CONTAINER, &claim_blob(CONTOSO, one), b"claim");
    let claim = stage.claim(other).await;
    stage.replace(other, &claim, &key()).await;
    stage.logs(change(&stage, "no claim", Some(one), "nina"));
    stage.logs(change(&stage, "a stranger's", Some(other), "nina"));

    stage.round().await;

    let expected = ["a stranger's", "no claim"];
    assert_eq!(
        stage.unaccounted().await,
        expected.map(|name| (name.to_owned(), NOT_GENUINE.unwrap().to_owned()))
    );
}

#[tokio::test]
async fn a_claim_without_a_permit_or_that_the_ledger_does_not_tell_of_accounts_for_nothing() {
    let stage = Stage::new().await;
    let model = stage.claimed().await;
    let model = stage.claim(model).await;
    let (forged, untold) = (Digest::of(&[b"forged"]), stage.permitted().await);
    for request in [forged, untold] {
        let claim = Claim { req: request, ..model.clone() };
        stage.replace(request, &claim, stage.world.key_of(App::Execute)).await;
    }
    stage.logs(change(&stage, "forged", Some(forged), "nina"));
    stage.logs(change(&stage, "untold", Some(untold), "nina"));

    stage.round().await;

    let expected = [
        ("forged", "the request that it names was not permitted"),
        ("untold", "the ledger does not tell of the claim"),
    ];
    assert_eq!(
        stage.unaccounted().await,
        expected.map(|(name, why)| (name.to_owned(), why.to_owned()))
    );
}

#[tokio::test]
async fn a_claim_accounts_for_what_was_changed_while_it_was_in_force() {
    let stage = Stage::new().await;
    let request = stage.claimed().await;
    let Claim { iat, resume_until, .. } = stage.claim(request).await;
    stage.world.pass(RESUME_S + 600).await;
    let rows: [(&str, Timestamp, Option<&str>); 4] = [
        ("too early", iat.plus_s(-SKEW_S - 1), OTHER_TIME),
        ("early", iat.plus_s(-SKEW_S), None),
        ("late", resume_until.plus_s(SKEW_S), None),
        ("too late", resume_until.plus_s(SKEW_S + 1), OTHER_TIME),
    ];
    for (name, at, _) in &rows {
        stage.logs(DirectoryChange { at: *at, ..change(&stage, name, Some(request), "nina") });
    }

    stage.round().await;

    let expected = rows.iter().filter_map(|(name, _, why)| Some((*name, (*why)?)));
    let mut expected: Vec<_> =
        expected.map(|(name, why)| (name.to_owned(), why.to_owned())).collect();
    expected.sort();
    assert_eq!(stage.unaccounted().await, expected);
}

#[tokio::test]
async fn a_revoked_workers_claim_counts_where_it_was_anchored_before() {
    for sealed in [true, false] {
        let stage = Stage::new().await;
        let request = stage.claimed().await;
        if sealed {
            stage.world.pass(1).await;
        }
        stage.logs(change(&stage, "it", Some(request), "nina"));
        stage.world.revoke_key_of(App::Execute).await;

        let round = stage.drift().round().await.unwrap();

        assert_eq!(stage.unaccounted().await, []);
        // A tree that goes on with a revoked key's words says nothing for or against it.
        assert_eq!((round.unreadable == 0, round.failed == 0), (sealed, sealed), "{round:?}");
    }
}

#[tokio::test]
async fn what_a_revoked_key_signs_afterwards_accounts_for_nothing() {
    let rows = [(false, "the ledger does not tell of the claim"), (true, NOT_GENUINE.unwrap())];
    for (revoked, why) in rows {
        let stage = Stage::new().await;
        let request = stage.claimed().await;
        stage.world.pass(1).await;
        let claim = Claim { iss: App::Rotate, ..stage.claim(request).await };
        stage.replace(request, &claim, stage.world.key_of(App::Rotate)).await;
        stage.logs(DirectoryChange {
            by: Some(of(REMEDIATOR)),
            ..change(&stage, "it", Some(request), "nina")
        });
        if revoked {
            stage.world.revoke_key_of(App::Rotate).await;
        }

        stage.round().await;

        assert_eq!(stage.unaccounted().await, [("it".to_owned(), why.to_owned())]);
    }
}

#[tokio::test]
async fn each_identity_changes_what_it_is_there_for_and_nothing_else() {
    let stage = Stage::new().await;
    let request = stage.claimed().await;
    let own = |app: App| stage.manifest.principals.get(&app).copied();
    let stranger = id(0x4444).to_string();
    let rows = [
        ("admin", own(App::Admin), None),
        ("drift", own(App::Drift), Some("the application changes nothing")),
        ("execute", own(App::Execute), Some("the application changes nothing")),
        ("observer", Some(of(OBSERVER)), Some("the application changes nothing")),
        ("portal", Some(of(0xc001)), Some("the application changes nothing")),
        ("remediator", Some(of(REMEDIATOR)), OTHER_WORKER),
        ("rotator", Some(of(ROTATOR)), Some("the rotator is not bound to change it")),
    ];
    for (name, by, _) in &rows {
        stage.logs(DirectoryChange { by: *by, ..change(&stage, name, Some(request), &stranger) });
    }

    stage.round().await;

    let expected = rows.iter().filter_map(|(name, _, why)| Some((*name, (*why)?)));
    let expected: Vec<_> = expected.map(|(name, why)| (name.to_owned(), why.to_owned())).collect();
    assert_eq!(stage.unaccounted().await, expected);
}

#[tokio::test]
async fn whoever_else_changes_what_is_airlocks_is_told_of_even_if_all_is_as_declared_again() {
    let stage = Stage::new().await;
    let (person, worker) = (Some(id(0x7777)), id(ACCOUNTS));
    let execute = stage.manifest.principals.get(&App::Execute).unwrap();
    let written = |id: ObjectId| id.to_string();
    let rows = [
        ("a registration", person, written(object(worker)), true),
        ("a service principal", person, written(of(ACCOUNTS)), true),
        ("a managed identity", None, written(*execute), true),
        (
            "by the admin plane",
            stage.manifest.principals.get(&App::Admin).copied(),
            written(object(worker)),
            false,
        ),
        ("somebody else's", person, written(id(0x8888)), false),
    ];
    let before = DirectoryChange {
        by: person,
        at: stage.world.now().plus_s(-1),
        ..change(&stage, "before the terms were signed", None, &written(object(worker)))
    };
    stage.logs(before);
    for (name, by, target, _) in &rows {
        stage.logs(DirectoryChange { by: *by, ..change(&stage, name, None, target) });
    }

    stage.round().await;
    stage.actual.is.lock().unwrap().changes.clear();
    stage.round().await;

    let mut expected: Vec<_> =
        rows.iter().filter(|(.., told)| *told).map(|(name, ..)| (*name).to_owned()).collect();
    expected.sort();
    assert_eq!(stage.names("change-by-others").await, expected);
    assert_eq!(stage.unaccounted().await, []);
}

#[tokio::test]
async fn one_that_was_removed_is_known_by_what_was_kept_of_it() {
    let stage = Stage::new().await;
    stage.round().await;
    let gone = of(ACCOUNTS);
    stage.world.pass(10).await;
    stage.logs(DirectoryChange {
        by: Some(id(0x7777)),
        ..change(&stage, "removed", None, &gone.to_string())
    });
    for principals in stage.actual.is.lock().unwrap().principals.values_mut() {
        principals.retain(|each| each.object != gone);
    }

    stage.round().await;

    assert_eq!(stage.names("change-by-others").await, ["removed"]);
}

#[tokio::test]
async fn one_that_was_removed_is_asked_about_until_the_log_can_tell_of_it_no_more() {
    let stage = Stage::new().await;
    let drift = stage.drift();
    let round = async || {
        let round = drift.round().await.unwrap();
        assert_eq!((round.failed, round.unreadable), (0, 0), "{round:?}");
        stage.world.pass(60).await;
    };
    round().await;
    let gone = of(ACCOUNTS);
    for principals in stage.actual.is.lock().unwrap().principals.values_mut() {
        principals.retain(|each| each.object != gone);
    }
    let removed = DirectoryChange {
        by: Some(id(0x7777)),
        ..change(&stage, "removed", None, &gone.to_string())
    };
    let last = change(&stage, "its last", None, "nina");
    // Two rounds miss it before the log tells of anything.
    round().await;
    round().await;
    stage.logs(removed);
    stage.logs(last);
    round().await;

    assert_eq!(stage.names("change-by-others").await, ["removed"]);
    assert_eq!(stage.names("change-without-receipt").await, ["its last"]);

    // Another process knows it too, from what was kept.
    stage.logs(DirectoryChange {
        by: Some(id(0x7777)),
        ..change(&stage, "told late", None, &gone.to_string())
    });
    stage.round().await;
    assert_eq!(stage.names("change-by-others").await, ["removed", "told late"]);

    // More than an hour later nothing is asked about it any more.
    stage.world.pass(3700).await;
    round().await;
    stage.logs(change(&stage, "nobody's", None, "nina"));
    round().await;
    assert_eq!(stage.names("change-without-receipt").await, ["its last"]);
}

#[tokio::test]
async fn a_change_is_told_of_although_the_round_that_saw_it_could_not_write_it_down() {
    let stage = Stage::new().await;
    stage.round().await;
    stage.world.pass(60).await;
    stage.logs(change(&stage, "it", None, "nina"));
    stage.world.documents.next_batches([Fault::Fails; 60]);
    let failed = stage.drift().round().await.unwrap();
    assert_eq!((failed.failed > 0, stage.unaccounted().await.len()), (true, 0));
    // Longer than the log is read again for its late entries.
    stage.world.pass(3 * 3600).await;

    // Until the store takes something again.
    for _ in 0..60 {
        if stage.round().await.failed == 0 {
            break;
        }
    }

    assert_eq!(stage.names("change-without-receipt").await, ["it"]);
}

#[tokio::test]
async fn a_process_that_starts_anew_reads_on_where_the_last_one_was_settled() {
    let stage = Stage::new().await;
    stage.round().await;
    let first = stage.actual.spans.lock().unwrap().clone();
    stage.world.pass(4 * 3600).await;
    stage.logs(DirectoryChange {
        at: stage.world.now().plus_s(-2 * 3600),
        ..change(&stage, "while nobody looked", None, "nina")
    });
    stage.actual.spans.lock().unwrap().clear();

    stage.round().await;

    assert_eq!(stage.names("change-without-receipt").await, ["while nobody looked"]);
    let read = |spans: &[(TenantId, Span)]| {
        spans.iter().map(|(_, span)| span.until.since_s(span.from)).sum::<i64>()
    };
    let again = stage.actual.spans.lock().unwrap().clone();
    // Of two tenants each.
    assert_eq!(read(&first), 2 * 86_400);
    assert!(read(&again) < 2 * 6 * 3600, "{again:?}");
}

#[tokio::test]
async fn a_busy_log_is_read_in_shorter_spans_and_a_flood_is_told_of_one_after_the_other() {
    let stage = Stage::new().await;
    stage.round().await;
    stage.world.pass(1200).await;
    let now = stage.world.now();
    for number in 0..1000_i64 {
        // Of somebody else's, and one in ten of ours.
        let by = if number % 10 == 0 { Some(of(ACCOUNTS)) } else { Some(id(0x7777)) };
        let at = now.plus_s(-1000 + number);
        let name = format!("{number:04}");
        stage.logs(DirectoryChange { at, by, ..change(&stage, &name, None, "nina") });
    }
    let drift = stage.drift();

    let mut told = Vec::new();
    for _ in 0..3 {
        let round = drift.round().await.unwrap();
        assert_eq!((round.failed, round.unreadable), (0, 0));
        stage.world.seal().await;
        told.push(stage.unaccounted().await.len());
    }

    assert_eq!(told, [50, 100, 100]);
    let spans = stage.actual.spans.lock().unwrap().clone();
    assert!(spans.iter().any(|(_, span)| span.until.since_s(span.from) < 600), "{spans:?}");
}
