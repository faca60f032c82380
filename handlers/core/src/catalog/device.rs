//! Whose a device is.
//!
//! Operations on a device name the user that the device is registered to as their target, and
//! the device as a parameter. So the rules about people hold for devices as they stand: whoever
//! gets into a device gets at what its owner is signed in to there. An approver reads whom it is
//! about, nobody is given the way into their own, and the owner of a protected account is no
//! target. What the worker adds is here:
//!
//! - the target must be a registered owner of the device;
//! - every other registered owner and user of it must be a user, and not protected.
//!
//! The price: a device that is registered to nobody (a kiosk, say) has nobody by whom it could
//! be judged, and is not served. Who once signed in to a device without being registered for it
//! is known to the device alone, and not seen here.

use std::collections::BTreeSet;

use super::{Eyes, Unfit, reading};
use crate::identity::ObjectId;

/// What has to be read of a device, as templates.
pub(super) const OWNERS: &str = "GET /devices(deviceId='{device}')/registeredOwners?$select=id";
/// The same, of whoever else is registered to use it.
pub(super) const USERS: &str = "GET /devices(deviceId='{device}')/registeredUsers?$select=id";

/// The most people of one device, besides its owner, that are looked at one by one.
const MOST_OTHERS: usize = 10;

/// Makes sure that a device is the target's, and nobody's who is protected.
///
/// `device` is the id that the device knows itself by (`deviceId`), not its object's.
pub(super) async fn is_the_targets(eyes: &Eyes<'_>, device: ObjectId) -> Result<(), Unfit> {
    let owners = people(eyes, device, "registeredOwners").await?;
    let users = people(eyes, device, "registeredUsers").await?;
    if !owners.contains(&eyes.target()) {
        return Err(Unfit::No("the device is not registered to the target"));
    }
    let others: BTreeSet<_> =
        owners.union(&users).copied().filter(|other| *other != eyes.target()).collect();
    if others.len() > MOST_OTHERS {
        return Err(Unfit::No("the device is shared by too many to look at each of them"));
    }
    for other in others {
        match eyes.is_protected(other).await? {
            Some(false) => {}
            Some(true) => return Err(Unfit::No("somebody who is protected uses the device too")),
            None => return Err(Unfit::No("not only users are registered for the device")),
        }
    }
    Ok(())
}

async fn people(
    eyes: &Eyes<'_>,
    device: ObjectId,
    how: &'static str,
) -> Result<BTreeSet<ObjectId>, Unfit> {
    let path = format!("/devices(deviceId='{device}')/{how}?$select=id");
    let answer = eyes.read(&path).await?.ok_or(Unfit::No("the device does not exist"))?;
    let members = reading::members(&answer)?.iter();
    Ok(members.map(|member| reading::id(member, "id")).collect::<Result<_, _>>()?)
}

#[cfg(test)]
pub(super) mod tests {
    use serde_json::{Value, json};

    use crate::{
        catalog::tests::{Bench, Ended},
        identity::ObjectId,
        tests::world::{NINA, OLGA, SVEN},
    };

    pub const DEVICE: &str = "9f1c2d3e-4b5a-4678-8c9d-0e1f2a3b4c5d";

    /// Lets the directory say whose the device is.
    pub fn registered(bench: &Bench, owners: &[ObjectId], users: &[ObjectId]) {
        let people = |people: &[ObjectId]| -> Value {
            let people: Vec<_> = people
                .iter()
                .map(|id| json!({ "@odata.type": "#microsoft.graph.user", "id": id }))
                .collect();
            json!({ "value": people })
        };
        for (how, whom) in [("registeredOwners", owners), ("registeredUsers", users)] {
            bench.shows(&format!("/devices(deviceId='{DEVICE}')/{how}?$select=id"), people(whom));
        }
    }

    async fn read(owners: &[ObjectId], users: &[ObjectId]) -> (Ended, String) {
        let bench = Bench::new().await;
        registered(&bench, owners, users);
        let ended = bench.carry_out("laps.read", json!({ "device": DEVICE })).await;
        (ended, bench.sent())
    }

    #[tokio::test]
    async fn a_device_is_served_only_if_it_is_the_targets_and_nobodys_who_is_protected() {
        let not_theirs = "the device is not registered to the target";
        let shared = "somebody who is protected uses the device too";
        let nobody = ObjectId::new(uuid::Uuid::from_u128(0x0999));
        for (owners, users, reason) in [
            (vec![], vec![], not_theirs),
            (vec![SVEN], vec![SVEN], not_theirs),
            (vec![], vec![NINA], not_theirs),
            (vec![NINA, OLGA], vec![], shared),
            (vec![NINA], vec![NINA, OLGA], shared),
            (vec![NINA], vec![nobody], "not only users are registered for the device"),
        ] {
            let (ended, sent) = read(&owners, &users).await;

            assert_eq!(ended, Ended::so("refused", reason), "{owners:?} {users:?}");
            assert_eq!(sent, "");
        }
    }

    #[tokio::test]
    async fn a_device_shared_with_somebody_ordinary_is_served() {
        let (ended, sent) = read(&[NINA], &[NINA, SVEN]).await;

        assert_ne!(ended.state, "refused");
        assert!(sent.contains("deviceLocalCredentials"), "{sent}");
    }

    #[tokio::test]
    async fn a_device_of_too_many_people_or_of_none_is_refused() {
        let many: Vec<_> =
            (0..11).map(|n| ObjectId::new(uuid::Uuid::from_u128(0x700 + n))).collect();

        let (ended, _) = read(&[NINA], &many).await;
        assert_eq!(ended.reason, "the device is shared by too many to look at each of them");

        let bench = Bench::new().await;
        let ended = bench.carry_out("laps.read", json!({ "device": DEVICE })).await;
        assert_eq!(ended, Ended::so("refused", "the device does not exist"));
    }
}
