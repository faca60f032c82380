//! What cannot be read is an alert of its own: no drift, no silence, and no other check's business.

use super::*;
use crate::{
    drift::{
        actual::{Credential, CredentialKind},
        findings::{STALE_S, UNREADABLE},
        seen::Source,
        severity::Severity,
    },
    finding::Verdict,
    ports::PortError,
};

const READ: [Source; 18] = [
    Source::Registrations,
    Source::FederatedCredentials,
    Source::ApplicationOwners,
    Source::ServicePrincipals,
    Source::PrincipalOwners,
    Source::AppRoles,
    Source::DelegatedGrants,
    Source::DirectoryRoles,
    Source::OwnedApplications,
    Source::DirectoryAudits,
    Source::Applications,
    Source::Sites,
    Source::AppSettings,
    Source::Functions,
    Source::Stores,
    Source::RoleAssignments,
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
            is.stores[1].keyed = true;
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
    stage.actual.is.lock().unwrap().stores[1].keyed = true;
    stage.round().await;
    // It is mended, and nobody can see it.
    stage.actual.is.lock().unwrap().stores[1].keyed = false;
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
    assert_eq!(reads.get(&Source::AppRoles), Some(&2), "once in each tenant");
}
