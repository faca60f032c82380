//! Reading users.

use serde_json::{Value, json};

use super::{
    call::{Call, Outcome, Reply},
    context,
    filter::Filter,
    page::{self, DEFAULT_PAGE, cut, with_selection},
    permissions,
};
use crate::directory::{Person, written};

/// What Graph tells of a user who does not say what they want.
pub const DEFAULT: &[&str] = &[
    "businessPhones",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
    "id",
];

/// Everything that can be selected.
pub const PROPERTIES: &[&str] = &[
    "id",
    "accountEnabled",
    "assignedLicenses",
    "businessPhones",
    "city",
    "companyName",
    "country",
    "createdDateTime",
    "creationType",
    "deletedDateTime",
    "department",
    "displayName",
    "employeeId",
    "employeeType",
    "externalUserState",
    "givenName",
    "jobTitle",
    "lastPasswordChangeDateTime",
    "mail",
    "mailNickname",
    "mobilePhone",
    "officeLocation",
    "onPremisesImmutableId",
    "onPremisesSyncEnabled",
    "otherMails",
    "passwordPolicies",
    "postalCode",
    "preferredLanguage",
    "proxyAddresses",
    "signInSessionsValidFromDateTime",
    "state",
    "streetAddress",
    "surname",
    "usageLocation",
    "userPrincipalName",
    "userType",
];

/// Properties that `$filter` can compare without an advanced query.
const FILTERED: &[&str] = &[
    "id",
    "accountEnabled",
    "department",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mailNickname",
    "onPremisesSyncEnabled",
    "surname",
    "userPrincipalName",
    "userType",
];

/// `GET /users/{id}`
pub fn one(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_USERS)?;
    call.only(&["$select"])?;
    let selected = call.selected("user", PROPERTIES)?;
    let user = call.look_at_person(|_, person| Ok(user(person)))?;
    let mut body = cut(&user, selected.as_deref().unwrap_or(DEFAULT));
    let what = with_selection("users", selected.as_deref());
    body["@odata.context"] = context(call, &format!("{what}/$entity"));
    Ok(Reply::ok(body))
}

/// `GET /users`
pub fn list(call: &Call<'_>) -> Outcome {
    call.needs(permissions::READ_USERS)?;
    call.only(page::OPTIONS)?;
    let selected = call.selected("user", PROPERTIES)?;
    let filter = call.option("$filter").map(|text| Filter::parse(text, FILTERED)).transpose()?;
    let shown = selected.as_deref().unwrap_or(DEFAULT);
    let what = with_selection("users", selected.as_deref());
    call.look(|tenant| {
        let all = tenant.people.values();
        let admitted =
            all.filter(|one| filter.as_ref().is_none_or(|filter| filter.admits(&user(one))));
        let admitted = admitted.map(|one| (one.id.to_string(), one)).collect();
        call.page_shown(&what, admitted, DEFAULT_PAGE, |one| cut(&user(one), shown))
    })
}

/// Everything that Graph can tell of a person.
pub fn user(person: &Person) -> Value {
    let guest = person.guest;
    json!({
        "id": person.id,
        "accountEnabled": person.enabled,
        "assignedLicenses": person
            .licences
            .iter()
            .map(|sku| json!({ "disabledPlans": [], "skuId": sku }))
            .collect::<Vec<_>>(),
        "businessPhones": [],
        "city": null,
        "companyName": null,
        "country": null,
        "createdDateTime": written(person.created),
        "creationType": guest.then_some("Invitation"),
        "deletedDateTime": null,
        "department": person.department,
        "displayName": person.name(),
        "employeeId": null,
        "employeeType": null,
        "externalUserState": guest.then_some("Accepted"),
        "givenName": person.given_name,
        "jobTitle": person.job_title,
        "lastPasswordChangeDateTime": written(person.password.changed),
        "mail": person.mail,
        "mailNickname": person.mail_nickname,
        "mobilePhone": null,
        "officeLocation": null,
        "onPremisesImmutableId": person.synced.then(|| person.id.simple().to_string()),
        // Graph says `null`, not `false`, of an account that never was synchronised.
        "onPremisesSyncEnabled": person.synced.then_some(true),
        "otherMails": [],
        "passwordPolicies": null,
        "postalCode": null,
        "preferredLanguage": null,
        "proxyAddresses": [format!("SMTP:{}", person.mail)],
        "signInSessionsValidFromDateTime": written(person.sessions_valid_from),
        "state": null,
        "streetAddress": null,
        "surname": person.surname,
        "usageLocation": person.usage_location,
        "userPrincipalName": person.user_principal_name,
        "userType": if guest { "Guest" } else { "Member" },
    })
}
