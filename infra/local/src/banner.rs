//! What whoever typed `cargo run` reads in the end.

use std::{net::SocketAddr, time::Duration};

use crate::cloud::Cloud;

/// Where everything is, who can sign in, and what to type next.
#[must_use]
pub fn text(cloud: &Cloud, control: &SocketAddr, took: Duration) -> String {
    let names = &cloud.names;
    let mut lines = vec![
        String::new(),
        format!("Airlock runs, {:.1} s after you asked for it.", took.as_secs_f64()),
        String::new(),
        format!("  portal         {}   (start here)", names.portal),
        format!("  API            {}", names.api),
        format!("  Entra's pages  {}", names.pages),
        format!("  control        http://{control}"),
    ];
    for tenant in cloud.directory.tenants() {
        lines.push(String::new());
        lines.push(format!("  {} ({})", tenant.name, tenant.domain));
        let people = cloud.directory.people(tenant.id);
        let longest = |text: fn(&crate::directory::PersonCard) -> String| {
            people.iter().map(|person| text(person).chars().count()).max().unwrap_or(0)
        };
        let name = longest(|person| person.user_principal_name.clone());
        let roles = longest(|person| person.app_roles.join(", "));
        for person in &people {
            let line = format!(
                "    {:<name$}  {:<roles$}  {}",
                person.user_principal_name,
                person.app_roles.join(", "),
                person.what
            );
            lines.push(line.trim_end().to_owned());
        }
    }
    lines.extend([
        String::new(),
        "  Next, in another terminal:".to_owned(),
        "    cargo run -p airlockctl -- try       one request from sign-in to receipt".to_owned(),
        "    cargo run -p airlockctl -- sign-in   as one of the people above".to_owned(),
        String::new(),
        "  Ctrl-C ends it.".to_owned(),
    ]);
    lines.join("\n")
}
