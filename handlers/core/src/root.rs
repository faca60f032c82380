//! Who the admin root is: the key that a handler knows from its manifest, or whoever took over
//! from it.
//!
//! The root is replaced as in The Update Framework: what names the new one is signed by the old
//! and by the new. Each keyset carries all replacements since the first root, so a handler that
//! was deployed under any of them finds its own and follows the others to the root of today. They
//! stand inside the keyset, and not beside it, so that nobody can take them away and leave the
//! keyset, whose version is anchored.
//!
//! From the time that a replacement names, the old root signs nothing new. What it signed and
//! what was judged before that time stays what it was.
//!
//! Price: who holds a replaced root *and* the database can still deceive a process that starts
//! under an old manifest, until its package is signed anew. So packages are signed again when the
//! root is replaced.

use serde::{Deserialize, Serialize};

use crate::{
    jwk::{PublicKey, Thumbprint},
    jws::{Artefact, NotVerified, Signed, Typ, Verified},
    keyset::Keyset,
    time::{LEEWAY_S, Timestamp},
};

/// Replacements that a keyset may carry: each costs every reader two verifications. One a year
/// is usual, so a deployment that has had so many is rebuilt before.
pub const MAX_REPLACEMENTS: usize = 8;

/// One root takes over from another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Replacement {
    /// Counts up by one from 1.
    pub ver: u64,
    /// The root that ends.
    pub old: PublicKey,
    /// The root that begins.
    pub new: PublicKey,
    /// When it was signed. From then on the new root counts.
    pub iat: Timestamp,
    /// When the old root ends. Until then both count, so that what the old one signed can be
    /// signed again.
    pub from: Timestamp,
}

impl Artefact for Replacement {
    const TYP: Typ = Typ::Root;

    fn not_before(&self) -> Option<Timestamp> {
        Some(self.iat)
    }

    fn expires(&self) -> Option<Timestamp> {
        None
    }
}

/// A replacement with both signatures that it takes.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Countersigned {
    /// By the root that ends: it hands over.
    pub by_old: Signed<Replacement>,
    /// By the root that begins: it holds the key that it is said to hold.
    pub by_new: Signed<Replacement>,
}

impl Countersigned {
    /// What both signed.
    ///
    /// Neither key is known here: that one of them is the root, the caller finds out.
    fn opened(&self, now: Timestamp) -> Result<Replacement, NotVerified> {
        let says = self.by_old.peek()?;
        let by_old = self.by_old.verify(&says.old, now)?;
        let by_new = self.by_new.verify(&says.new, now)?;
        if by_old.value() != by_new.value() {
            return Err(NotVerified::Other("root"));
        }
        Ok(says)
    }
}

/// The roots that a deployment has had, and the one that it has.
#[derive(Clone, Debug)]
pub struct Roots {
    ended: Vec<Reign>,
    present: PublicKey,
    /// When the present one began, if it was not the first.
    since: Option<Timestamp>,
}

/// A root that was replaced.
#[derive(Clone, Debug)]
struct Reign {
    key: PublicKey,
    since: Option<Timestamp>,
    until: Timestamp,
}

/// A deployment whose root was never replaced.
impl From<&PublicKey> for Roots {
    fn from(root: &PublicKey) -> Self {
        Self { ended: Vec::new(), present: root.clone(), since: None }
    }
}

impl Roots {
    /// Follows replacements from a root that is known, or back to it: a replacement is believed
    /// because that root, or one that is believed already, signed it.
    ///
    /// # Errors
    ///
    /// [`NotVerified`] if one of them lacks a signature, they do not follow from each other, or
    /// the known root is none of them. Then no root moves.
    pub fn follow(
        known: &PublicKey,
        replacements: &[Countersigned],
        now: Timestamp,
    ) -> Result<Self, NotVerified> {
        if replacements.len() > MAX_REPLACEMENTS {
            return Err(NotVerified::Other("root"));
        }
        let mut roots: Option<Self> = None;
        for countersigned in replacements {
            let replacement = countersigned.opened(now)?;
            roots = Some(
                match roots {
                    None => Self::from(&replacement.old),
                    Some(roots) => roots,
                }
                .replaced(replacement)?,
            );
        }
        let roots = roots.unwrap_or_else(|| Self::from(known));
        if roots.keys().any(|key| key == known) {
            Ok(roots)
        } else {
            Err(NotVerified::Other("root"))
        }
    }

    /// Follows the replacements that a keyset carries, which is not verified yet: they prove
    /// themselves.
    ///
    /// # Errors
    ///
    /// As [`Roots::follow`].
    pub fn of_keyset(
        known: &PublicKey,
        keyset: &Signed<Keyset>,
        now: Timestamp,
    ) -> Result<Self, NotVerified> {
        Self::follow(known, &keyset.peek()?.replacements, now)
    }

    /// After one more replacement.
    ///
    /// # Errors
    ///
    /// [`NotVerified::Other`] if it is not the next one, or would bring a root back.
    pub fn replaced(mut self, replacement: Replacement) -> Result<Self, NotVerified> {
        let Replacement { ver, old, new, iat, from } = replacement;
        let next = self.replacements() as u64 + 1;
        let before = self.ended.last().map(|reign| reign.until);
        // A root that ends before its predecessor did would leave a gap or an overlap of three.
        let in_order = from >= iat
            && self.since.is_none_or(|since| iat >= since)
            && before.is_none_or(|before| from >= before);
        if ver != next || old != self.present || !in_order || self.keys().any(|key| *key == new) {
            return Err(NotVerified::Other("root"));
        }
        self.ended.push(Reign { key: old, since: self.since, until: from });
        Ok(Self { ended: self.ended, present: new, since: Some(iat) })
    }

    /// The root of today.
    #[must_use]
    pub const fn present(&self) -> &PublicKey {
        &self.present
    }

    /// When the root before this one ended, or will.
    #[must_use]
    pub fn before_ends(&self) -> Option<Timestamp> {
        self.ended.last().map(|reign| reign.until)
    }

    /// How often the root was replaced.
    #[must_use]
    pub const fn replacements(&self) -> usize {
        self.ended.len()
    }

    /// The key that a signature is by, if it is a root of this deployment or was one.
    #[must_use]
    pub fn named(&self, key: Thumbprint) -> Option<&PublicKey> {
        self.keys().find(|root| root.thumbprint() == key)
    }

    /// Opens what was signed by whoever was the root at a time.
    ///
    /// # Errors
    ///
    /// [`NotVerified::UnknownKey`] if its key is no root, or was none then; else as
    /// [`Signed::verify`].
    pub fn open<T: Artefact>(
        &self,
        signed: &Signed<T>,
        at: Timestamp,
    ) -> Result<Verified<T>, NotVerified> {
        let by = signed.key();
        let ended = self.ended.iter().map(|reign| (&reign.key, reign.since, Some(reign.until)));
        let mut reigns = ended.chain([(&self.present, self.since, None)]);
        let (key, ..) = reigns
            .find(|(key, since, until)| {
                key.thumbprint() == by
                    && since.is_none_or(|since| since <= at.plus_s(LEEWAY_S))
                    && until.is_none_or(|until| at < until)
            })
            .ok_or(NotVerified::UnknownKey(by))?;
        signed.verify(key, at)
    }

    fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.ended.iter().map(|reign| &reign.key).chain([&self.present])
    }
}

#[cfg(test)]
mod tests;
