//! Collections: selecting properties, cutting into pages.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use url::form_urlencoded;
use uuid::Uuid;

use super::{
    call::{Call, Outcome, Reply},
    context,
    problem::Refusal,
};

/// Objects on a page, unless `$top` says otherwise.
pub const DEFAULT_PAGE: usize = 100;
/// Most objects on a page.
pub const MAX_PAGE: usize = 999;

/// Objects on a page where everything is shown in another way than usual.
pub const SHUFFLED_PAGE: usize = 3;

/// The query options that every collection here offers.
pub const OPTIONS: &[&str] = &["$select", "$top", "$skiptoken", "$count", "$filter"];

/// A type to which a collection of directory objects can be narrowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cast {
    /// Groups only.
    Group,
    /// Directory roles only.
    DirectoryRole,
    /// App registrations only.
    Application,
    /// Service principals only.
    ServicePrincipal,
}

impl Cast {
    /// Reads a path segment in lower case.
    pub fn of(segment: &str) -> Option<Self> {
        match segment {
            "microsoft.graph.group" | "graph.group" => Some(Self::Group),
            "microsoft.graph.directoryrole" | "graph.directoryrole" => Some(Self::DirectoryRole),
            "microsoft.graph.application" | "graph.application" => Some(Self::Application),
            "microsoft.graph.serviceprincipal" | "graph.serviceprincipal" => {
                Some(Self::ServicePrincipal)
            }
            _ => None,
        }
    }

    /// Whether objects of this type are left.
    pub fn is(self, kind: &str) -> bool {
        kind == match self {
            Self::Group => "group",
            Self::DirectoryRole => "directoryRole",
            Self::Application => "application",
            Self::ServicePrincipal => "servicePrincipal",
        }
    }

    /// What they are called together.
    pub const fn collection(self) -> &'static str {
        match self {
            Self::Group => "groups",
            Self::DirectoryRole => "directoryRoles",
            Self::Application => "applications",
            Self::ServicePrincipal => "servicePrincipals",
        }
    }
}

impl Call<'_> {
    /// The properties that `$select` names, in the spelling of `known`.
    ///
    /// # Errors
    ///
    /// If one is not a property of this type.
    pub fn selected<'k>(
        &self,
        kind: &str,
        known: &[&'k str],
    ) -> Result<Option<Vec<&'k str>>, Refusal> {
        let Some(select) = self.option("$select") else {
            return Ok(None);
        };
        let selected: Result<Vec<&str>, Refusal> = select
            .split(',')
            .map(|name| {
                let name = name.trim();
                known.iter().find(|known| known.eq_ignore_ascii_case(name)).copied().ok_or_else(|| {
                    Refusal::bad_query(format!(
                        "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type 'microsoft.graph.{kind}'."
                    ))
                })
            })
            .collect();
        selected.map(Some)
    }

    /// Answers with a page of these objects. Each comes with the key that orders it.
    pub fn page(&self, what: &str, objects: Vec<(String, Value)>) -> Outcome {
        self.page_of(what, objects, DEFAULT_PAGE)
    }

    /// As [`page`](Self::page), with this many objects unless `$top` says otherwise.
    pub fn page_of(
        &self,
        what: &str,
        objects: Vec<(String, Value)>,
        unless_said: usize,
    ) -> Outcome {
        self.page_shown(what, objects, unless_said, |object| object)
    }

    /// As [`page_of`](Self::page_of), and only what is on the page is shown: of many objects, most
    /// are not.
    pub fn page_shown<T>(
        &self,
        what: &str,
        mut objects: Vec<(String, T)>,
        unless_said: usize,
        show: impl Fn(T) -> Value,
    ) -> Outcome {
        let shuffled = self.shuffled;
        objects.sort_by(|(left, _), (right, _)| left.cmp(right));
        if shuffled {
            objects.reverse();
        }
        let total = objects.len();
        if let Some(after) = self.option("$skiptoken") {
            let after = BASE64_URL_SAFE_NO_PAD
                .decode(after)
                .ok()
                .and_then(|after| String::from_utf8(after).ok())
                .ok_or_else(Refusal::expired_page)?;
            objects.retain(|(key, _)| if shuffled { *key < after } else { *key > after });
        }
        let size = self.page_size(unless_said)?;
        let size = if shuffled { size.min(SHUFFLED_PAGE) } else { size };
        let more = objects.len() > size;
        objects.truncate(size);
        let mut body = Map::new();
        body.insert("@odata.context".to_owned(), context(self, what));
        if self.is_eventual()
            && self.option("$count").is_some_and(|count| count.eq_ignore_ascii_case("true"))
        {
            body.insert("@odata.count".to_owned(), json!(total));
        }
        if let Some((last, _)) = objects.last().filter(|_| more) {
            body.insert("@odata.nextLink".to_owned(), Value::String(self.next_link(last)));
        }
        body.insert(
            "value".to_owned(),
            objects.into_iter().map(|(_, object)| show(object)).collect(),
        );
        Ok(Reply::ok(Value::Object(body)))
    }

    /// How many objects `$top` asks for.
    pub fn page_size(&self, unless_said: usize) -> Result<usize, Refusal> {
        let Some(top) = self.option("$top") else {
            return Ok(unless_said);
        };
        match top.parse() {
            Ok(size @ 1..=MAX_PAGE) => Ok(size),
            _ => Err(Refusal::bad_request(format!(
                "Invalid page size specified: '{top}'. Must be between 1 and {MAX_PAGE} inclusive."
            ))),
        }
    }

    fn next_link(&self, last: &str) -> String {
        self.next_link_at(&BASE64_URL_SAFE_NO_PAD.encode(last))
    }

    /// The same request, going on from this token.
    pub fn next_link_at(&self, token: &str) -> String {
        let asked = self.options().filter(|(name, _)| name.trim_start_matches('$') != "skiptoken");
        let query: Vec<String> = asked
            .chain([("$skiptoken", token)])
            .map(|(name, value)| {
                let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
                format!("{name}={value}")
            })
            .collect();
        format!("https://graph.microsoft.com{}?{}", self.path, query.join("&"))
    }
}

/// What is compared exactly, as text, wherever else a GUID may be spelled in capitals.
const EXACT: &[&str] = &["subject", "audiences", "name"];

/// The same in another order and spelling: lists backwards, GUIDs in capitals. Graph promises
/// neither.
pub fn restyled(name: &str, value: Value) -> Value {
    match value {
        Value::String(text) if Uuid::try_parse(&text).is_ok() && !EXACT.contains(&name) => {
            Value::String(text.to_uppercase())
        }
        Value::Array(list) => {
            let mut list: Vec<Value> = list.into_iter().map(|one| restyled(name, one)).collect();
            // The order of pages is the collection's, which is told backwards already.
            if !["value", "responses"].contains(&name) {
                list.reverse();
            }
            Value::Array(list)
        }
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| (name.clone(), restyled(&name, value)))
                .collect(),
        ),
        other => other,
    }
}

/// The named properties of an object, in that order of names. What it lacks is left out.
pub fn cut(object: &Value, properties: &[&str]) -> Value {
    let kept = properties
        .iter()
        .filter_map(|name| object.get(*name).map(|value| ((*name).to_owned(), value.clone())));
    Value::Object(kept.collect())
}

/// `users` or `users(id,displayName)`.
pub fn with_selection(what: &str, selected: Option<&[&str]>) -> String {
    match selected {
        Some(selected) => format!("{what}({})", selected.join(",")),
        None => what.to_owned(),
    }
}
