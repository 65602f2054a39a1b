//! What the clock on the wall shows: `TZ`, else the machine's own time zone (RFC 9636, POSIX.1 8.3).
//!
//! Owns reading both forms, without the C library, whose functions read the environment behind everybody's back. A zone that
//! cannot be read is UTC.

use std::path::Path;

const LOCAL: &str = "/etc/localtime";
const ZONES: &str = "/usr/share/zoneinfo";
const DAY: i64 = 86_400;

/// Offsets from UTC, in seconds.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Zone {
    /// Since when which offset counts, in order.
    changes: Vec<(i64, i64)>,
    /// What counts after the last of them.
    rule: Rule,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Rule {
    offset: i64,
    summer: Option<Summer>,
}

#[derive(Debug, PartialEq, Eq)]
struct Summer {
    offset: i64,
    begins: Moment,
    ends: Moment,
}

/// An instant of every year, by the clock that counts before it.
#[derive(Debug, PartialEq, Eq)]
struct Moment {
    day: Day,
    second: i64,
}

#[derive(Debug, PartialEq, Eq)]
enum Day {
    /// From 1 to 365; there is no 29 February.
    Julian(i64),
    /// From 0.
    OfYear(i64),
    /// Month, week (5: the last one), day of the week from Sunday.
    OfMonth(i64, i64, i64),
}

impl Zone {
    pub(super) fn local() -> Self {
        let Ok(named) = std::env::var("TZ") else {
            return Self::of_file(Path::new(LOCAL)).unwrap_or_default();
        };
        let name = named.strip_prefix(':').unwrap_or(&named);
        if name.is_empty() {
            return Self::default();
        }
        // An absolute path replaces the folder.
        Self::of_file(&Path::new(ZONES).join(name)).or_else(|| Self::parse(name)).unwrap_or_default()
    }

    fn of_file(path: &Path) -> Option<Self> {
        Self::read(&std::fs::read(path).ok()?)
    }

    /// A rule in text, like `CET-1CEST,M3.5.0,M10.5.0/3`.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(Self { changes: Vec::new(), rule: rule(text)? })
    }

    /// RFC 9636 3: the block with 64-bit instants stands behind the one with 32-bit ones.
    fn read(file: &[u8]) -> Option<Self> {
        let old = Counts::read(file)?;
        let file = file.get(HEADER + old.length(4)..)?;
        let counts = Counts::read(file)?;
        let data = file.get(HEADER..)?;
        let (instants, rest) = data.split_at_checked(counts.times * 8)?;
        let (kinds, rest) = rest.split_at_checked(counts.times)?;
        let types = rest.get(..counts.types * 6)?;
        let offset = |kind: u8| {
            let at = usize::from(kind) * 6;
            Some(i64::from(i32::from_be_bytes(types.get(at..at + 4)?.try_into().ok()?)))
        };
        let instant = |bytes: &[u8]| bytes.try_into().ok().map(i64::from_be_bytes);
        let change = |(bytes, kind): (&[u8], &u8)| Some((instant(bytes)?, offset(*kind)?));
        let mut changes: Vec<(i64, i64)> = instants.chunks_exact(8).zip(kinds).map(change).collect::<Option<_>>()?;
        let footer = std::str::from_utf8(data.get(counts.length(8)..)?).ok()?.trim_matches('\n');
        // A zone without a rule stays as it was last.
        let last = changes.last().map_or_else(|| offset(0), |(_, offset)| Some(*offset))?;
        let rule = rule(footer).unwrap_or(Rule { offset: last, summer: None });
        // Before the first change the first kind counts.
        changes.insert(0, (i64::MIN, offset(0)?));
        Some(Self { changes, rule })
    }

    /// At this instant, in Unix seconds.
    pub(super) fn offset_at(&self, at: i64) -> i64 {
        let next = self.changes.partition_point(|(since, _)| *since <= at);
        match next.checked_sub(1).and_then(|index| self.changes.get(index)) {
            Some((_, offset)) if next < self.changes.len() => *offset,
            Some(_) | None => self.rule.offset_at(at),
        }
    }
}

impl Rule {
    fn offset_at(&self, at: i64) -> i64 {
        let Some(summer) = &self.summer else { return self.offset };
        let year = year_of((at + self.offset).div_euclid(DAY));
        let begins = summer.begins.in_year(year) - self.offset;
        let ends = summer.ends.in_year(year) - summer.offset;
        // In the south it lasts over the turn of the year.
        let is_summer = if begins < ends { begins <= at && at < ends } else { at < ends || begins <= at };
        if is_summer { summer.offset } else { self.offset }
    }
}

impl Moment {
    /// In seconds since 1970, by the clock on the wall.
    fn in_year(&self, year: i64) -> i64 {
        let first = days(year, 1);
        let is_leap = days(year + 1, 1) - first == 366;
        let day = match self.day {
            Day::Julian(day) => first + day - 1 + i64::from(is_leap && day >= 60),
            Day::OfYear(day) => first + day,
            Day::OfMonth(month, week, weekday) => {
                let first = days(year, month);
                let next = if month == 12 { days(year + 1, 1) } else { days(year, month + 1) };
                // 1 January 1970 was a Thursday.
                let day = first + (weekday - (first + 4)).rem_euclid(7) + (week - 1) * 7;
                if day >= next { day - 7 } else { day }
            }
        };
        day * DAY + self.second
    }
}

/// Days from 1 January 1970 to the first of a month (Howard Hinnant, `days_from_civil`).
fn days(year: i64, month: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, month) = (year.div_euclid(400), (month + 9) % 12);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * month + 2) / 5;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

fn year_of(day: i64) -> i64 {
    let guess = 1970 + day.div_euclid(366);
    (guess..).find(|year| days(year + 1, 1) > day).unwrap_or(guess)
}

/// Bytes before the data.
const HEADER: usize = 44;

/// How many there are of each.
struct Counts {
    universal: usize,
    standard: usize,
    leaps: usize,
    times: usize,
    types: usize,
    characters: usize,
}

impl Counts {
    fn read(file: &[u8]) -> Option<Self> {
        let header = file.get(..HEADER).filter(|header| header.starts_with(b"TZif"))?;
        let count = |index: usize| {
            let at = 20 + index * 4;
            // More than a file has is no count, and nothing overflows.
            let count = u32::from_be_bytes(header.get(at..at + 4)?.try_into().ok()?);
            usize::try_from(count).ok().filter(|count| *count <= file.len())
        };
        Some(Self {
            universal: count(0)?,
            standard: count(1)?,
            leaps: count(2)?,
            times: count(3)?,
            types: count(4)?,
            characters: count(5)?,
        })
    }

    /// Of the data, whose instants have so many bytes.
    fn length(&self, instant: usize) -> usize {
        self.times * (instant + 1)
            + self.types * 6
            + self.characters
            + self.leaps * (instant + 4)
            + self.standard
            + self.universal
    }
}

fn rule(text: &str) -> Option<Rule> {
    let text = name(text)?;
    let (west, text) = clock(text)?;
    let offset = -west;
    if text.is_empty() {
        return Some(Rule { offset, summer: None });
    }
    let text = name(text)?;
    let (summer_offset, text) = match text.starts_with(',') || text.is_empty() {
        true => (offset + 3600, text),
        false => clock(text).map(|(west, text)| (-west, text))?,
    };
    // What counts where nothing is said: that of the United States.
    let text = if text.is_empty() { ",M3.2.0,M11.1.0" } else { text };
    let (begins, ends) = text.strip_prefix(',')?.split_once(',')?;
    let summer = Summer { offset: summer_offset, begins: moment(begins)?, ends: moment(ends)? };
    Some(Rule { offset, summer: Some(summer) })
}

/// What follows the name of a zone.
fn name(text: &str) -> Option<&str> {
    match text.strip_prefix('<') {
        Some(quoted) => quoted.split_once('>').map(|(_, rest)| rest),
        None => Some(text.trim_start_matches(|c: char| c.is_ascii_alphabetic())).filter(|rest| rest.len() < text.len()),
    }
}

/// `[+-]h[:m[:s]]` in seconds, and what follows it.
fn clock(text: &str) -> Option<(i64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit() && !"+-:".contains(c)).unwrap_or(text.len());
    let (clock, rest) = text.split_at(end);
    let sign = if clock.starts_with('-') { -1 } else { 1 };
    let mut units = [3600, 60, 1].into_iter();
    let mut seconds = 0;
    for part in clock.trim_start_matches(['+', '-']).split(':') {
        let count: i64 = part.parse().ok().filter(|count| (0..=167).contains(count))?;
        seconds += count * units.next()?;
    }
    Some((sign * seconds, rest))
}

fn moment(text: &str) -> Option<Moment> {
    let (day, second) = match text.split_once('/') {
        Some((day, at)) => (day, clock(at).filter(|(_, rest)| rest.is_empty())?.0),
        None => (text, 2 * 3600),
    };
    let number = |text: &str, first: i64, last: i64| text.parse().ok().filter(|own| (first..=last).contains(own));
    let day = if let Some(day) = day.strip_prefix('J') {
        Day::Julian(number(day, 1, 365)?)
    } else if let Some(day) = day.strip_prefix('M') {
        let mut parts = day.split('.');
        let mut next = |first, last| number(parts.next()?, first, last);
        let day = Day::OfMonth(next(1, 12)?, next(1, 5)?, next(0, 6)?);
        parts.next().is_none().then_some(day)?
    } else {
        Day::OfYear(number(day, 0, 365)?)
    };
    Some(Moment { day, second })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(rule: &str, at: &str) -> i64 {
        let at = humantime::parse_rfc3339(at).unwrap().duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap();
        Zone::parse(rule).unwrap().offset_at(at.as_secs() as i64)
    }

    // POSIX.1 8.3
    #[test]
    fn rules_have_summers() {
        let berlin = "CET-1CEST,M3.5.0,M10.5.0/3";
        for (rule, at, expected) in [
            ("UTC0", "2026-11-21T20:05:45Z", 0),
            ("IST-5:30", "2026-11-21T20:05:45Z", 19_800),
            ("<-03>3", "2026-11-21T20:05:45Z", -10_800),
            (berlin, "2026-03-29T00:59:59Z", 3600),
            (berlin, "2026-03-29T01:00:00Z", 7200),
            (berlin, "2026-10-25T00:59:59Z", 7200),
            (berlin, "2026-10-25T01:00:00Z", 3600),
            (berlin, "2026-12-31T23:30:00Z", 3600),
            ("EST5EDT", "2026-07-01T00:00:00Z", -14_400),
            ("AEST-10AEDT,M10.1.0,M4.1.0/3", "2027-01-01T00:00:00Z", 39_600),
            ("AEST-10AEDT,M10.1.0,M4.1.0/3", "2027-07-01T00:00:00Z", 36_000),
            ("X0Y,J60/0,J61/0", "2028-03-01T12:00:00Z", 3600),
            ("X0Y,59/0,60/0", "2028-02-29T12:00:00Z", 3600),
        ] {
            assert_eq!(offset(rule, at), expected, "{rule} {at}");
        }
        for wrong in ["", "UTC", "/etc", "CET-1CEST,M13.1.0,M1.1.0", "CET-1CEST,M3.5.0", "CET-x", "<a"] {
            assert_eq!(Zone::parse(wrong), None, "{wrong}");
        }
    }

    // RFC 9636 3
    #[test]
    fn files_say_what_was_and_what_will_be() {
        let block = |instants: &[i64], kinds: &[u8], offsets: &[i32]| {
            let mut block = b"TZif2".to_vec();
            block.extend([0; 15]);
            for count in [0, 0, 0, instants.len(), offsets.len(), 4] {
                block.extend((count as u32).to_be_bytes());
            }
            block.extend(instants.iter().flat_map(|at| at.to_be_bytes()));
            block.extend(kinds);
            block.extend(offsets.iter().flat_map(|offset| [&offset.to_be_bytes()[..], &[0, 0]].concat()));
            block.extend(b"ABC\0");
            block
        };
        let file = |footer: &str| {
            [block(&[], &[], &[0]), block(&[100, 200], &[1, 2], &[60, 3600, 7200]), footer.into()].concat()
        };
        let zone = Zone::read(&file("\nX-3\n")).unwrap();
        assert_eq!([99, 100, 199, 200, 1_000_000].map(|at| zone.offset_at(at)), [60, 3600, 3600, 10_800, 10_800]);
        assert_eq!(Zone::read(&file("\n\n")).unwrap().offset_at(300), 7200, "as it was last");
        let whole = file("\nX-3\n");
        for length in 0..whole.len() - 5 {
            assert_eq!(Zone::read(&whole[..length]), None, "{length}");
        }
    }
}
