//! The part of `$filter` that is offered: comparisons with `eq` and `in`, of times with `ge`, `gt`,
//! `le` and `lt`, `startswith`, `and`, `or`.

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::problem::Refusal;

/// A filter that was understood.
#[derive(Debug, PartialEq, Eq)]
pub enum Filter {
    /// The property has this value.
    Equals(String, Literal),
    /// The property is one of these texts, whatever the case.
    OneOf(String, Vec<String>),
    /// The property is a time that stands so to this one.
    Compares(String, Order, OffsetDateTime),
    /// The property starts with this text, whatever the case.
    StartsWith(String, String),
    /// Both hold.
    And(Box<Filter>, Box<Filter>),
    /// One holds.
    Or(Box<Filter>, Box<Filter>),
}

/// How a time stands to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// `ge`
    NotBefore,
    /// `gt`
    After,
    /// `le`
    NotAfter,
    /// `lt`
    Before,
}

impl Order {
    fn named(word: &str) -> Option<Self> {
        match word.to_ascii_lowercase().as_str() {
            "ge" => Some(Self::NotBefore),
            "gt" => Some(Self::After),
            "le" => Some(Self::NotAfter),
            "lt" => Some(Self::Before),
            _ => None,
        }
    }
}

/// A value to compare with.
#[derive(Debug, PartialEq, Eq)]
pub enum Literal {
    /// Text, compared whatever the case, as directory objects are.
    Text(String),
    /// `true` or `false`.
    Bool(bool),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Text(String),
    Open,
    Close,
    Comma,
}

impl Filter {
    /// Reads a filter over these properties.
    ///
    /// # Errors
    ///
    /// If it is not understood, or about another property.
    pub fn parse(text: &str, properties: &[&str]) -> Result<Self, Refusal> {
        let tokens = tokens(text).ok_or_else(|| invalid(text))?;
        let mut parser = Parser { text, tokens: &tokens, properties };
        let filter = parser.either()?;
        if parser.tokens.is_empty() { Ok(filter) } else { Err(invalid(text)) }
    }

    /// Whether an object passes.
    #[must_use]
    pub fn admits(&self, object: &Value) -> bool {
        match self {
            Self::And(left, right) => left.admits(object) && right.admits(object),
            Self::Or(left, right) => left.admits(object) || right.admits(object),
            Self::Equals(property, Literal::Bool(expected)) => {
                found(object, property).as_bool() == Some(*expected)
            }
            Self::Equals(property, Literal::Text(expected)) => found(object, property)
                .as_str()
                .is_some_and(|value| value.to_lowercase() == expected.to_lowercase()),
            Self::OneOf(property, expected) => {
                found(object, property).as_str().is_some_and(|value| {
                    expected.iter().any(|one| value.to_lowercase() == one.to_lowercase())
                })
            }
            Self::Compares(property, order, with) => {
                let time = found(object, property).as_str();
                let time = time.and_then(|time| OffsetDateTime::parse(time, &Rfc3339).ok());
                time.is_some_and(|time| match order {
                    Order::NotBefore => time >= *with,
                    Order::After => time > *with,
                    Order::NotAfter => time <= *with,
                    Order::Before => time < *with,
                })
            }
            Self::StartsWith(property, start) => found(object, property)
                .as_str()
                .is_some_and(|value| value.to_lowercase().starts_with(&start.to_lowercase())),
        }
    }

    /// Whether every object that passes has one and the same value of this property.
    #[must_use]
    pub fn fixes(&self, property: &str) -> bool {
        match self {
            Self::Equals(of, _) => of == property,
            Self::And(left, right) => left.fixes(property) || right.fixes(property),
            Self::Or(..) | Self::StartsWith(..) | Self::OneOf(..) | Self::Compares(..) => false,
        }
    }

    /// The only text that this property can have in an object that passes.
    #[must_use]
    pub fn text_of(&self, property: &str) -> Option<&str> {
        match self {
            Self::Equals(of, Literal::Text(text)) if of == property => Some(text),
            Self::And(left, right) => left.text_of(property).or_else(|| right.text_of(property)),
            _ => None,
        }
    }

    /// The time that this property is not before in any object that passes.
    #[must_use]
    pub fn not_before(&self, property: &str) -> Option<OffsetDateTime> {
        match self {
            Self::Compares(of, Order::NotBefore | Order::After, time) if of == property => {
                Some(*time)
            }
            Self::And(left, right) => left.not_before(property).max(right.not_before(property)),
            _ => None,
        }
    }
}

/// A property of an object, or of what is in it: `initiatedBy/app/appId`.
fn found<'o>(object: &'o Value, property: &str) -> &'o Value {
    property.split('/').fold(object, |object, name| &object[name])
}

struct Parser<'a> {
    text: &'a str,
    tokens: &'a [Token],
    properties: &'a [&'a str],
}

impl Parser<'_> {
    fn either(&mut self) -> Result<Filter, Refusal> {
        let mut filter = self.both()?;
        while self.skip_word("or") {
            filter = Filter::Or(Box::new(filter), Box::new(self.both()?));
        }
        Ok(filter)
    }

    fn both(&mut self) -> Result<Filter, Refusal> {
        let mut filter = self.comparison()?;
        while self.skip_word("and") {
            filter = Filter::And(Box::new(filter), Box::new(self.comparison()?));
        }
        Ok(filter)
    }

    fn comparison(&mut self) -> Result<Filter, Refusal> {
        if self.skip(&Token::Open) {
            let filter = self.either()?;
            self.expect(&Token::Close)?;
            return Ok(filter);
        }
        if self.skip_word("startswith") {
            self.expect(&Token::Open)?;
            let property = self.property()?;
            self.expect(&Token::Comma)?;
            let Literal::Text(start) = self.literal()? else {
                return Err(invalid(self.text));
            };
            self.expect(&Token::Close)?;
            return Ok(Filter::StartsWith(property, start));
        }
        let property = self.property()?;
        if self.skip_word("eq") {
            return Ok(Filter::Equals(property, self.literal()?));
        }
        if self.skip_word("in") {
            return Ok(Filter::OneOf(property, self.texts()?));
        }
        let (Some(Token::Word(order)), Some(Token::Word(time))) = (self.next(), self.next()) else {
            return Err(invalid(self.text));
        };
        let time = OffsetDateTime::parse(&time, &Rfc3339).map_err(|_| invalid(self.text))?;
        let order = Order::named(&order).ok_or_else(|| invalid(self.text))?;
        Ok(Filter::Compares(property, order, time))
    }

    fn texts(&mut self) -> Result<Vec<String>, Refusal> {
        let mut texts = Vec::new();
        self.expect(&Token::Open)?;
        loop {
            let Literal::Text(text) = self.literal()? else {
                return Err(invalid(self.text));
            };
            texts.push(text);
            if !self.skip(&Token::Comma) {
                break;
            }
        }
        self.expect(&Token::Close)?;
        Ok(texts)
    }

    fn property(&mut self) -> Result<String, Refusal> {
        let Some(Token::Word(name)) = self.next() else {
            return Err(invalid(self.text));
        };
        self.properties
            .iter()
            .find(|property| property.eq_ignore_ascii_case(&name))
            .map(|property| (*property).to_owned())
            .ok_or_else(|| {
                Refusal::bad_query(format!(
                    "Unsupported or invalid query filter clause specified for property '{name}'."
                ))
            })
    }

    fn literal(&mut self) -> Result<Literal, Refusal> {
        match self.next() {
            Some(Token::Text(text)) => Ok(Literal::Text(text)),
            Some(Token::Word(word)) if word == "true" => Ok(Literal::Bool(true)),
            Some(Token::Word(word)) if word == "false" => Ok(Literal::Bool(false)),
            _ => Err(invalid(self.text)),
        }
    }

    fn next(&mut self) -> Option<Token> {
        let (first, rest) = self.tokens.split_first()?;
        self.tokens = rest;
        Some(first.clone())
    }

    fn skip(&mut self, token: &Token) -> bool {
        let is_next = self.tokens.first() == Some(token);
        if is_next {
            self.tokens = &self.tokens[1..];
        }
        is_next
    }

    fn skip_word(&mut self, word: &str) -> bool {
        let is_next = matches!(self.tokens.first(), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word));
        if is_next {
            self.tokens = &self.tokens[1..];
        }
        is_next
    }

    fn expect(&mut self, token: &Token) -> Result<(), Refusal> {
        if self.skip(token) { Ok(()) } else { Err(invalid(self.text)) }
    }
}

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(&next) = rest.peek() {
        match next {
            ' ' => {
                rest.next();
            }
            '(' | ')' | ',' => {
                rest.next();
                tokens.push(match next {
                    '(' => Token::Open,
                    ')' => Token::Close,
                    _ => Token::Comma,
                });
            }
            '\'' => {
                rest.next();
                let mut literal = String::new();
                loop {
                    match rest.next()? {
                        // A quote inside a literal is written twice.
                        '\'' if rest.next_if_eq(&'\'').is_some() => literal.push('\''),
                        '\'' => break,
                        character => literal.push(character),
                    }
                }
                tokens.push(Token::Text(literal));
            }
            _ => {
                let mut word = String::new();
                while let Some(character) = rest.next_if(|c| {
                    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '/' | '.' | ':')
                }) {
                    word.push(character);
                }
                if word.is_empty() {
                    return None;
                }
                tokens.push(Token::Word(word));
            }
        }
    }
    Some(tokens)
}

fn invalid(text: &str) -> Refusal {
    Refusal::bad_query(format!("Invalid filter clause: '{text}'."))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const PROPERTIES: &[&str] = &["displayName", "userPrincipalName", "accountEnabled"];

    #[test]
    fn a_quote_in_a_literal_is_written_twice() {
        let filter = Filter::parse("displayName eq 'Pat O''Brien'", PROPERTIES).unwrap();

        assert!(filter.admits(&json!({ "displayName": "pat o'brien" })));
    }

    #[test]
    fn and_binds_closer_than_or() {
        let filter = Filter::parse(
            "startswith(displayName,'A') or startswith(displayName,'B') and accountEnabled eq false",
            PROPERTIES,
        )
        .unwrap();

        assert!(filter.admits(&json!({ "displayName": "Ann", "accountEnabled": true })));
        assert!(!filter.admits(&json!({ "displayName": "Bob", "accountEnabled": true })));
    }

    #[test]
    fn times_are_compared_as_times_and_lists_by_their_members() {
        let properties = &["at", "by/app/id"];
        let filter =
            Filter::parse("at ge 2031-02-03T12:00:00Z and by/app/id in ('a','B')", properties)
                .unwrap();
        let admits =
            |at: &str, id: &str| filter.admits(&json!({ "at": at, "by": { "app": { "id": id } } }));

        assert!(admits("2031-02-03T14:00:00+02:00", "b"));
        assert!(!admits("2031-02-03T13:59:59+02:00", "b"));
        assert!(!admits("2031-02-03T12:00:00Z", "c"));
        let noon = time::macros::datetime!(2031-02-03 12:00 UTC);
        assert_eq!(filter.not_before("at"), Some(noon));
        for text in ["at ge '2031-02-03T12:00:00Z'", "at ge soon", "at in 'a'", "at in ()"] {
            assert!(Filter::parse(text, properties).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for text in [
            "",
            "displayName",
            "displayName eq",
            "displayName eq 'open",
            "displayName ne 'x'",
            "password eq 'x'",
            "displayName eq 'x' extra",
            "startswith(accountEnabled, true)",
            "displayName eq 'x' or",
            "(displayName eq 'x'",
        ] {
            assert!(Filter::parse(text, PROPERTIES).is_err(), "{text}");
        }
    }

    #[test]
    fn only_a_conjunction_fixes_a_property() {
        let fixed = |text| Filter::parse(text, PROPERTIES).unwrap().fixes("displayName");

        assert!(fixed("displayName eq 'x'"));
        assert!(fixed("accountEnabled eq true and displayName eq 'x'"));
        assert!(!fixed("accountEnabled eq true or displayName eq 'x'"));
        assert!(!fixed("startswith(displayName,'x')"));
    }
}
