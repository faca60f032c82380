//! The same resources in other words.
//!
//! Azure returns ids and words in whatever case they were once written, or its providers write
//! them; lists in any order; and with each resource what the provider says of its own accord, which
//! changes by itself. Whoever takes that for a difference sees drift where there is none. So it can
//! be made different here, on purpose.

use serde_json::{Map, Value, json};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};
use uuid::Uuid;

use super::kinds::AUTHORIZATION;

/// Resources on a page.
const PAGE: usize = 100;
/// Resources on a page, in other words.
const SHORT_PAGE: usize = 2;

/// Members whose value is a word of a fixed list, a name of a host or resource, or a place.
const WORDS: [&str; 32] = [
    "action",
    "bypass",
    "defaultAction",
    "defaultHostName",
    "enabledState",
    "forwardingProtocol",
    "ftpsState",
    "hostName",
    "httpsRedirect",
    "ipAddress",
    "ipSecurityRestrictionsDefaultAction",
    "isolationScope",
    "kind",
    "leaseState",
    "leaseStatus",
    "linkToDefaultDomain",
    "location",
    "locationName",
    "minimalTlsVersion",
    "minimumTlsVersion",
    "name",
    "networkAclBypass",
    "originHostHeader",
    "principalType",
    "provisioningState",
    "publicAccess",
    "publicNetworkAccess",
    "resourceState",
    "state",
    "supportedProtocols",
    "tag",
    "type",
];

/// In which words resources are put. The first are those of the seed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wording {
    turn: u32,
}

impl Wording {
    /// Other words than these, and other than the seed's.
    pub const fn shuffle(&mut self) {
        self.turn += 1;
    }

    /// How many resources a page holds.
    pub const fn page_size(self) -> usize {
        if self.turn == 0 { PAGE } else { SHORT_PAGE }
    }

    /// Puts a list into its order.
    pub fn order(self, list: &mut [Value]) {
        if self.turn > 0 {
            list.reverse();
            let by = usize::try_from(self.turn).unwrap_or_default() / 2 % list.len().max(1);
            list.rotate_left(by);
        }
    }

    /// A resource, with what its provider says of its own accord.
    pub fn put(self, resource: &Value) -> Value {
        let mut put = resource.clone();
        if let Value::Object(members) = &mut put {
            self.add_own(members);
            if self.turn > 0 {
                // Neither the settings of an app nor the text of a function is Azure's to change.
                let is_settings = is_settings(members);
                let properties = members.get("properties").filter(|_| is_settings).cloned();
                members.iter_mut().for_each(|(name, value)| self.reword(name, value));
                if let Some(properties) = properties {
                    members.insert("properties".to_owned(), properties);
                }
            }
        }
        put
    }

    /// What the provider says about when a resource was made and changed, each where it says that.
    fn add_own(self, members: &mut Map<String, Value>) {
        let at = self.at();
        let kind = members.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        match (kind.as_str(), members.get_mut("properties")) {
            ("Microsoft.Web/sites", Some(properties)) => {
                properties["lastModifiedTimeUtc"] = at.as_str().into();
                properties["outboundIpAddresses"] = format!("20.0.0.{}", self.turn).into();
            }
            ("Microsoft.Authorization/roleAssignments", Some(properties)) => {
                properties["createdOn"] = at.as_str().into();
                properties["updatedOn"] = at.as_str().into();
                properties["createdBy"] = Value::Null;
                properties["updatedBy"] = Uuid::from_u128(u128::from(self.turn)).to_string().into();
            }
            ("Microsoft.ServiceBus/namespaces", Some(properties)) => {
                properties["createdAt"] = at.as_str().into();
                properties["updatedAt"] = at.as_str().into();
            }
            ("Microsoft.Storage/storageAccounts/blobServices/containers", Some(properties)) => {
                properties["lastModifiedTime"] = at.as_str().into();
                let etag = format!("\"0x8DE{:012X}\"", self.turn);
                members.insert("etag".to_owned(), etag.into());
            }
            _ => {}
        }
        if !kind.starts_with("Microsoft.Web") && !kind.starts_with(AUTHORIZATION) {
            members.insert(
                "systemData".to_owned(),
                json!({
                    "createdBy": "pipeline",
                    "createdByType": "Application",
                    "createdAt": at,
                    "lastModifiedBy": "pipeline",
                    "lastModifiedByType": "Application",
                    "lastModifiedAt": at,
                }),
            );
        }
    }

    /// A time that differs from turn to turn.
    fn at(self) -> String {
        let at = OffsetDateTime::UNIX_EPOCH + Duration::days(20_000 + i64::from(self.turn));
        at.format(&Rfc3339).unwrap_or_default()
    }

    fn reword(self, name: &str, value: &mut Value) {
        match value {
            Value::String(text) if is_id(text) || WORDS.contains(&name) => *text = self.cased(text),
            Value::Array(values) => {
                for value in &mut *values {
                    self.reword(name, value);
                }
                self.order(values);
            }
            Value::Object(members) if name != "config" => {
                let before = std::mem::take(members);
                for (name, mut value) in before {
                    self.reword(&name, &mut value);
                    // The identities of an app are named by their ids.
                    let name = if is_id(&name) { self.cased(&name) } else { name };
                    members.insert(name, value);
                }
            }
            _ => {}
        }
    }

    fn cased(self, text: &str) -> String {
        if self.turn % 2 == 1 { text.to_ascii_uppercase() } else { text.to_ascii_lowercase() }
    }
}

/// Whether a resource is the settings of an app, whose names and values are its owner's.
fn is_settings(members: &Map<String, Value>) -> bool {
    let id = members.get("id").and_then(Value::as_str).unwrap_or_default();
    id.to_ascii_lowercase().ends_with("/config/appsettings")
}

/// Whether a text is the id of something in Azure.
fn is_id(text: &str) -> bool {
    let id = text.to_ascii_lowercase();
    id.starts_with("/subscriptions/") || Uuid::try_parse(text).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_words_mean_the_same() {
        let site = json!({
            "id": "/subscriptions/a/resourceGroups/b/providers/Microsoft.Web/sites/c",
            "type": "Microsoft.Web/sites",
            "identity": { "userAssignedIdentities": { "/subscriptions/a/x": { "clientId": "c" } } },
            "properties": { "publicNetworkAccess": "Disabled", "httpsOnly": true, "list": [1, 2] },
        });
        let mut wording = Wording::default();
        let plain = wording.put(&site);

        wording.shuffle();
        let put = wording.put(&site);

        assert_eq!(put["id"], site["id"].as_str().unwrap().to_ascii_uppercase());
        assert_eq!(put["properties"]["publicNetworkAccess"], "DISABLED");
        assert_eq!(put["properties"]["list"], json!([2, 1]));
        assert_eq!(put["properties"]["httpsOnly"], true);
        assert!(put["identity"]["userAssignedIdentities"]["/SUBSCRIPTIONS/A/X"].is_object());
        assert_ne!(
            put["properties"]["lastModifiedTimeUtc"],
            plain["properties"]["lastModifiedTimeUtc"]
        );
    }

    #[test]
    fn what_an_owner_wrote_is_never_put_otherwise() {
        let settings = json!({
            "id": "/subscriptions/a/providers/Microsoft.Web/sites/c/config/appsettings",
            "type": "Microsoft.Web/sites/config",
            "properties": { "AIRLOCK_DATABASE": "airlock", "name": "a", "id": Uuid::nil() },
        });
        let function = json!({
            "type": "Microsoft.Web/sites/functions",
            "properties": { "config": { "bindings": [{ "type": "timerTrigger" }, 2] } },
        });
        let mut wording = Wording::default();
        wording.shuffle();

        assert_eq!(wording.put(&settings)["properties"], settings["properties"]);
        assert_eq!(wording.put(&function)["properties"], function["properties"]);
    }

    #[test]
    fn a_list_in_another_order_is_still_whole() {
        for turn in 0..5 {
            let mut list: Vec<Value> = (0..4).map(Value::from).collect();
            Wording { turn }.order(&mut list);
            let mut numbers: Vec<u64> = list.iter().map(|value| value.as_u64().unwrap()).collect();
            assert_eq!(list == (0..4).map(Value::from).collect::<Vec<_>>(), turn == 0);
            numbers.sort_unstable();
            assert_eq!(numbers, [0, 1, 2, 3]);
        }
        Wording { turn: 3 }.order(&mut []);
    }
}
