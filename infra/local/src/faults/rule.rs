//! What a rule says: which calls, and what happens to them.

use serde::{Deserialize, Serialize};

/// Services whose calls can be made to fail, as rules and the record name them.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Sign-in pages, discovery, keys and tokens.
    Entra,
    /// Microsoft Graph.
    Graph,
    /// Key Vault.
    Vault,
    /// Cosmos DB.
    Cosmos,
    /// Service Bus.
    Bus,
    /// Blob storage, both accounts.
    Blob,
    /// The managed identity endpoint.
    Identity,
    /// A customer's own issuer.
    Issuer,
    /// Azure Resource Manager.
    Arm,
    /// A function app at its own host name, where another asks what it runs.
    Site,
    /// `intake`, where another app calls it.
    Intake,
}

impl Service {
    /// The name used in rules and in the record.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Entra => "entra",
            Self::Graph => "graph",
            Self::Vault => "vault",
            Self::Cosmos => "cosmos",
            Self::Bus => "bus",
            Self::Blob => "blob",
            Self::Identity => "identity",
            Self::Issuer => "issuer",
            Self::Arm => "arm",
            Self::Site => "site",
            Self::Intake => "intake",
        }
    }
}

/// Which calls go wrong, and how often.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The service that is called.
    pub service: Service,
    /// HTTP method in capitals; any, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Path without query, where `*` stands for any characters; any, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// Who calls, as the record names callers: an identity, or an application, a tenant's own among
    /// them. Anybody, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// The app whose process calls; any, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// What is asked for, where method and path do not say it ([`Call::operation`]); `*` stands for
    /// any characters. Anything, if absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The trace that a call belongs to, by its W3C trace id; any, if absent. So a rule is about
    /// one request among many, and about whatever is done for it later.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<String>,
    /// Matching calls that pass before the rule begins to bite.
    #[serde(default)]
    pub skip: u32,
    /// Matching calls that go wrong before the rule is spent; one, if absent.
    #[serde(default = "once")]
    pub times: u32,
    /// What happens to the call.
    pub effect: Effect,
}

const fn once() -> u32 {
    1
}

/// What happens to a call.
#[derive(Clone, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Effect {
    /// It is answered with this status and is not carried out.
    Fail {
        /// From 400 to 599.
        status: u16,
    },
    /// It is carried out, and the connection closes instead of the answer.
    LoseAnswer,
    /// The connection closes before anything is carried out.
    Drop,
    /// It is answered with 429 and is not carried out.
    Throttle {
        /// `Retry-After`, in seconds. Some Azure services send none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        retry_after_s: Option<u64>,
    },
    /// It waits, and is then carried out and answered; unless its caller has hung up.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// It is carried out at once, and its answer waits.
    DelayAnswer {
        /// Milliseconds.
        ms: u64,
    },
    /// A handler process dies around it, and no answer is sent.
    Kill {
        /// Name of the function app.
        process: String,
        /// On which side of the call the process dies.
        when: When,
    },
}

impl Effect {
    /// How the record names the effect.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Fail { .. } => "fail",
            Self::LoseAnswer => "lose_answer",
            Self::Drop => "drop",
            Self::Throttle { .. } => "throttle",
            Self::Delay { .. } => "delay",
            Self::DelayAnswer { .. } => "delay_answer",
            Self::Kill { .. } => "kill",
        }
    }
}

/// On which side of a call a process is killed.
#[derive(Clone, Copy, Debug, Deserialize, Serialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum When {
    /// Before the call is carried out: it never is.
    Before,
    /// After it was carried out.
    After,
}

/// A call, as rules see it.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// The service that is called.
    pub service: Service,
    /// HTTP method.
    pub method: &'a str,
    /// Path without query.
    pub path: &'a str,
    /// Who calls, if that is known.
    pub caller: Option<&'a str>,
    /// The app whose process calls, if that is known.
    pub app: Option<&'a str>,
    /// What is asked for, where method and path do not say it: `batch` or `query` of Cosmos DB, the
    /// resource of a managed identity's token, the grant at the token endpoint.
    pub operation: Option<&'a str>,
    /// W3C trace id, if the caller names one.
    pub trace: Option<&'a str>,
}

impl Rule {
    /// Why this rule cannot stand, if so.
    ///
    /// # Errors
    ///
    /// If it could never bite, or asks for what cannot be done.
    pub fn check(&self) -> Result<(), &'static str> {
        if self.times == 0 {
            return Err("times must be at least 1");
        }
        match &self.effect {
            Effect::Fail { status } if !(400..600).contains(status) => {
                Err("status must be from 400 to 599")
            }
            Effect::Kill { .. } if self.service == Service::Intake => {
                Err("a call between two apps kills neither")
            }
            _ => Ok(()),
        }
    }

    /// Whether the rule is about this call.
    #[must_use]
    pub fn is_about(&self, call: &Call<'_>) -> bool {
        let same = |wanted: &Option<String>, found: Option<&str>| {
            wanted.as_deref().is_none_or(|wanted| Some(wanted) == found)
        };
        self.service == call.service
            && same(&self.method, Some(call.method))
            && same(&self.caller, call.caller)
            && same(&self.app, call.app)
            && same(&self.trace, call.trace)
            && self.path.as_deref().is_none_or(|pattern| fits(pattern, call.path))
            && self
                .operation
                .as_deref()
                .is_none_or(|pattern| call.operation.is_some_and(|asked| fits(pattern, asked)))
    }
}

/// Whether `text` fits `pattern`, in which `*` stands for any characters, or none.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    // `split` yields at least one part.
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else {
        return false;
    };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else {
        return rest.is_empty();
    };
    for part in parts {
        let Some(at) = rest.find(part) else {
            return false;
        };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_characters_or_none() {
        assert!(fits("/v1.0/users/*/revokeSignInSessions", "/v1.0/users/17/revokeSignInSessions"));
        assert!(fits("*", ""));
        assert!(fits("/a*", "/a"));
        assert!(fits("*/sign", "/keys/k/1/sign"));
        assert!(fits("/a*b*c", "/a1b2b3c"));

        assert!(!fits("/v1.0/users/*/revokeSignInSessions", "/v1.0/users/17"));
        assert!(!fits("/a", "/ab"));
        assert!(!fits("ab*ab", "ab"));
    }

    #[test]
    fn a_rule_is_about_the_calls_that_it_names_and_no_others() {
        let rule: Rule = serde_json::from_str(
            r#"{"service":"cosmos","method":"POST","path":"/dbs/*/docs","app":"execute","caller":"airlock-worker-groups",
                "operation":"batch","trace":"0af7651916cd43dd8448eb211c80319c",
                "effect":{"kind":"drop"}}"#,
        )
        .unwrap();
        let named = Call {
            service: Service::Cosmos,
            method: "POST",
            path: "/dbs/airlock/docs",
            caller: Some("airlock-worker-groups"),
            app: Some("execute"),
            operation: Some("batch"),
            trace: Some("0af7651916cd43dd8448eb211c80319c"),
        };

        assert!(rule.is_about(&named));
        for other in [
            Call { service: Service::Blob, ..named },
            Call { method: "GET", ..named },
            Call { path: "/dbs/airlock", ..named },
            Call { caller: Some("airlock-worker-lookup"), ..named },
            Call { caller: None, ..named },
            Call { app: Some("intake"), ..named },
            Call { app: None, ..named },
            Call { operation: Some("query"), ..named },
            Call { operation: None, ..named },
            Call { trace: Some("00000000000000000000000000000001"), ..named },
            Call { trace: None, ..named },
        ] {
            assert!(!rule.is_about(&other), "{other:?}");
        }
    }
}
