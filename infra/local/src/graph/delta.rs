//! Delta queries: everything once, and from then on what changed.
//!
//! A token says from where to go on, in which tenant and with which selection, as Graph's do: with
//! it a caller says nothing more. Owners and assignments are no properties of an object, and told
//! by no delta. Federated credentials are not shown by one, but Entra logs their changes as
//! updates of the application, and so the application is told as changed.

use base64::{Engine as _, prelude::BASE64_URL_SAFE_NO_PAD as BASE64URL};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::{
    applications,
    call::{Call, Outcome, Reply},
    context, grants,
    page::{DEFAULT_PAGE, MAX_PAGE, SHUFFLED_PAGE, cut, with_selection},
    permissions,
    problem::Refusal,
    service_principals,
};
use crate::directory::{Tenant, Tracked, principal::spelled};

/// A collection that tells its changes.
struct Kind<T> {
    collection: &'static str,
    entity: &'static str,
    properties: &'static [&'static str],
    objects: fn(&Tenant) -> &Tracked<T>,
    shown: fn(&Tenant, &T) -> Value,
    /// How the id of one that is gone is spelled.
    gone: fn(Uuid) -> String,
    /// Why one is gone: `changed` if it could be restored.
    reason: &'static str,
}

/// `GET /applications/delta`
pub fn applications(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_APPLICATIONS)?;
    let kind = Kind {
        collection: "applications",
        entity: "application",
        properties: applications::PROPERTIES,
        objects: |tenant| &tenant.registrations,
        shown: applications::shown,
        gone: |id| id.to_string(),
        reason: "changed",
    };
    kind.answer(call)
}

/// `GET /servicePrincipals/delta`
pub fn service_principals(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_APPLICATIONS)?;
    let kind = Kind {
        collection: "servicePrincipals",
        entity: "servicePrincipal",
        properties: service_principals::PROPERTIES,
        objects: |tenant| &tenant.principals,
        shown: |_, one| service_principals::shown(one),
        gone: |id| id.to_string(),
        reason: "changed",
    };
    kind.answer(call)
}

/// `GET /oauth2PermissionGrants/delta`
pub fn grants(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_GRANTS)?;
    let kind = Kind {
        collection: "oauth2PermissionGrants",
        entity: "oAuth2PermissionGrant",
        properties: grants::GRANT,
        objects: |tenant| &tenant.grants,
        shown: |_, one| grants::grant(one),
        gone: spelled,
        reason: "deleted",
    };
    kind.answer(call)
}

/// What a token says.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Token {
    generation: Uuid,
    tenant: Uuid,
    collection: String,
    selected: Option<Vec<String>>,
    from: From,
}

/// From where to go on.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum From {
    /// Everything, after this id, and then what changed since the first page was read.
    All { since: u64, after: Option<Uuid> },
    /// What changed after this version.
    Changes { since: u64 },
}

/// A page: its objects, and where to go on, at once or some other time.
struct Page {
    objects: Vec<Value>,
    next: Result<From, From>,
}

impl<T> Kind<T> {
    fn answer(&self, call: &Call<'_>) -> Outcome {
        let token = self.token(call)?;
        let size = size(call)?;
        let selected: Option<Vec<&str>> =
            token.selected.as_ref().map(|all| all.iter().map(String::as_str).collect());
        let latest = call.option("$deltatoken") == Some("latest");
        let Page { objects, next } = call.look(|tenant| {
            let objects = (self.objects)(tenant);
            if latest {
                let next = Err(From::Changes { since: objects.version() });
                return Ok(Page { objects: Vec::new(), next });
            }
            let show = |one: &T| {
                let mut properties = selected.clone().unwrap_or_else(|| self.properties.to_vec());
                // An object without its id could not be told from another.
                if !properties.contains(&"id") {
                    properties.push("id");
                }
                cut(&(self.shown)(tenant, one), &properties)
            };
            Ok(self.page(objects, token.from, size, show))
        })?;
        let mut body = Map::new();
        let what = with_selection(self.collection, selected.as_deref());
        body.insert("@odata.context".to_owned(), context(call, &what));
        let (link, parameter, from) = match next {
            Ok(from) => ("@odata.nextLink", "$skiptoken", from),
            Err(from) => ("@odata.deltaLink", "$deltatoken", from),
        };
        let token = serde_json::to_vec(&Token { from, ..token });
        let token = BASE64URL.encode(token.map_err(|_| Refusal::internal())?);
        let address = format!("{}/{}/delta?{parameter}={token}", call.base(), self.collection);
        body.insert(link.to_owned(), Value::String(address));
        body.insert("value".to_owned(), Value::Array(objects));
        Ok(Reply::ok(Value::Object(body)))
    }

    /// What the request says, by itself or by a token.
    fn token(&self, call: &Call<'_>) -> Result<Token, Refusal> {
        let deltas = call.graph.directory.deltas();
        let given = call.option("$deltatoken").filter(|token| *token != "latest");
        let Some(text) = given.or_else(|| call.option("$skiptoken")) else {
            call.only(&["$select", "$deltatoken"])?;
            let selected = call.selected(self.entity, self.properties)?;
            let since = call.look(|tenant| Ok((self.objects)(tenant).version()))?;
            return Ok(Token {
                generation: deltas.generation,
                tenant: call.caller.tenant,
                collection: self.collection.to_owned(),
                selected: selected.map(|all| all.into_iter().map(str::to_owned).collect()),
                from: From::All { since, after: None },
            });
        };
        call.only(&["$deltatoken", "$skiptoken"])?;
        let token = BASE64URL.decode(text).ok();
        let token = token.and_then(|token| serde_json::from_slice::<Token>(&token).ok());
        let token = token.filter(|token| {
            token.generation == deltas.generation
                && token.tenant == call.caller.tenant
                && token.collection == self.collection
        });
        token.ok_or_else(|| Refusal::resync(deltas.refused))
    }

    fn page(
        &self,
        objects: &Tracked<T>,
        from: From,
        size: usize,
        show: impl Fn(&T) -> Value,
    ) -> Page {
        match from {
            From::All { since, after } => {
                let mut rest = objects.after(after).peekable();
                let mut last = after;
                let mut page = Vec::new();
                while let Some((id, object)) = rest.next_if(|_| page.len() < size) {
                    last = Some(*id);
                    page.push(show(object));
                }
                let next = match rest.peek() {
                    Some(_) => Ok(From::All { since, after: last }),
                    None => Err(From::Changes { since }),
                };
                Page { objects: page, next }
            }
            From::Changes { since } => {
                let mut rest = objects.since(since).peekable();
                let mut last = since;
                let mut page = Vec::new();
                while let Some(changed) = rest.next_if(|_| page.len() < size) {
                    last = changed.version;
                    page.push(changed.object.map_or_else(
                        || {
                            json!({
                                "id": (self.gone)(changed.id),
                                "@removed": { "reason": self.reason },
                            })
                        },
                        &show,
                    ));
                }
                let next = From::Changes { since: last };
                Page {
                    objects: page,
                    next: if rest.peek().is_some() { Ok(next) } else { Err(next) },
                }
            }
        }
    }
}

/// How many objects `Prefer: odata.maxpagesize=…` asks for.
fn size(call: &Call<'_>) -> Result<usize, Refusal> {
    let preferred = call.headers.get("prefer").and_then(|prefer| prefer.to_str().ok());
    let mut preferred = preferred.into_iter().flat_map(|all| all.split([',', ';']));
    let size = preferred.find_map(|one| one.trim().strip_prefix("odata.maxpagesize="));
    let size = match size.map(str::parse) {
        None => DEFAULT_PAGE,
        Some(Ok(size @ 1..=MAX_PAGE)) => size,
        Some(_) => return Err(Refusal::bad_request("Invalid page size specified.")),
    };
    Ok(if call.shuffled { size.min(SHUFFLED_PAGE) } else { size })
}
