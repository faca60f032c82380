//! Who may ask for a secret to be rotated, and who decides.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::{
    super::{
        super::world::{CONTOSO, Client, settle},
        shop::Kind,
    },
    Door, NAME,
};
use crate::{
    binding::Service,
    decision::{NotDecided, Verdict},
    identity::Role,
    reception::{NotReceived, RequestName, View},
    request::NotAuthorized,
    service::{Holder, SeenToken, ServiceAsk},
};

fn with_owner(owner: &Client) -> Value {
    let mut binding = Kind::ClientSecret.binding();
    binding["owners"] = json!([owner.id().oid]);
    json!([binding])
}

#[tokio::test(start_paused = true)]
async fn a_secrets_owners_see_and_decide_what_is_asked_of_it_but_nothing_of_their_own() {
    let door = Door::of(Kind::ClientSecret).await;
    let world = &door.shop.world;
    let olaf = world.sign_in(CONTOSO, 14, &[Role::HelpdeskAgent]).await;
    let stranger = world.sign_in(CONTOSO, 15, &[Role::HelpdeskAgent]).await;
    door.shop.bind(&with_owner(&olaf)).await;
    let view = world.submit(&door.tina, &door.ask(&door.tina, "payroll", false)).await.unwrap();
    let name = RequestName::parse(&view.id).unwrap();
    let listed = async |client: &Client| {
        world.reception.list(&client.caller, CONTOSO, None).await.unwrap().len()
    };

    let unseen = world.reception.show(&stranger.caller, name).await;
    assert!(matches!(unseen, Err(NotReceived::NotThere)));
    assert_eq!((listed(&olaf).await, listed(&stranger).await), (1, 0));
    assert!(world.reception.show(&olaf.caller, name).await.is_ok());
    let undecided = world.decide(&stranger, &view.id, Verdict::Approve).await;
    assert!(matches!(undecided, Err(NotReceived::NotThere)));
    let own = world.decide(&door.tina, &view.id, Verdict::Approve).await;
    assert!(matches!(own, Err(NotReceived::NotDecided(NotDecided::Policy(_)))), "{own:?}");

    let view = world.decide(&olaf, &view.id, Verdict::Approve).await.unwrap();
    assert_eq!(view.state, "permitted");
    assert!(door.deliver(&door.worker(), &door.last_message(), 1).await);
    assert_eq!(door.ended(&view).await.0, "succeeded");

    // Who owns one may still not ask for it.
    let asked = world.submit(&olaf, &door.ask(&olaf, "payroll", false)).await;
    assert!(matches!(asked, Err(NotReceived::NotAllowed(NotAuthorized::Denied(_)))));
    // An owner who asks as an administrator does not decide that.
    let owner = world.sign_in(CONTOSO, 14, &[Role::TenantAdmin]).await;
    let view = world.submit(&owner, &door.ask(&owner, "payroll", false)).await.unwrap();
    let own = world.decide(&owner, &view.id, Verdict::Approve).await;
    assert!(matches!(own, Err(NotReceived::NotDecided(NotDecided::Policy(_)))), "{own:?}");
}

#[tokio::test(start_paused = true)]
async fn an_approval_of_who_is_no_owner_any_more_does_not_count_at_the_worker() {
    let door = Door::of(Kind::ClientSecret).await;
    let world = &door.shop.world;
    let olaf = world.sign_in(CONTOSO, 14, &[Role::HelpdeskAgent]).await;
    door.shop.bind(&with_owner(&olaf)).await;
    let view = world.submit(&door.tina, &door.ask(&door.tina, "payroll", false)).await.unwrap();
    let view = world.decide(&olaf, &view.id, Verdict::Approve).await.unwrap();
    assert_eq!(view.state, "permitted");
    let message = door.last_message();
    door.shop.bind(&json!([Kind::ClientSecret.binding()])).await;

    assert!(door.deliver(&door.worker(), &message, 1).await);

    assert_eq!(door.ended(&view).await.0, "refused");
    door.assert_untouched("the approval does not count").await;
}

#[tokio::test(start_paused = true)]
async fn who_may_ask_for_a_rotation_and_who_decides_is_what_was_reviewed() {
    let door = Door::of(Kind::ClientSecret).await;
    let world = &door.shop.world;
    let mut table = format!("{:<14} {:<10} {:<10} {:<10}", "", "ask", "emergency", "decide");
    for (number, role) in (20..).zip(Role::ALL) {
        let person = world.sign_in(CONTOSO, number, &[role]).await;
        write!(table, "\n{:<14}", role.name()).unwrap();
        for emergency in [false, true] {
            let said = world.submit(&person, &door.ask(&person, "payroll", emergency)).await;
            let state = said.map_or("no", |view| view.state);
            write!(table, " {state:<10}").unwrap();
        }
        let view = world.submit(&door.tina, &door.ask(&door.tina, "payroll", false)).await;
        let said = world.decide(&person, &view.unwrap().id, Verdict::Approve).await;
        let state = said.map_or("no", |view| view.state);
        write!(table, " {state:<10}").unwrap();
    }
    let table: Vec<&str> = table.lines().map(str::trim_end).collect();

    insta::assert_snapshot!(table.join("\n"), @"
                   ask        emergency  decide
    HelpdeskAgent  no         no         no
    SeniorAgent    no         no         no
    Approver       no         no         permitted
    Auditor        no         no         no
    TenantAdmin    pending    pending    permitted
    PlatformAdmin  no         no         no
    ");
    let mut ask = door.ask(&door.tina, "payroll", true);
    ask.break_glass = true;
    let broken = world.submit(&door.tina, &ask).await.unwrap();
    assert_eq!(broken.state, "permitted", "a broken glass waits for nobody");
}

fn token() -> SeenToken {
    SeenToken {
        issuer: "https://id.example/".to_owned(),
        audience: "airlock".to_owned(),
        subject: "hr".to_owned(),
        scopes: vec!["runtime.secret.rotate".to_owned()],
        holder: Holder::Anyone,
        digest: crate::digest::Digest::of(&[b"token"]),
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_may_ask_if_it_is_listed_but_for_no_emergency_and_somebody_approves() {
    let door = Door::of(Kind::ClientSecret).await;
    let world = &door.shop.world;
    let owner = world.sign_in(CONTOSO, 16, &[Role::Approver]).await;
    let listed = |operation: &str| Service {
        name: "hr-system".to_owned(),
        issuer: "https://id.example/".to_owned(),
        audience: "airlock".to_owned(),
        subject: "hr".to_owned(),
        operations: vec![operation.to_owned()],
        certificate_bound: false,
        owners: vec![owner.id().oid],
    };
    let submit = async |emergency: bool, key: &str| {
        let ask = ServiceAsk {
            tenant: CONTOSO,
            op: door.ask(&door.tina, "payroll", emergency).op,
            purpose: "somebody saw it".to_owned(),
            ticket: None,
            lifetime_s: None,
        };
        let view = world.reception.submit_for(&token(), ask, key, None).await;
        settle().await;
        view
    };
    let denied = |view: Result<View, NotReceived>| match view {
        Err(NotReceived::NotAllowed(NotAuthorized::Denied(why))) => why,
        other => panic!("{other:?}"),
    };
    world.change_terms(CONTOSO, |terms| terms.services = vec![listed("sessions.revoke")]).await;
    assert!(denied(submit(false, "1").await).contains("does not list"));
    world.change_terms(CONTOSO, |terms| terms.services = vec![listed(NAME)]).await;

    assert!(denied(submit(true, "2").await).contains("only a person"));
    let view = submit(false, "3").await.unwrap();
    assert_eq!((view.state, view.needs_approvals), ("pending", 1));
    let own = world.decide(&owner, &view.id, Verdict::Approve).await;
    assert!(matches!(own, Err(NotReceived::NotDecided(NotDecided::Policy(_)))), "{own:?}");
    let view = world.decide(&door.april, &view.id, Verdict::Approve).await.unwrap();
    assert!(door.deliver(&door.worker(), &door.last_message(), 1).await);

    assert_eq!(door.ended(&view).await.0, "succeeded");
}
