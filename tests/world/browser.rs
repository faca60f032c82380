//! A browser at Entra's sign-in page. It follows no redirect by itself: a test sees each.

use http::Method;
use url::Url;

use super::{Answer, Who, tokens::form};

/// A browser.
#[derive(Clone, Debug)]
pub struct Browser {
    http: reqwest::Client,
}

impl Browser {
    /// A browser that has never been anywhere.
    #[must_use]
    pub const fn new(http: reqwest::Client) -> Self {
        Self { http }
    }

    /// Opens the page of a sign-in that a program started, and says yes. Gives where that leads,
    /// and the cookie that binds the browser.
    pub async fn say_yes(&self, page: &str) -> (String, String) {
        let shown = Answer::to(self.http.get(page)).await;
        assert_eq!(shown.status, 200, "{}", shown.text);
        let page = Url::parse(page).expect("an absolute address");
        let action = page.join(between(&shown.text, "action=\"", "\"")).expect("an address");
        let offer = between(&shown.text, "name=\"offer\" value=\"", "\"");
        let said = self
            .http
            .request(Method::POST, action)
            .header("origin", page.origin().ascii_serialization())
            .header("sec-fetch-site", "same-origin")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form(&[("offer", offer)]));
        let said = Answer::to(said).await;
        let cookie = said.header("set-cookie").expect("a bound browser");
        let (cookie, _) = cookie.split_once(';').expect("a cookie with attributes");
        (leads_to(&said).to_string(), cookie.to_owned())
    }

    /// Goes the whole way of a sign-in that a program started: where the browser ends, by way of
    /// Entra.
    pub async fn sign_in(&self, page: &str, who: &Who) -> Url {
        let (authorize, cookie) = self.say_yes(page).await;
        let callback = self.choose(&authorize, who).await;
        leads_to(&self.visit_with(&callback, &cookie).await)
    }

    /// Opens the sign-in page and chooses who to be. Gives where Entra then sends the browser.
    pub async fn choose(&self, authorize: &str, who: &Who) -> Url {
        let page = Answer::to(self.http.get(authorize)).await;
        assert_eq!(page.status, 200, "{}", page.text);
        let action = between(&page.text, "action=\"", "\"");
        let request = between(&page.text, "name=request value=\"", "\"");
        let authorize = Url::parse(authorize).expect("an absolute address");
        let action = authorize.join(action).expect("an address of a page");
        let chosen = self
            .http
            .request(Method::POST, action)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form(&[("request", request), ("person", &who.name)]));
        leads_to(&Answer::to(chosen).await)
    }

    /// Goes somewhere, with this cookie.
    pub async fn visit_with(&self, url: &Url, cookie: &str) -> Answer {
        Answer::to(self.http.get(url.clone()).header("cookie", cookie)).await
    }
}

/// Where an answer sends the browser.
#[must_use]
#[track_caller]
pub fn leads_to(answer: &Answer) -> Url {
    assert!((300..400).contains(&answer.status), "{} {}", answer.status, answer.text);
    let location = answer.header("location").expect("a redirect names a location");
    Url::parse(location).expect("an absolute location")
}

/// A parameter of the address that a browser was sent to.
#[must_use]
pub fn callback_of(url: &Url, parameter: &str) -> Option<String> {
    url.query_pairs().find(|(name, _)| name == parameter).map(|(_, value)| value.into_owned())
}

#[track_caller]
fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let (_, rest) = text.split_once(before).expect("the page is Entra's sign-in page");
    rest.split_once(after).expect("an attribute ends").0
}
