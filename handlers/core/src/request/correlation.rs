//! The name of a request in the changed tenant's own log.

use uuid::Uuid;

use crate::digest::Digest;

/// What a worker gives as the id of its calls for a request, by the request's digest: a UUID of
/// version 8 (RFC 9562) with the digest's first bits.
///
/// Every attempt gives the same, and whoever has the claim can compute it: so what a tenant's
/// audit log says was done is found to be permitted, or not. It proves nothing by itself: who
/// has taken over a worker can repeat it.
#[must_use]
pub fn correlation(request: Digest) -> Uuid {
    let mut first = [0; 16];
    first.copy_from_slice(&request.as_bytes()[..16]);
    uuid::Builder::from_custom_bytes(first).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_one_name_in_the_tenants_log_and_no_other_request_has_it() {
        let bytes: [u8; 32] = std::array::from_fn(|index| 0xf0 + u8::try_from(index % 16).unwrap());
        let mut other = bytes;
        other[0] ^= 1;

        let named = correlation(Digest::from_bytes(bytes));

        // RFC 9562, section 5.8: four bits of version, two of variant, the rest is the digest's.
        assert_eq!(named.to_string(), "f0f1f2f3-f4f5-86f7-b8f9-fafbfcfdfeff");
        assert_ne!(correlation(Digest::from_bytes(other)), named);
    }
}
