//! Finding the users and tenants that people name.
//!
//! Only the local cloud tells who has which name: elsewhere no outer app may look into the
//! directory, and ids are taken alone.

use airlock_core::{
    catalog::Target,
    identity::{ObjectId, TenantId},
    secret_binding::SecretName,
};

use crate::{
    Usage,
    cli::{TenantName, UserName},
    foreign::Plain,
    nearest::suggestion,
    stack::{Directory, Stack},
};

/// The id of a tenant.
///
/// # Errors
///
/// [`Usage`] if there is no such domain, or nobody who could say; or if the local cloud does not
/// answer.
pub async fn tenant(stack: Option<&Stack>, named: &TenantName) -> anyhow::Result<TenantId> {
    let domain = match (named, stack) {
        (TenantName::Id(id), _) => return Ok(*id),
        (TenantName::Domain(domain), Some(_)) => domain,
        (TenantName::Domain(domain), None) => {
            let why = format!(
                "only the local cloud knows domains such as {domain}: give the tenant's id (a UUID)"
            );
            return Err(Usage(why).into());
        }
    };
    let directory = directory(stack).await?;
    directory.as_ref().and_then(|directory| directory.tenant(domain)).ok_or_else(|| {
        let domains = directory.iter().flat_map(|directory| directory.tenants.values());
        let instead = suggestion(domain, domains.map(|tenant| tenant.domain.as_str()));
        Usage(format!("the local cloud has no tenant {domain}: {}", Plain(&instead))).into()
    })
}

/// A user or a secret of a tenant; none, if neither is named.
///
/// # Errors
///
/// Those of [`user`]. Nobody is asked whether a secret is there.
pub async fn target(
    stack: Option<&Stack>,
    (named, secret): (Option<&UserName>, Option<&SecretName>),
    tenant: TenantId,
) -> anyhow::Result<Option<Target>> {
    match (named, secret) {
        (Some(named), _) => user(stack, named, tenant).await.map(|user| Some(Target::User(user))),
        (None, secret) => Ok(secret.cloned().map(Target::Secret)),
    }
}

/// The id of a user of a tenant. By id, nobody is asked whether that user is there.
///
/// # Errors
///
/// [`Usage`] if nobody has that name, if it is another tenant's user, or if nobody could say; or
/// if the local cloud does not answer.
pub async fn user(
    stack: Option<&Stack>,
    named: &UserName,
    tenant: TenantId,
) -> anyhow::Result<ObjectId> {
    let name = match named {
        UserName::Id(id) => return Ok(*id),
        UserName::Name(name) => name,
    };
    let Some(directory) = directory(stack).await? else {
        let why =
            format!("only the local cloud knows names such as {name}: give the user's object id");
        return Err(Usage(why).into());
    };
    Ok(among(&directory, name, tenant)?)
}

/// The tenant in which somebody signs in, by their name.
///
/// # Errors
///
/// If the local cloud does not answer.
pub async fn home(stack: &Stack, name: &str) -> anyhow::Result<Option<TenantId>> {
    Ok(stack.directory().await?.person(name).map(|(tenant, _)| tenant))
}

fn among(directory: &Directory, name: &str, tenant: TenantId) -> Result<ObjectId, Usage> {
    let Some((home, person)) = directory.person(name) else {
        let names = directory.tenants.values().flat_map(|tenant| tenant.people.keys());
        let instead = suggestion(name, names.map(String::as_str));
        return Err(Usage(format!("the local cloud has no user {name}: {}", Plain(&instead))));
    };
    if home == tenant {
        return Ok(person.id);
    }
    let domain = |id| directory.tenants.get(&id).map_or("another tenant", |it| &it.domain);
    Err(Usage(format!(
        "{name} is a user of {}, and this is about {}: say --tenant {}, if that is meant",
        Plain(domain(home)),
        Plain(domain(tenant)),
        Plain(domain(home)),
    )))
}

async fn directory(stack: Option<&Stack>) -> anyhow::Result<Option<Directory>> {
    match stack {
        Some(stack) => Ok(Some(stack.directory().await?)),
        None => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const CONTOSO: &str = "605d9d43-3534-4810-8152-9d01a268ad22";
    const FABRIKAM: &str = "012cf276-003e-4e7a-ab5d-345607b83f7e";
    const NINA: &str = "11111111-2222-4333-8444-555555555555";

    fn people() -> Directory {
        let nina = json!({ "id": NINA, "displayName": "Nina Berger", "accountEnabled": true });
        serde_json::from_value(json!({ "tenants": {
            CONTOSO: {
                "domain": "contoso.example", "people": { "nina@contoso.example": nina },
            },
            FABRIKAM: { "domain": "fabrikam.example", "people": {} },
        } }))
        .unwrap()
    }

    #[test]
    fn a_user_is_found_in_their_own_tenant_and_in_no_other() {
        let found = |name, tenant: &str| {
            among(&people(), name, tenant.parse().unwrap()).map_err(|Usage(why)| why)
        };

        assert_eq!(found("nina@contoso.example", CONTOSO), Ok(NINA.parse().unwrap()));
        assert_eq!(
            found("nina@contoso.example", FABRIKAM).unwrap_err(),
            "nina@contoso.example is a user of contoso.example, and this is about \
             fabrikam.example: say --tenant contoso.example, if that is meant"
        );
        assert_eq!(
            found("nino@contoso.example", CONTOSO).unwrap_err(),
            "the local cloud has no user nino@contoso.example: did you mean nina@contoso.example?"
        );
    }

    #[tokio::test]
    async fn without_a_local_cloud_ids_are_taken_and_names_are_not() {
        let id: TenantId = CONTOSO.parse().unwrap();
        let nina: UserName = NINA.parse().unwrap();

        assert_eq!(tenant(None, &CONTOSO.parse().unwrap()).await.unwrap(), id);
        assert_eq!(user(None, &nina, id).await.unwrap().to_string(), NINA);
        let domain = tenant(None, &"contoso.example".parse().unwrap()).await.unwrap_err();
        let name = user(None, &"nina@contoso.example".parse().unwrap(), id).await.unwrap_err();
        for (error, wanted) in
            [(domain, "give the tenant's id"), (name, "give the user's object id")]
        {
            assert!(error.is::<Usage>() && error.to_string().contains(wanted), "{error}");
        }
    }
}
