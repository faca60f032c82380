//! What the sign-in pages and the token endpoint remember: pending requests, codes, refresh
//! tokens, sessions.
//!
//! Everything handed out is 256 random bits, and only its digest is kept.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use super::refusal::Refusal;

/// Life of a pending request and of a code, in seconds.
pub const CODE_LIFETIME_S: u64 = 600;

/// Life of a refresh token, in seconds: 90 days.
const REFRESH_LIFETIME_S: u64 = 7_776_000;

/// Grants kept of each kind; those that end first make room.
const KEPT: usize = 4_096;

/// An authorization request that was found in order, and waits for a person to choose.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Tenant whose page it is.
    pub tenant: Uuid,
    /// Display name of the application.
    pub application: String,
    /// Where the code goes.
    pub redirect_uri: String,
    /// Scopes, as `tokens` reads them.
    pub scopes: Vec<String>,
    /// Given back with the code.
    pub state: Option<String>,
    /// Bound into the ID token.
    pub nonce: Option<String>,
    /// SHA-256 of the code verifier, in base64url.
    pub challenge: String,
    /// Authentication contexts that the ID token must show.
    pub id_token_contexts: Vec<String>,
    /// Authentication contexts that the access token must show.
    pub access_token_contexts: Vec<String>,
    /// Who is expected to sign in.
    pub login_hint: Option<String>,
}

/// A person's sign-in to an application.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// Tenant of the person.
    pub tenant: Uuid,
    /// Display name of the application.
    pub application: String,
    /// Object id of the person.
    pub object: Uuid,
    /// Scopes, as `tokens` reads them.
    pub scopes: Vec<String>,
    /// When the person signed in, in seconds.
    pub auth_time_s: u64,
    /// The session at Entra.
    pub sid: Uuid,
    /// Authentication contexts of the ID token.
    pub id_token_contexts: Vec<String>,
    /// Authentication contexts of the access token.
    pub access_token_contexts: Vec<String>,
}

/// What is checked when a code comes back.
#[derive(Clone, Debug)]
pub struct Code {
    /// Who signed in, and to what.
    pub sign_in: SignIn,
    /// Bound into the ID token.
    pub nonce: Option<String>,
    /// Must be repeated.
    pub redirect_uri: String,
    /// Must fit the verifier.
    pub challenge: String,
}

/// What is presented with a code.
#[derive(Clone, Copy, Debug)]
pub struct Presented<'a> {
    /// The code.
    pub code: &'a str,
    /// Tenant whose endpoint is asked.
    pub tenant: Uuid,
    /// Display name of the authenticated application.
    pub application: &'a str,
    /// Redirect URI.
    pub redirect_uri: &'a str,
    /// PKCE verifier.
    pub verifier: Option<&'a str>,
}

/// The memory of sign-in.
#[derive(Debug, Default)]
pub struct Grants {
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    pending: BTreeMap<Handle, Until<Pending>>,
    codes: BTreeMap<Handle, Until<(Code, bool)>>,
    refresh: BTreeMap<Handle, Until<SignIn>>,
    sessions: BTreeMap<Uuid, Until<(Uuid, Uuid)>>,
}

type Handle = [u8; 32];

#[derive(Debug)]
struct Until<T> {
    until_s: u64,
    what: T,
}

impl Grants {
    /// Keeps a request, and returns the handle that the page carries instead of it.
    ///
    /// # Errors
    ///
    /// If the system gives no randomness.
    pub fn await_choice(&self, request: Pending, now_s: u64) -> Result<String, Refusal> {
        let (text, handle) = fresh()?;
        keep(&mut self.lock().pending, handle, request, now_s, CODE_LIFETIME_S);
        Ok(text)
    }

    /// The request with this handle, which ends: a page is answered once.
    #[must_use]
    pub fn chosen(&self, handle: &str, now_s: u64) -> Option<Pending> {
        let kept = self.lock().pending.remove(&digest(handle))?;
        (now_s < kept.until_s).then_some(kept.what)
    }

    /// Issues a code.
    ///
    /// # Errors
    ///
    /// If the system gives no randomness.
    pub fn code(&self, code: Code, now_s: u64) -> Result<String, Refusal> {
        let (text, handle) = fresh()?;
        let mut kept = self.lock();
        let SignIn { tenant, object, sid, .. } = code.sign_in;
        keep(&mut kept.sessions, sid, (tenant, object), now_s, REFRESH_LIFETIME_S);
        keep(&mut kept.codes, handle, (code, false), now_s, CODE_LIFETIME_S);
        Ok(text)
    }

    /// Redeems a code, once. A refused attempt does not spend it.
    ///
    /// # Errors
    ///
    /// The refusal that Entra would answer with.
    pub fn redeem(&self, presented: Presented<'_>, now_s: u64) -> Result<Code, Refusal> {
        let mut kept = self.lock();
        let entry = kept.codes.get_mut(&digest(presented.code)).ok_or(Refusal::UnknownGrant)?;
        let (code, redeemed) = &mut entry.what;
        if code.sign_in.application != presented.application {
            return Err(Refusal::UnknownGrant);
        }
        if code.sign_in.tenant != presented.tenant {
            return Err(Refusal::CodeOfOtherTenant);
        }
        if *redeemed {
            return Err(Refusal::CodeRedeemed);
        }
        if entry.until_s <= now_s {
            return Err(Refusal::CodeExpired);
        }
        if code.redirect_uri != presented.redirect_uri {
            return Err(Refusal::ReplyAddress);
        }
        if !presented.verifier.is_some_and(|verifier| fits(verifier, &code.challenge)) {
            return Err(Refusal::Verifier);
        }
        *redeemed = true;
        Ok(code.clone())
    }

    /// Issues a refresh token.
    ///
    /// # Errors
    ///
    /// If the system gives no randomness.
    pub fn refresh_token(&self, sign_in: SignIn, now_s: u64) -> Result<String, Refusal> {
        let (text, handle) = fresh()?;
        keep(&mut self.lock().refresh, handle, sign_in, now_s, REFRESH_LIFETIME_S);
        Ok(text)
    }

    /// What a refresh token stands for. It stays valid beside its successor, as at Entra: an
    /// answer may be lost.
    ///
    /// # Errors
    ///
    /// The refusal that Entra would answer with.
    pub fn refreshed(
        &self,
        token: &str,
        tenant: Uuid,
        application: &str,
        now_s: u64,
    ) -> Result<SignIn, Refusal> {
        let kept = self.lock();
        let entry = kept.refresh.get(&digest(token)).ok_or(Refusal::UnknownGrant)?;
        if entry.what.application != application || entry.what.tenant != tenant {
            return Err(Refusal::UnknownGrant);
        }
        if entry.until_s <= now_s {
            return Err(Refusal::RefreshExpired);
        }
        Ok(entry.what.clone())
    }

    /// Ends the sessions of a person and returns their ids.
    #[must_use]
    pub fn end_sessions(&self, tenant: Uuid, object: Uuid) -> Vec<Uuid> {
        let mut kept = self.lock();
        let ended = kept.sessions.extract_if(.., |_, entry| entry.what == (tenant, object));
        ended.map(|(sid, _)| sid).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // No code that holds the lock can leave a grant half changed.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// 256 random bits as text, and the handle they are kept under.
fn fresh() -> Result<(String, Handle), Refusal> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|_| Refusal::Unavailable)?;
    let text = BASE64URL.encode(bytes);
    let handle = digest(&text);
    Ok((text, handle))
}

fn digest(text: &str) -> Handle {
    Sha256::digest(text).into()
}

/// RFC 7636, section 4.6: the challenge is the verifier's digest. Verifiers shorter than 43
/// characters can be guessed.
fn fits(verifier: &str, challenge: &str) -> bool {
    let unreserved = |c: u8| c.is_ascii_alphanumeric() || b"-._~".contains(&c);
    (43..=128).contains(&verifier.len())
        && verifier.bytes().all(unreserved)
        && BASE64URL.encode(Sha256::digest(verifier)) == challenge
}

fn keep<K: Ord + Copy, T>(
    kept: &mut BTreeMap<K, Until<T>>,
    key: K,
    what: T,
    now_s: u64,
    lifetime_s: u64,
) {
    // Twice the lifetime: what has just expired is still told from what never was.
    kept.retain(|_, entry| now_s < entry.until_s + lifetime_s);
    if kept.len() >= KEPT {
        let first = kept.iter().min_by_key(|(_, entry)| entry.until_s).map(|(key, _)| *key);
        if let Some(first) = first {
            kept.remove(&first);
        }
    }
    kept.insert(key, Until { until_s: now_s + lifetime_s, what });
}

#[cfg(test)]
mod tests {
    use super::*;

    // RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn code() -> Code {
        Code {
            sign_in: SignIn {
                tenant: Uuid::from_u128(1),
                application: "portal".to_owned(),
                object: Uuid::from_u128(2),
                scopes: vec!["openid".to_owned()],
                auth_time_s: 100,
                sid: Uuid::from_u128(3),
                id_token_contexts: Vec::new(),
                access_token_contexts: Vec::new(),
            },
            nonce: None,
            redirect_uri: "http://localhost/callback".to_owned(),
            challenge: CHALLENGE.to_owned(),
        }
    }

    fn good(code: &str) -> Presented<'_> {
        Presented {
            code,
            tenant: Uuid::from_u128(1),
            application: "portal",
            redirect_uri: "http://localhost/callback",
            verifier: Some(VERIFIER),
        }
    }

    fn refused(grants: &Grants, presented: Presented<'_>, now_s: u64) -> Refusal {
        grants.redeem(presented, now_s).unwrap_err()
    }

    #[test]
    fn a_verifier_fits_the_challenge_made_of_it_and_no_other() {
        assert!(fits(VERIFIER, CHALLENGE));
        assert!(!fits(&VERIFIER.replace('d', "e"), CHALLENGE));
        assert!(!fits("short", &BASE64URL.encode(Sha256::digest("short"))));
    }

    #[test]
    fn a_code_is_redeemed_once() {
        let grants = Grants::default();
        let text = grants.code(code(), 100).unwrap();

        assert!(grants.redeem(good(&text), 101).is_ok());
        assert_eq!(refused(&grants, good(&text), 102), Refusal::CodeRedeemed);
    }

    #[test]
    fn a_code_serves_only_the_request_it_was_issued_for() {
        let grants = Grants::default();
        let text = grants.code(code(), 100).unwrap();
        let good = good(&text);

        let other = Presented { code: "other", ..good };
        assert_eq!(refused(&grants, other, 101), Refusal::UnknownGrant);
        let other = Presented { application: "other", ..good };
        assert_eq!(refused(&grants, other, 101), Refusal::UnknownGrant);
        let other = Presented { tenant: Uuid::nil(), ..good };
        assert_eq!(refused(&grants, other, 101), Refusal::CodeOfOtherTenant);
        let other = Presented { redirect_uri: "http://localhost/other", ..good };
        assert_eq!(refused(&grants, other, 101), Refusal::ReplyAddress);
        let other = Presented { verifier: None, ..good };
        assert_eq!(refused(&grants, other, 101), Refusal::Verifier);
        let other = Presented { verifier: Some(CHALLENGE), ..good };
        assert_eq!(refused(&grants, other, 101), Refusal::Verifier);
        assert!(grants.redeem(good, 101).is_ok());
    }

    #[test]
    fn a_code_expires() {
        let grants = Grants::default();
        let text = grants.code(code(), 100).unwrap();

        assert_eq!(refused(&grants, good(&text), 100 + CODE_LIFETIME_S), Refusal::CodeExpired);
    }

    #[test]
    fn a_refresh_token_serves_its_own_client_and_tenant() {
        let grants = Grants::default();
        let tenant = Uuid::from_u128(1);
        let token = grants.refresh_token(code().sign_in, 100).unwrap();

        let ask = |tenant, client, now_s| grants.refreshed(&token, tenant, client, now_s);
        assert!(ask(tenant, "portal", 101).is_ok());
        assert_eq!(ask(tenant, "other", 101).unwrap_err(), Refusal::UnknownGrant);
        assert_eq!(ask(Uuid::nil(), "portal", 101).unwrap_err(), Refusal::UnknownGrant);
        let late_s = 100 + REFRESH_LIFETIME_S;
        assert_eq!(ask(tenant, "portal", late_s).unwrap_err(), Refusal::RefreshExpired);
    }

    #[test]
    fn signing_out_ends_the_sessions_of_that_person_alone() {
        let grants = Grants::default();
        grants.code(code(), 100).unwrap();

        assert!(grants.end_sessions(Uuid::from_u128(1), Uuid::from_u128(9)).is_empty());
        let ended = grants.end_sessions(Uuid::from_u128(1), Uuid::from_u128(2));
        assert_eq!(ended, [Uuid::from_u128(3)]);
        assert!(grants.end_sessions(Uuid::from_u128(1), Uuid::from_u128(2)).is_empty());
    }
}
