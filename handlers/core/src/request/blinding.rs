//! What hides a request from whoever guesses what it was: the randomness in its own signature.
//!
//! Digests of a request outlive it, and nobody can delete them: its name (SHA-256 of what was
//! signed) in leaves, permit, claim and outcome; the hash of its operation in permit and claim;
//! commitments to the people in it, in the claim. There are few operations and not many people,
//! so a plain hash of an operation would tell it to whoever tries them all. Each of these has
//! to hold something that nobody can try, and that goes with the request when it is erased.
//!
//! - The *name* holds the request's `jti`, 122 random bits, if a person asks or `intake`
//!   attests. No permit, claim, leaf or marker repeats it: the name says which request, and is
//!   enough. An *event*'s `jti` is made of its `id`, which its producer chooses and a marker is
//!   made of too, so the name of an event hides no more than that `id` does.
//! - So *operation* and *people* are hidden by something that every request has, whoever signed
//!   it: the first half of its signature, r. That is a coordinate of a point whose logarithm was
//!   a secret of that one signature; a signer whose r could be foretold would give away its key.
//!   The signature stands in the request alone, which is encrypted, and erased as a whole.
//!
//! Only the first half, because the whole has a twin, (r, n-s), which is the same request.
//! Anybody who has the request can compute them again: the worker does before it acts, from what
//! it is about to send.

use std::fmt;

use super::NotAuthenticated;
use crate::{
    ask::RequestEvidence, base64url, catalog::Change, digest::Digest, erasure::Blind,
    identity::PersonId, jws::NotVerified,
};

/// What hides one request: 32 bytes that stand in its signature and nowhere else.
pub struct Blinding([u8; 32]);

impl Blinding {
    /// Reads it out of a request. Nothing is verified by that.
    ///
    /// # Errors
    ///
    /// [`NotAuthenticated`] if it has no ES256 signature.
    pub fn of(evidence: &RequestEvidence) -> Result<Self, NotAuthenticated> {
        let jws = match evidence {
            RequestEvidence::Proven { request, .. } => request.as_str(),
            RequestEvidence::Attested { attestation } => attestation.as_str(),
            RequestEvidence::Produced { event } => event.as_str(),
        };
        jws.rsplit_once('.')
            .and_then(|(_, signature)| base64url::decode_array::<64>(signature))
            .and_then(|signature| signature.first_chunk().copied())
            .map(Self)
            .ok_or_else(|| NotVerified::Signature.into())
    }

    /// The hash of an operation: SHA-256 over words of ours, this, and the digest of the
    /// operation's canonical JSON. All three are of fixed size.
    #[must_use]
    pub fn op_hash(&self, change: &Change) -> Digest {
        Digest::of(&[b"airlock operation\0", &self.0, change.digest().as_bytes()])
    }

    /// What hides a person in the commitment that the claim of this request holds.
    pub(crate) fn of_person(&self, person: PersonId) -> Blind {
        Blind::of(&[b"airlock person in a request\0", &self.0, person.to_string().as_bytes()])
    }
}

/// It goes with the request.
impl fmt::Debug for Blinding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Blinding(..)")
    }
}
