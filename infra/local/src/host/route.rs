//! Route templates of HTTP functions.

use anyhow::ensure;

/// A template such as `api/{*path}`.
#[derive(Debug)]
pub struct Route {
    segments: Vec<Segment>,
}

#[derive(Debug)]
enum Segment {
    /// Compared without regard to case, as ASP.NET does.
    Literal(String),
    /// `{name}`: exactly one segment.
    One,
    /// `{*name}`: everything that is left, which may be nothing.
    Rest,
}

impl Route {
    /// Reads a template below a prefix.
    ///
    /// # Errors
    ///
    /// If it uses what no function of ours needs: constraints, defaults, optional parameters.
    pub fn parse(prefix: &str, template: &str) -> anyhow::Result<Self> {
        let whole = format!("{prefix}/{template}");
        let mut segments = Vec::new();
        for part in whole.split('/').filter(|part| !part.is_empty()) {
            ensure!(!matches!(segments.last(), Some(Segment::Rest)), "{{*…}} must come last");
            let parameter = part.strip_prefix('{').and_then(|part| part.strip_suffix('}'));
            let name = parameter.map_or(part, |name| name.strip_prefix('*').unwrap_or(name));
            ensure!(
                !name.is_empty()
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)),
                "{part:?} is not understood in a route"
            );
            segments.push(match parameter {
                Some(parameter) if parameter.starts_with('*') => Segment::Rest,
                Some(_) => Segment::One,
                None => Segment::Literal(part.to_owned()),
            });
        }
        Ok(Self { segments })
    }

    /// Whether a request's path is one of these.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        let path = path.strip_prefix('/').unwrap_or(path);
        let path = path.strip_suffix('/').unwrap_or(path);
        let mut parts = path.split('/').filter(|_| !path.is_empty());
        for segment in &self.segments {
            match segment {
                Segment::Rest => return true,
                Segment::One if parts.next().is_some_and(|part| !part.is_empty()) => {}
                Segment::Literal(literal)
                    if parts.next().is_some_and(|part| part.eq_ignore_ascii_case(literal)) => {}
                _ => return false,
            }
        }
        parts.next().is_none()
    }

    /// How many segments are given: the more, the more exact the route.
    #[must_use]
    pub fn literals(&self) -> usize {
        self.segments.iter().filter(|segment| matches!(segment, Segment::Literal(_))).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_catch_all_takes_everything_below_and_nothing_beside() {
        let route = Route::parse("", "api/{*path}").unwrap();

        for inside in ["/api", "/api/", "/api/requests", "/API/requests/7", "/api//x", "/api/%2F"] {
            assert!(route.matches(inside), "{inside}");
        }
        for outside in ["/", "", "/apis", "/auth/start", "/x/api", "//api"] {
            assert!(!route.matches(outside), "{outside}");
        }
    }

    #[test]
    fn a_parameter_is_exactly_one_segment() {
        let route = Route::parse("api", "orders/{id}").unwrap();

        assert!(route.matches("/api/orders/7"));
        assert!(!route.matches("/api/orders"));
        assert!(!route.matches("/api/orders/7/lines"));
        assert!(!route.matches("/orders/7"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for template in ["{*path}/x", "{id:int}", "{id?}", "{id=7}", "a{b}", "{}"] {
            assert!(Route::parse("", template).is_err(), "{template}");
        }
    }
}
