//! What cannot be read is an alert of its own: no drift, no silence, and no other check's business.

use super::*;
use crate::{
    binding::Conditions,
    drift::{
        actual::{Credential, CredentialKind, Way},
        findings::{STALE_S, UNREADABLE},
        seen::Source,
        severity::Severity,
    },
    finding::Verdict,
    ports::PortError,
    step_up::Context,
};

const READ: [Source; 22] = [
    Source::Registrations,
    Source::FederatedCredentials,
    Source::ApplicationOwners,
    Source::ServicePrincipals,
    Source::PrincipalOwners,
    Source::AppRoles,
    Source::DelegatedGrants,
    Source::DirectoryRoles,
    Source::Identities,
    Source::CustomRoles,
    Source::OwnedApplications,
    Source::DirectoryAudits,
    Source::Applications,
    Source::Sites,
    Source::AppSettings,
    Source::Functions,
    Source::Stores,
    Source::RoleAssignments,
    Source::AzureRoles,
    Source::ManagedIdentities,
    Source::FrontDoor,
    Source::Packages,
];

fn later() -> PortError {
    PortError::Throttled { after_s: Some(5) }
}

fn denied() -> PortError {
    PortError::Denied("no".into())
}

#[tokio::test]
async fn each_source_in_turn_is_unreadable_alone() {
    for (turn, source) in READ.into_iter().enumerate() {
        let stage = Stage::new().await;
        stage.round().await;
        let error = if turn % 2 == 0 { later } else { denied };
        stage.actual.broken.lock().unwrap().insert(source, error);
        // Two things deviate besides, read from sources far apart.
        {
            let mut is = stage.actual.is.lock().unwrap();
            let kind = CredentialKind::Password;
            is.registrations[0].credentials.push(Credential { id: Uuid::nil(), kind, ends: None });
            is.stores[1].keyed = [Way::SharedKeys].into();
        }

        stage.round().await;

        let standing = stage.standing().await;
        let mut said: Vec<_> = standing.iter().map(|each| each.check.as_str()).collect();
        said.sort_unstable();
        said.dedup();
        let mut expected = vec![UNREADABLE];
        if source != Source::Registrations {
            expected.push("secretless-application");
        }
        if source != Source::Stores {
            expected.push("keyed-access");
        }
        expected.sort_unstable();
        assert_eq!(said, expected, "{source:?}");
        let verdicts: Vec<_> = stage.all().await.into_iter().map(|each| each.verdict).collect();
        assert!(verdicts.contains(&Verdict::Unreadable), "{source:?}");

        stage.actual.broken.lock().unwrap().clear();
        stage.round().await;
        let standing = stage.standing().await;
        assert!(standing.iter().all(|each| each.check != UNREADABLE), "{source:?}: {standing:?}");
    }
}

#[tokio::test]
async fn what_was_found_stands_while_its_source_cannot_be_read() {
    let stage = Stage::new().await;
    stage.actual.is.lock().unwrap().stores[1].keyed = [Way::SharedKeys].into();
    stage.round().await;
    // It is mended, and nobody can see it.
    stage.actual.is.lock().unwrap().stores[1].keyed.clear();
    stage.actual.broken.lock().unwrap().insert(Source::Stores, denied);

    stage.round().await;
    let checks = |standing: Vec<Drifted>| -> Vec<String> {
        let mut all: Vec<_> = standing.into_iter().map(|each| each.check).collect();
        all.sort_unstable();
        all
    };
    assert_eq!(checks(stage.standing().await), ["keyed-access", UNREADABLE]);

    stage.world.pass(STALE_S).await;
    stage.round().await;
    let all = stage.all().await;
    let old = all.iter().find(|finding| finding.verdict == Verdict::Stale).unwrap();
    assert_eq!(old.drift.as_ref().unwrap().severity, Severity::High);

    stage.actual.broken.lock().unwrap().clear();
    stage.round().await;
    assert_eq!(stage.standing().await, []);
}

#[tokio::test]
async fn what_no_tenant_rests_on_is_not_read() {
    let stage = Stage::new().await;
    stage.round().await;

    let reads = stage.actual.reads.lock().unwrap();
    assert_eq!(reads.get(&Source::AccessPolicies), None);
    assert_eq!(reads.get(&Source::Registrations), Some(&1), "the deployment's, once");
    assert_eq!(
        reads.get(&Source::AppRoles),
        Some(&3),
        "once in each tenant, and of the identities"
    );
}

/// What is told of as unreadable in the deployment.
async fn unread(stage: &Stage) -> Vec<String> {
    let all = stage.all().await.into_iter();
    let mut all: Vec<String> = all
        .filter(|finding| matches!(finding.verdict, Verdict::Unreadable | Verdict::Stale))
        .map(|finding| finding.subject)
        .collect();
    all.sort_unstable();
    all
}

#[tokio::test]
async fn each_of_two_sources_that_one_check_needs_is_told_of_and_neither_hides_the_other() {
    let stage = Stage::new().await;
    let broken = |sources: &[Source]| {
        let broken: BTreeMap<Source, fn() -> PortError> =
            sources.iter().map(|source| (*source, denied as fn() -> PortError)).collect();
        *stage.actual.broken.lock().unwrap() = broken;
    };

    broken(&[Source::Stores, Source::FrontDoor]);
    let round = stage.round().await;
    assert_eq!(round.unreadable, 2);
    assert_eq!(unread(&stage).await, ["unreadable/source/front-door", "unreadable/source/stores"]);

    broken(&[Source::Stores]);
    stage.round().await;
    assert_eq!(unread(&stage).await, ["unreadable/source/stores"]);

    // What needs another source that cannot be read was not looked at: it is not readable again.
    broken(&[Source::AppSettings]);
    stage.round().await;
    broken(&[Source::Sites]);
    stage.round().await;
    let said = unread(&stage).await;
    assert_eq!(said, ["unreadable/source/app-settings", "unreadable/source/sites"]);

    broken(&[]);
    stage.round().await;
    assert_eq!(unread(&stage).await, [""; 0]);
}

#[tokio::test]
async fn what_a_tenant_rests_on_is_read_once_in_a_round_for_whoever_judges_and_whoever_decides() {
    let stage = Stage::new().await;
    let c1 = Context::try_from("c1".to_owned()).unwrap();
    let conditions = Conditions { step_up: Some(c1), ..Conditions::default() };
    stage
        .world
        .change_terms(CONTOSO, |terms| {
            terms.operations.insert("account.disable".to_owned(), conditions);
        })
        .await;
    stage.world.seal().await;

    let round = stage.round().await;

    assert_eq!(stage.actual.reads.lock().unwrap().get(&Source::AccessPolicies), Some(&1));
    // One finding says so to approvals, another one to people.
    assert_eq!((round.backing, round.detected, round.failed), (1, 1, 0));
    // As long as it cannot be read, what was said stands; what nobody may read shows nothing.
    for (error, backing) in [(later as fn() -> PortError, 0), (denied, 1), (denied, 0)] {
        stage.actual.broken.lock().unwrap().insert(Source::AccessPolicies, error);
        let round = stage.round().await;
        assert_eq!((round.backing, round.unreadable, round.failed), (backing, 1, 0));
    }
}
