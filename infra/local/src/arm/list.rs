//! Lists, which are answered page by page.

use serde_json::{Value, json};

use super::{
    HOST, State,
    kinds::{AUTHORIZATION, Kind, ROLE_ASSIGNMENTS, ROLE_DEFINITIONS},
    path::{Group, key},
    problem::Problem,
};
use crate::entra::Form;

/// What the query says about what is listed.
const FILTER: &str = "$filter";
/// Where the query says how far it was read. Providers write it so and otherwise.
const SKIP: &str = "$skipToken";

/// What a role is called that Azure has not defined itself.
const CUSTOM_ROLE: &str = "CustomRole";

/// Every resource in the group that is below no other: what it is, not how it is set up.
pub(super) fn contents(state: &State, form: &Form, group: &Group) -> Result<Value, Problem> {
    if let Some(filter) = form.optional(FILTER) {
        return Err(Problem::no_filter(filter));
    }
    let all = state.resources.values().filter(|resource| {
        let kind = resource["type"].as_str().unwrap_or_default();
        kind.matches('/').count() == 1 && !kind.starts_with(AUTHORIZATION)
    });
    let shown = ["id", "name", "type", "location", "kind", "sku", "identity", "tags"];
    let all = all.map(|resource| {
        let members = shown
            .iter()
            .filter_map(|&name| resource.get(name).map(|value| (name.to_owned(), value.clone())));
        state.wording.put(&Value::Object(members.collect()))
    });
    page(state, form, all.collect(), &format!("{}/resources", group.id()), false)
}

/// What is of one type, below a scope.
pub(super) fn below(
    state: &State,
    form: &Form,
    kind: &Kind,
    scope: &str,
) -> Result<Value, Problem> {
    let filter = Filter::parse(kind, form.optional(FILTER))?;
    let wanted = key(&kind.to_string());
    let all = state.resources.iter().filter(|(id, resource)| {
        key(resource["type"].as_str().unwrap_or_default()) == wanted
            && !super::is_secret(kind, id)
            && filter.takes(kind, id, resource, &key(scope))
    });
    let all = all.map(|(_, resource)| state.wording.put(resource)).collect();
    let path = if kind.is_top_level() || kind.is_about_others() {
        format!("{scope}/providers/{kind}")
    } else {
        format!("{scope}/{}", kind.last())
    };
    page(state, form, all, &path, kind.says_that_no_page_follows())
}

/// Which of what is below a scope is asked for.
enum Filter {
    /// All of it.
    All,
    /// What counts at the scope itself: there, and above.
    AtScope,
    /// Assigned to one principal.
    Principal(String),
    /// Defined by the deployment.
    Custom,
}

impl Filter {
    fn parse(kind: &Kind, text: Option<&str>) -> Result<Self, Problem> {
        let Some(text) = text else { return Ok(Self::All) };
        let quoted = |start: &str, end: &str| {
            let rest = text.strip_prefix(start)?.strip_suffix(end)?;
            (!rest.contains('\'')).then(|| rest.to_owned())
        };
        if kind == &ROLE_ASSIGNMENTS {
            if text.eq_ignore_ascii_case("atScope()") {
                return Ok(Self::AtScope);
            }
            let principal =
                quoted("principalId eq '", "'").or_else(|| quoted("assignedTo('", "')"));
            if let Some(principal) = principal {
                return Ok(Self::Principal(principal));
            }
        }
        if kind == &ROLE_DEFINITIONS && quoted("type eq '", "'").as_deref() == Some(CUSTOM_ROLE) {
            return Ok(Self::Custom);
        }
        Err(Problem::no_filter(text))
    }

    /// Whether a resource of this type is one of those below `scope`, both in small letters.
    fn takes(&self, kind: &Kind, id: &str, resource: &Value, scope: &str) -> bool {
        let is_below = |id: &str| id == scope || id.starts_with(&format!("{scope}/"));
        if kind == &ROLE_DEFINITIONS {
            let is_custom = resource["properties"]["type"] == CUSTOM_ROLE;
            return is_custom || !matches!(self, Self::Custom);
        }
        if kind != &ROLE_ASSIGNMENTS {
            let rest = id.strip_prefix(scope).and_then(|rest| rest.strip_prefix('/'));
            let own = format!("{}/", key(kind.last()));
            return if kind.is_top_level() {
                is_below(id)
            } else {
                // Of this parent, and not of one below it.
                rest.and_then(|rest| rest.strip_prefix(&own))
                    .is_some_and(|name| !name.contains('/'))
            };
        }
        let over = key(resource["properties"]["scope"].as_str().unwrap_or_default());
        let is_above = scope == over || over == "/" || scope.starts_with(&format!("{over}/"));
        match self {
            Self::All | Self::Custom => is_below(&over) || is_above,
            Self::AtScope => is_above,
            Self::Principal(principal) => {
                let assigned = resource["properties"]["principalId"].as_str().unwrap_or_default();
                (is_below(&over) || is_above) && assigned.eq_ignore_ascii_case(principal)
            }
        }
    }
}

/// The page that the query asks for.
fn page(
    state: &State,
    form: &Form,
    mut all: Vec<Value>,
    path: &str,
    says_that_none_follows: bool,
) -> Result<Value, Problem> {
    state.wording.order(&mut all);
    let skip = form.optional(SKIP).or_else(|| form.optional("$skiptoken"));
    let skip: usize = skip.map_or(Ok(0), str::parse).map_err(|_| Problem::no_page())?;
    let size = state.wording.page_size();
    let next = skip.saturating_add(size);
    let mut body = json!({ "value": all.get(skip..next.min(all.len())).unwrap_or_default() });
    if next < all.len() {
        let version = form.optional("api-version").unwrap_or_default();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("api-version", version);
        if let Some(filter) = form.optional(FILTER) {
            query.append_pair(FILTER, filter);
        }
        query.append_pair(SKIP, &next.to_string());
        body["nextLink"] = format!("https://{HOST}{path}?{}", query.finish()).into();
    } else if says_that_none_follows {
        body["nextLink"] = Value::Null;
        body["id"] = Value::Null;
    }
    Ok(body)
}
