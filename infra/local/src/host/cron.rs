//! NCRONTAB: six fields, seconds first. A day must match day, month *and* weekday.

use anyhow::{Context as _, bail, ensure};
use time::{Date, Duration, OffsetDateTime, Time};

/// A schedule in UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cron {
    seconds: Field,
    minutes: Field,
    hours: Field,
    days: Field,
    months: Field,
    weekdays: Field,
}

/// The values that a field allows, one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Field(u64);

const MONTHS: [&str; 12] =
    ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

/// The calendar repeats after 400 years, but 40 hold every weekday of every 29 February
/// (a missed leap year at a century included).
const FAR_DAYS: u32 = 40 * 366;

impl Cron {
    /// Reads `second minute hour day month weekday`; without seconds, at second 0.
    ///
    /// # Errors
    ///
    /// If it is not that.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let mut fields: Vec<&str> = text.split_whitespace().collect();
        if fields.len() == 5 {
            fields.insert(0, "0");
        }
        let [seconds, minutes, hours, days, months, weekdays] = fields[..] else {
            bail!("{text:?} is no NCRONTAB expression of six fields");
        };
        Ok(Self {
            seconds: Field::parse(seconds, 0, 59, &[])?,
            minutes: Field::parse(minutes, 0, 59, &[])?,
            hours: Field::parse(hours, 0, 23, &[])?,
            days: Field::parse(days, 1, 31, &[])?,
            months: Field::parse(months, 1, 12, &MONTHS)?,
            weekdays: Field::parse(weekdays, 0, 6, &WEEKDAYS)?,
        })
    }

    /// The first occurrence after this time; none, if there is no such day.
    #[must_use]
    pub fn after(&self, from: OffsetDateTime) -> Option<OffsetDateTime> {
        let from = from.to_offset(time::UtcOffset::UTC).replace_nanosecond(0).ok()?;
        let from = from.checked_add(Duration::SECOND)?;
        let mut day = from.date();
        let mut earliest = from.time();
        for _ in 0..FAR_DAYS {
            if self.allows_day(day)
                && let Some(time) = self.in_day(earliest)
            {
                return Some(day.with_time(time).assume_utc());
            }
            day = day.next_day()?;
            earliest = Time::MIDNIGHT;
        }
        None
    }

    /// Whether two occurrences can follow each other in less than a minute.
    #[must_use]
    pub fn is_within_a_minute(&self) -> bool {
        self.seconds.0.count_ones() > 1
    }

    fn allows_day(&self, day: Date) -> bool {
        self.months.has(day.month().into())
            && self.days.has(day.day())
            && self.weekdays.has(day.weekday().number_days_from_sunday())
    }

    fn in_day(&self, from: Time) -> Option<Time> {
        for hour in self.hours.from(from.hour()) {
            let minute_from = if hour == from.hour() { from.minute() } else { 0 };
            for minute in self.minutes.from(minute_from) {
                let same = hour == from.hour() && minute == from.minute();
                let second_from = if same { from.second() } else { 0 };
                if let Some(second) = self.seconds.from(second_from).next() {
                    return Time::from_hms(hour, minute, second).ok();
                }
            }
        }
        None
    }
}

impl Field {
    fn parse(text: &str, least: u8, most: u8, names: &[&str]) -> anyhow::Result<Self> {
        let mut bits = 0;
        for item in text.split(',') {
            let (range, step) = match item.split_once('/') {
                Some((range, step)) => {
                    let step = step.parse::<u8>().with_context(|| format!("step in {item:?}"))?;
                    ensure!(step > 0, "a step of nothing in {item:?}");
                    (range, Some(step))
                }
                None => (item, None),
            };
            let value = |text: &str| -> anyhow::Result<u8> {
                let position = names.iter().position(|name| name.eq_ignore_ascii_case(text));
                let value = match position.map(u8::try_from) {
                    Some(place) => place? + least,
                    None => text.parse().with_context(|| format!("{text:?} in a schedule"))?,
                };
                ensure!((least..=most).contains(&value), "{value} is not in {least}-{most}");
                Ok(value)
            };
            let (from, to) = match (range, range.split_once('-')) {
                ("*", _) => (least, most),
                (_, Some((one, other))) => (value(one)?, value(other)?),
                // `n/step` runs from n to the end.
                (one, None) => (value(one)?, if step.is_some() { most } else { value(one)? }),
            };
            ensure!(from <= to, "{item:?} runs backwards");
            for allowed in (from..=to).step_by(step.unwrap_or(1).into()) {
                bits |= 1_u64 << allowed;
            }
        }
        Ok(Self(bits))
    }

    fn has(self, value: u8) -> bool {
        self.0 & (1 << value) != 0
    }

    fn from(self, least: u8) -> impl Iterator<Item = u8> {
        (least..64).filter(move |value| self.has(*value))
    }
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;

    fn next(schedule: &str, from: OffsetDateTime) -> Option<OffsetDateTime> {
        Cron::parse(schedule).unwrap().after(from)
    }

    #[test]
    fn the_next_occurrence_is_always_later() {
        let noon = datetime!(2024-10-24 12:00:00 UTC);

        assert_eq!(next("*/10 * * * * *", noon), Some(datetime!(2024-10-24 12:00:10 UTC)));
        assert_eq!(
            next("*/10 * * * * *", datetime!(2024-10-24 12:00:09.999 UTC)),
            Some(datetime!(2024-10-24 12:00:10 UTC))
        );
        assert_eq!(next("0 */5 * * * *", noon), Some(datetime!(2024-10-24 12:05 UTC)));
        assert_eq!(next("0 0 12 * * *", noon), Some(datetime!(2024-10-25 12:00 UTC)));
    }

    #[test]
    fn months_years_and_leap_days_roll_over() {
        let end = datetime!(2024-12-31 23:59:59 UTC);

        assert_eq!(next("0 0 0 1 * *", end), Some(datetime!(2025-01-01 0:00 UTC)));
        assert_eq!(next("0 0 0 29 FEB *", end), Some(datetime!(2028-02-29 0:00 UTC)));
        assert_eq!(next("0 0 0 29 2 SUN", end), Some(datetime!(2032-02-29 0:00 UTC)));
        assert_eq!(next("0 0 0 31 2 *", end), None);
    }

    #[test]
    fn day_and_weekday_must_both_match() {
        let start = datetime!(2024-10-24 12:00 UTC);

        assert_eq!(next("0 0 0 13 * Fri", start), Some(datetime!(2024-12-13 0:00 UTC)));
        assert_eq!(next("0 30 9 * * 1-5", start), Some(datetime!(2024-10-25 9:30 UTC)));
    }

    #[test]
    fn lists_ranges_and_steps_add_up() {
        let cron = Cron::parse("0,30 10-20/5 8/8 * jan,MAR *").unwrap();

        assert_eq!(cron.seconds, Field(1 | 1 << 30));
        assert_eq!(cron.minutes, Field(1 << 10 | 1 << 15 | 1 << 20));
        assert_eq!(cron.hours, Field(1 << 8 | 1 << 16));
        assert_eq!(cron.months, Field(1 << 1 | 1 << 3));
        assert_eq!(Cron::parse("*/5 * * * *").unwrap(), Cron::parse("0 */5 * * * *").unwrap());
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        for wrong in [
            "",
            "* * * *",
            "* * * * * * *",
            "60 * * * * *",
            "* * 24 * * *",
            "* * * 0 * *",
            "* * * * * 7",
            "*/0 * * * * *",
            "5-1 * * * * *",
            "a * * * * *",
            "00:00:10",
        ] {
            assert!(Cron::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn only_schedules_within_a_minute_lose_their_monitor() {
        assert!(Cron::parse("*/10 * * * * *").unwrap().is_within_a_minute());
        assert!(!Cron::parse("7 * * * * *").unwrap().is_within_a_minute());
    }
}
