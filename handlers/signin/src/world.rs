//! A world for this app's tests: core's ports in memory, an Entra and an `intake` that keep
//! their promises unless told otherwise, and a browser.

mod browser;
mod deployment;
mod entra;
mod intake;
mod line;
mod stored;

use std::sync::Arc;

use airlock_azure::hosting;
use airlock_core::{
    identity::{App, ObjectId},
    jwk::PublicKey,
    jws::{Signed, Typ, Verified},
    keyset::KeysetKey,
    manifest::Manifest,
    memory::{Dice, Documented, Kept, LocalKey, Mask, SetClock},
    ports::{Clock as _, Ports, Wrapper},
    time::Timestamp,
};
use axum::Router;
use p256::SecretKey;
use uuid::Uuid;

use crate::{
    desk::{Desk, Signin},
    routes,
};
use deployment::{Connected, declare, listed, manifest};

pub use browser::Answer;
pub use entra::{FakeEntra, Trouble};
pub use intake::{FakeIntake, Lie};
pub use line::Line;

pub const PORTAL: &str = "https://portal.example";
pub const API: &str = "https://api.example";

/// Noon of some day.
const NOON: Timestamp = Timestamp::from_unix_s(1_700_049_600);

/// The number of the key that the app signs with.
const SIGNIN_KEY: u8 = 101;
/// One that was revoked.
const OLD_KEY: u8 = 103;

pub struct World {
    pub clock: Arc<SetClock>,
    pub documents: Arc<Documented>,
    pub manifest: Verified<Manifest>,
    pub entra: Arc<FakeEntra>,
    pub intake: Arc<FakeIntake>,
    pub line: Arc<Line>,
    ports: Ports,
}

/// A client key, by number.
pub fn client_key(number: u8) -> (LocalKey, PublicKey) {
    let private = SecretKey::from_slice(&[number; 32]).unwrap();
    let public = PublicKey::from_point(&private.public_key()).unwrap();
    (LocalKey::new(&private).unwrap(), public)
}

impl World {
    pub const HOME: &str = "605d9d43-3534-4810-8152-9d01a268ad22";
    pub const STRANGE: &str = "9188040d-6c67-4c5b-b112-36a304b66dad";

    pub async fn new() -> Self {
        Self::wrapping(|_| Arc::new(Mask)).await
    }

    /// A world in which this keeps secrets, by the world's clock.
    pub async fn wrapping(wrapper: impl FnOnce(Arc<SetClock>) -> Arc<dyn Wrapper>) -> Self {
        let (root, root_key) = client_key(100);
        let (signin, signin_key) = client_key(SIGNIN_KEY);
        let (intake, intake_key) = client_key(102);
        let clock = Arc::new(SetClock::at(NOON));
        let documents = Arc::new(Documented::default());
        let line = Arc::new(Line::default());
        declare(
            &documents,
            &root,
            &[
                listed(signin_key, App::Signin, &[Typ::Session, Typ::Statement, Typ::Revocation]),
                listed(intake_key, App::Intake, &[Typ::Confirmation]),
                KeysetKey {
                    revoked: Some(NOON),
                    ..listed(client_key(OLD_KEY).1, App::Signin, &[Typ::Revocation])
                },
            ],
        )
        .await;
        let manifest = Signed::sign(&manifest(root_key.clone()), &root).await.unwrap();
        let ports = Ports {
            clock: clock.clone(),
            entropy: Arc::new(Dice),
            signer: Arc::new(signin),
            wrapper: wrapper(clock.clone()),
            documents: documents.clone(),
            blobs: Arc::new(Kept::default()),
            anchors: Arc::new(Kept::default()),
            bus: line.clone(),
        };
        Self {
            manifest: manifest.verify(&root_key, NOON).unwrap(),
            entra: Arc::new(FakeEntra::new(clock.clone())),
            intake: Arc::new(FakeIntake::new(intake, clock.clone())),
            clock,
            documents,
            line,
            ports,
        }
    }

    pub fn person(number: u128) -> ObjectId {
        ObjectId::new(Uuid::from_u128(number))
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Another instance of the app, which has nothing in its memory.
    pub fn signin(&self) -> Signin {
        let connect = Arc::new(Connected(self.ports.clone()));
        Signin::new(self.manifest.clone(), connect, self.entra.clone(), self.intake.clone())
    }

    /// Another instance's desk. Lives as long as the test process.
    pub async fn desk(&self) -> &'static Desk {
        Box::leak(Box::new(self.signin())).desk().await.unwrap()
    }

    /// Another instance's routes: what it remembers, it remembers from call to call.
    pub fn router(&self) -> Router {
        hosting::router(routes::all(self.signin()).unwrap())
    }
}
