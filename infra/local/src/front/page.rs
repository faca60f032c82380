//! The front page: what runs, who is there, what to type next.

use serde_json::Value;

use crate::{
    cloud::Shared,
    directory::{PersonCard, TenantCard},
};

/// Its looks.
pub const STYLE: &str = include_str!("style.css");

/// The page. It has no script.
#[must_use]
pub fn render(cloud: &Shared, processes: &Value) -> String {
    let names = &cloud.names;
    let tenants: Vec<String> = cloud
        .directory
        .tenants()
        .iter()
        .map(|card| tenant(card, &cloud.directory.people(card.id)))
        .collect();
    let apps: Vec<String> =
        processes.as_object().into_iter().flatten().map(|(name, facts)| app(name, facts)).collect();
    let addresses: Vec<String> =
        [("Portal", &names.portal), ("API", &names.api), ("Entra's pages", &names.pages)]
            .iter()
            .map(|(what, address)| {
                format!("<dt>{what}</dt><dd><code>{}</code></dd>", escaped(address))
            })
            .collect();
    format!(
        r#"<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Airlock, locally</title>
<link rel="stylesheet" href="/style.css">
</head>
<body>
<header>
<h1>Airlock</h1>
<p>A privileged-operations gateway for Microsoft Entra ID. Two doors that are never open together.
Everything below runs on this machine: five unmodified handler processes, and the cloud around
them.</p>
</header>
<main>
<section>
<h2>Try it</h2>
<p>Follow one request from sign-in to receipt, and see what is refused on the way:</p>
<pre><code>cargo run -p airlockctl -- try</code></pre>
<p>Or sign in yourself, as one of the people below:</p>
<pre><code>cargo run -p airlockctl -- sign-in</code></pre>
</section>
<section>
<h2>Handlers</h2>
<table>
<thead><tr><th>App</th><th>State</th><th>Process</th><th>Ready after</th><th>Memory</th><th>Restarts</th></tr></thead>
<tbody>{apps}</tbody>
</table>
</section>
<section>
<h2>People</h2>
<p>Entra's sign-in page asks for no password: choose who you are.</p>
{tenants}
</section>
<section>
<h2>Addresses</h2>
<dl>{addresses}</dl>
</section>
</main>
</body>
</html>
"#,
        apps = apps.concat(),
        tenants = tenants.concat(),
        addresses = addresses.concat(),
    )
}

fn app(name: &str, facts: &Value) -> String {
    let state = facts["state"].as_str().unwrap_or("unknown");
    let number = |value: &Value| value.as_u64().map_or_else(|| "–".to_owned(), |it| it.to_string());
    let ready =
        facts["ready_ms"].as_f64().map_or_else(|| "–".to_owned(), |ms| format!("{ms:.1} ms"));
    let memory = facts["resident_bytes"]
        .as_u64()
        .map_or_else(|| "–".to_owned(), |bytes| format!("{} MiB", bytes / (1024 * 1024)));
    format!(
        r#"<tr><td><strong>{name}</strong></td><td><span class="state {state}">{state}</span></td><td class="number">{pid}</td><td class="number">{ready}</td><td class="number">{memory}</td><td class="number">{restarts}</td></tr>"#,
        name = escaped(name),
        state = escaped(state),
        pid = number(&facts["pid"]),
        restarts = number(&facts["restarts"]),
    )
}

fn tenant(tenant: &TenantCard, people: &[PersonCard]) -> String {
    let rows: Vec<String> = people.iter().map(person).collect();
    format!(
        r"<h3>{name}</h3>
<p class='quiet'><code>{domain}</code> <code>{id}</code></p>
<table>
<thead><tr><th>Name</th><th>Signs in as</th><th>Roles</th><th></th></tr></thead>
<tbody>{rows}</tbody>
</table>
",
        name = escaped(&tenant.name),
        domain = escaped(&tenant.domain),
        id = tenant.id,
        rows = rows.concat(),
    )
}

fn person(person: &PersonCard) -> String {
    let roles: Vec<String> = person
        .app_roles
        .iter()
        .map(|role| format!("<span class='role'>{}</span>", escaped(role)))
        .collect();
    format!(
        "<tr><td>{}</td><td><code>{}</code></td><td>{}</td><td class='quiet'>{}</td></tr>",
        escaped(&person.name),
        escaped(&person.user_principal_name),
        roles.join(" "),
        escaped(&person.what),
    )
}

/// Text as HTML shows it, in an element or a quoted attribute.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_become_markup() {
        let card = PersonCard {
            object: uuid::Uuid::nil(),
            name: "<script>alert(1)</script>".to_owned(),
            user_principal_name: "a\"b'c&d@contoso.example".to_owned(),
            app_roles: vec!["<b>".to_owned()],
            what: String::new(),
        };

        let row = person(&card);

        assert!(row.contains("&lt;script&gt;"));
        assert!(row.contains("a&quot;b&#39;c&amp;d@contoso.example"));
        assert!(!row.contains("<script") && !row.contains("<b>"));
    }
}
