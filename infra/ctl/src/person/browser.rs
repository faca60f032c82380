//! The browser: a real one, or this program in its place at the local cloud's sign-in page.

use std::process::Stdio;

use tokio::process::Command;
use url::Url;

use super::{loopback::code_in, sign_in::Started};
use crate::{origin::Origin, stack::Stack};

/// Opens the person's browser; `false` if there is none to be found.
pub async fn open(url: &Url) -> bool {
    let program = if cfg!(target_os = "macos") { "open" } else { "xdg-open" };
    let status = Command::new(program)
        .arg(url.as_str())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .await;
    status.is_ok_and(|status| status.success())
}

/// The browser's part was not played.
#[derive(Debug, thiserror::Error)]
pub enum NotPlayed {
    /// The page is not the local cloud's.
    #[error("--as works only where the local cloud's own sign-in page is shown")]
    NotLocal,
    /// Somebody did not answer.
    #[error("the sign-in page did not answer")]
    NoAnswer(#[source] reqwest::Error),
    /// The page is not as expected.
    #[error("the sign-in page was not understood ({0})")]
    Page(&'static str),
    /// The page would not sign the person in.
    #[error("the local cloud signs in nobody of that name")]
    Nobody,
    /// The API did not take what the page sent.
    #[error("the sign-in was refused (status {0}): see the log of signin")]
    Refused(u16),
}

/// Signs a person in at the local cloud, as a browser and that person would: says yes on the
/// API's page, chooses the person at Entra's, and gives the one-time code that they come back
/// with.
///
/// # Errors
///
/// [`NotPlayed`].
pub async fn play(
    stack: &Stack,
    started: &Started,
    person: &str,
    return_to: &str,
) -> Result<String, NotPlayed> {
    if !stack.pages.is_loopback() || !stack.api.is_loopback() {
        return Err(NotPlayed::NotLocal);
    }
    let http = reqwest::Client::builder()
        .no_proxy()
        // Each step is looked at, as a browser shows it.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(NotPlayed::NoAnswer)?;
    let (authorize, browser) = say_yes(&http, &stack.api, started).await?;
    let callback = choose(&http, &stack.pages, &authorize, person).await?;
    let returned = http.get(callback).header("cookie", browser);
    let returned = returned.send().await.map_err(NotPlayed::NoAnswer)?;
    let status = returned.status().as_u16();
    let back = location(&returned).ok_or(NotPlayed::Refused(status))?;
    // Exactly where we wait, and nowhere that merely begins alike.
    let query = back
        .as_str()
        .strip_prefix(return_to)
        .and_then(|rest| rest.strip_prefix('?'))
        .ok_or(NotPlayed::Page("return"))?;
    code_in(query).map_err(|_| NotPlayed::Refused(status))
}

/// Says yes on the API's page, if it shows the right code: where that leads, and the cookie.
async fn say_yes(
    http: &reqwest::Client,
    api: &Origin,
    started: &Started,
) -> Result<(Url, String), NotPlayed> {
    let page = text(http, &started.page).await?;
    if !page.contains(&started.code) {
        return Err(NotPlayed::Page("code"));
    }
    let offer = between(&page, "name=\"offer\" value=\"", "\"").ok_or(NotPlayed::Page("offer"))?;
    let action = action(&page, &started.page, api)?;
    let posted = post(http, action, &[("offer", offer)])
        .header("origin", api.as_str())
        .header("sec-fetch-site", "same-origin");
    let posted = posted.send().await.map_err(NotPlayed::NoAnswer)?;
    let to = location(&posted).ok_or_else(|| NotPlayed::Refused(posted.status().as_u16()))?;
    let cookie = posted.headers().get("set-cookie").and_then(|value| value.to_str().ok());
    let cookie = cookie.and_then(|cookie| cookie.split(';').next());
    Ok((to, cookie.ok_or(NotPlayed::Page("cookie"))?.to_owned()))
}

/// Chooses a person on the local cloud's sign-in page: where that leads.
async fn choose(
    http: &reqwest::Client,
    pages: &Origin,
    authorize: &Url,
    person: &str,
) -> Result<Url, NotPlayed> {
    if !pages.is_of(authorize) {
        return Err(NotPlayed::NotLocal);
    }
    let page = text(http, authorize).await?;
    let request =
        between(&page, "name=request value=\"", "\"").ok_or(NotPlayed::Page("request"))?;
    let action = action(&page, authorize, pages)?;
    let posted = post(http, action, &[("request", request), ("person", person)]);
    let posted = posted.send().await.map_err(NotPlayed::NoAnswer)?;
    location(&posted).ok_or(NotPlayed::Nobody)
}

async fn text(http: &reqwest::Client, page: &Url) -> Result<String, NotPlayed> {
    let answer = http.get(page.clone()).send().await.map_err(NotPlayed::NoAnswer)?;
    answer.text().await.map_err(NotPlayed::NoAnswer)
}

/// Where the form of a page is sent: to the page's own origin.
fn action(page: &str, address: &Url, origin: &Origin) -> Result<Url, NotPlayed> {
    let action = between(page, "action=\"", "\"").and_then(|action| address.join(action).ok());
    action.filter(|action| origin.is_of(action)).ok_or(NotPlayed::Page("action"))
}

fn post(http: &reqwest::Client, to: Url, form: &[(&str, &str)]) -> reqwest::RequestBuilder {
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    http.post(to).header("content-type", "application/x-www-form-urlencoded").body(form)
}

fn location(answer: &reqwest::Response) -> Option<Url> {
    if !answer.status().is_redirection() {
        return None;
    }
    let location = answer.headers().get("location")?.to_str().ok()?;
    answer.url().join(location).ok()
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(found, _)| found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_person_is_played_at_the_local_page_only() {
        let pages = "http://127.0.0.1:7072".parse().unwrap();
        let real = Url::parse("https://login.microsoftonline.com/t/oauth2/v2.0/authorize").unwrap();
        let http = reqwest::Client::new();

        let played = choose(&http, &pages, &real, "harriet@contoso.example").await;

        assert!(matches!(played, Err(NotPlayed::NotLocal)));
    }

    #[test]
    fn a_value_is_found_between_its_marks() {
        assert_eq!(between("<input name=request value=\"h\">", "value=\"", "\""), Some("h"));
        assert_eq!(between("<input>", "value=\"", "\""), None);
        assert_eq!(between("value=\"h", "value=\"", "\""), None);
    }
}
