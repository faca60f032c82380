use super::*;

const TARGET: &str = "00000000-0000-0000-0000-000000000001";
const PORTAL: &str = "00000000-0000-0000-0000-000000000009";
const GROUP: &str = "00000000-0000-0000-0000-0000000000aa";

fn target() -> ObjectId {
    TARGET.parse().unwrap()
}

/// The answers about an ordinary user.
fn good() -> Vec<Value> {
    let answer = |id: &str, body: Value| json!({ "id": id, "status": 200, "body": body });
    let group = json!({
        "@odata.type": "#microsoft.graph.group", "id": GROUP, "isAssignableToRole": null
    });
    vec![
        answer("portal", json!({ "value": [{ "id": PORTAL }] })),
        answer("app-roles", json!({ "value": [{ "resourceId": GROUP }] })),
        answer("may-activate", json!({ "value": [] })),
        answer("holds", json!({ "value": [] })),
        answer("owns", json!({ "value": [group] })),
        answer(
            "member-of",
            json!({ "value": [
            group,
            { "@odata.type": "#microsoft.graph.administrativeUnit", "id": GROUP },
        ] }),
        ),
        answer(
            USER,
            json!({
                "id": TARGET, "userType": "Member", "accountEnabled": true,
                "onPremisesSyncEnabled": null
            }),
        ),
    ]
}

fn with(id: &str, value: &Value) -> Vec<Value> {
    let mut answers = good();
    let answer = answers.iter_mut().find(|answer| answer["id"] == id).unwrap();
    answer["body"]["value"] = json!([value]);
    answers
}

fn judged(answers: &[Value], listed: &[ObjectId]) -> Result<Option<TargetFacts>, PortError> {
    let gathered = Gathered::read(&json!({ "responses": answers }))?;
    Ok(gathered.map(|gathered| gathered.judge(target(), listed)).transpose()?)
}

fn is_protected(answers: &[Value]) -> bool {
    judged(answers, &[]).unwrap().unwrap().protected
}

#[test]
fn everything_is_asked_in_one_batch() {
    let look_up = LookUp { target: target(), portal: PORTAL.parse().unwrap() };

    let batch = look_up.batch();
    let asked: Vec<String> = batch["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| format!("{}: {} {}", one["id"], one["method"], one["url"]))
        .collect();
    insta::assert_snapshot!(asked.join("\n").replace('"', "").replace(TARGET, "T"), @r"
    user: GET /users/T?$select=id,userType,accountEnabled,onPremisesSyncEnabled
    member-of: GET /users/T/transitiveMemberOf?$select=id,isAssignableToRole&$top=999
    owns: GET /users/T/ownedObjects?$select=id,isAssignableToRole&$top=999
    holds: GET /roleManagement/directory/roleAssignments?$filter=principalId%20eq%20'T'
    may-activate: GET /roleManagement/directory/roleEligibilityScheduleInstances?$filter=principalId%20eq%20'T'
    app-roles: GET /users/T/appRoleAssignments?$select=resourceId&$top=999
    portal: GET /servicePrincipals?$filter=appId%20eq%20'00000000-0000-0000-0000-000000000009'&$select=id
    ");
}

#[test]
fn an_ordinary_user_is_not_protected() {
    let facts = judged(&good(), &[]).unwrap().unwrap();

    assert_eq!(facts, TargetFacts { protected: false, synced: false });
}

#[test]
fn each_way_to_privilege_protects() {
    let role = json!({ "@odata.type": "#microsoft.graph.directoryRole", "id": GROUP });
    let group = json!({
        "@odata.type": "#microsoft.graph.group", "id": GROUP, "isAssignableToRole": true
    });
    let assignment = json!({ "id": "x", "principalId": TARGET });

    assert!(is_protected(&with("member-of", &role)), "holds a directory role");
    assert!(is_protected(&with("member-of", &group)), "belongs to a role's group");
    assert!(is_protected(&with("owns", &group)), "owns a role's group");
    assert!(is_protected(&with("holds", &assignment)), "holds a scoped or own role");
    assert!(is_protected(&with("may-activate", &assignment)), "may activate a role");
    assert!(is_protected(&with("app-roles", &json!({ "resourceId": PORTAL }))), "is ours");
}

#[test]
fn members_and_owners_of_listed_groups_are_protected() {
    let listed: ObjectId = GROUP.parse().unwrap();
    let nobody = json!([]);
    for emptied in ["member-of", "owns"] {
        let mut answers = good();
        let answer = answers.iter_mut().find(|answer| answer["id"] == emptied).unwrap();
        answer["body"]["value"] = nobody.clone();

        assert!(judged(&answers, &[listed]).unwrap().unwrap().protected);
    }
}

#[test]
fn a_synchronized_user_is_known_as_such() {
    let mut answers = good();
    answers[6]["body"]["onPremisesSyncEnabled"] = json!(true);

    assert!(judged(&answers, &[]).unwrap().unwrap().synced);
}

#[test]
fn a_tenant_without_the_portal_has_nobody_with_a_role_of_ours() {
    let mut answers = with("app-roles", &json!({ "resourceId": PORTAL }));
    answers[0]["body"]["value"] = json!([]);

    assert!(!is_protected(&answers));
}

#[test]
fn a_user_who_is_not_there_is_none() {
    let mut answers = good();
    answers[6] = json!({
        "id": USER, "status": 404, "body": { "error": { "code": "Request_ResourceNotFound" } }
    });

    assert!(judged(&answers, &[]).unwrap().is_none());
    answers[6]["body"]["error"]["code"] = json!("UnknownError");
    assert!(judged(&answers, &[]).is_err(), "a 404 of something else is not an answer");
}

#[test]
fn what_was_not_answered_is_never_none() {
    for index in 0..7 {
        for (status, throttled) in [(429, true), (503, false), (403, false), (404, false)] {
            let mut answers = good();
            answers[index] = json!({
                "id": answers[index]["id"], "status": status,
                "headers": { "Retry-After": "5" }, "body": { "error": { "code": "x" } }
            });

            let error = judged(&answers, &[]).unwrap_err();

            let is_throttled = matches!(error, PortError::Throttled { after_s: Some(5) });
            assert_eq!(is_throttled, throttled, "{index} {status}");
        }
        let mut answers = good();
        answers.remove(index);
        assert!(judged(&answers, &[]).is_err(), "{index} is missing");
    }
}

#[test]
fn what_is_not_understood_is_an_error() {
    for (id, bad) in [
        ("member-of", json!({ "id": GROUP, "isAssignableToRole": null })),
        ("member-of", json!({ "@odata.type": "#microsoft.graph.group", "id": GROUP })),
        ("owns", json!({ "@odata.type": "#microsoft.graph.group", "isAssignableToRole": false })),
        ("owns", json!("group")),
        ("app-roles", json!({ "resourceDisplayName": "airlock-portal" })),
        ("portal", json!({ "appId": PORTAL })),
    ] {
        assert!(judged(&with(id, &bad), &[]).is_err(), "{id} {bad}");
    }
    let mut answers = good();
    answers[6]["body"]["id"] = json!(GROUP);
    assert!(judged(&answers, &[]).is_err(), "another user");
    let mut answers = good();
    answers[6]["body"].as_object_mut().unwrap().remove("onPremisesSyncEnabled");
    assert!(judged(&answers, &[]).is_err(), "not told whether synchronized");
    let mut answers = good();
    answers[0]["body"]["value"] = json!([{ "id": PORTAL }, { "id": GROUP }]);
    assert!(judged(&answers, &[]).is_err(), "two portals");
}

#[test]
fn a_further_page_counts_as_the_first() {
    let mut answers = good();
    let next = "https://graph.microsoft.com/v1.0/next";
    answers[5]["body"]["@odata.nextLink"] = json!(next);
    let mut gathered = Gathered::read(&json!({ "responses": answers })).unwrap().unwrap();
    let role = json!({ "@odata.type": "#microsoft.graph.directoryRole", "id": GROUP });

    assert_eq!(gathered.collections[0].pages.turn().unwrap().as_deref(), Some(next));
    assert!(gathered.judge(target(), &[]).is_err(), "a page was not read");
    gathered.collections[0].pages.add(&json!({ "value": [role] })).unwrap();

    assert_eq!(gathered.collections[0].pages.turn().unwrap(), None);
    assert!(gathered.judge(target(), &[]).unwrap().protected);
}
