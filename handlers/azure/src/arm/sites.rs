//! Function apps: who they are, whom they let in, what they are told and what calls them.

use std::collections::{BTreeMap, BTreeSet};

use airlock_core::{
    drift::actual::{Function, Name, Settings, Site},
    identity::{App, ObjectId},
};
use serde::Deserialize;
use serde_json::Value;

use super::words::{self, NotUnderstood, Word, is};

/// The header by which Front Door says which one it is.
const FRONT_DOOR_ID: &str = "x-azure-fdid";

/// What is told of a site where all are listed.
#[derive(Debug, Deserialize)]
pub(super) struct Listed {
    id: String,
    name: String,
    identity: Option<Identity>,
    properties: Properties,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    /// Of the system-assigned one.
    principal_id: Option<ObjectId>,
    user_assigned_identities: Option<BTreeMap<String, Assigned>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assigned {
    principal_id: ObjectId,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    https_only: bool,
    default_host_name: String,
    public_network_access: Option<Word>,
    function_app_config: Option<FunctionAppConfig>,
}

#[derive(Debug, Deserialize)]
struct FunctionAppConfig {
    deployment: Option<Deployment>,
}

#[derive(Debug, Deserialize)]
struct Deployment {
    storage: Option<Storage>,
}

#[derive(Debug, Deserialize)]
struct Storage {
    value: Option<String>,
}

/// What `config/web` tells, and the list does not.
#[derive(Debug, Deserialize)]
struct Config {
    properties: Web,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Web {
    public_network_access: Option<Word>,
    ip_security_restrictions: Option<Vec<Rule>>,
    ip_security_restrictions_default_action: Option<Word>,
}

/// One access restriction.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    ip_address: Option<String>,
    vnet_subnet_resource_id: Option<String>,
    action: Option<Word>,
    headers: Option<BTreeMap<String, Vec<String>>>,
}

/// A basic publishing policy.
#[derive(Debug, Deserialize)]
struct Publishing {
    properties: Allowed,
}

#[derive(Debug, Deserialize)]
struct Allowed {
    allow: bool,
}

/// Ways to deploy with a password: FTP, and the deployment site.
const PUBLISHING_WAYS: usize = 2;

impl Listed {
    /// Its name.
    pub(super) fn name(&self) -> Name {
        Name::new(&self.name)
    }

    /// Its path.
    pub(super) fn path(&self, group: &str) -> Result<String, NotUnderstood> {
        words::path(&Name::new(&self.id), group)
    }

    /// The site, with what is told elsewhere.
    pub(super) fn read(
        self,
        app: Option<App>,
        config: &Value,
        policies: &[Value],
    ) -> Result<Site, NotUnderstood> {
        let config: Config = words::one("access restrictions", config.clone())?;
        let policies: Vec<Publishing> =
            words::understood("publishing policies", policies.to_owned())?;
        let name = self.name();
        let Properties { https_only, default_host_name, public_network_access, .. } =
            self.properties;
        let storage = self
            .properties
            .function_app_config
            .and_then(|config| config.deployment)
            .and_then(|deployment| deployment.storage)
            .and_then(|storage| storage.value);
        let also = config.properties.public_network_access.as_ref();
        let closed = is(public_network_access.as_ref(), "disabled") && is(also, "disabled");
        Ok(Site {
            app,
            name,
            identities: self.identity.map(Identity::principals).unwrap_or_default(),
            https_only,
            // Both say it. If they differ, the worse is taken for true.
            public: !closed,
            admits: config.properties.admitted(),
            package: Name::new(&storage.unwrap_or_default()),
            // A policy that is not there allows.
            basic_publishing: policies.len() < PUBLISHING_WAYS
                || policies.iter().any(|policy| policy.properties.allow),
            host: Name::new(&default_host_name),
        })
    }
}

impl Identity {
    fn principals(self) -> BTreeSet<ObjectId> {
        let assigned = self.user_assigned_identities.unwrap_or_default().into_values();
        assigned.map(|one| one.principal_id).chain(self.principal_id).collect()
    }
}

impl Web {
    /// Whom the rules let in, whatever their order: a rule that another one hides is one that
    /// somebody wrote.
    fn admitted(self) -> BTreeSet<(Name, BTreeSet<Name>)> {
        let rules = self.ip_security_restrictions.unwrap_or_default();
        // Without any rule everybody is let in, unless something else is said.
        let open = match &self.ip_security_restrictions_default_action {
            Some(action) => !action.is("deny"),
            None => rules.is_empty(),
        };
        let admitting = rules.into_iter().filter(|rule| !is(rule.action.as_ref(), "deny"));
        let mut admitted: BTreeSet<_> = admitting.map(Rule::admitted).collect();
        if open {
            admitted.insert((Name::new("*"), BTreeSet::new()));
        }
        admitted
    }
}

impl Rule {
    fn admitted(self) -> (Name, BTreeSet<Name>) {
        let who = self.ip_address.or(self.vnet_subnet_resource_id).unwrap_or_default();
        let anybody = ["any", "", "0.0.0.0/0", "::/0"];
        let who = Name::new(&who);
        let who = if anybody.contains(&who.as_str()) { Name::new("*") } else { who };
        let headers = self.headers.unwrap_or_default().into_iter();
        let ids = headers.filter(|(name, _)| name.eq_ignore_ascii_case(FRONT_DOOR_ID));
        (who, ids.flat_map(|(_, ids)| ids).map(|id| Name::new(&id)).collect())
    }
}

/// The settings of an app.
pub(super) fn settings(answer: Value) -> Result<Settings, NotUnderstood> {
    #[derive(Deserialize)]
    struct Answer {
        properties: Option<BTreeMap<String, String>>,
    }
    let answer: Answer = words::one("app settings", answer)?;
    Ok(Settings(answer.properties.unwrap_or_default()))
}

/// The functions of an app.
pub(super) fn functions(listed: Vec<Value>) -> Result<Vec<Function>, NotUnderstood> {
    #[derive(Deserialize)]
    struct Listed {
        name: String,
        properties: Described,
    }
    #[derive(Deserialize)]
    struct Described {
        config: Bound,
    }
    #[derive(Deserialize)]
    struct Bound {
        bindings: Vec<Binding>,
    }
    #[derive(Deserialize)]
    struct Binding {
        #[serde(rename = "type")]
        kind: String,
    }
    let listed: Vec<Listed> = words::understood("functions", listed)?;
    let read = listed.into_iter().map(|Listed { name, properties }| {
        let kinds = properties.config.bindings.into_iter().map(|binding| Name::new(&binding.kind));
        let triggers = kinds.filter(|kind| kind.as_str().ends_with("trigger")).collect();
        // With the name of the site before it.
        let name = name.rsplit('/').next().unwrap_or_default();
        Function { name: Name::new(name), triggers }
    });
    Ok(read.collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PRINCIPAL: &str = "11111111-2222-4333-8444-555555555555";

    fn listed() -> Value {
        json!({
            "id": "/subscriptions/1/resourceGroups/a/providers/Microsoft.Web/sites/Airlock-Execute",
            "name": "Airlock-Execute",
            "identity": {
                "type": "userassigned",
                "userAssignedIdentities": { "/SUBSCRIPTIONS/1": { "principalId": PRINCIPAL } },
            },
            "properties": {
                "state": "Running",
                "httpsOnly": true,
                "publicNetworkAccess": "DISABLED",
                "defaultHostName": "Airlock-Execute.azurewebsites.net",
                "functionAppConfig": {
                    "deployment": { "storage": { "type": "blobContainer", "value": "https://B/c" } },
                },
                "siteConfig": { "ipSecurityRestrictions": null },
            },
        })
    }

    fn config() -> Value {
        json!({ "properties": {
            "publicNetworkAccess": "Disabled",
            "ipSecurityRestrictions": [
                { "ipAddress": "Any", "action": "deny", "priority": 2_147_483_647, "name": "Deny all" },
            ],
            "ipSecurityRestrictionsDefaultAction": "DENY",
        } })
    }

    fn policies() -> Vec<Value> {
        vec![json!({ "properties": { "allow": false } }); 2]
    }

    fn read(listed: Value, config: &Value, policies: &[Value]) -> Result<Site, NotUnderstood> {
        let listed: Listed = words::one("site", listed)?;
        listed.read(Some(App::Execute), config, policies)
    }

    fn admitted(restrictions: Value) -> Vec<(String, Vec<String>)> {
        let mut config = config();
        config["properties"] = restrictions;
        let site = read(listed(), &config, &policies()).unwrap();
        let shown = site
            .admits
            .iter()
            .map(|(who, ids)| (who.to_string(), ids.iter().map(ToString::to_string).collect()));
        shown.collect()
    }

    #[test]
    fn a_site_is_read_whatever_its_words_look_like() {
        let site = read(listed(), &config(), &policies()).unwrap();

        assert_eq!(site.name, Name::new("airlock-execute"));
        assert_eq!(site.identities, BTreeSet::from([PRINCIPAL.parse().unwrap()]));
        assert!(site.https_only && !site.public && !site.basic_publishing);
        assert!(site.admits.is_empty());
        assert_eq!(site.package.as_str(), "https://b/c");
        assert_eq!(site.host.as_str(), "airlock-execute.azurewebsites.net");
    }

    #[test]
    fn of_two_words_about_the_same_the_worse_is_true() {
        let mut open = config();
        open["properties"]["publicNetworkAccess"] = "Enabled".into();
        assert!(read(listed(), &open, &policies()).unwrap().public);
        let mut unsaid = listed();
        unsaid["properties"]["publicNetworkAccess"] = Value::Null;
        assert!(read(unsaid, &config(), &policies()).unwrap().public);
        assert!(read(listed(), &config(), &policies()[..1]).unwrap().basic_publishing);
        let allowed = [policies()[0].clone(), json!({ "properties": { "allow": true } })];
        assert!(read(listed(), &config(), &allowed).unwrap().basic_publishing);
    }

    #[test]
    fn a_system_assigned_identity_counts() {
        let mut site = listed();
        let other = "99999999-2222-4333-8444-555555555555";
        site["identity"]["principalId"] = other.into();

        let identities = read(site, &config(), &policies()).unwrap().identities;

        assert_eq!(identities.len(), 2);
        assert!(identities.contains(&other.parse().unwrap()));
        let mut none = listed();
        none["identity"] = Value::Null;
        assert!(read(none, &config(), &policies()).unwrap().identities.is_empty());
    }

    #[test]
    fn whom_the_access_restrictions_let_in_is_told_with_the_door_that_they_ask_for() {
        let door = json!({
            "ipAddress": "AzureFrontDoor.Backend",
            "tag": "ServiceTag",
            "action": "Allow",
            "headers": { "X-Azure-FDID": ["ABC"], "x-forwarded-host": ["h"] },
        });
        let rules = |rules: Value, default: Value| {
            json!({
                "ipSecurityRestrictions": rules,
                "ipSecurityRestrictionsDefaultAction": default,
            })
        };
        let named = |who: &str, ids: &[&str]| {
            (who.to_owned(), ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>())
        };
        let behind = named("azurefrontdoor.backend", &["abc"]);

        assert_eq!(admitted(rules(json!([door]), json!("Deny"))), std::slice::from_ref(&behind));
        assert_eq!(admitted(rules(json!([door]), json!(null))), std::slice::from_ref(&behind));
        assert_eq!(
            admitted(rules(json!([door]), json!("Allow"))),
            [named("*", &[]), behind.clone()]
        );
        let any = json!({ "ipAddress": "Any", "action": "Allow" });
        assert_eq!(admitted(rules(json!([door, any]), json!("Deny"))), [named("*", &[]), behind]);
        assert_eq!(admitted(rules(json!(null), json!(null))), [named("*", &[])]);
        let subnet = json!({ "vnetSubnetResourceId": "/Subnet", "action": "Allow" });
        assert_eq!(admitted(rules(json!([subnet]), json!("Deny"))), [named("/subnet", &[])]);
        // What is not said to deny may let in.
        let unsaid = json!({ "ipAddress": "10.0.0.1/32" });
        assert_eq!(admitted(rules(json!([unsaid]), json!("Deny"))), [named("10.0.0.1/32", &[])]);
    }

    #[test]
    fn what_is_needed_and_not_there_is_not_guessed() {
        for member in ["httpsOnly", "defaultHostName"] {
            let mut site = listed();
            site["properties"].as_object_mut().unwrap().remove(member);
            assert!(read(site, &config(), &policies()).is_err(), "{member}");
        }
        assert!(read(listed(), &json!({}), &policies()).is_err());
        assert!(read(listed(), &config(), &[json!({}), json!({})]).is_err());
    }

    #[test]
    fn functions_are_told_with_what_calls_them() {
        let listed = vec![json!({
            "name": "airlock-execute/Reclaim",
            "properties": { "config": { "bindings": [{ "type": "timerTrigger" }, { "type": "http" }] } },
        })];

        let functions = functions(listed).unwrap();

        assert_eq!(functions[0].name, Name::new("reclaim"));
        assert_eq!(functions[0].triggers, BTreeSet::from([Name::new("timertrigger")]));
        assert!(super::functions(vec![json!({ "name": "a", "properties": {} })]).is_err());
    }

    #[test]
    fn settings_are_told_as_they_are_and_print_nothing() {
        let answer = json!({ "properties": { "A": "hunter2" } });

        let settings = settings(answer).unwrap();

        assert_eq!(settings.0["A"], "hunter2");
        assert!(!format!("{settings:?}").contains("hunter2"));
        assert!(super::settings(json!({ "properties": { "A": 1 } })).is_err());
        assert!(super::settings(json!({ "properties": null })).unwrap().0.is_empty());
    }
}
