//! What each of Airlock's objects in a directory may change.

use std::collections::BTreeMap;

use super::Place;
use crate::{
    drift::{
        desired::{Desired, ROTATOR},
        seen::Reading,
    },
    identity::{App, ObjectId, TenantId},
};

/// What one of Airlock's identities may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hand {
    /// What this app claims.
    Worker(App),
    /// What is bound.
    Rotator,
    /// What it likes: it declares.
    Admin,
    /// Nothing.
    None,
}

/// Airlock's objects that a tenant's log may name, with their client ids.
pub(super) fn ours(place: &Place<'_>, home: TenantId) -> Reading<BTreeMap<ObjectId, ObjectId>> {
    let mut ours: BTreeMap<ObjectId, ObjectId> =
        place.principals.iter().map(|each| (each.object, each.client)).collect();
    // Registrations are known to the log of the tenant that they are in.
    if place.scope.tenant() == home {
        let registered = place.registered.as_ref().map_err(|unread| *unread)?;
        ours.extend(registered.iter().map(|(client, object)| (*object, *client)));
    }
    Ok(ours)
}

/// What each of these objects may change.
pub(super) fn hands(
    desired: &Desired,
    tenant: TenantId,
    ours: impl Iterator<Item = (ObjectId, ObjectId)>,
) -> BTreeMap<ObjectId, Hand> {
    let of_client = |client: ObjectId| match desired.named(client) {
        Some((ROTATOR, _)) => Hand::Rotator,
        Some((_, application)) => [App::Execute, App::Rotate]
            .into_iter()
            .find(|app| {
                let worker = desired.principals.get(app);
                worker.is_some() && worker == application.trusts.as_ref()
            })
            .map_or(Hand::None, Hand::Worker),
        None => Hand::None,
    };
    let mut hands: BTreeMap<ObjectId, Hand> =
        ours.map(|(object, client)| (object, of_client(client))).collect();
    // A managed identity has its service principal in the deployment's own tenant.
    if tenant == desired.home {
        hands.extend(desired.principals.iter().map(|(app, principal)| {
            (*principal, if *app == App::Admin { Hand::Admin } else { Hand::None })
        }));
    }
    hands
}
