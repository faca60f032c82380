//! Discovery documents. They point browsers to the pages' origin and everything else to
//! Entra's own host, so that clients find in them what Azure would have written.

use serde_json::{Value, json};

use crate::cloud::Names;

/// `OpenID` Connect discovery for a tenant, given as it stands in the path, with this issuer.
#[must_use]
pub fn openid_configuration(names: &Names, tenant: &str, issuer: &str) -> Value {
    let authority = format!("https://{}/{tenant}", names.entra);
    let pages = format!("{}/{tenant}", names.pages);
    json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{pages}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{authority}/oauth2/v2.0/token"),
        "end_session_endpoint": format!("{pages}/oauth2/v2.0/logout"),
        "jwks_uri": format!("{authority}/discovery/v2.0/keys"),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "token_endpoint_auth_methods_supported": ["private_key_jwt"],
        "code_challenge_methods_supported": ["S256"],
        "claims_parameter_supported": true,
        "request_uri_parameter_supported": false,
        "http_logout_supported": true,
        "frontchannel_logout_supported": true,
        "claims_supported": [
            "sub", "iss", "aud", "exp", "iat", "auth_time", "acrs", "nonce", "name", "tid", "ver",
            "sid", "oid", "preferred_username", "login_hint", "roles",
        ],
        "cloud_instance_name": "microsoftonline.com",
        "cloud_graph_host_name": "graph.windows.net",
        "msgraph_host": names.graph,
    })
}

/// Instance discovery: which hosts are one cloud. MSAL asks for it before it trusts an authority.
#[must_use]
pub fn instance(names: &Names, tenant: &str) -> Value {
    json!({
        "tenant_discovery_endpoint":
            format!("https://{}/{tenant}/v2.0/.well-known/openid-configuration", names.entra),
        "api-version": "1.1",
        "metadata": [{
            "preferred_network": names.entra,
            "preferred_cache": "login.windows.net",
            "aliases": [
                names.entra, "login.windows.net", "login.microsoft.com", "sts.windows.net",
            ],
        }],
    })
}
