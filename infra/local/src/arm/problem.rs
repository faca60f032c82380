//! Refusals, in the words of Azure Resource Manager.

use http::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

/// An error: its status, and what its body says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Problem {
    fn new(status: StatusCode, code: &'static str, message: String) -> Self {
        Self { status, code, message }
    }

    fn not_found(code: &'static str, message: String) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    fn bad(code: &'static str, message: String) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// There is no token, or not one that is accepted here.
    pub fn not_authenticated(why: &str) -> Self {
        let message = format!("Authentication failed. {why}.");
        Self::new(StatusCode::UNAUTHORIZED, "AuthenticationFailed", message)
    }

    /// The caller may not do this.
    pub fn not_authorized(client: &str, object: Uuid, action: &str, scope: &str) -> Self {
        let message = format!(
            "The client '{client}' with object id '{object}' does not have authorization to \
             perform action '{action}' over scope '{scope}' or the scope is invalid. If access was \
             recently granted, please refresh your credentials."
        );
        Self::new(StatusCode::FORBIDDEN, "AuthorizationFailed", message)
    }

    /// The path leads nowhere.
    pub fn no_route(path: &str) -> Self {
        Self::not_found("NotFound", format!("No HTTP resource was found that matches '{path}'."))
    }

    /// The method does not go with what the path names.
    pub fn no_method(method: &str) -> Self {
        let message = format!("The requested resource does not support http method '{method}'.");
        Self::new(StatusCode::METHOD_NOT_ALLOWED, "MethodNotAllowed", message)
    }

    /// There is no such subscription.
    pub fn no_subscription(id: &str) -> Self {
        let message = format!("The subscription '{id}' could not be found.");
        Self::not_found("SubscriptionNotFound", message)
    }

    /// There is no such group.
    pub fn no_group(name: &str) -> Self {
        let message = format!("Resource group '{name}' could not be found.");
        Self::not_found("ResourceGroupNotFound", message)
    }

    /// There is no such provider.
    pub fn no_namespace(name: &str) -> Self {
        let message = format!("The resource namespace '{name}' is invalid.");
        Self::not_found("InvalidResourceNamespace", message)
    }

    /// The provider has no such type.
    pub fn no_type(namespace: &str, name: &str) -> Self {
        let message = format!(
            "The resource type '{name}' could not be found in the namespace '{namespace}'."
        );
        Self::not_found("InvalidResourceType", message)
    }

    /// There is no such resource.
    pub fn no_resource(kind: &str, name: &str, group: &str) -> Self {
        let message = format!(
            "The Resource '{kind}/{name}' under resource group '{group}' was not found. For more \
             details please go to https://aka.ms/ARMResourceNotFoundFix"
        );
        Self::not_found("ResourceNotFound", message)
    }

    /// The query names no version.
    pub fn version_missing() -> Self {
        let message =
            "The api-version query parameter (?api-version=) is required for all requests.";
        Self::bad("MissingApiVersionParameter", message.to_owned())
    }

    /// The provider has no such version.
    pub fn no_version(kind: &str, version: &str, supported: &[&str]) -> Self {
        let message = format!(
            "No registered resource provider found for location 'westeurope' and API version \
             '{version}' for type '{kind}'. The supported api-versions are '{}'. The supported \
             locations are 'westeurope'.",
            supported.join(", ")
        );
        Self::bad("NoRegisteredProviderFound", message)
    }

    /// Resource Manager itself has no such version.
    pub fn no_own_version(version: &str, supported: &[&str]) -> Self {
        let message = format!(
            "The api-version '{version}' is invalid. The supported versions are '{}'.",
            supported.join(",")
        );
        Self::bad("InvalidApiVersionParameter", message)
    }

    /// The query asks for what is not served.
    pub fn no_filter(filter: &str) -> Self {
        let message = format!("The filter '{filter}' is not supported.");
        Self::bad("UnsupportedFilter", message)
    }

    /// The continuation is not one that was given.
    pub fn no_page() -> Self {
        Self::bad("InvalidSkipToken", "The skip token is invalid.".to_owned())
    }

    /// Its status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Its code.
    #[cfg(test)]
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// Its sentence.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Its body.
    pub fn body(&self) -> Value {
        json!({ "error": { "code": self.code, "message": self.message } })
    }
}
