//! `password.reset`: a temporary password that its owner must change at once.

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{
    Entry, Hands, Means, NotDone, Operation, Plan, Planning, Reach, Risk, TargetKind, always,
};
use crate::{
    identity::App,
    ports::{Entropy, PortError},
    secret::Secret,
};

/// `PATCH /users/{id}` with a `passwordProfile`.
///
/// Not for users synchronized from on-premises: no application may write their password back.
pub(super) const PASSWORD_RESET: Operation =
    Operation { entry: &ENTRY, plan: Planning::Directory(|value| always(Reset, value)) };

const ENTRY: Entry = Entry {
    name: "password.reset",
    summary: "Sets a temporary password, shown to you once; its owner must change it at sign-in.",
    risk: Risk::High,
    secret: true,
    parameters: &[],
    worker: App::Execute,
    target: TargetKind::User,
    means: Means::Directory(Reach {
        application: "airlock-worker-passwords",
        permissions: &["User-PasswordProfile.ReadWrite.All"],
        calls: &["PATCH /users/{user}"],
        reads: &[],
    }),
    pace_s: None,
    converges: "a repeat sets another temporary password; only the last is ever revealed",
};

#[derive(Debug)]
struct Reset;

#[async_trait]
impl Plan for Reset {
    fn parameters(&self) -> Value {
        json!({})
    }

    async fn carry_out(&self, hands: &mut Hands<'_>) -> Result<Option<Secret>, NotDone> {
        let password = password(hands.entropy())?;
        let path = format!("/users/{}", hands.target());
        let profile = json!({
            "passwordProfile": {
                "password": password.expose(),
                "forceChangePasswordNextSignIn": true,
            }
        });
        hands.send("PATCH", path, Some(profile)).await?;
        Ok(Some(password))
    }
}

/// Read over a telephone: without characters that sound or look alike. 56 of them.
const ALPHABET: &[u8; 56] = b"abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789";

/// Characters of a temporary password: 16 of 56 are 92 bits.
const LENGTH: usize = 16;

/// A random password that has a lower-case letter, an upper-case letter and a digit, as
/// Entra's password policy demands three of four kinds.
fn password(entropy: &dyn Entropy) -> Result<Secret, PortError> {
    loop {
        let mut password = String::with_capacity(LENGTH);
        while password.len() < LENGTH {
            let mut byte = [0_u8];
            entropy.fill(&mut byte)?;
            // 224 = 4 * 56: larger bytes would make the first letters likelier.
            if byte[0] < 224 {
                password.push(char::from(ALPHABET[usize::from(byte[0]) % ALPHABET.len()]));
            }
        }
        let password = Secret::new(password);
        let has = |kind: fn(&u8) -> bool| password.expose().bytes().any(|byte| kind(&byte));
        if has(u8::is_ascii_lowercase) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_digit) {
            return Ok(password);
        }
    }
}
