//! Circles: a client that sends the browser back to us as soon as it gets there, because it cannot keep its own login
//! (UX 21). After three rounds in a minute a person is told instead of their browser spinning.
//!
//! Owns the count, in a cookie: it is advice to the person whose browser it is, so nobody else gains from changing it.

use axum::http::HeaderMap;

use crate::clock::UnixSeconds;

const MOST: u32 = 3;
const WINDOW_FOR: i64 = 60;

/// How often the browser was sent on to one client without anybody doing anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Rounds {
    number: u32,
    since_at: UnixSeconds,
    client: String,
}

impl Rounds {
    /// What the cookie says of `client`, if that is still of this minute; none otherwise.
    pub(super) fn read(cookie: Option<&str>, client: &str, now: UnixSeconds) -> Self {
        let parse = |cookie: &str| {
            let (number, rest) = cookie.split_once('.')?;
            let (since_at, client) = rest.split_once('.')?;
            Some(Self { number: number.parse().ok()?, since_at: since_at.parse().ok()?, client: client.to_owned() })
        };
        let known = cookie.and_then(parse).filter(|known| {
            known.client == client && (known.since_at..known.since_at.saturating_add(WINDOW_FOR)).contains(&now)
        });
        known.unwrap_or(Self { number: 0, since_at: now, client: client.to_owned() })
    }

    pub(super) fn is_circle(&self) -> bool {
        self.number >= MOST
    }

    /// The cookie after one more.
    pub(super) fn next(&self) -> String {
        format!("{}.{}.{}", self.number + 1, self.since_at, self.client)
    }
}

/// Whether the browser says that it goes from page to page by itself. Programs do not say, and are not counted.
pub(super) fn is_automatic(headers: &HeaderMap) -> bool {
    let is = |name, value: &str| headers.get(name).is_some_and(|found| found == value);
    is("sec-fetch-mode", "navigate") && is("sec-fetch-dest", "document") && !headers.contains_key("sec-fetch-user")
}

/// The client that the query names, as it is written there, in characters that a cookie can have.
pub(super) fn client(query: &str) -> String {
    let id = query.split('&').find_map(|pair| pair.strip_prefix("client_id=")).unwrap_or_default();
    id.chars().filter(|character| character.is_ascii_alphanumeric() || "-_%".contains(*character)).take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    // UX 21
    #[test]
    fn three_rounds_in_a_minute_to_one_client_are_a_circle() {
        let mut rounds = Rounds::read(None, "a", 100);
        for _ in 0..3 {
            assert!(!rounds.is_circle());
            rounds = Rounds::read(Some(&rounds.next()), "a", 110);
        }
        assert!(rounds.is_circle());
        let cookie = rounds.next();
        assert!(Rounds::read(Some(&cookie), "a", 159).is_circle());
        for (cookie, client, now) in [(&*cookie, "b", 110), (&*cookie, "a", 160), ("x", "a", 110), ("9.x.a", "a", 110)]
        {
            assert!(!Rounds::read(Some(cookie), client, now).is_circle(), "{cookie} {client} {now}");
        }
    }

    #[test]
    fn a_client_in_a_cookie_is_plain() {
        assert_eq!(client("a=1&client_id=x-1%20;y&b=2"), "x-1%20y");
        assert_eq!(client("a=1"), "");
    }
}
