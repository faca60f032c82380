//! Spoiling what is signed: as little as possible, in every way that could go unnoticed.

use airlock_core::base64url;
use serde::de::DeserializeOwned;

/// Order of the P-256 group.
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// What stands in a compact JWS, unverified.
#[must_use]
pub fn payload<T: DeserializeOwned>(jws: &str) -> T {
    let payload = jws.split('.').nth(1).and_then(base64url::decode).expect("a compact JWS");
    serde_json::from_slice(&payload).expect("the payload has the form that was asked for")
}

/// A text with one character changed.
#[must_use]
pub fn spoiled(text: &str, position: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[position] = if bytes[position] == b'A' { b'B' } else { b'A' };
    String::from_utf8(bytes).expect("ASCII stays ASCII")
}

/// The same signed text with the other signature that is as good: (r, n - s).
#[must_use]
pub fn twin(jws: &str) -> String {
    let (input, signature) = jws.rsplit_once('.').expect("a compact JWS");
    let mut signature: [u8; 64] = base64url::decode_array(signature).expect("an ES256 signature");
    let mut borrow = 0;
    for (byte, order) in signature[32..].iter_mut().zip(ORDER).rev() {
        let difference = i16::from(order) - i16::from(*byte) - borrow;
        borrow = i16::from(difference < 0);
        *byte = u8::try_from(difference + 256 * borrow).expect("a byte");
    }
    format!("{input}.{}", base64url::encode(signature))
}

#[cfg(test)]
mod tests {
    use airlock_core::{jwk::PublicKey, jws::Signed, sign_in::SignIn};
    use uuid::Uuid;

    use super::*;
    use crate::{client_key, now};

    #[tokio::test]
    async fn a_twin_signature_verifies_as_well_and_is_another() {
        let (secret, key) = client_key();
        let claims = SignIn {
            aud: "a".to_owned(),
            challenge: "c".to_owned(),
            tenant: Uuid::nil().to_string().parse().unwrap(),
            return_to: "/".to_owned(),
            jwk: PublicKey::from_point(&secret.public_key()).unwrap(),
            iat: now(),
            exp: now().plus_s(60),
        };
        let signed = Signed::sign(&claims, &key).await.unwrap();

        let twin: Signed<SignIn> = Signed::parse(twin(signed.as_str())).unwrap();

        assert_ne!(twin.as_str(), signed.as_str());
        assert_eq!(twin.digest(), signed.digest());
        assert!(twin.verify(key.key(), now()).is_ok());
    }
}
