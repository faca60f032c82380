//! Problems: how a route says that it did not do what was asked, and which it can say.

use std::collections::BTreeMap;

use airlock_core::problem::Problem;
use utoipa::{
    IntoResponses, PartialSchema, ToSchema,
    openapi::{
        AllOf, Content, Header, HeaderBuilder, ObjectBuilder, Ref, RefOr, Response,
        ResponseBuilder, Schema, SchemaFormat, Type, schema::AdditionalProperties,
    },
};

/// The media type of a problem (RFC 9457).
const MEDIA_TYPE: &str = "application/problem+json";

/// Its body.
pub enum ProblemBody {}

impl PartialSchema for ProblemBody {
    fn schema() -> RefOr<Schema> {
        let statuses: std::collections::BTreeSet<u16> =
            Problem::ALL.iter().map(|problem| problem.status).collect();
        let status = ObjectBuilder::new()
            .schema_type(Type::Integer)
            .enum_values(Some(statuses))
            .description(Some("The HTTP status."));
        let title = text(Problem::ALL.iter().map(|problem| problem.title.to_owned()))
            .description(Some("What it says, in words that never change for a `type`."));
        let instance = ObjectBuilder::new()
            .schema_type(Type::String)
            .format(Some(SchemaFormat::Custom("uri".to_owned())))
            .pattern(Some("^urn:uuid:[0-9a-f-]{36}$"))
            .description(Some("Names this occurrence, in the service's log too."));
        let detail = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some("More, in constant words of the service. Often absent."));
        ObjectBuilder::new()
            .schema_type(Type::Object)
            .description(Some(
                "Why something was not done (RFC 9457). Apart from `instance`, every word is a \
                 constant.",
            ))
            .property("type", types(Problem::ALL).description(Some("Which problem it is.")))
            .property("title", title)
            .property("status", status)
            .property("instance", instance)
            .property("detail", detail)
            .required("type")
            .required("title")
            .required("status")
            .required("instance")
            .additional_properties(Some(AdditionalProperties::FreeForm(false)))
            .into()
    }
}

impl ToSchema for ProblemBody {
    fn name() -> std::borrow::Cow<'static, str> {
        "Problem".into()
    }
}

/// Of every route that asks who calls: it looks into the store, and verifies what it finds.
const OF_A_PERSON: &[Problem] = &[
    Problem::NOT_SIGNED_IN,
    Problem::WRONG_ORIGIN,
    Problem::TOO_MANY,
    Problem::INTERNAL,
    Problem::INTEGRITY,
    Problem::UNAVAILABLE,
];

/// Of every route that takes a JSON body.
const OF_A_BODY: &[Problem] = &[Problem::NOT_UNDERSTOOD, Problem::TOO_LARGE, Problem::MEDIA_TYPE];

macro_rules! problems {
    ($($(#[$doc:meta])+ $name:ident = $($part:expr),+;)+) => {$(
        $(#[$doc])+
        pub enum $name {}

        impl IntoResponses for $name {
            fn responses() -> BTreeMap<String, RefOr<Response>> {
                let parts: &[&[Problem]] = &[$($part),+];
                responses(parts.iter().copied().flatten())
            }
        }
    )+};
}

problems! {
    /// Of whoever asks for something that is not in a tenant.
    NotTold = OF_A_PERSON;
    /// Of a request that is submitted.
    NotTaken = OF_A_PERSON, OF_A_BODY, &[
        Problem::NOT_VERIFIED,
        Problem::NOT_ALLOWED,
        Problem::NOT_FOUND,
        Problem::CONFLICT,
        Problem::KEY_REUSED,
    ];
    /// Of a list of requests.
    NotListed = OF_A_PERSON, &[Problem::NOT_UNDERSTOOD, Problem::NOT_FOUND];
    /// Of one request.
    NotShown = OF_A_PERSON, &[Problem::NOT_FOUND];
    /// Of the proof of how a request ended.
    NotProven = OF_A_PERSON, &[Problem::NOT_FOUND, Problem::CONFLICT, Problem::NOT_SEALED];
    /// Of a decision.
    NotDecided = OF_A_PERSON, OF_A_BODY, &[
        Problem::NOT_VERIFIED,
        Problem::NOT_ALLOWED,
        Problem::NOT_FOUND,
        Problem::CONFLICT,
    ];
    /// Of a secret that is asked for.
    NotRevealed = OF_A_PERSON, OF_A_BODY, &[Problem::NOT_FOUND, Problem::CONFLICT, Problem::GONE];
    /// Of this document.
    NotDescribed = &[Problem::TOO_MANY];
    /// Of a token that is looked into.
    NotLookedInto = &[
        Problem::NOT_VERIFIED,
        Problem::NOT_ALLOWED,
        Problem::WRONG_ORIGIN,
        Problem::TOO_MANY,
        Problem::INTERNAL,
        Problem::INTEGRITY,
        Problem::UNAVAILABLE,
    ];
}

/// One response for each status, with the problems that it can carry.
fn responses<'a>(problems: impl Iterator<Item = &'a Problem>) -> BTreeMap<String, RefOr<Response>> {
    let mut by_status: BTreeMap<u16, Vec<Problem>> = BTreeMap::new();
    for problem in problems {
        by_status.entry(problem.status).or_default().push(*problem);
    }
    by_status
        .into_iter()
        .map(|(status, problems)| (status.to_string(), response(&problems).into()))
        .collect()
}

fn response(problems: &[Problem]) -> Response {
    let told: Vec<String> =
        problems.iter().map(|problem| format!("`{}`: {}.", problem.name, problem.title)).collect();
    let mut body = AllOf::new();
    body.items.push(Ref::from_schema_name(ProblemBody::name()).into());
    body.items.push(ObjectBuilder::new().property("type", types(problems)).into());
    let mut response = ResponseBuilder::new()
        .description(told.join(" "))
        .content(MEDIA_TYPE, Content::new(Some(Schema::AllOf(body))));
    if problems.contains(&Problem::TOO_MANY) {
        response = response.header("Retry-After", retry_after());
    }
    if problems.iter().any(|problem| problem.status == 401) {
        response = response.header("WWW-Authenticate", www_authenticate());
    }
    response.build()
}

fn www_authenticate() -> Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::String)))
        .description(Some(
            "The schemes of `Authorization` that this takes (RFC 9110, section 11.6.1). A token \
             that was shown and does not hold is told `invalid_token` (RFC 6750, section 3.1).",
        ))
        .build()
}

fn retry_after() -> Header {
    HeaderBuilder::new()
        .schema(Some(ObjectBuilder::new().schema_type(Type::Integer).minimum(Some(1))))
        .description(Some("When to come again, in seconds, if that can be told."))
        .build()
}

fn types(problems: &[Problem]) -> ObjectBuilder {
    text(problems.iter().map(|problem| format!("{}{}", Problem::TYPES, problem.name)))
        .format(Some(SchemaFormat::Custom("uri".to_owned())))
}

fn text(values: impl Iterator<Item = String>) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(values))
}
