//! Text of other people on a terminal: what somebody reads is what stands there.
//!
//! Such text can carry control characters, characters that nobody sees or that turn the
//! direction of writing, and spaces enough to push a line of its own making to where a terminal
//! wraps. None of that gets through. What a person wrote freely stands in quotes and is folded
//! here, before a terminal of 72 columns or more would do it: so every line of it begins with a
//! quote and none looks like a line of ours.

use std::fmt;

/// Columns of one line of folded text, without indentation and quotes.
const COLUMNS: usize = 60;

/// Columns of the labels of what is shown.
pub const LABEL: usize = 10;

/// The longest text that passes for one word, in bytes.
const WORD_BYTES: usize = 100;

/// The longest line of a secret, in bytes: longer than any that a directory or a worker makes.
const SECRET_LINE_BYTES: usize = 256;

/// Lines of the longest secret: an account's name and its password.
const SECRET_LINES: usize = 2;

/// In one line, without quotes: for words of the API's own.
#[derive(Clone, Copy, Debug)]
pub struct Plain<'a>(pub &'a str);

/// One word, as it is: a name of ours or an id. Whatever else it turns out to be is quoted.
#[derive(Clone, Copy, Debug)]
pub struct Word<'a>(pub &'a str);

/// Free text in quotes, in one line.
#[derive(Clone, Copy, Debug)]
pub struct Quoted<'a>(pub &'a str);

/// Free text in quotes, folded below a label.
#[derive(Clone, Copy, Debug)]
pub struct Folded<'a>(pub &'a str);

/// The beginning of free text in quotes; dots behind them if there is more.
#[derive(Clone, Copy, Debug)]
pub struct Begun<'a>(pub &'a str);

/// JSON that reads the same to a program and cannot steer a terminal.
#[derive(Clone, Copy, Debug)]
pub struct Json<'a>(pub &'a str);

impl fmt::Display for Plain<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        pieces(self.0).try_for_each(|piece| formatter.write_str(&piece.text))
    }
}

impl fmt::Display for Word<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_one = (1..=WORD_BYTES).contains(&self.0.len());
        if is_one && self.0.bytes().all(|byte| byte.is_ascii_graphic()) {
            // Padded, where a table is made of such words.
            formatter.pad(self.0)
        } else {
            Begun(self.0).fmt(formatter)
        }
    }
}

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: String = pieces(self.0).map(Piece::quoted).map(|piece| piece.text).collect();
        write!(formatter, "\"{text}\"")
    }
}

impl fmt::Display for Folded<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, line) in folded(self.0).iter().enumerate() {
            if index > 0 {
                write!(formatter, "\n{:LABEL$}", "")?;
            }
            write!(formatter, "\"{line}\"")?;
        }
        Ok(())
    }
}

impl fmt::Display for Begun<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines = folded(self.0);
        let more = if lines.len() > 1 { "..." } else { "" };
        write!(formatter, "\"{}\"{more}", lines.first().map_or("", String::as_str))
    }
}

impl fmt::Display for Json<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| {
            if !hides(c) {
                return write!(formatter, "{c}");
            }
            // Only strings have such characters, and there an escape means the same.
            let mut units = [0; 2];
            c.encode_utf16(&mut units)
                .iter()
                .try_for_each(|unit| write!(formatter, "\\u{unit:04x}"))
        })
    }
}

/// How many lines a secret has, if it can be printed exactly as it is and is nothing but a
/// secret. Whoever encrypts to a requester's key can write whatever they want.
#[must_use]
pub fn secret_lines(secret: &str) -> Option<usize> {
    let lines: Vec<&str> = secret.split('\n').collect();
    let plain = |line: &&str| {
        (1..=SECRET_LINE_BYTES).contains(&line.len())
            && pieces(line).zip(line.chars()).all(|(piece, c)| piece.is(c))
    };
    (lines.len() <= SECRET_LINES && lines.iter().all(plain)).then_some(lines.len())
}

/// One character as it is shown.
struct Piece {
    text: String,
    columns: usize,
}

impl Piece {
    fn escaped(c: char) -> Self {
        let text = c.escape_unicode().to_string();
        Self { columns: text.len(), text }
    }

    fn as_is(c: char) -> Self {
        // Some scripts take two columns for a character; one too many only folds early.
        Self { text: c.to_string(), columns: if c.is_ascii() { 1 } else { 2 } }
    }

    /// With what has a meaning between quotes made harmless.
    fn quoted(self) -> Self {
        match self.text.as_str() {
            "\"" | "\\" => Self { text: format!("\\{}", self.text), columns: 2 },
            _ => self,
        }
    }

    fn is(&self, c: char) -> bool {
        self.text.chars().eq([c])
    }
}

fn pieces(text: &str) -> impl Iterator<Item = Piece> {
    let mut before = None;
    text.chars().map(move |c| {
        // One space separates; more of them place something.
        let places = c == ' ' && before == Some(' ');
        before = Some(c);
        if places || hides(c) { Piece::escaped(c) } else { Piece::as_is(c) }
    })
}

/// At a space where there is one.
fn folded(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut line: Vec<Piece> = Vec::new();
    for piece in pieces(text).map(Piece::quoted) {
        while columns(&line) + piece.columns > COLUMNS {
            let space = line.iter().rposition(|piece| piece.is(' '));
            let rest = line.split_off(space.map_or(line.len(), |space| space + 1));
            lines.push(line);
            line = rest;
        }
        line.push(piece);
    }
    lines.push(line);
    lines.iter().map(|line| line.iter().map(|piece| piece.text.as_str()).collect()).collect()
}

fn columns(line: &[Piece]) -> usize {
    line.iter().map(|piece| piece.columns).sum()
}

/// Whether a character steers a terminal, turns the direction of writing, or is not seen where
/// it stands: controls, whitespace other than a space, what Unicode calls default ignorable
/// (`Default_Ignorable_Code_Point`), annotations, and the empty Braille pattern.
fn hides(c: char) -> bool {
    c.is_control()
        || (c.is_whitespace() && c != ' ')
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_peoples_text_cannot_steer_the_terminal() {
        let text = "paid\u{1b}[2K\r\nname \u{202e}gnp.exe\u{200b}\u{3000}— é";

        assert_eq!(
            Plain(text).to_string(),
            r"paid\u{1b}[2K\u{d}\u{a}name \u{202e}gnp.exe\u{200b}\u{3000}— é"
        );
        assert_eq!(
            Quoted(text).to_string(),
            r#""paid\u{1b}[2K\u{d}\u{a}name \u{202e}gnp.exe\u{200b}\u{3000}— é""#
        );
    }

    #[test]
    fn a_quote_does_not_end_what_is_quoted() {
        assert_eq!(Quoted(r#"a" \u{1b}"#).to_string(), r#""a\" \\u{1b}""#);
        assert_eq!(Folded(r#"a"b"#).to_string(), r#""a\"b""#);
    }

    #[test]
    fn padding_does_not_place_anything() {
        assert_eq!(Plain("a   b").to_string(), r"a \u{20}\u{20}b");
        assert_eq!(Quoted("a\u{a0}\u{2800}b").to_string(), r#""a\u{a0}\u{2800}b""#);
    }

    #[test]
    fn every_line_of_folded_text_begins_and_ends_with_a_quote() {
        let padded = format!("{}user      11111111-2222-4333-8444-555555555555", " ".repeat(70));
        let wide = "漢".repeat(100);
        let words = "a word and ".repeat(20);
        let escape = format!("a {}\u{e0041}", "x".repeat(57));

        for text in [padded, wide, words, escape, "x".repeat(1000), String::new()] {
            for (index, line) in Folded(&text).to_string().lines().enumerate() {
                let line = if index == 0 { line } else { line.strip_prefix("          ").unwrap() };
                let inner = line.strip_prefix('"').and_then(|line| line.strip_suffix('"')).unwrap();
                let columns: usize = inner.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum();
                assert!(columns <= COLUMNS, "{line}");
            }
        }
        let folded = Folded("she lost her laptop and called from the reception desk at nine");
        assert_eq!(
            folded.to_string(),
            "\"she lost her laptop and called from the reception desk at \"\n          \"nine\""
        );
    }

    #[test]
    fn nothing_is_lost_by_folding() {
        let text = "a word and another ".repeat(20);

        let joined: String = folded(&text).concat();

        assert_eq!(joined, text);
    }

    #[test]
    fn only_a_word_goes_without_quotes() {
        assert_eq!(Word("account.disable").to_string(), "account.disable");
        assert_eq!(Word("a b").to_string(), "\"a b\"");
        assert_eq!(Word("").to_string(), "\"\"");
        let long = "x".repeat(101);
        assert_eq!(Word(&long).to_string(), format!("\"{}\"...", "x".repeat(60)));
    }

    #[test]
    fn json_says_the_same_and_steers_nothing() {
        let text = "a\u{9b}2J\u{7f}\u{202e}\u{e0041}\n\"é";
        let json = serde_json::to_string(text).unwrap();

        let harmless = Json(&json).to_string();

        assert_eq!(harmless, r#""a\u009b2J\u007f\u202e\udb40\udc41\n\"é""#);
        assert_eq!(serde_json::from_str::<String>(&harmless).unwrap(), text);
    }

    #[test]
    fn a_secret_is_one_or_two_lines_of_visible_characters() {
        assert_eq!(secret_lines("Ab3!x y\\\"é"), Some(1));
        assert_eq!(secret_lines("admin\nAb3!"), Some(2));
        for trick in [
            "",
            "pass\n",
            "\npass",
            "a\nb\nc",
            "pass\r\nairlockctl: sign in again",
            "pass\u{1b}]0;x\u{7}",
            "pass\u{9b}2J",
            "pass\u{202e}x",
            "pass          airlockctl: sign in again",
        ] {
            assert_eq!(secret_lines(trick), None, "{trick:?}");
        }
        assert_eq!(secret_lines(&"x".repeat(257)), None);
    }
}
