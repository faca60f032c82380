//! Commitments to people of which two can be shown to be to the same person, and to nobody whom.
//!
//! An order to erase commits to a person, and a claim to the people in its request. Whoever
//! erases must show that the order is about one of them; whoever looks, years later, must see
//! that, and must not learn who it was, even by trying everybody. Salted hashes do one or the
//! other: two of them are compared only by opening both.
//!
//! So these are Pedersen commitments on P-256: `m G + r H` for the person `m` and the blind `r`,
//! where nobody knows the logarithm of H to G. Of two to the same person the difference is
//! `(r - s) H`, and the scalar `r - s`, which is published, says nothing as long as neither blind
//! is known. Of two to different people nobody can give that scalar, not even who made both: it
//! would be the logarithm of H.

use std::{fmt, sync::LazyLock};

use p256::{
    AffinePoint, FieldBytes, ProjectivePoint, PublicKey, Scalar,
    elliptic_curve::{
        ff::PrimeField as _, ops::Reduce as _, point::DecompressPoint as _, sec1::ToSec1Point as _,
    },
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use crate::{base64url, digest::Digest, identity::PersonId};

/// A commitment to a person. Written as the compressed point (SEC 1) in base64url, 44
/// characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Commitment(AffinePoint);

/// What hides a person in a commitment.
#[derive(Clone, Copy)]
pub struct Blind(Scalar);

/// The difference of two blinds. Written in base64url, 43 characters.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Difference(Scalar);

/// The second base: the first point of even y whose x is a hash of these words and a number.
/// Found so, its logarithm is as unknown to us as to anyone.
static SECOND_BASE: LazyLock<ProjectivePoint> = LazyLock::new(|| {
    let mut number = 0_u32;
    loop {
        let x = Digest::of(&[b"airlock commitments to people\0", &number.to_be_bytes()]);
        let point = AffinePoint::decompress(&(*x.as_bytes()).into(), 0.into());
        if let Some(point) = Option::<AffinePoint>::from(point) {
            return point.into();
        }
        // Every second number is a point.
        number = number.wrapping_add(1);
    }
});

/// A scalar that nobody can choose.
fn scalar_of(parts: &[&[u8]]) -> Scalar {
    Scalar::reduce(&FieldBytes::from(*Digest::of(parts).as_bytes()))
}

impl Blind {
    /// A blind made of parts, of which one is random and all but the last are of fixed size.
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        Self(scalar_of(parts))
    }

    /// What is to be published of this and another to show that both hide the same person.
    pub(crate) fn minus(self, other: Self) -> Difference {
        Difference(self.0 - other.0)
    }
}

impl Commitment {
    /// Commits to a person.
    pub(crate) fn to(person: PersonId, blind: Blind) -> Self {
        let person = scalar_of(&[b"airlock person\0", person.to_string().as_bytes()]);
        Self((ProjectivePoint::GENERATOR * person + *SECOND_BASE * blind.0).to_affine())
    }

    /// Whether this and another are to the same person, as the difference of their blinds shows.
    #[must_use]
    pub fn is_to_the_same(&self, other: &Self, difference: Difference) -> bool {
        ProjectivePoint::from(self.0) - other.0 == *SECOND_BASE * difference.0
    }

    /// The bytes, by which those of one claim are put in order: an order that says nothing.
    pub(crate) fn to_bytes(self) -> Vec<u8> {
        self.0.to_sec1_point(true).as_bytes().to_vec()
    }
}

impl Difference {
    /// Reads the written form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 32] = base64url::decode_array(text)?;
        Option::from(Scalar::from_repr(bytes.into())).map(Self)
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&base64url::encode(self.0.to_repr()))
    }
}

impl fmt::Debug for Difference {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, formatter)
    }
}

impl fmt::Debug for Commitment {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&base64url::encode(self.to_bytes()))
    }
}

/// It would open a commitment.
impl fmt::Debug for Blind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Blind(..)")
    }
}

impl Serialize for Commitment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&base64url::encode(self.to_bytes()))
    }
}

impl<'de> Deserialize<'de> for Commitment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        let malformed = || D::Error::custom("not a commitment to a person");
        // Compressed, and no other form of the same point: what is signed is compared as text.
        let bytes: [u8; 33] = base64url::decode_array(&text).ok_or_else(malformed)?;
        let point = PublicKey::from_sec1_bytes(&bytes).map_err(|_| malformed())?;
        let commitment = Self(*point.as_affine());
        if commitment.to_bytes() == bytes { Ok(commitment) } else { Err(malformed()) }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::identity::{ObjectId, TenantId};

    fn person(number: u128) -> PersonId {
        let tid = TenantId::new(Uuid::from_u128(0xc0));
        PersonId { tid, oid: ObjectId::new(Uuid::from_u128(number)) }
    }

    #[test]
    fn two_to_the_same_person_are_shown_to_be_and_two_to_different_people_are_not() {
        let (one, other) = (Blind::of(&[b"one"]), Blind::of(&[b"other"]));
        let ninas = Commitment::to(person(1), one);
        let ninas_too = Commitment::to(person(1), other);
        let svens = Commitment::to(person(2), other);

        assert!(ninas.is_to_the_same(&ninas_too, one.minus(other)));
        assert!(!ninas.is_to_the_same(&ninas_too, other.minus(one)));
        assert!(!ninas.is_to_the_same(&svens, one.minus(other)));
        assert!(ninas != ninas_too && ninas_too != svens);
    }

    #[test]
    fn what_is_written_is_read_and_what_is_no_point_or_not_compressed_is_not() {
        let commitment = Commitment::to(person(1), Blind::of(&[b"one"]));
        let text = serde_json::to_string(&commitment).unwrap();

        assert_eq!(serde_json::from_str::<Commitment>(&text).unwrap(), commitment);
        assert_eq!(text.len(), 44 + 2);
        let uncompressed = base64url::encode(commitment.0.to_sec1_point(false).as_bytes());
        let infinity = base64url::encode([0]);
        let off_the_curve = base64url::encode([[2].as_slice(), &[0xff; 32]].concat());
        for bad in [uncompressed, infinity, off_the_curve, String::new()] {
            assert!(serde_json::from_value::<Commitment>(bad.into()).is_err());
        }
    }

    #[test]
    fn a_difference_is_one_scalar_in_one_form() {
        let difference = Blind::of(&[b"one"]).minus(Blind::of(&[b"other"]));

        assert_eq!(Difference::parse(&difference.to_string()), Some(difference));
        // The order of the group, and more, is no scalar.
        assert_eq!(Difference::parse(&base64url::encode([0xff; 32])), None);
        assert_eq!(Difference::parse("AA"), None);
    }
}
