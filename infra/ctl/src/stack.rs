//! A running local cloud, as it wrote itself down, and its control API.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
};

use airlock_core::identity::{ObjectId, TenantId};
use serde::{Deserialize, de::DeserializeOwned};

use crate::origin::Origin;

/// Header that carries the key of the control API.
const KEY_HEADER: &str = "x-airlock-control";

/// What of `stack.json` this program needs.
#[derive(Clone, Deserialize)]
pub struct Stack {
    /// Origin of the API.
    #[serde(deserialize_with = "origin")]
    pub api: Origin,
    /// Origin of Entra's pages.
    #[serde(deserialize_with = "origin")]
    pub pages: Origin,
    /// Tenant of the deployment.
    pub tenant: TenantId,
    /// What the admin plane is told of it.
    pub deployment: PathBuf,
    /// What the platform gives to a process of the admin plane. Holds a secret.
    pub admin: BTreeMap<String, String>,
    #[serde(deserialize_with = "origin")]
    control: Origin,
    control_key: String,
}

/// The local cloud was not found.
#[derive(Debug, thiserror::Error)]
pub enum NoStack {
    /// It did not write itself down.
    #[error(
        "nothing runs here (there is no {}): start it with `cargo run`, or name a deployment \
         with --api",
        .0.display()
    )]
    NotRunning(PathBuf),
    /// The file cannot be read.
    #[error("{}", .0.display())]
    Io(PathBuf, #[source] io::Error),
    /// The file is another version's.
    #[error("{} was not understood", .0.display())]
    Form(PathBuf, #[source] serde_json::Error),
    /// The file is there, and the cloud is not.
    #[error("nothing runs at {0}: start it with `cargo run`")]
    Gone(Origin),
    /// The control API does not answer as it should.
    #[error("the local cloud's control API did not answer")]
    Control(#[source] reqwest::Error),
}

/// The directory of the local cloud.
#[derive(Clone, Debug, Deserialize)]
pub struct Directory {
    /// Tenants by id.
    pub tenants: BTreeMap<TenantId, Tenant>,
}

/// A tenant of the local cloud.
#[derive(Clone, Debug, Deserialize)]
pub struct Tenant {
    /// Its domain.
    pub domain: String,
    /// People by the name that they sign in with.
    pub people: BTreeMap<String, Person>,
}

/// A person in the local cloud.
#[derive(Clone, Debug, Deserialize)]
pub struct Person {
    /// Object id.
    pub id: ObjectId,
    /// Name.
    #[serde(rename = "displayName")]
    pub name: String,
    /// Whether the person can sign in.
    #[serde(rename = "accountEnabled")]
    pub enabled: bool,
}

/// How the local cloud names things.
#[derive(Clone, Debug, Deserialize)]
pub struct Names {
    /// App registrations by name.
    pub applications: BTreeMap<String, Application>,
}

/// An app registration of the local cloud.
#[derive(Clone, Debug, Deserialize)]
pub struct Application {
    /// Its client id, which is the audience of tokens for it.
    pub client_id: String,
}

/// Tokens that the local cloud issued.
#[derive(Clone, Debug, Deserialize)]
pub struct Tokens {
    /// In their order.
    pub issued: Vec<Token>,
}

/// A token that the local cloud issued.
#[derive(Clone, Debug, Deserialize)]
pub struct Token {
    /// To whom: a managed identity, an application, or a person through one.
    pub holder: String,
    /// For what.
    pub audience: String,
}

/// A call that the local cloud answered.
#[derive(Clone, Debug, Deserialize)]
pub struct Call {
    /// Number of the entry.
    pub n: u64,
    /// The service.
    pub service: String,
    /// Who called, as their token says.
    pub caller: Option<String>,
}

impl Stack {
    /// Reads where the local cloud is.
    ///
    /// # Errors
    ///
    /// [`NoStack`].
    pub fn read(file: &Path) -> Result<Self, NoStack> {
        let text = std::fs::read(file).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => NoStack::NotRunning(file.to_owned()),
            _ => NoStack::Io(file.to_owned(), error),
        })?;
        serde_json::from_slice(&text).map_err(|error| NoStack::Form(file.to_owned(), error))
    }

    /// Everyone who is there.
    ///
    /// # Errors
    ///
    /// [`NoStack`].
    pub async fn directory(&self) -> Result<Directory, NoStack> {
        self.get("/directory").await
    }

    /// What is called what.
    ///
    /// # Errors
    ///
    /// [`NoStack`].
    pub async fn names(&self) -> Result<Names, NoStack> {
        self.get("/names").await
    }

    /// Tokens issued after an entry.
    ///
    /// # Errors
    ///
    /// [`NoStack`].
    pub async fn tokens(&self, after: u64) -> Result<Tokens, NoStack> {
        self.get(&format!("/tokens?after={after}")).await
    }

    /// Calls answered after an entry.
    ///
    /// # Errors
    ///
    /// [`NoStack`].
    pub async fn calls(&self, after: u64) -> Result<Vec<Call>, NoStack> {
        self.get(&format!("/calls?after={after}")).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, NoStack> {
        let http = reqwest::Client::builder().no_proxy().build().map_err(NoStack::Control)?;
        let answer = http
            .get(self.control.at(path))
            .header(KEY_HEADER, &self.control_key)
            .send()
            .await
            .map_err(|error| {
                if error.is_connect() {
                    NoStack::Gone(self.control.clone())
                } else {
                    NoStack::Control(error)
                }
            })?;
        let answer = answer.error_for_status().map_err(NoStack::Control)?;
        answer.json().await.map_err(NoStack::Control)
    }
}

impl Directory {
    /// The tenant of this id or domain.
    #[must_use]
    pub fn tenant(&self, named: &str) -> Option<TenantId> {
        let id = named.parse().ok();
        self.tenants
            .iter()
            .find(|(tenant, card)| id == Some(**tenant) || card.domain.eq_ignore_ascii_case(named))
            .map(|(tenant, _)| *tenant)
    }

    /// The person who signs in with this name.
    #[must_use]
    pub fn person(&self, user_principal_name: &str) -> Option<(TenantId, &Person)> {
        self.tenants.iter().find_map(|(tenant, card)| {
            card.people.get(user_principal_name).map(|person| (*tenant, person))
        })
    }
}

fn origin<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Origin, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn without_a_stack_the_error_says_what_to_do() {
        let Err(error) = Stack::read(Path::new("nowhere/stack.json")) else { panic!() };

        assert_eq!(
            error.to_string(),
            "nothing runs here (there is no nowhere/stack.json): start it with `cargo run`, or \
             name a deployment with --api"
        );
    }

    #[test]
    fn a_stack_is_read_whatever_else_it_tells() {
        let scratch = Scratch::new();
        let file = scratch.path().join("stack.json");
        let stack = json!({
            "pid": 1,
            "portal": "http://localhost:7070",
            "api": "http://localhost:7071",
            "pages": "http://127.0.0.1:7072",
            "control": "http://127.0.0.1:7073",
            "control_key": "k",
            "tenant": "605d9d43-3534-4810-8152-9d01a268ad22",
            "deployment": "/x/deployment.json",
            "admin": { "IDENTITY_HEADER": "h" },
        });
        std::fs::write(&file, stack.to_string()).unwrap();

        assert_eq!(Stack::read(&file).unwrap().api.as_str(), "http://localhost:7071");
    }

    #[test]
    fn people_and_tenants_are_found_by_name() {
        let tenant = "605d9d43-3534-4810-8152-9d01a268ad22";
        let directory: Directory = serde_json::from_value(json!({ "tenants": { tenant: {
            "id": tenant,
            "domain": "contoso.example",
            "people": { "nina@contoso.example": {
                "id": "11111111-2222-4333-8444-555555555555",
                "displayName": "Nina Berger",
                "accountEnabled": true,
            } },
        } }, "effects": [] }))
        .unwrap();

        assert_eq!(directory.tenant("contoso.example").unwrap().to_string(), tenant);
        assert_eq!(directory.tenant(tenant).unwrap().to_string(), tenant);
        assert!(directory.tenant("fabrikam.example").is_none());
        assert_eq!(directory.person("nina@contoso.example").unwrap().1.name, "Nina Berger");
    }
}
