//! Public keys: P-256 only, as JWK (RFC 7517), named by their thumbprint (RFC 7638).

use std::fmt;

use p256::{
    PublicKey as Point,
    elliptic_curve::sec1::{FromSec1Point as _, Sec1Point, ToSec1Point as _},
};
use serde::{Deserialize, Serialize};

use crate::{base64url, digest::Digest};

/// A P-256 public key whose point was checked to be on the curve.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Jwk", into = "Jwk")]
pub struct PublicKey {
    x: [u8; 32],
    y: [u8; 32],
}

/// What stands before the coordinates in the DER form of every P-256 key: the algorithm
/// `id-ecPublicKey`, the curve `prime256v1`, and an uncompressed point (RFC 5480).
const SPKI_PREFIX: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// The name of a key: the SHA-256 thumbprint of its JWK (RFC 7638).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Thumbprint(Digest);

/// The JSON form. Exactly these four members: an unknown one could mean something to
/// another reader.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Jwk {
    crv: String,
    kty: String,
    x: String,
    y: String,
}

/// The key is not a point of P-256.
#[derive(Debug, thiserror::Error)]
#[error("not a P-256 public key")]
pub struct NotAKey;

impl PublicKey {
    /// A key from its coordinates.
    ///
    /// # Errors
    ///
    /// If they are not a point of the curve.
    pub fn from_coordinates(x: [u8; 32], y: [u8; 32]) -> Result<Self, NotAKey> {
        let encoded =
            Sec1Point::<p256::NistP256>::from_affine_coordinates(&x.into(), &y.into(), false);
        Option::<Point>::from(Point::from_sec1_point(&encoded)).ok_or(NotAKey)?;
        Ok(Self { x, y })
    }

    /// A key from the point that a local private key belongs to.
    ///
    /// # Errors
    ///
    /// If it is the point at infinity, which no private key has.
    pub fn from_point(point: &Point) -> Result<Self, NotAKey> {
        let encoded = point.to_sec1_point(false);
        let (Some(x), Some(y)) = (encoded.x(), encoded.y()) else { return Err(NotAKey) };
        Ok(Self { x: (*x).into(), y: (*y).into() })
    }

    /// The point, for key agreement.
    ///
    /// # Errors
    ///
    /// Never for a key that was parsed; the type of the curve library says otherwise.
    pub fn point(&self) -> Result<Point, NotAKey> {
        let encoded = Sec1Point::<p256::NistP256>::from_affine_coordinates(
            &self.x.into(),
            &self.y.into(),
            false,
        );
        Option::<Point>::from(Point::from_sec1_point(&encoded)).ok_or(NotAKey)
    }

    /// The coordinates in base64url.
    #[must_use]
    pub fn coordinates(&self) -> (String, String) {
        (base64url::encode(self.x), base64url::encode(self.y))
    }

    /// The `SubjectPublicKeyInfo` in DER (RFC 5280, RFC 5480), as foreign tools read keys.
    #[must_use]
    pub fn to_spki_der(&self) -> Vec<u8> {
        [&SPKI_PREFIX[..], &self.x, &self.y].concat()
    }

    /// Reads a `SubjectPublicKeyInfo` in DER, with an uncompressed point.
    ///
    /// # Errors
    ///
    /// If it is anything else, or not a point of the curve.
    pub fn from_spki_der(der: &[u8]) -> Result<Self, NotAKey> {
        let point = der.strip_prefix(&SPKI_PREFIX).ok_or(NotAKey)?;
        let point: &[u8; 64] = point.try_into().map_err(|_| NotAKey)?;
        let (mut x, mut y) = ([0; 32], [0; 32]);
        x.copy_from_slice(&point[..32]);
        y.copy_from_slice(&point[32..]);
        Self::from_coordinates(x, y)
    }

    /// RFC 7638: the digest of the required members in lexical order.
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        let (x, y) = self.coordinates();
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        Thumbprint(Digest::of(&[canonical.as_bytes()]))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PublicKey({})", self.thumbprint())
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, formatter)
    }
}

impl Thumbprint {
    /// Reads the written form.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Digest::parse(text).map(Self)
    }

    /// The 32 bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl TryFrom<Jwk> for PublicKey {
    type Error = NotAKey;

    fn try_from(jwk: Jwk) -> Result<Self, NotAKey> {
        if jwk.kty != "EC" || jwk.crv != "P-256" {
            return Err(NotAKey);
        }
        let x = base64url::decode_array(&jwk.x).ok_or(NotAKey)?;
        let y = base64url::decode_array(&jwk.y).ok_or(NotAKey)?;
        Self::from_coordinates(x, y)
    }
}

impl From<PublicKey> for Jwk {
    fn from(key: PublicKey) -> Self {
        let (x, y) = key.coordinates();
        Self { crv: "P-256".to_owned(), kty: "EC".to_owned(), x, y }
    }
}

#[cfg(test)]
mod tests {
    use p256::pkcs8::EncodePublicKey as _;

    use super::*;

    #[test]
    fn a_thumbprint_is_that_of_rfc_7638() {
        // RFC 7515, appendix A.3.1: the key; its thumbprint as other JOSE libraries give it.
        let key: PublicKey = serde_json::from_str(
            r#"{"kty":"EC","crv":"P-256",
                "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
                "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
        )
        .unwrap();

        assert_eq!(key.thumbprint().to_string(), "oKIywvGUpTVTyxMQ3bwIIeQUudfr_CkLMjCE19ECD-U");
    }

    #[test]
    fn the_der_form_is_that_of_the_curve_library() {
        let private = crate::jwe::private_key(&crate::memory::Dice).unwrap();
        let key = PublicKey::from_point(&private.public_key()).unwrap();

        let der = private.public_key().to_public_key_der().unwrap();

        assert_eq!(key.to_spki_der(), der.as_bytes());
        assert_eq!(PublicKey::from_spki_der(der.as_bytes()).unwrap(), key);
        assert!(PublicKey::from_spki_der(&der.as_bytes()[1..]).is_err());
        assert!(PublicKey::from_spki_der(&[der.as_bytes(), &[0]].concat()).is_err());
    }

    #[test]
    fn a_point_off_the_curve_is_not_a_key() {
        let text = format!(
            r#"{{"kty":"EC","crv":"P-256","x":"{0}","y":"{0}"}}"#,
            base64url::encode([7_u8; 32])
        );

        assert!(serde_json::from_str::<PublicKey>(&text).is_err());
    }

    #[test]
    fn a_private_key_is_not_read_as_a_public_one() {
        let text = r#"{"kty":"EC","crv":"P-256","d":"AQ",
            "x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
            "y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

        assert!(serde_json::from_str::<PublicKey>(text).is_err());
    }
}
