//! Settings name things. None holds a secret, none moves trust, none is unknown.

use super::{Check, Deployment, Deviation, Judge, Judged, Severity};
use crate::manifest::TRUST_MOVERS;

pub(super) const CHECK: Check = Check {
    name: "app-setting",
    severity: Severity::High,
    explanation: "A function app has a setting that was not declared: a secret that lies open, or \
                  something that could move whom the app trusts.",
    remediation: "Remove the setting. If it held a secret, revoke that secret.",
    judge: Judge::Deployment(judge),
    lasting: false,
};

/// What the apps read, and what the Functions host reads for their triggers and its own working.
const DECLARED: [&str; 18] = [
    "AIRLOCK_CLIENT_ID",
    "AIRLOCK_SIGNING_KEY",
    "AIRLOCK_DATA_KEY",
    "AIRLOCK_DATABASE",
    "AIRLOCK_LOG",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "AirlockBus__fullyQualifiedNamespace",
    "AirlockBus__credential",
    "AirlockBus__clientId",
    "AzureWebJobsStorage__accountName",
    "AzureWebJobsStorage__credential",
    "AzureWebJobsStorage__clientId",
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING",
    "FUNCTIONS_EXTENSION_VERSION",
    "FUNCTIONS_WORKER_RUNTIME",
    "WEBSITE_TIME_ZONE",
    // The local cloud stands behind a proxy and vouches for itself: manifests say so, or the
    // handlers do not start.
    "SSL_CERT_FILE",
    "HTTPS_PROXY",
];

/// What a secret is called.
const SECRET_WORDS: [&str; 8] = [
    "secret",
    "password",
    "pwd",
    "accountkey",
    "sharedaccesskey",
    "connectionstring",
    "apikey",
    "sig=",
];

fn judge(seen: &Deployment) -> Judged {
    let all = seen.settings.as_ref().map_err(|unread| *unread)?;
    let mut deviations = Vec::new();
    for (app, settings) in all {
        for (name, value) in &settings.0 {
            let secret = is_secret(name, value);
            let declared = DECLARED.iter().any(|each| each.eq_ignore_ascii_case(name));
            if declared && !secret {
                continue;
            }
            let deviation = Deviation::of(format!("site/{app}/setting/{}", name.to_lowercase()));
            let moves = TRUST_MOVERS.iter().any(|each| each.eq_ignore_ascii_case(name));
            let worse = (secret || moves).then_some(Severity::Critical);
            let found = if secret { "a secret" } else { "a setting" };
            let deviation = deviation.declared("none").found(found);
            deviations.push(Deviation { severity: worse, ..deviation });
        }
    }
    Ok(deviations)
}

/// Whether a setting looks like a secret, by its name or its value.
fn is_secret(name: &str, value: &str) -> bool {
    let (name, value) = (name.to_ascii_lowercase(), value.to_ascii_lowercase());
    SECRET_WORDS.iter().any(|word| name.contains(word) || value.contains(&format!("{word}=")))
        || value.contains("sig=")
        || value.contains("-----begin")
}
