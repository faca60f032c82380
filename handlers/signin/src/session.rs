//! The session as its person sees it.

use airlock_azure::hosting::{Json, Refusal};
use airlock_core::{
    digest::Digest,
    identity::{ObjectId, Role, TenantId},
    session_record::csrf_token,
    time::Timestamp,
};
use axum::extract::State;
use serde::Serialize;

use crate::{
    credential::Credential,
    desk::{Desk, Signin},
    issue::Profile,
    live::Live,
    renewal::{self, not_opened},
};

/// What a client needs to know of its session. Times are seconds since 1970.
#[derive(Serialize)]
pub struct View {
    /// SHA-256 of the session's id, as requests and decisions name it.
    sid: Digest,
    tid: TenantId,
    oid: ObjectId,
    name: String,
    roles: Vec<Role>,
    acrs: Vec<String>,
    auth_time: Timestamp,
    /// The absolute end.
    expires: Timestamp,
    /// The end without another call.
    idle_expires: Timestamp,
    /// What a browser must send back with every change.
    csrf: String,
}

impl View {
    /// What a client needs to know of this session.
    ///
    /// # Errors
    ///
    /// If the name cannot be decrypted.
    pub async fn of(desk: &Desk, live: &Live) -> Result<Self, Refusal> {
        let (session, record) = (live.session(), live.record());
        let profile = Profile::open(desk, session, record).await.map_err(not_opened)?;
        Ok(Self {
            sid: session.sid_hash(),
            tid: session.tid,
            oid: session.oid,
            name: profile.name.expose().to_owned(),
            roles: session.roles.clone(),
            acrs: session.acrs.clone(),
            auth_time: session.auth_time,
            expires: session.exp,
            idle_expires: record.idle_until,
            csrf: csrf_token(live.cookie().expose()),
        })
    }
}

/// Shows the session and keeps it from going idle; now and then, Entra is asked whether the
/// person may still sign in.
///
/// Trigger: `GET /auth/session`.
pub async fn session(
    State(signin): State<Signin>,
    credential: Credential,
) -> Result<Json<View>, Refusal> {
    let desk = signin.desk().await?;
    let live = Live::find(desk, credential.cookie()).await?;
    let live = renewal::if_due(desk, live).await?;
    let live = live.stay(desk).await?;
    Ok(Json(View::of(desk, &live).await?))
}
