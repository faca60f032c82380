//! Azure Front Door: every way from the outside, and where it leads.

use std::collections::{BTreeMap, BTreeSet};

use airlock_core::drift::actual::{Name, Route};
use serde::Deserialize;
use serde_json::Value;

use super::words::{self, NotUnderstood, Word, is};

/// A Front Door profile.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Profile {
    /// Its `frontDoorId`.
    pub(super) id: Name,
    /// Its id as a resource.
    pub(super) resource: Name,
}

/// An endpoint of a profile: a host name on the outside.
#[derive(Debug)]
pub(super) struct Endpoint {
    /// Its id.
    pub(super) resource: Name,
    enabled: bool,
}

#[derive(Debug, Deserialize)]
struct Reference {
    id: String,
}

/// Profiles of Front Door. A content delivery network of the old kind has no id of its own, and
/// leads to no app that asks for one.
pub(super) fn profiles(listed: Vec<Value>) -> Result<Vec<Profile>, NotUnderstood> {
    #[derive(Deserialize)]
    struct Listed {
        id: String,
        properties: Properties,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Properties {
        front_door_id: Option<String>,
    }
    let listed: Vec<Listed> = words::understood("front doors", listed)?;
    let doors = listed.into_iter().filter_map(|listed| {
        let id = Name::new(&listed.properties.front_door_id?);
        Some(Profile { id, resource: Name::new(&listed.id) })
    });
    Ok(doors.collect())
}

/// Endpoints of a profile.
pub(super) fn endpoints(listed: Vec<Value>) -> Result<Vec<Endpoint>, NotUnderstood> {
    #[derive(Deserialize)]
    struct Listed {
        id: String,
        properties: Properties,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Properties {
        enabled_state: Option<Word>,
    }
    let listed: Vec<Listed> = words::understood("front door endpoints", listed)?;
    let read = listed.into_iter().map(|Listed { id, properties }| Endpoint {
        resource: Name::new(&id),
        enabled: !is(properties.enabled_state.as_ref(), "disabled"),
    });
    Ok(read.collect())
}

/// Hosts of a group of origins. One that is disabled counts: enabling it changes no route.
pub(super) fn hosts(listed: Vec<Value>) -> Result<BTreeSet<Name>, NotUnderstood> {
    #[derive(Deserialize)]
    struct Listed {
        properties: Properties,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Properties {
        host_name: String,
        origin_host_header: Option<String>,
    }
    let listed: Vec<Listed> = words::understood("origins", listed)?;
    let read = listed.into_iter().flat_map(|Listed { properties }| {
        // Which app answers at a host of many is decided by the header.
        [Some(properties.host_name), properties.origin_host_header].into_iter().flatten()
    });
    Ok(read.filter(|host| !host.is_empty()).map(|host| Name::new(&host)).collect())
}

/// Routes of an endpoint, by the hosts of each group of origins.
pub(super) fn routes(
    listed: Vec<Value>,
    endpoint: &Endpoint,
    origins: &BTreeMap<Name, BTreeSet<Name>>,
) -> Result<Vec<Route>, NotUnderstood> {
    #[derive(Deserialize)]
    struct Listed {
        id: String,
        properties: Properties,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Properties {
        patterns_to_match: Option<Vec<String>>,
        origin_group: Option<Reference>,
        origin_path: Option<String>,
        rule_sets: Option<Vec<Reference>>,
        supported_protocols: Option<Vec<Word>>,
        https_redirect: Option<Word>,
        forwarding_protocol: Option<Word>,
        enabled_state: Option<Word>,
    }
    let listed: Vec<Listed> = words::understood("routes", listed)?;
    let read = listed.into_iter().map(|Listed { id, properties }| {
        let group = properties.origin_group.map(|group| Name::new(&group.id));
        let known = group.map(|group| origins.get(&group).ok_or(NotUnderstood("routes")));
        let path = properties.origin_path.unwrap_or_default();
        let mut hosts: BTreeSet<Name> = known
            .transpose()?
            .into_iter()
            .flatten()
            // With the path that the way leads to there: it is not the one that was matched.
            .map(|host| Name::new(&format!("{host}{}", path.trim_end_matches('/'))))
            .collect();
        // A rule can lead elsewhere than its route: which way it leads is not judged here.
        hosts.extend(properties.rule_sets.into_iter().flatten().map(|set| Name::new(&set.id)));
        let outside = properties.supported_protocols.unwrap_or_default();
        let only_https = !outside.is_empty() && outside.iter().all(|protocol| protocol.is("https"));
        let redirects = is(properties.https_redirect.as_ref(), "enabled");
        Ok(Route {
            id: Name::new(&id),
            patterns: properties.patterns_to_match.unwrap_or_default().into_iter().collect(),
            hosts,
            enabled: endpoint.enabled && !is(properties.enabled_state.as_ref(), "disabled"),
            https: (only_https || redirects)
                && !is(properties.forwarding_protocol.as_ref(), "httponly"),
        })
    });
    read.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn route() -> Value {
        json!({ "id": "/Routes/Api", "properties": {
            "patternsToMatch": ["/api/*"],
            "originGroup": { "id": "/GROUPS/Intake" },
            "originPath": null,
            "ruleSets": [],
            "supportedProtocols": ["http", "HTTPS"],
            "httpsRedirect": "enabled",
            "forwardingProtocol": "HttpsOnly",
            "enabledState": "Enabled",
        } })
    }

    fn read(name: &str, value: Value) -> Result<Route, NotUnderstood> {
        let mut route = route();
        route["properties"][name] = value;
        let endpoint = Endpoint { resource: Name::new("/e"), enabled: true };
        let hosts = BTreeSet::from([Name::new("intake.example")]);
        let origins = BTreeMap::from([(Name::new("/groups/intake"), hosts)]);
        routes(vec![route], &endpoint, &origins).map(|mut routes| routes.remove(0))
    }

    fn hosts_of(route: &Route) -> Vec<&str> {
        route.hosts.iter().map(Name::as_str).collect()
    }

    #[test]
    fn a_route_is_told_with_the_hosts_that_it_leads_to() {
        let route = read("enabledState", json!("ENABLED")).unwrap();

        assert_eq!(route.id.as_str(), "/routes/api");
        assert_eq!(hosts_of(&route), ["intake.example"]);
        assert_eq!(route.patterns, BTreeSet::from(["/api/*".to_owned()]));
        assert!(route.enabled && route.https);
    }

    #[test]
    fn a_way_that_leads_elsewhere_than_its_path_says_is_another_way() {
        let path = read("originPath", json!("/internal/")).unwrap();
        assert_eq!(hosts_of(&path), ["intake.example/internal"]);
        let rules = read("ruleSets", json!([{ "id": "/Rules/R" }])).unwrap();
        assert_eq!(hosts_of(&rules), ["/rules/r", "intake.example"]);
        let headers = json!({ "properties": { "hostName": "A", "originHostHeader": "b" } });
        assert_eq!(hosts(vec![headers]).unwrap().len(), 2);
    }

    #[test]
    fn https_alone_or_a_way_there() {
        assert!(!read("httpsRedirect", json!("Disabled")).unwrap().https);
        assert!(!read("forwardingProtocol", json!("HttpOnly")).unwrap().https);
        assert!(read("supportedProtocols", json!(["Https"])).unwrap().https);
        assert!(!read("enabledState", json!("Disabled")).unwrap().enabled);
    }

    #[test]
    fn a_route_to_a_group_that_was_not_told_is_not_understood() {
        assert!(read("originGroup", json!({ "id": "/groups/other" })).is_err());
        assert!(read("originGroup", json!(null)).unwrap().hosts.is_empty());
    }

    #[test]
    fn only_a_front_door_is_one() {
        let listed = vec![
            json!({ "id": "/P/Old", "properties": {} }),
            json!({ "id": "/P/Door", "properties": { "frontDoorId": "ABC" } }),
        ];

        let profiles = profiles(listed).unwrap();

        assert_eq!(profiles.len(), 1);
        assert_eq!((profiles[0].id.as_str(), profiles[0].resource.as_str()), ("abc", "/p/door"));
    }
}
