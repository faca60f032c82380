//! The policies as a table: role by operation, as intake answers and as the worker decides.

use std::fmt::Write as _;

use super::world::{CONTOSO, NINA, World};
use crate::{
    catalog::{OPERATIONS, TargetKind, tests::target},
    identity::Role,
    jws::Signed,
    policy::{Known, Policies, Ruling, TargetFacts},
    request::Request,
};

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "most of them are the table")]
async fn the_policies_say_what_was_reviewed() {
    let world = World::new().await;
    let scope = world.scope(CONTOSO).await;
    let trust = world.trust().await;
    let policies = Policies::standard().unwrap();
    let plain = TargetFacts { protected: false, synced: false };
    let targets = [
        ("unseen", Known::Nothing),
        ("ordinary", Known::User(plain)),
        ("protected", Known::User(TargetFacts { protected: true, ..plain })),
        ("synced", Known::User(TargetFacts { synced: true, ..plain })),
    ];
    let mut table = format!("{:<14} {:<17}", "role", "operation");
    for (target, _) in targets {
        write!(table, " {target:<10}").unwrap();
    }
    for role in Role::ALL {
        let person = world.sign_in(CONTOSO, 1, &[role]).await;
        for operation in OPERATIONS {
            let entry = operation.entry();
            let name = entry.name;
            let ask = world.ask_on(&person, name, target(entry, NINA));
            let request = Signed::sign(&ask, &person.key).await.unwrap();
            let request =
                Request::authenticate(&person.proven(request), &trust, None, world.now()).unwrap();
            let standing = request.standing(&scope).unwrap();
            write!(table, "\n{:<14} {name:<17}", role.name()).unwrap();
            // Of a secret or an application there is nothing to see.
            let seen = if entry.target == TargetKind::User { &targets[..] } else { &targets[..1] };
            for (_, known) in seen {
                let ruling = match policies.judge(&scope, &standing, &request, 0, *known) {
                    Ruling::Allowed => "yes".to_owned(),
                    Ruling::NeedsApprovals(needed) => format!("approve {needed}"),
                    Ruling::Denied(_) => "no".to_owned(),
                };
                write!(table, " {ruling:<10}").unwrap();
            }
        }
    }
    let table: Vec<&str> = table.lines().map(str::trim_end).collect();

    insta::assert_snapshot!(table.join("\n"), @r"
    role           operation         unseen     ordinary   protected  synced
    HelpdeskAgent  sessions.revoke   yes        yes        no         yes
    HelpdeskAgent  account.disable   approve 1  approve 1  no         approve 1
    HelpdeskAgent  account.enable    approve 1  approve 1  no         approve 1
    HelpdeskAgent  password.reset    approve 1  approve 1  no         no
    HelpdeskAgent  tap.issue         approve 1  approve 1  no         approve 1
    HelpdeskAgent  mfa.reset         approve 1  approve 1  no         approve 1
    HelpdeskAgent  group.add         approve 1  approve 1  no         approve 1
    HelpdeskAgent  group.remove      approve 1  approve 1  no         approve 1
    HelpdeskAgent  license.assign    yes        yes        no         yes
    HelpdeskAgent  laps.read         approve 1  approve 1  no         approve 1
    HelpdeskAgent  bitlocker.read    approve 1  approve 1  no         approve 1
    HelpdeskAgent  risk.dismiss      approve 1  approve 1  no         approve 1
    HelpdeskAgent  secret.rotate     no
    HelpdeskAgent  credential.remove no
    SeniorAgent    sessions.revoke   yes        yes        no         yes
    SeniorAgent    account.disable   approve 1  approve 1  no         approve 1
    SeniorAgent    account.enable    approve 1  approve 1  no         approve 1
    SeniorAgent    password.reset    yes        yes        no         no
    SeniorAgent    tap.issue         yes        yes        no         yes
    SeniorAgent    mfa.reset         approve 1  approve 1  no         approve 1
    SeniorAgent    group.add         approve 1  approve 1  no         approve 1
    SeniorAgent    group.remove      approve 1  approve 1  no         approve 1
    SeniorAgent    license.assign    yes        yes        no         yes
    SeniorAgent    laps.read         yes        yes        no         yes
    SeniorAgent    bitlocker.read    yes        yes        no         yes
    SeniorAgent    risk.dismiss      approve 1  approve 1  no         approve 1
    SeniorAgent    secret.rotate     no
    SeniorAgent    credential.remove no
    Approver       sessions.revoke   no         no         no         no
    Approver       account.disable   no         no         no         no
    Approver       account.enable    no         no         no         no
    Approver       password.reset    no         no         no         no
    Approver       tap.issue         no         no         no         no
    Approver       mfa.reset         no         no         no         no
    Approver       group.add         no         no         no         no
    Approver       group.remove      no         no         no         no
    Approver       license.assign    no         no         no         no
    Approver       laps.read         no         no         no         no
    Approver       bitlocker.read    no         no         no         no
    Approver       risk.dismiss      no         no         no         no
    Approver       secret.rotate     no
    Approver       credential.remove no
    Auditor        sessions.revoke   no         no         no         no
    Auditor        account.disable   no         no         no         no
    Auditor        account.enable    no         no         no         no
    Auditor        password.reset    no         no         no         no
    Auditor        tap.issue         no         no         no         no
    Auditor        mfa.reset         no         no         no         no
    Auditor        group.add         no         no         no         no
    Auditor        group.remove      no         no         no         no
    Auditor        license.assign    no         no         no         no
    Auditor        laps.read         no         no         no         no
    Auditor        bitlocker.read    no         no         no         no
    Auditor        risk.dismiss      no         no         no         no
    Auditor        secret.rotate     no
    Auditor        credential.remove no
    TenantAdmin    sessions.revoke   yes        yes        no         yes
    TenantAdmin    account.disable   approve 1  approve 1  no         approve 1
    TenantAdmin    account.enable    approve 1  approve 1  no         approve 1
    TenantAdmin    password.reset    approve 1  approve 1  no         no
    TenantAdmin    tap.issue         approve 1  approve 1  no         approve 1
    TenantAdmin    mfa.reset         approve 1  approve 1  no         approve 1
    TenantAdmin    group.add         approve 1  approve 1  no         approve 1
    TenantAdmin    group.remove      approve 1  approve 1  no         approve 1
    TenantAdmin    license.assign    yes        yes        no         yes
    TenantAdmin    laps.read         approve 1  approve 1  no         approve 1
    TenantAdmin    bitlocker.read    approve 1  approve 1  no         approve 1
    TenantAdmin    risk.dismiss      approve 1  approve 1  no         approve 1
    TenantAdmin    secret.rotate     approve 1
    TenantAdmin    credential.remove no
    PlatformAdmin  sessions.revoke   no         no         no         no
    PlatformAdmin  account.disable   no         no         no         no
    PlatformAdmin  account.enable    no         no         no         no
    PlatformAdmin  password.reset    no         no         no         no
    PlatformAdmin  tap.issue         no         no         no         no
    PlatformAdmin  mfa.reset         no         no         no         no
    PlatformAdmin  group.add         no         no         no         no
    PlatformAdmin  group.remove      no         no         no         no
    PlatformAdmin  license.assign    no         no         no         no
    PlatformAdmin  laps.read         no         no         no         no
    PlatformAdmin  bitlocker.read    no         no         no         no
    PlatformAdmin  risk.dismiss      no         no         no         no
    PlatformAdmin  secret.rotate     no
    PlatformAdmin  credential.remove no
    ");
}

#[test]
fn a_policy_that_does_not_fit_the_schema_is_not_started_with() {
    let typo = "permit (principal, action == Airlock::Action::\"ask\", resource) \
                when { principal.provn };";

    assert!(Policies::parse(crate::policy::SCHEMA, typo).is_err());
}
