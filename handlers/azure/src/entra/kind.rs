//! Who holds a token: a person's client, an application, or an agent.
//!
//! An access token says so itself, and not only by what it may do: `roles` are app roles in a
//! person's token and permissions in an application's. `idtyp` decides, so the API's registration
//! must ask for it with `include_user_token`; a token without it is refused.
//!
//! Agents are told by their facets (`xms_act_fct`, `xms_sub_fct`) or by the blueprint behind them
//! (`xms_par_app_azp`), never by `azp`, which every access token has. There are three flows of
//! theirs, and what is marked as an agent's and fits none of them is refused on every path.

use std::{fmt, sync::Arc};

use airlock_core::identity::{ObjectId, PersonId};

use super::{NotAccepted, claims::Claims};

/// Facet of an agent identity.
const AGENT: u32 = 11;

/// Facet of an agent's user account.
const AGENT_USER: u32 = 13;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An access token of a person's client.
    Person,
    /// An access token of an application in its own name.
    Application,
    /// An access token of an agent, in whatever name.
    Agent,
}

/// A verified access token.
#[derive(Clone, Debug)]
pub enum AccessToken {
    /// Delegated by a person.
    Person(PersonToken),
    /// An application's own: a service, or a managed identity.
    Application(ApplicationToken),
    /// An agent's.
    Agent(AgentToken),
}

/// An access token that a person has delegated to a client.
#[derive(Clone, Debug)]
pub struct PersonToken {
    claims: Arc<Claims>,
    client: ObjectId,
}

/// An access token that an application got in its own name.
#[derive(Clone, Debug)]
pub struct ApplicationToken {
    claims: Arc<Claims>,
    client: ObjectId,
}

/// An access token that an agent got.
#[derive(Clone, Debug)]
pub struct AgentToken {
    claims: Arc<Claims>,
    agent: ObjectId,
    blueprint: Option<ObjectId>,
    acting: Acting,
}

/// In whose name an agent acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acting {
    /// Its own.
    Alone,
    /// A person's, who is there.
    ForPerson(PersonId),
    /// That of a user account of its own.
    AsUser(PersonId),
}

/// An ID token: who signed in. It opens nothing.
#[derive(Clone, Debug)]
pub struct IdToken {
    claims: Arc<Claims>,
}

/// Whether a token is about a user or about an application.
#[derive(PartialEq, Eq)]
enum Subject {
    User,
    Application,
}

impl AccessToken {
    /// Tells whose token it is.
    pub(super) fn of(claims: Claims) -> Result<Self, NotAccepted> {
        let subject = match claims.text("idtyp") {
            Some("user") => Subject::User,
            Some("app") => Subject::Application,
            _ => return Err(NotAccepted::Claim("idtyp")),
        };
        // An agent that acts alone has none, or this in its place.
        let delegates = claims.texts("scp").any(|scopes| !matches!(scopes, "" | "/"));
        if delegates != (subject == Subject::User) {
            return Err(NotAccepted::Claim("scp"));
        }
        let client = claims.id("azp")?;
        let marks = Marks::of(&claims)?;
        if marks.is_agent() {
            let acting = marks.acting(&subject, &claims)?;
            let claims = Arc::new(claims);
            let blueprint = marks.blueprint;
            return Ok(Self::Agent(AgentToken { claims, agent: client, blueprint, acting }));
        }
        let claims = Arc::new(claims);
        Ok(match subject {
            Subject::User => Self::Person(PersonToken { claims, client }),
            Subject::Application => Self::Application(ApplicationToken { claims, client }),
        })
    }

    /// What kind it is.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Person(_) => Kind::Person,
            Self::Application(_) => Kind::Application,
            Self::Agent(_) => Kind::Agent,
        }
    }

    /// What it says.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        match self {
            Self::Person(token) => &token.claims,
            Self::Application(token) => &token.claims,
            Self::Agent(token) => &token.claims,
        }
    }

    /// As a person's.
    ///
    /// # Errors
    ///
    /// [`NotAccepted::Kind`]; so it is below.
    pub fn person(self) -> Result<PersonToken, NotAccepted> {
        match self {
            Self::Person(token) => Ok(token),
            other => Err(NotAccepted::Kind(other.kind())),
        }
    }

    /// As an application's own.
    ///
    /// # Errors
    ///
    /// [`NotAccepted::Kind`].
    pub fn application(self) -> Result<ApplicationToken, NotAccepted> {
        match self {
            Self::Application(token) => Ok(token),
            other => Err(NotAccepted::Kind(other.kind())),
        }
    }

    /// As an agent's.
    ///
    /// # Errors
    ///
    /// [`NotAccepted::Kind`].
    pub fn agent(self) -> Result<AgentToken, NotAccepted> {
        match self {
            Self::Agent(token) => Ok(token),
            other => Err(NotAccepted::Kind(other.kind())),
        }
    }
}

impl PersonToken {
    /// What it says.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The person.
    #[must_use]
    pub fn person(&self) -> PersonId {
        person(&self.claims)
    }

    /// The application that the person delegated to.
    #[must_use]
    pub const fn client(&self) -> ObjectId {
        self.client
    }

    /// Whether it has this delegated permission.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        has_scope(&self.claims, scope)
    }
}

impl ApplicationToken {
    /// What it says.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The application, by its client id. Its service principal is the token's object.
    #[must_use]
    pub const fn client(&self) -> ObjectId {
        self.client
    }

    /// Whether it has this application permission.
    #[must_use]
    pub fn has_permission(&self, permission: &str) -> bool {
        self.claims.texts("roles").any(|role| role == permission)
    }
}

impl AgentToken {
    /// What it says.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The agent, by its client id.
    #[must_use]
    pub const fn agent(&self) -> ObjectId {
        self.agent
    }

    /// The blueprint that it was made from, if the token says so.
    #[must_use]
    pub const fn blueprint(&self) -> Option<ObjectId> {
        self.blueprint
    }

    /// In whose name it acts.
    #[must_use]
    pub const fn acting(&self) -> Acting {
        self.acting
    }

    /// Whether it has this delegated permission.
    #[must_use]
    pub fn has_scope(&self, scope: &str) -> bool {
        has_scope(&self.claims, scope)
    }
}

impl IdToken {
    /// Takes the claims for a person's sign-in.
    pub(super) fn of(claims: Claims) -> Result<Self, NotAccepted> {
        if Marks::of(&claims)?.is_agent() {
            return Err(NotAccepted::Kind(Kind::Agent));
        }
        if !matches!(claims.text("idtyp"), None | Some("user")) {
            return Err(NotAccepted::Kind(Kind::Application));
        }
        // Both are issued for the portal's client id, and only the other has these.
        if claims.all().contains_key("scp") || claims.all().contains_key("azp") {
            return Err(NotAccepted::Kind(Kind::Person));
        }
        Ok(Self { claims: Arc::new(claims) })
    }

    /// What it says.
    #[must_use]
    pub fn claims(&self) -> &Claims {
        &self.claims
    }

    /// The person.
    #[must_use]
    pub fn person(&self) -> PersonId {
        person(&self.claims)
    }

    /// What the sign-in was bound to. A token that was got by a refresh has none.
    #[must_use]
    pub fn nonce(&self) -> Option<&str> {
        self.claims.text("nonce")
    }
}

/// What marks an agent.
struct Marks {
    actor: Vec<u32>,
    subject: Vec<u32>,
    blueprint: Option<ObjectId>,
}

impl Marks {
    fn of(claims: &Claims) -> Result<Self, NotAccepted> {
        let blueprint = "xms_par_app_azp";
        let named = claims.all().contains_key(blueprint);
        Ok(Self {
            actor: facets(claims, "xms_act_fct")?,
            subject: facets(claims, "xms_sub_fct")?,
            blueprint: named.then(|| claims.id(blueprint)).transpose()?,
        })
    }

    fn is_agent(&self) -> bool {
        let marks = |facets: &[u32]| facets.contains(&AGENT) || facets.contains(&AGENT_USER);
        self.blueprint.is_some() || marks(&self.actor) || marks(&self.subject)
    }

    fn acting(&self, subject: &Subject, claims: &Claims) -> Result<Acting, NotAccepted> {
        let as_agent = self.subject.contains(&AGENT);
        let as_user = self.subject.contains(&AGENT_USER);
        if !self.actor.contains(&AGENT) {
            return Err(NotAccepted::Claim("xms_act_fct"));
        }
        match (subject, as_agent, as_user) {
            (Subject::Application, true, false) => Ok(Acting::Alone),
            (Subject::User, false, false) => Ok(Acting::ForPerson(person(claims))),
            (Subject::User, false, true) => Ok(Acting::AsUser(person(claims))),
            _ => Err(NotAccepted::Claim("xms_sub_fct")),
        }
    }
}

/// Facets are numbers in any order; ones that we do not know mean nothing to us. What is not a
/// list of numbers could hide one that does.
fn facets(claims: &Claims, name: &'static str) -> Result<Vec<u32>, NotAccepted> {
    let Some(claim) = claims.all().get(name) else { return Ok(Vec::new()) };
    let numbers = claim.as_str().ok_or(NotAccepted::Claim(name))?;
    let numbers = numbers.split(' ').filter(|number| !number.is_empty());
    numbers.map(|number| number.parse().map_err(|_| NotAccepted::Claim(name))).collect()
}

fn person(claims: &Claims) -> PersonId {
    PersonId { tid: claims.tenant(), oid: claims.object() }
}

fn has_scope(claims: &Claims, scope: &str) -> bool {
    claims.text("scp").unwrap_or_default().split(' ').any(|granted| granted == scope)
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Person => "a person's access token",
            Self::Application => "an application's own access token",
            Self::Agent => "an agent's token",
        })
    }
}
