//! Federated credentials: whose tokens an application takes for its own credential.

use time::OffsetDateTime;
use uuid::Uuid;

/// What may be told of a token before its signature is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Claimed<'a> {
    /// Issuer.
    pub issuer: &'a str,
    /// Subject.
    pub subject: &'a str,
    /// Audience.
    pub audience: &'a str,
}

/// A federated credential. Entra compares its three values exactly, and looks at none of them when
/// it is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FederatedCredential {
    /// Its id.
    pub id: Uuid,
    /// Its name, which no other of the application has.
    pub name: String,
    /// Whose tokens.
    pub issuer: String,
    /// About whom.
    pub subject: String,
    /// For which audience.
    pub audience: String,
    /// When it was made.
    pub created: OffsetDateTime,
}

/// How far a token fits the credentials of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fit {
    /// There are none.
    None,
    /// None names this issuer.
    Issuer,
    /// None of those of this issuer names this subject.
    Subject,
    /// None of those of this issuer and subject names this audience.
    Audience,
    /// One names all three.
    All,
}

/// How far a token fits these credentials: the best of them decides.
#[must_use]
pub fn fit(credentials: &[FederatedCredential], claimed: Claimed<'_>) -> Fit {
    let far = credentials.iter().map(|one| {
        match (
            one.issuer == claimed.issuer,
            one.subject == claimed.subject,
            one.audience == claimed.audience,
        ) {
            (false, ..) => Fit::Issuer,
            (true, false, _) => Fit::Subject,
            (true, true, false) => Fit::Audience,
            (true, true, true) => Fit::All,
        }
    });
    far.max_by_key(|fit| *fit as u8).unwrap_or(Fit::None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Claimed<'_> =
        Claimed { issuer: "https://one.example", subject: "abc", audience: "exchange" };

    fn trusting(issuer: &str, subject: &str) -> FederatedCredential {
        FederatedCredential {
            id: Uuid::nil(),
            name: "any".to_owned(),
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            audience: "exchange".to_owned(),
            created: OffsetDateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn all_three_values_must_be_those_of_one_credential() {
        let two = [trusting("https://one.example", "abc"), trusting("https://two.example", "def")];

        assert_eq!(fit(&two, GOOD), Fit::All);
        assert_eq!(fit(&two, Claimed { issuer: "https://two.example", ..GOOD }), Fit::Subject);
        assert_eq!(fit(&two, Claimed { issuer: "https://three.example", ..GOOD }), Fit::Issuer);
        assert_eq!(fit(&two, Claimed { subject: "ABC", ..GOOD }), Fit::Subject);
        assert_eq!(fit(&two, Claimed { audience: "other", ..GOOD }), Fit::Audience);
        assert_eq!(fit(&[], GOOD), Fit::None);
    }
}
