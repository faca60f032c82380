//! Texts and numbers, by the exact form in which they travel.
//!
//! The types that parse them are core's, which knows nothing of HTTP; here stands only
//! how they are written. Each of these types is the name of a form, and looks at nothing.

use airlock_core::{
    ask::{Ask, Attestation, MAX_LIFETIME_S, MAX_PURPOSE_BYTES, MAX_TICKET_BYTES},
    catalog::OPERATIONS,
    claim::Outcome,
    decision::{Decision, MAX_REASON_BYTES},
    jws::Artefact,
    ledger::Statement,
    producer::Event,
    reception::MAX_TAKEN_BYTES,
    session::{Confirmation, Session},
};
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        AllOf, ArrayBuilder, Object, ObjectBuilder, Ref, RefOr, Schema, SchemaFormat, Type,
        schema::{AdditionalProperties, ArrayItems},
    },
};

use super::shapes;

/// A UUID as we write it.
const UUID: &str = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";

/// Name of a bound secret.
const SECRET_NAME: &str = "[a-z0-9-]{1,64}";

/// 32 bytes in base64url without padding. The last character carries four bits, and so is one
/// of sixteen.
const BYTES_32: &str = "[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]";

/// 64 bytes in base64url without padding: an ES256 signature. The last character carries two
/// bits.
const BYTES_64: &str = "[A-Za-z0-9_-]{85}[AQgw]";

macro_rules! forms {
    ($($(#[doc = $doc:literal])+ $name:ident($json:ty) = $form:expr;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name($json);

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $form.description(Some(concat!($($doc),+).trim())).into()
            }
        }

        impl ToSchema for $name {}
    )+};
}

/// Compact JWS: by what core signs and verifies, and by how its claims are written.
macro_rules! signed {
    ($($(#[doc = $doc:literal])+ $name:ident = $artefact:ty as $claims:ty $(, $most:expr)?;)+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                jws(<$artefact as Artefact>::TYP.media_type(), reference::<$claims>())
                    $(.max_length(Some($most)))?
                    .description(Some(concat!($($doc),+).trim()))
                    .into()
            }
        }

        impl ToSchema for $name {
            fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
                schemas.push((Thumbprint::name().into(), Thumbprint::schema()));
                schemas.push((<$claims>::name().into(), <$claims>::schema()));
                <$claims>::schemas(schemas);
            }
        }
    )+};
}

forms! {
    /// Whose tree: a tenant's id, or `platform` for the deployment's own.
    Tree(String) = text(format!("^({UUID}|platform)$"));
    /// Id of an Entra tenant.
    TenantId(String) = uuid();
    /// Id of an object of an Entra tenant: of a user, unless something else is said.
    ObjectId(String) = uuid();
    /// Name of a secret in its tenant's secret bindings.
    SecretName(String) = text(format!("^{SECRET_NAME}$"));
    /// What a request changes, in a word: a user's object id, `secret:<name>`, or
    /// `application:<object id>`.
    TargetWord(String) = text(format!("^({UUID}|secret:{SECRET_NAME}|application:{UUID})$"));
    /// What the service itself found to be otherwise than declared, which is why it asks: compact
    /// JWS (RFC 7515), ES256.
    SignedFinding(String) =
        text(r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{86}$".to_owned());
    /// A random UUID, which makes two of a kind two.
    UniqueId(String) = uuid();
    /// A SHA-256 digest: 32 bytes in base64url without padding.
    Digest(String) = text(format!("^{BYTES_32}$"));
    /// RFC 7638 thumbprint of a P-256 public key: 32 bytes in base64url without padding.
    Thumbprint(String) = text(format!("^{BYTES_32}$"));
    /// A coordinate of a point of P-256: 32 bytes in base64url without padding.
    Coordinate(String) = text(format!("^{BYTES_32}$"));
    /// Name of a request: `<tenant>.<digest>`, where the digest is the SHA-256 of the JWS
    /// signing input of the signed request. Whoever signs it knows its name before sending it.
    RequestId(String) = text(format!(r"^{UUID}\.{BYTES_32}$"));
    /// Seconds since 1970-01-01T00:00:00Z.
    Timestamp(i64) = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::Custom("int64".to_owned())))
        .minimum(Some(0));
    /// Why it is asked, for whoever decides it: at most 1000 bytes of UTF-8.
    Purpose(String) = words(1, MAX_PURPOSE_BYTES);
    /// Name of a ticket: 1 to 100 bytes of UTF-8.
    Ticket(String) = words(1, MAX_TICKET_BYTES);
    /// Seconds for which a request may be carried out: at most a day.
    Lifetime(u32) = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1))
        .maximum(Some(MAX_LIFETIME_S));
    /// Why it is decided so: at most 1000 bytes of UTF-8.
    Reason(String) = words(0, MAX_REASON_BYTES);
    /// An authentication context of Entra's: `c1` to `c99`.
    ContextName(String) = text("^c[1-9][0-9]?$".to_owned());
    /// Name of an operation of the catalog.
    OperationName(String) = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(OPERATIONS.iter().map(|operation| operation.entry().name)));
    /// Who acts: `entra:<tenant>:<object>` for a person, `service:<name>` and
    /// `producer:<name>` for programs, by the names that the tenant's terms give them.
    PrincipalName(String) = text("^(entra|service|producer):.+$".to_owned());
    /// A secret: compact JWE (RFC 7516) with `alg` ECDH-ES, `enc` A256GCM and `cty` text/plain,
    /// encrypted to the key that the signed request names in `reveal_to`.
    SealedSecret(String) =
        text(r"^[A-Za-z0-9_-]+\.\.[A-Za-z0-9_-]{16}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]{22}$".to_owned())
            .content_media_type("application/jose");
}

signed! {
    /// A request, signed by its requester's client key: compact JWS (RFC 7515), ES256.
    SignedRequest = Ask as shapes::Ask, MAX_TAKEN_BYTES;
    /// A decision, signed by its maker's client key: compact JWS (RFC 7515), ES256.
    SignedDecision = Decision as shapes::Decision, MAX_TAKEN_BYTES;
    /// A request of a caller whose token this service saw and nobody else can check, signed by
    /// this service: compact JWS (RFC 7515), ES256.
    SignedAttestation = Attestation as shapes::Attestation;
    /// A request of an event producer, signed by its own key: compact JWS (RFC 7515), ES256.
    SignedEvent = Event as shapes::Event;
    /// A person's session, signed by the service that signs people in: compact JWS (RFC 7515),
    /// ES256.
    SignedSession = Session as shapes::Session;
    /// The confirmation of a session, signed by this service: compact JWS (RFC 7515), ES256.
    SignedConfirmation = Confirmation as shapes::Confirmation;
    /// What an app of the service says that happened: compact JWS (RFC 7515), ES256.
    SignedStatement = Statement as shapes::Statement;
    /// A worker's word on how a request ended: compact JWS (RFC 7515), ES256.
    SignedOutcome = Outcome as shapes::OutcomeClaims;
}

fn text(pattern: String) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).pattern(Some(pattern))
}

fn uuid() -> ObjectBuilder {
    text(format!("^{UUID}$")).format(Some(SchemaFormat::Custom("uuid".to_owned())))
}

/// The bound that counts is in bytes; a text never has more characters than bytes.
fn words(least: usize, most_bytes: usize) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(least))
        .max_length(Some(most_bytes))
}

/// A compact JWS. JSON Schema describes a JWT by the list of its decoded header and claims.
fn jws(typ: &'static str, claims: RefOr<Schema>) -> ObjectBuilder {
    let header = ObjectBuilder::new()
        .schema_type(Type::Object)
        .property("alg", constant("ES256"))
        .property("kid", reference::<Thumbprint>())
        .property("typ", constant(typ))
        .required("alg")
        .required("kid")
        .required("typ")
        .additional_properties(Some(AdditionalProperties::FreeForm(false)));
    let mut all = AllOf::new();
    all.items.push(claims);
    let contents = ArrayBuilder::new()
        .prefix_items([Schema::Object(header.build()), Schema::AllOf(all)])
        .items(ArrayItems::False)
        .min_items(Some(2));
    text(format!(r"^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.{BYTES_64}$"))
        .content_media_type("application/jwt")
        .content_schema(Some(Schema::Array(contents.build())))
}

fn constant(value: &'static str) -> Object {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some([value])).build()
}

fn reference<T: ToSchema>() -> RefOr<Schema> {
    Ref::from_schema_name(T::name()).into()
}
