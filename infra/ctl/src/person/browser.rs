//! The browser: a real one, or this program in its place at the local cloud's sign-in page.

use std::process::Stdio;

use tokio::process::Command;
use url::Url;

use super::loopback::code_in;
use crate::origin::Origin;

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

/// Signs a person in at the local cloud's page, as a browser and that person would, and gives
/// the one-time code that they come back with.
///
/// # Errors
///
/// [`NotPlayed`].
pub async fn play(
    pages: &Origin,
    authorize: &Url,
    person: &str,
    return_to: &str,
) -> Result<String, NotPlayed> {
    if !pages.is_loopback() || !pages.is_of(authorize) {
        return Err(NotPlayed::NotLocal);
    }
    let http = reqwest::Client::builder()
        .no_proxy()
        // Each step is looked at, as a browser shows it.
        .redirect(reqwest::redirect::Policy::none())
        .build()
        .map_err(NotPlayed::NoAnswer)?;
    let page = http.get(authorize.clone()).send().await.map_err(NotPlayed::NoAnswer)?;
    let page = page.text().await.map_err(NotPlayed::NoAnswer)?;
    let request =
        between(&page, "name=request value=\"", "\"").ok_or(NotPlayed::Page("request"))?;
    let action = between(&page, "action=\"", "\"").ok_or(NotPlayed::Page("action"))?;
    let action = authorize.join(action).map_err(|_| NotPlayed::Page("action"))?;
    if !pages.is_of(&action) {
        return Err(NotPlayed::Page("action"));
    }
    let form = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([("request", request), ("person", person)])
        .finish();
    let posted = http
        .post(action)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form)
        .send()
        .await
        .map_err(NotPlayed::NoAnswer)?;
    let callback = location(&posted).ok_or(NotPlayed::Nobody)?;
    let returned = http.get(callback).send().await.map_err(NotPlayed::NoAnswer)?;
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

        let played = play(&pages, &real, "harriet@contoso.example", "http://127.0.0.1:1/x").await;

        assert!(matches!(played, Err(NotPlayed::NotLocal)));
    }

    #[test]
    fn a_value_is_found_between_its_marks() {
        assert_eq!(between("<input name=request value=\"h\">", "value=\"", "\""), Some("h"));
        assert_eq!(between("<input>", "value=\"", "\""), None);
        assert_eq!(between("value=\"h", "value=\"", "\""), None);
    }
}
