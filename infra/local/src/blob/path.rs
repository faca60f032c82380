//! Container and blob in a request's path.

/// What a path names.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path {
    pub(super) container: String,
    /// Decoded, because SDKs send a slash in a blob's name as `%2F`.
    pub(super) blob: Option<String>,
}

impl Path {
    /// Reads `/container` or `/container/blob`; `None` if neither is named or the name is none.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        let (container, blob) = path.split_once('/').unwrap_or((path, ""));
        if container.is_empty() {
            return None;
        }
        let blob = match blob {
            "" => None,
            blob => Some(decoded(blob)?),
        };
        Some(Self { container: container.to_owned(), blob })
    }
}

/// Percent-decoded text; `None` for what is no UTF-8, too long, or could not be listed as XML.
fn decoded(text: &str) -> Option<String> {
    /// Characters that Azure allows in a blob's name.
    const LIMIT_CHARS: usize = 1024;

    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(if byte == b'%' { hex(rest.next()?)? << 4 | hex(rest.next()?)? } else { byte });
    }
    let name = String::from_utf8(bytes).ok()?;
    let listable = !name.chars().any(|it| it.is_control() || matches!(it, '\u{fffe}' | '\u{ffff}'));
    (listable && name.chars().count() <= LIMIT_CHARS).then_some(name)
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_in_a_blobs_name_may_be_encoded_or_not() {
        let named = |path| Path::parse(path).and_then(|path| path.blob);

        assert_eq!(named("/claims/tenant/digest").as_deref(), Some("tenant/digest"));
        assert_eq!(named("/claims/tenant%2Fdigest").as_deref(), Some("tenant/digest"));
        assert_eq!(named("/claims/a%20b+c").as_deref(), Some("a b+c"));
        assert_eq!(named("/claims"), None);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for path in ["/", "//blob", "/claims/%", "/claims/%zz", "/claims/%ff", "/claims/%00"] {
            assert_eq!(Path::parse(path), None, "{path}");
        }
    }
}
