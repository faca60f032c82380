//! Times as .NET writes them in a call.

use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

/// Latest time that .NET knows, to the second.
const END_OF_TIME_S: i64 = 253_402_300_799;

const SECONDS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
const TICKS: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:7]");

/// Milliseconds since 1970, now.
#[must_use]
pub fn now_ms() -> u64 {
    u64::try_from(OffsetDateTime::now_utc().unix_timestamp_nanos() / 1_000_000).unwrap_or(0)
}

/// A `DateTime` of binding data: whole seconds, and no sign that it is UTC.
#[must_use]
pub fn date_time(unix_ms: u64) -> String {
    formatted(at(unix_ms), SECONDS)
}

/// A `DateTimeOffset` of binding data: whole seconds.
#[must_use]
pub fn date_time_offset(unix_ms: u64) -> String {
    date_time(unix_ms) + "+00:00"
}

/// A UTC time to a tenth of a microsecond.
#[must_use]
pub fn ticks(time: OffsetDateTime) -> String {
    formatted(time, TICKS) + "Z"
}

/// The same, as the timer's local time: the machine of a Linux app is on UTC.
#[must_use]
pub fn local_ticks(time: OffsetDateTime) -> String {
    formatted(time, TICKS) + "+00:00"
}

fn at(unix_ms: u64) -> OffsetDateTime {
    let seconds = i64::try_from(unix_ms / 1_000).unwrap_or(END_OF_TIME_S).min(END_OF_TIME_S);
    OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH)
}

fn formatted(time: OffsetDateTime, format: &[BorrowedFormatItem<'_>]) -> String {
    let time = time.to_offset(time::UtcOffset::UTC);
    // Both formats name only parts that every time has.
    time.format(format).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    #[test]
    fn binding_data_loses_fractions_of_a_second() {
        let ms = 1_729_771_200_345;

        assert_eq!(date_time(ms), "2024-10-24T12:00:00");
        assert_eq!(date_time_offset(ms), "2024-10-24T12:00:00+00:00");
        assert_eq!(date_time(u64::MAX), "9999-12-31T23:59:59");
    }

    #[test]
    fn ticks_have_seven_digits() {
        let time = datetime!(2024-10-24 12:00:00.123_456_7 UTC);

        assert_eq!(ticks(time), "2024-10-24T12:00:00.1234567Z");
        assert_eq!(local_ticks(time), "2024-10-24T12:00:00.1234567+00:00");
    }
}
