//! Roles that Azure defines itself: those of them that stand for rights here. Nobody can change
//! them, and their ids are the same everywhere.

use serde_json::{Value, json};
use uuid::{Uuid, uuid};

use super::resource;
use crate::arm::{kinds::ROLE_DEFINITIONS, places::Places};

/// One of them.
struct BuiltIn {
    id: Uuid,
    name: &'static str,
    actions: &'static [&'static str],
    data_actions: &'static [&'static str],
}

const ROLES: [BuiltIn; 7] = [
    BuiltIn {
        id: uuid!("acdd72a7-3385-48ef-bd42-f606fba81ae7"),
        name: "Reader",
        actions: &["*/read"],
        data_actions: &[],
    },
    BuiltIn {
        id: uuid!("4633458b-17de-408a-b874-0445c86b69e6"),
        name: "Key Vault Secrets User",
        actions: &[],
        data_actions: &[
            "Microsoft.KeyVault/vaults/secrets/getSecret/action",
            "Microsoft.KeyVault/vaults/secrets/readMetadata/action",
        ],
    },
    BuiltIn {
        id: uuid!("b86a8fe4-44ce-4948-aee5-eccb2c155cd7"),
        name: "Key Vault Secrets Officer",
        actions: &[
            "Microsoft.Authorization/*/read",
            "Microsoft.Insights/alertRules/*",
            "Microsoft.Resources/deployments/*",
            "Microsoft.Resources/subscriptions/resourceGroups/read",
            "Microsoft.Support/*",
            "Microsoft.KeyVault/checkNameAvailability/read",
            "Microsoft.KeyVault/deletedVaults/read",
            "Microsoft.KeyVault/locations/*/read",
            "Microsoft.KeyVault/vaults/*/read",
            "Microsoft.KeyVault/operations/read",
        ],
        data_actions: &["Microsoft.KeyVault/vaults/secrets/*"],
    },
    BuiltIn {
        id: uuid!("2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"),
        name: "Storage Blob Data Reader",
        actions: &[
            "Microsoft.Storage/storageAccounts/blobServices/containers/read",
            "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
        ],
        data_actions: &["Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read"],
    },
    BuiltIn {
        id: uuid!("ba92f5b4-2d11-453d-a403-e96b0029c9fe"),
        name: "Storage Blob Data Contributor",
        actions: &[
            "Microsoft.Storage/storageAccounts/blobServices/containers/delete",
            "Microsoft.Storage/storageAccounts/blobServices/containers/read",
            "Microsoft.Storage/storageAccounts/blobServices/containers/write",
            "Microsoft.Storage/storageAccounts/blobServices/generateUserDelegationKey/action",
        ],
        data_actions: &[
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/delete",
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/read",
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/write",
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/move/action",
            "Microsoft.Storage/storageAccounts/blobServices/containers/blobs/add/action",
        ],
    },
    BuiltIn {
        id: uuid!("69a216fc-b8fb-44d8-bc22-1f3c2cd27a39"),
        name: "Azure Service Bus Data Sender",
        actions: READS_QUEUES,
        data_actions: &["Microsoft.ServiceBus/*/send/action"],
    },
    BuiltIn {
        id: uuid!("4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0"),
        name: "Azure Service Bus Data Receiver",
        actions: READS_QUEUES,
        data_actions: &["Microsoft.ServiceBus/*/receive/action"],
    },
];

const READS_QUEUES: &[&str] = &[
    "Microsoft.ServiceBus/*/queues/read",
    "Microsoft.ServiceBus/*/topics/read",
    "Microsoft.ServiceBus/*/topics/subscriptions/read",
];

/// Their definitions.
pub(super) fn definitions(places: &Places) -> impl Iterator<Item = Value> {
    ROLES.iter().map(|role| {
        let properties = json!({
            "roleName": role.name,
            "type": "BuiltInRole",
            "description": "",
            "assignableScopes": ["/"],
            "permissions": [{
                "actions": role.actions,
                "notActions": [],
                "dataActions": role.data_actions,
                "notDataActions": [],
            }],
        });
        let body = json!({ "properties": properties });
        resource(&ROLE_DEFINITIONS, &places.role(role.id), body)
    })
}
