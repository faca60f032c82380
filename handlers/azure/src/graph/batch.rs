//! `$batch`: many questions in one call. Each has an answer of its own, and they come in any
//! order.

use airlock_core::{identity::TenantId, ports::PortError};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Graph, answer,
    pages::{NotUnderstood, Pages},
};

/// The most questions of one call.
const MOST: usize = 20;

/// The answer to one question.
#[derive(Clone, Copy)]
pub(super) struct Item<'a> {
    status: u16,
    after_s: Option<u64>,
    body: &'a Value,
}

impl<'a> Item<'a> {
    /// The answer to the question with this id.
    pub(super) fn named(batch: &'a Value, id: &str, what: &'static str) -> Result<Self, PortError> {
        let not_understood = NotUnderstood(what);
        let answers = batch["responses"].as_array().ok_or(not_understood)?;
        let mut named = answers.iter().filter(|answer| answer["id"] == id);
        let (Some(answer), None) = (named.next(), named.next()) else {
            return Err(not_understood.into());
        };
        let status = answer["status"].as_u64().and_then(|status| u16::try_from(status).ok());
        let headers = answer["headers"].as_object();
        let after = headers.and_then(|headers| {
            headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))
        });
        Ok(Self {
            status: status.ok_or(not_understood)?,
            after_s: after.and_then(|(_, after)| match after {
                Value::String(seconds) => seconds.trim().parse().ok(),
                other => other.as_u64(),
            }),
            body: &answer["body"],
        })
    }

    /// What was asked for, or why there is none.
    pub(super) fn read(self) -> Result<&'a Value, PortError> {
        if self.status == 200 { Ok(self.body) } else { Err(self.refusal()) }
    }

    /// What was asked for; `None` if Graph itself says that it is not there.
    pub(super) fn read_if_there(self) -> Result<Option<&'a Value>, PortError> {
        if self.status == 404 && self.body["error"]["code"].is_string() {
            return Ok(None);
        }
        self.read().map(Some)
    }

    /// Whether a user, a group or the like is not in the directory.
    pub(super) fn is_no_object(self) -> bool {
        self.status == 404 && answer::code(self.body) == "Request_ResourceNotFound"
    }

    fn refusal(self) -> PortError {
        answer::refusal(self.status, answer::code(self.body), self.after_s)
    }
}

/// The most seconds that one of the answers asks to wait, if one of them does.
fn throttled(batch: &Value) -> Option<PortError> {
    let answers = batch["responses"].as_array()?;
    let throttled = answers.iter().filter(|answer| answer["status"] == 429);
    let ids = throttled.filter_map(|answer| answer["id"].as_str());
    let after_s =
        ids.filter_map(|id| Item::named(batch, id, "batch").ok()).map(|item| item.after_s).max()?;
    Some(PortError::Throttled { after_s })
}

/// Questions that are asked together.
#[derive(Clone, Copy)]
pub(super) struct Questions<'a> {
    /// As whom.
    pub(super) application: &'static str,
    /// Where.
    pub(super) tenant: TenantId,
    /// What they are about, for errors.
    pub(super) what: &'static str,
    /// Paths below `/v1.0`.
    pub(super) paths: &'a [String],
}

impl Graph {
    /// Asks for one thing each, 20 in a call: the answers in the order of the questions. What is
    /// not there is `None`.
    pub(super) async fn ask_for_each(
        &self,
        questions: Questions<'_>,
    ) -> Result<Vec<Option<Value>>, PortError> {
        let id = Uuid::new_v4();
        let mut found = Vec::with_capacity(questions.paths.len());
        for paths in questions.paths.chunks(MOST) {
            let answers = self.ask_together(questions, paths, id).await?;
            for index in 0..paths.len() {
                let item = Item::named(&answers, &index.to_string(), questions.what)?;
                found.push(item.read_if_there()?.cloned());
            }
        }
        Ok(found)
    }

    /// Asks for a collection each, 20 in a call, and reads each to its end: in the order of the
    /// questions. `None` for a collection of what is not there.
    pub(super) async fn ask_for_all_of_each(
        &self,
        questions: Questions<'_>,
    ) -> Result<Vec<Option<Vec<Value>>>, PortError> {
        let Questions { application, tenant, what, paths: _ } = questions;
        let id = Uuid::new_v4();
        let mut found = Vec::with_capacity(questions.paths.len());
        for paths in questions.paths.chunks(MOST) {
            let answers = self.ask_together(questions, paths, id).await?;
            for index in 0..paths.len() {
                let item = Item::named(&answers, &index.to_string(), what)?;
                let Some(first) = item.read_if_there()? else {
                    found.push(None);
                    continue;
                };
                let mut pages = Pages::of(what);
                pages.add(first)?;
                self.turn_pages(application, tenant, &mut pages, id).await?;
                found.push(Some(pages.into_objects()?));
            }
        }
        Ok(found)
    }

    async fn ask_together(
        &self,
        Questions { application, tenant, .. }: Questions<'_>,
        paths: &[String],
        id: Uuid,
    ) -> Result<Value, PortError> {
        let requests: Vec<Value> = paths
            .iter()
            .enumerate()
            .map(|(index, path)| json!({ "id": index.to_string(), "method": "GET", "url": path }))
            .collect();
        let body = json!({ "requests": requests });
        let request = self.request("POST", "/$batch", Some(&body), id)?;
        let answers = answer::read(&self.send(application, tenant, request).await?)?;
        // Before anything else that went wrong: only this says when to come back.
        throttled(&answers).map_or(Ok(answers), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(answer: &Value) -> Value {
        json!({ "responses": [{ "id": "other", "status": 200, "body": {} }, answer] })
    }

    fn read(answer: &Value) -> Result<Value, PortError> {
        Item::named(&batch(answer), "mine", "batch")?.read().cloned()
    }

    #[test]
    fn a_question_without_exactly_one_answer_is_not_answered() {
        let mine = json!({ "id": "mine", "status": 200, "body": { "value": [] } });
        assert_eq!(read(&mine).unwrap(), json!({ "value": [] }));

        for bad in [
            json!({ "responses": [] }),
            json!({ "responses": [mine, mine] }),
            json!({ "responses": {} }),
            json!({}),
            batch(&json!({ "id": "mine", "status": "200" })),
            batch(&json!({ "id": "mine", "status": 70_000 })),
            batch(&json!({ "id": "mine" })),
        ] {
            assert!(Item::named(&bad, "mine", "batch").is_err(), "{bad}");
        }
    }

    #[test]
    fn each_answer_has_a_status_of_its_own() {
        let status = |status: u16| read(&json!({ "id": "mine", "status": status })).unwrap_err();

        assert!(matches!(status(403), PortError::Denied(_)));
        assert!(matches!(status(404), PortError::Broken(_)));
        assert!(matches!(status(503), PortError::Unavailable(_)));
        assert!(matches!(status(204), PortError::Broken(_)));
        assert!(matches!(status(429), PortError::Throttled { after_s: None }));
    }

    #[test]
    fn what_asks_to_wait_longest_is_heard() {
        let of = |headers: Value| json!({ "id": "mine", "status": 429, "headers": headers });
        let wait = |answers: Vec<Value>| match throttled(&json!({ "responses": answers })) {
            Some(PortError::Throttled { after_s }) => Some(after_s),
            _ => None,
        };

        assert_eq!(wait(vec![]), None);
        assert_eq!(wait(vec![of(json!({}))]), Some(None));
        assert_eq!(wait(vec![of(json!({ "retry-AFTER": " 7 " }))]), Some(Some(7)));
        let other = json!({ "id": "other", "status": 429, "headers": { "Retry-After": "30" } });
        assert_eq!(wait(vec![of(json!({ "Retry-After": 7 })), other]), Some(Some(30)));
    }

    #[test]
    fn only_graph_itself_says_that_something_is_not_there() {
        let not_there = json!({ "error": { "code": "Request_ResourceNotFound" } });
        let there = |body: &Value| {
            let batch = batch(&json!({ "id": "mine", "status": 404, "body": body }));
            Item::named(&batch, "mine", "batch").unwrap().read_if_there().map(|it| it.is_some())
        };

        assert!(!there(&not_there).unwrap());
        assert!(there(&json!("<html>")).is_err());
        assert!(there(&Value::Null).is_err());
    }
}
