//! Azure Front Door: the one way from the outside, to two apps, by their paths.

use serde_json::{Value, json};

use super::{resource, site};
use crate::{
    arm::{
        front_door_id,
        kinds::{ENDPOINTS, ORIGIN_GROUPS, ORIGINS, PROFILES, ROUTES},
        places::{NAME, Places},
    },
    package,
};

/// Which paths lead to which app.
const ROUTED: [(&str, &str); 2] = [("/auth/*", "signin"), ("/api/*", "intake")];

/// The profile, with what is below it.
pub(super) fn resources(places: &Places) -> Vec<Value> {
    let profile = places.id(&PROFILES, NAME);
    let endpoint = format!("{profile}/afdEndpoints/{NAME}");
    let mut all = vec![
        resource(
            &PROFILES,
            &profile,
            json!({
                "kind": "frontdoor",
                "location": "Global",
                "tags": {},
                "sku": { "name": "Premium_AzureFrontDoor" },
                "properties": {
                    "frontDoorId": front_door_id(),
                    "originResponseTimeoutSeconds": 60,
                    "provisioningState": "Succeeded",
                    "resourceState": "Active",
                },
            }),
        ),
        resource(
            &ENDPOINTS,
            &endpoint,
            json!({
                "location": "Global",
                "tags": {},
                "properties": {
                    "hostName": format!("{NAME}.z01.azurefd.net"),
                    "enabledState": "Enabled",
                    "provisioningState": "Succeeded",
                    "deploymentStatus": "NotStarted",
                },
            }),
        ),
    ];
    for (path, app) in ROUTED {
        let group = format!("{profile}/originGroups/{app}");
        all.push(resource(
            &ORIGIN_GROUPS,
            &group,
            json!({
                "properties": {
                    "loadBalancingSettings": {
                        "sampleSize": 4,
                        "successfulSamplesRequired": 3,
                        "additionalLatencyInMilliseconds": 50,
                    },
                    "healthProbeSettings": null,
                    "sessionAffinityState": "Disabled",
                    "provisioningState": "Succeeded",
                },
            }),
        ));
        all.push(resource(
            &ORIGINS,
            &format!("{group}/origins/{}", site(app)),
            json!({
                "properties": {
                    "originGroupName": app,
                    "hostName": package::host(app),
                    "originHostHeader": package::host(app),
                    "httpPort": 80,
                    "httpsPort": 443,
                    "priority": 1,
                    "weight": 1000,
                    "enabledState": "Enabled",
                    "enforceCertificateNameCheck": true,
                    "provisioningState": "Succeeded",
                },
            }),
        ));
        all.push(resource(
            &ROUTES,
            &format!("{endpoint}/routes/{app}"),
            json!({
                "properties": {
                    "endpointName": NAME,
                    "customDomains": [],
                    "originGroup": { "id": group },
                    "originPath": null,
                    "ruleSets": [],
                    "supportedProtocols": ["Http", "Https"],
                    "patternsToMatch": [path],
                    "forwardingProtocol": "HttpsOnly",
                    "linkToDefaultDomain": "Enabled",
                    "httpsRedirect": "Enabled",
                    "enabledState": "Enabled",
                    "cacheConfiguration": null,
                    "provisioningState": "Succeeded",
                },
            }),
        ));
    }
    all
}
