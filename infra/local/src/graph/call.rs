//! One request, taken apart.

use std::{collections::BTreeMap, sync::Arc};

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use url::form_urlencoded;
use uuid::Uuid;

use super::{Graph, problem::Refusal};
use crate::{
    cloud::{Asked, Caller},
    directory::{Effect, Person, Tenant, principal::GRAPH},
};

/// What comes of a request.
pub type Outcome = Result<Reply, Refusal>;

/// An answer before it is written.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// JSON, unless there is nothing to say.
    pub body: Option<Value>,
    /// Writes that took effect.
    pub effects: Vec<Effect>,
}

impl Reply {
    /// 200
    pub fn ok(body: Value) -> Self {
        Self { status: StatusCode::OK, body: Some(body), effects: Vec::new() }
    }
}

/// One request of an authenticated caller.
pub struct Call<'a> {
    /// What is answered from.
    pub graph: Graph<'a>,
    /// Who asks.
    pub caller: &'a Caller,
    /// HTTP method.
    pub method: Method,
    /// `v1.0` or `beta`.
    version: &'static str,
    /// Path behind the version, segment by segment, decoded.
    pub segments: Vec<String>,
    /// The same in lower case: Graph's paths do not care.
    pub lower: Vec<String>,
    /// Query options by name in lower case, decoded.
    options: BTreeMap<String, String>,
    /// Headers; inside a `$batch`, those of the one request.
    pub headers: HeaderMap,
    /// Body as sent.
    pub body: Bytes,
    /// Path as asked.
    pub path: String,
    /// When it was asked.
    pub now: OffsetDateTime,
    /// What the request is called by who sends it: the audit log keeps it.
    pub correlation: Uuid,
    /// What the caller holds.
    pub held: Arc<Held>,
    /// Whether everything is shown in another order and spelling.
    pub shuffled: bool,
}

/// What a request inside another one takes over from it.
struct Around<'a> {
    graph: Graph<'a>,
    caller: &'a Caller,
    correlation: Uuid,
    // INVARIANT: looked up before anything else is, because the directory is locked while one
    // looks at it.
    held: Arc<Held>,
    shuffled: bool,
}

/// What a service principal holds in its tenant now, whatever its token says.
#[derive(Debug, Default)]
pub struct Held {
    /// Application permissions, unless the directory does not know the caller.
    pub permissions: Option<Vec<String>>,
    /// Display names of directory roles, held in the whole tenant.
    pub roles: Vec<String>,
}

impl Held {
    fn by(graph: Graph<'_>, caller: &Caller) -> Self {
        let held = graph.directory.look(caller.tenant, |tenant| {
            let known = tenant.principals.get(&caller.object).is_some();
            // Unknown to the directory, and no application of ours: a person.
            let counts = known || caller.application.is_some();
            let of_caller = tenant
                .assignments
                .iter()
                .filter(|held| held.principal == caller.object && held.scope.is_none());
            let named = |template| tenant.roles.iter().find(|role| role.template == template);
            Self {
                permissions: counts.then(|| tenant.roles_held(caller.object, GRAPH)),
                roles: of_caller
                    .filter_map(|held| named(held.role))
                    .map(|role| role.name.clone())
                    .collect(),
            }
        });
        held.unwrap_or_default()
    }
}

impl<'a> Call<'a> {
    /// Takes a request apart.
    pub fn of(graph: Graph<'a>, caller: &'a Caller, asked: &Asked) -> Result<Self, Refusal> {
        let path = asked.uri().path();
        let (version, rest) = path
            .trim_start_matches('/')
            .split_once('/')
            .ok_or_else(|| Refusal::bad_query("Invalid version."))?;
        let version = match version.to_ascii_lowercase().as_str() {
            "v1.0" => "v1.0",
            "beta" => "beta",
            _ => return Err(Refusal::bad_query("Invalid version.")),
        };
        Self::taken_apart(
            Around {
                graph,
                caller,
                correlation: Uuid::new_v4(),
                held: Arc::new(Held::by(graph, caller)),
                shuffled: graph.directory.is_shuffled(),
            },
            (asked.method().clone(), version, rest, asked.uri().query()),
            asked.headers().clone(),
            asked.body().clone(),
        )
    }

    /// A request inside this one: path relative to the version, own headers and body, same caller.
    pub fn inner(
        &self,
        method: Method,
        url: &str,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Call<'a>, Refusal> {
        let (path, query) = match url.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (url, None),
        };
        let path = path.trim_start_matches('/');
        Self::taken_apart(
            Around {
                graph: self.graph,
                caller: self.caller,
                correlation: self.correlation,
                held: Arc::clone(&self.held),
                shuffled: self.shuffled,
            },
            (method, self.version, path, query),
            headers,
            body,
        )
    }

    fn taken_apart(
        around: Around<'a>,
        (method, version, path, query): (Method, &'static str, &str, Option<&str>),
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Self, Refusal> {
        let Around { graph, caller, correlation, held, shuffled } = around;
        let segments = path
            .split('/')
            .map(|segment| decoded(segment).filter(|segment| !segment.is_empty()))
            .collect::<Option<Vec<_>>>()
            .ok_or_else(|| Refusal::bad_query("The path is not a resource path."))?;
        let segments: Vec<String> = segments.into_iter().flat_map(with_key_apart).collect();
        let correlation = headers
            .get("client-request-id")
            .and_then(|id| Uuid::try_parse(id.to_str().ok()?).ok())
            .unwrap_or(correlation);
        let mut options = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
            if options.insert(name.to_ascii_lowercase(), value.into_owned()).is_some() {
                return Err(Refusal::bad_query(format!(
                    "Query option '{name}' was specified more than once."
                )));
            }
        }
        Ok(Self {
            graph,
            caller,
            method,
            version,
            lower: segments.iter().map(|segment| segment.to_lowercase()).collect(),
            segments,
            options,
            headers,
            body,
            path: format!("/{version}/{path}"),
            now: OffsetDateTime::now_utc(),
            correlation,
            held,
            shuffled,
        })
    }

    /// Whether `beta` was asked.
    pub fn is_beta(&self) -> bool {
        self.version == "beta"
    }

    /// `https://graph.microsoft.com/v1.0`
    pub fn base(&self) -> String {
        format!("https://graph.microsoft.com/{}", self.version)
    }

    /// All query options.
    pub fn options(&self) -> impl Iterator<Item = (&str, &str)> {
        self.options.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// One query option; `$` may be left out of its name, as Graph allows.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options
            .get(name)
            .or_else(|| self.options.get(name.trim_start_matches('$')))
            .map(String::as_str)
    }

    /// Refuses query options other than these. Ignoring one would answer another question.
    pub fn only(&self, offered: &[&str]) -> Result<(), Refusal> {
        match self.options.keys().find(|name| {
            !offered
                .iter()
                .any(|offered| offered.trim_start_matches('$') == name.trim_start_matches('$'))
        }) {
            None => Ok(()),
            Some(name) => Err(Refusal::bad_query(format!(
                "Query option '{name}' is not supported by this resource."
            ))),
        }
    }

    /// Whether the caller accepts an index that lags behind: what advanced queries demand.
    pub fn is_eventual(&self) -> bool {
        self.headers
            .get("consistencylevel")
            .and_then(|level| level.to_str().ok())
            .is_some_and(|level| level.eq_ignore_ascii_case("eventual"))
    }

    /// Looks at the directory of the token's tenant.
    pub fn look<R>(&self, at: impl FnOnce(&Tenant) -> Result<R, Refusal>) -> Result<R, Refusal> {
        self.graph.directory.look(self.caller.tenant, at).ok_or_else(Refusal::unknown_tenant)?
    }

    /// Looks at the person whom the path names.
    pub fn look_at_person<R>(
        &self,
        at: impl FnOnce(&Tenant, &Person) -> Result<R, Refusal>,
    ) -> Result<R, Refusal> {
        let name = self.segments.get(1).map_or("", String::as_str);
        self.look(|tenant| {
            let person = tenant.person(name).ok_or_else(|| Refusal::not_found(name))?;
            at(tenant, person)
        })
    }

    /// Changes the person whom the path names, after `allowed` looked at them.
    pub fn change_person<R>(
        &self,
        what: Value,
        allowed: impl FnOnce(&Tenant, &Person) -> Result<(), Refusal>,
        change: impl FnOnce(&mut Person, OffsetDateTime) -> R,
    ) -> Result<(R, Effect), Refusal> {
        let person =
            self.look_at_person(|tenant, person| allowed(tenant, person).map(|()| person.id))?;
        let effect = self.effect(person, what);
        let changed = self
            .graph
            .directory
            .change(effect.clone(), |person, at| Ok::<_, Refusal>(change(person, at)))
            .ok_or_else(|| Refusal::not_found(&person.to_string()))??;
        Ok((changed, effect))
    }

    /// Changes the tenant and remembers it as about `person`, or changes nothing if `change`
    /// refuses, which must not have touched the tenant.
    pub fn change_tenant<R>(
        &self,
        (person, what): (Uuid, Value),
        change: impl FnOnce(&mut Tenant, OffsetDateTime) -> Result<R, Refusal>,
    ) -> Result<(R, Effect), Refusal> {
        let effect = self.effect(person, what);
        let directory = self.graph.directory;
        let changed = directory.change_tenant(effect.clone(), change);
        Ok((changed.ok_or_else(Refusal::unknown_tenant)??, effect))
    }

    /// What the record and the audit log keep of a change, or of a secret that is told.
    pub fn effect(&self, person: Uuid, change: Value) -> Effect {
        let agent = self.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok());
        Effect {
            at: self.now,
            tenant: self.caller.tenant,
            application: self.caller.name(),
            principal: self.caller.object,
            correlation: self.correlation,
            agent: agent.map(str::to_owned),
            method: self.method.to_string(),
            path: self.path.clone(),
            person,
            change,
        }
    }

    /// Refuses a caller who does not say what they are, as some services do.
    pub fn needs_user_agent(&self) -> Result<(), Refusal> {
        if self.headers.get(header::USER_AGENT).is_some_and(|agent| !agent.is_empty()) {
            Ok(())
        } else {
            Err(Refusal::bad_query("The User-Agent header is required."))
        }
    }

    /// The body as a JSON object.
    pub fn json(&self) -> Result<Map<String, Value>, Refusal> {
        let is_json = self
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|kind| kind.to_str().ok())
            .is_some_and(|kind| kind.to_ascii_lowercase().starts_with("application/json"));
        if !is_json {
            return Err(Refusal::bad_query(
                "Write requests (excluding DELETE) must contain the Content-Type header declaration.",
            ));
        }
        match serde_json::from_slice(&self.body) {
            Ok(Value::Object(body)) => Ok(body),
            _ => Err(Refusal::bad_query(
                "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
            )),
        }
    }
}

/// `applications(appId='…')` as two segments, which then name an object like any other two.
fn with_key_apart(segment: String) -> Vec<String> {
    let collections = ["applications", "serviceprincipals"];
    let apart = segment.split_once('(').and_then(|(collection, rest)| {
        let key = rest.strip_suffix(')')?;
        let is_one = collections.contains(&collection.to_ascii_lowercase().as_str());
        is_one.then(|| vec![collection.to_owned(), key.to_owned()])
    });
    apart.unwrap_or_else(|| vec![segment])
}

/// A path segment without its percent signs; `None` if what they hide is not text.
fn decoded(segment: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        if first == b'%' {
            let (digits, after) = after.split_at_checked(2)?;
            let digits = std::str::from_utf8(digits).ok()?;
            // `from_str_radix` would take a sign.
            if !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
                return None;
            }
            bytes.push(u8::from_str_radix(digits, 16).ok()?);
            rest = after;
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8(bytes).ok()
}
