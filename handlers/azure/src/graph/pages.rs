//! Collections, which Graph answers page by page.

use airlock_core::ports::PortError;
use serde_json::Value;

/// The most pages of one collection that are read. With 999 objects each: more than any user
/// belongs to. What has more is not judged, unless it is known to be longer ([`Pages::up_to`]).
const MOST_PAGES: usize = 10;

/// An answer of Graph's is not of the form that it gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Graph's answer about {0} not understood")]
pub(super) struct NotUnderstood(pub(super) &'static str);

impl From<NotUnderstood> for PortError {
    fn from(error: NotUnderstood) -> Self {
        Self::Broken(error.into())
    }
}

/// The objects of one collection, as far as they were read. A part is never given for the whole.
pub(super) struct Pages {
    what: &'static str,
    most: usize,
    read: usize,
    objects: Vec<Value>,
    next: Option<String>,
}

impl Pages {
    /// Of a collection, of which no page was read yet.
    pub(super) const fn of(what: &'static str) -> Self {
        Self::up_to(MOST_PAGES, what)
    }

    /// Of a collection that may have so many pages.
    pub(super) const fn up_to(most: usize, what: &'static str) -> Self {
        Self { what, most, read: 0, objects: Vec::new(), next: None }
    }

    /// Adds a page.
    pub(super) fn add(&mut self, page: &Value) -> Result<(), NotUnderstood> {
        let not_understood = NotUnderstood(self.what);
        let objects = page["value"].as_array().ok_or(not_understood)?;
        self.objects.extend(objects.iter().cloned());
        self.next = match page.get("@odata.nextLink") {
            None => None,
            Some(Value::String(next)) => Some(next.clone()),
            Some(_) => return Err(not_understood),
        };
        self.read += 1;
        Ok(())
    }

    /// Forgets objects that nobody asked for.
    pub(super) fn retain(&mut self, wanted: impl Fn(&Value) -> bool) {
        self.objects.retain(wanted);
    }

    /// Address of the page to read next; `None` if that was the last.
    pub(super) fn turn(&self) -> Result<Option<String>, PortError> {
        if self.next.is_some() && self.read >= self.most {
            return Err(PortError::Broken("collection has too many pages".into()));
        }
        Ok(self.next.clone())
    }

    /// All objects.
    pub(super) fn objects(&self) -> Result<&[Value], NotUnderstood> {
        if self.next.is_some() { Err(NotUnderstood(self.what)) } else { Ok(&self.objects) }
    }

    /// All objects.
    pub(super) fn into_objects(self) -> Result<Vec<Value>, NotUnderstood> {
        if self.next.is_some() { Err(NotUnderstood(self.what)) } else { Ok(self.objects) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_part_is_not_given_for_the_whole() {
        let mut pages = Pages::of("groups");
        pages.add(&json!({ "value": [1], "@odata.nextLink": "https://graph.example/2" })).unwrap();
        assert_eq!(pages.turn().unwrap().as_deref(), Some("https://graph.example/2"));
        assert_eq!(pages.objects(), Err(NotUnderstood("groups")));

        pages.add(&json!({ "value": [2] })).unwrap();

        assert_eq!(pages.turn().unwrap(), None);
        assert_eq!(pages.into_objects(), Ok(vec![json!(1), json!(2)]));
    }

    #[test]
    fn what_has_too_many_pages_is_not_read_for_ever() {
        let mut pages = Pages::of("groups");
        for _ in 0..MOST_PAGES {
            assert!(pages.turn().is_ok());
            pages
                .add(&json!({ "value": [], "@odata.nextLink": "https://graph.example/2" }))
                .unwrap();
        }

        assert!(matches!(pages.turn(), Err(PortError::Broken(_))));
    }

    #[test]
    fn what_is_no_page_is_not_understood() {
        for bad in [json!({}), json!({ "value": {} }), json!({ "value": [], "@odata.nextLink": 7 })]
        {
            assert!(Pages::of("groups").add(&bad).is_err(), "{bad}");
        }
    }
}
