//! `group.add` and `group.remove`: membership of groups that the tenant's binding lists.
//!
//! The worker application may change the members of any group, because Graph knows no narrower
//! permission. So the list is what bounds it, signed by the admin plane and read by the worker
//! itself; and a group that stands on it is still refused when it leads to privilege.
//!
//! Every path ends in `$ref`: that is the membership. Without it the path names the member
//! itself, and `DELETE` would delete a user where the application may.

use async_trait::async_trait;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Entry, Eyes, Hands, Means, NotDone, NotUnderstood, Operation, Parameter, Plan, Planning, Reach,
    Risk, TargetKind, Unfit, parameters, reading,
};
use crate::{
    identity::{App, ObjectId},
    ports::PortError,
    secret::Secret,
};

/// `POST /groups/{id}/members/$ref`.
pub(super) const GROUP_ADD: Operation =
    Operation { entry: &ADD, plan: Planning::Directory(|value| membership(value, true)) };

/// `DELETE /groups/{id}/members/{user}/$ref`.
pub(super) const GROUP_REMOVE: Operation =
    Operation { entry: &REMOVE, plan: Planning::Directory(|value| membership(value, false)) };

const ADD: Entry = Entry {
    name: "group.add",
    summary: "Makes a user a member of a group, one of those that your tenant lists for it.",
    risk: Risk::Medium,
    secret: false,
    parameters: &[Parameter {
        name: "group",
        meaning: "object id of the group",
        required: true,
        example: "2d1f7c5e-6a3b-4c8d-9e0f-1a2b3c4d5e6f",
    }],
    worker: App::Execute,
    target: TargetKind::User,
    means: Means::Directory(ADDING),
    pace_s: None,
    converges: "whoever is a member already stays one",
};

const ADDING: Reach = Reach {
    application: "airlock-worker-groups",
    permissions: &["GroupMember.ReadWrite.All"],
    calls: &["POST /groups/{group}/members/$ref"],
    reads: &[
        "GET /groups/{group}?$select=id,groupTypes,isAssignableToRole,mailEnabled,\
         onPremisesSyncEnabled",
        "GET /groups/{group}/transitiveMemberOf?$select=id,isAssignableToRole&$top=999",
        "GET /users/{user}/memberOf?$select=id&$top=999",
    ],
};

const REMOVE: Entry = Entry {
    name: "group.remove",
    summary: "Ends a user's membership of a group, one of those that your tenant lists for it.",
    means: Means::Directory(Reach {
        calls: &["DELETE /groups/{group}/members/{user}/$ref"],
        ..ADDING
    }),
    converges: "whoever is no member already stays none",
    ..ADD
};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Group {
    group: ObjectId,
}

fn membership(value: &Value, wanted: bool) -> Result<Box<dyn Plan>, NotUnderstood> {
    let Group { group } = parameters(value)?;
    Ok(Box::new(Membership { group, wanted }))
}

#[derive(Debug)]
struct Membership {
    group: ObjectId,
    wanted: bool,
}

#[async_trait]
impl Plan for Membership {
    fn parameters(&self) -> Value {
        json!({ "group": self.group })
    }

    async fn check(&self, eyes: &Eyes<'_>) -> Result<(), Unfit> {
        let group = self.group;
        if !eyes.terms().allowed_groups.contains(&group) {
            return Err(Unfit::No("the group is not one that memberships may be asked for"));
        }
        let missing = Unfit::No("the group does not exist");
        let path = format!(
            "/groups/{group}?$select=id,groupTypes,isAssignableToRole,mailEnabled,\
             onPremisesSyncEnabled"
        );
        let Some(about) = eyes.read(&path).await? else { return Err(missing) };
        can_be_changed(&about)?;
        let path =
            format!("/groups/{group}/transitiveMemberOf?$select=id,isAssignableToRole&$top=999");
        let Some(above) = eyes.read(&path).await? else { return Err(missing) };
        let mut privileged = is_privileged(&about, "#microsoft.graph.group", eyes)?;
        for one in reading::members(&above)? {
            privileged |= is_privileged(one, reading::text(one, "@odata.type")?, eyes)?;
        }
        if privileged {
            return Err(Unfit::No("the group grants roles or is protected, or is in one that is"));
        }
        Ok(())
    }

    async fn carry_out(&self, hands: &mut Hands<'_>) -> Result<Option<Secret>, NotDone> {
        let (group, user) = (self.group, hands.target());
        let (sent, done_already) = if self.wanted {
            let member = json!({ "@odata.id": hands.reference(user) });
            (hands.send("POST", format!("/groups/{group}/members/$ref"), Some(member)).await, 400)
        } else {
            (hands.send("DELETE", format!("/groups/{group}/members/{user}/$ref"), None).await, 404)
        };
        match sent {
            // The status says that it is so already, or something else: the directory knows.
            Err(error) if error.is_refusal(done_already) => {
                let is_member = is_member(&hands.eyes(), group).await?;
                if is_member == self.wanted { Ok(None) } else { Err(error) }
            }
            sent => sent.map(|_| None),
        }
    }
}

/// Whether the members of a group are the directory's to change, one by one.
fn can_be_changed(group: &Value) -> Result<(), Unfit> {
    let types = reading::list(group, "groupTypes")?;
    if types.iter().any(|of| of == "DynamicMembership") {
        return Err(Unfit::No("a rule decides who is in the group"));
    }
    if reading::flag(group, "onPremisesSyncEnabled")? {
        return Err(Unfit::No("the members of the group are kept on-premises"));
    }
    if reading::flag(group, "mailEnabled")? && !types.iter().any(|of| of == "Unified") {
        return Err(Unfit::No("the group is a mailing list, which only Exchange changes"));
    }
    Ok(())
}

/// Whether being in this gives, or is guarded like, a directory role.
fn is_privileged(object: &Value, kind: &str, eyes: &Eyes<'_>) -> Result<bool, PortError> {
    match kind {
        "#microsoft.graph.directoryRole" => Ok(true),
        "#microsoft.graph.group" => {
            let guarded = eyes.terms().protected_groups.contains(&reading::id(object, "id")?);
            Ok(reading::flag(object, "isAssignableToRole")? || guarded)
        }
        // An administrative unit says who may administer its members, not what they may do.
        _ => Ok(false),
    }
}

async fn is_member(eyes: &Eyes<'_>, group: ObjectId) -> Result<bool, PortError> {
    let path = format!("/users/{}/memberOf?$select=id&$top=999", eyes.target());
    let Some(groups) = eyes.read(&path).await? else { return Ok(false) };
    let mut is_member = false;
    for one in reading::members(&groups)? {
        is_member |= reading::id(one, "id")? == group;
    }
    Ok(is_member)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::{
        catalog::{
            NotUnderstood,
            tests::{Bench, Ended, understand},
        },
        tests::world::{GUARDED, LISTED, NINA, OLGA},
    };

    fn about(group: &Value) -> (String, Value) {
        let path = format!(
            "/groups/{LISTED}?$select=id,groupTypes,isAssignableToRole,mailEnabled,\
             onPremisesSyncEnabled"
        );
        (path, group.clone())
    }

    fn above(groups: &Value) -> (String, Value) {
        let path =
            format!("/groups/{LISTED}/transitiveMemberOf?$select=id,isAssignableToRole&$top=999");
        (path, json!({ "value": groups }))
    }

    fn ordinary() -> Value {
        json!({
            "id": LISTED, "groupTypes": [], "isAssignableToRole": null, "mailEnabled": false,
            "onPremisesSyncEnabled": null,
        })
    }

    async fn bench() -> Bench {
        let bench = Bench::new().await;
        for (path, what) in [about(&ordinary()), above(&json!([]))] {
            bench.shows(&path, what);
        }
        bench
    }

    fn members(bench: &Bench, groups: &Value) {
        bench.shows(
            &format!("/users/{NINA}/memberOf?$select=id&$top=999"),
            json!({ "value": groups }),
        );
    }

    fn group() -> Value {
        json!({ "group": LISTED })
    }

    #[test]
    fn a_group_is_named_by_its_id() {
        for bad in [json!({}), json!({ "group": "Finance" }), json!({ "group": [LISTED] })] {
            for operation in ["group.add", "group.remove"] {
                let refused = understand(operation, bad.clone());
                assert_eq!(refused.unwrap_err(), NotUnderstood::Parameters, "{bad}");
            }
        }
    }

    #[tokio::test]
    async fn a_member_comes_and_goes_by_reference() {
        let bench = bench().await;

        assert_eq!(bench.carry_out("group.add", group()).await, Ended::succeeded());
        assert_eq!(bench.carry_out("group.remove", group()).await, Ended::succeeded());

        let sent = bench.sent().replace(&LISTED.to_string(), "LISTED");
        insta::assert_snapshot!(sent, @r#"
        airlock-worker-groups: POST /groups/LISTED/members/$ref {"@odata.id":"https://graph.microsoft.com/v1.0/directoryObjects/NINA"}
        airlock-worker-groups: DELETE /groups/LISTED/members/NINA/$ref
        "#);
    }

    #[tokio::test]
    async fn a_group_that_the_binding_does_not_list_is_refused_before_anything_is_read() {
        let bench = bench().await;

        for operation in ["group.add", "group.remove"] {
            let ended = bench.carry_out(operation, json!({ "group": OLGA })).await;

            let reason = "the group is not one that memberships may be asked for";
            assert_eq!(ended, Ended::so("refused", reason));
        }
        assert_eq!(bench.sent(), "");
        assert_eq!(bench.world.contoso_ledger().await.last().unwrap(), "airlock.request.ended");
    }

    #[tokio::test]
    async fn a_listed_group_that_is_not_ours_to_change_is_refused() {
        let rule = "a rule decides who is in the group";
        let privileged = "the group grants roles or is protected, or is in one that is";
        for (property, value, reason) in [
            ("groupTypes", json!(["DynamicMembership"]), rule),
            ("groupTypes", json!(["Unified", "DynamicMembership"]), rule),
            ("onPremisesSyncEnabled", json!(true), "the members of the group are kept on-premises"),
            (
                "mailEnabled",
                json!(true),
                "the group is a mailing list, which only Exchange changes",
            ),
            ("isAssignableToRole", json!(true), privileged),
        ] {
            let bench = bench().await;
            let mut group_is = ordinary();
            group_is[property] = value;
            let (path, what) = about(&group_is);
            bench.shows(&path, what);

            assert_eq!(bench.carry_out("group.add", group()).await, Ended::so("refused", reason));
            assert_eq!(bench.sent(), "");
        }
    }

    #[tokio::test]
    async fn a_listed_group_inside_a_privileged_one_is_refused() {
        let group_above = |id, grants| json!([{ "@odata.type": "#microsoft.graph.group", "id": id, "isAssignableToRole": grants }]);
        for groups in [
            group_above(OLGA, json!(true)),
            group_above(GUARDED, json!(null)),
            json!([{ "@odata.type": "#microsoft.graph.directoryRole", "id": OLGA }]),
        ] {
            let bench = bench().await;
            let (path, what) = above(&groups);
            bench.shows(&path, what);

            let ended = bench.carry_out("group.add", group()).await;

            let reason = "the group grants roles or is protected, or is in one that is";
            assert_eq!(ended, Ended::so("refused", reason));
            assert_eq!(bench.sent(), "");
        }
        let bench = bench().await;
        let (path, what) = above(&group_above(OLGA, json!(null)));
        bench.shows(&path, what);
        assert_eq!(bench.carry_out("group.add", group()).await, Ended::succeeded());
    }

    #[tokio::test]
    async fn what_the_directory_does_not_say_about_a_group_is_not_no() {
        for property in
            ["id", "groupTypes", "isAssignableToRole", "mailEnabled", "onPremisesSyncEnabled"]
        {
            let bench = bench().await;
            let mut less = ordinary();
            less.as_object_mut().unwrap().remove(property);
            let (path, what) = about(&less);
            bench.shows(&path, what);
            let id = bench.permitted("group.add", group()).await;

            assert!(!bench.world.deliver(&bench.world.worker(), 1).await, "{property}");
            assert_eq!(bench.world.state(&id).await.0, "permitted");
            assert_eq!(bench.sent(), "");
        }
    }

    #[tokio::test]
    async fn whoever_is_a_member_already_stays_one_and_the_directory_is_asked_not_its_status() {
        let calls = [
            ("group.add", format!("POST /groups/{LISTED}/members/$ref"), 400),
            ("group.remove", format!("DELETE /groups/{LISTED}/members/{NINA}/$ref"), 404),
        ];
        let listed = json!([{ "@odata.type": "#microsoft.graph.group", "id": LISTED }]);
        for (operation, call, status) in calls {
            for groups in [listed.clone(), json!([])] {
                let bench = bench().await;
                members(&bench, &groups);
                bench.answers(&call, [Err(status)]);

                let ended = bench.carry_out(operation, group()).await;

                let is_so = (groups == listed) == (operation == "group.add");
                assert_eq!(
                    ended.state,
                    if is_so { "succeeded" } else { "failed" },
                    "{operation} {groups}"
                );
            }
        }
    }
}
