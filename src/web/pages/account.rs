//! The page of one's account (UX 23): what is listed, and what can be ended. It does not know what an end means.

use askama::Template;
use uuid::Uuid;

use super::browser_name::browser_name;
use super::consent::{ConsentScope, Row};
use super::texts::Texts;
use super::view::View;
use super::{Chrome, Form, Message, Page, shown};

/// Lists sessions and applications.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    pub form: Form<'a>,
    pub message: Option<Message>,
    pub login_id: &'a str,
    /// Where the password is changed, and seconds since it last was; `None` for somebody without one.
    pub password: Option<(&'a str, i64)>,
    /// Where the second factor is turned on and off, and how many recovery codes are left if it is on; `None` for somebody who has
    /// no use for one.
    pub second_factor: Option<(&'a str, Option<usize>)>,
    /// Where passkeys are; `None` where there are none.
    pub passkeys: Option<&'a str>,
    /// How many of them there are.
    pub passkey_count: usize,
    pub sign_out: &'a str,
    pub sessions: &'a [ListedSession<'a>],
    /// Also those that are not in the list.
    pub has_other_sessions: bool,
    pub applications: &'a [ListedApplication<'a>],
    /// Of both kinds, how many are not in the lists, and where they are.
    pub left_out: (usize, &'a str),
}

/// A browser in which somebody is signed in.
#[derive(Clone, Copy, Debug)]
pub struct ListedSession<'a> {
    pub id: Uuid,
    pub is_this: bool,
    pub user_agent: &'a str,
    pub place: &'a str,
    /// Seconds since it began.
    pub began_for: i64,
    /// Seconds since it was used.
    pub used_for: i64,
}

/// An application that somebody let in.
#[derive(Clone, Copy, Debug)]
pub struct ListedApplication<'a> {
    pub id: Uuid,
    pub name: &'a str,
    pub devices: &'a [String],
    pub scopes: &'a [ConsentScope<'a>],
    /// Seconds since the person agreed.
    pub allowed_for: Option<i64>,
    /// Seconds since it used its access.
    pub used_for: Option<i64>,
    /// Seconds for which it can go on without the person.
    pub lasts_for: Option<i64>,
}

#[derive(Template)]
#[template(path = "account.html")]
struct Html<'a> {
    view: View<'a>,
    page: &'a Account<'a>,
    login_id: String,
    /// With the name of the browser and its place.
    sessions: Vec<(&'a ListedSession<'a>, String, String)>,
    applications: Vec<ShownApplication<'a>>,
}

struct ShownApplication<'a> {
    listed: &'a ListedApplication<'a>,
    name: String,
    devices: String,
    scopes: Vec<Row>,
}

impl<'a> ListedApplication<'a> {
    fn shown(&'a self, t: &Texts) -> ShownApplication<'a> {
        let name = Some(shown::name(self.name)).filter(|name| !name.is_empty());
        ShownApplication {
            listed: self,
            name: name.unwrap_or_else(|| t.unnamed.to_owned()),
            devices: self.devices.iter().map(|device| shown::name(device)).collect::<Vec<_>>().join(", "),
            scopes: self.scopes.iter().map(|scope| scope.row(t)).collect(),
        }
    }
}

impl Html<'_> {
    fn is_remembered(&self) -> bool {
        self.page.sessions.iter().any(|session| session.is_this)
    }

    fn count(&self, text: &str, count: &usize) -> String {
        text.replace("{count}", &count.to_string())
    }

    fn lasts(&self, seconds: &i64) -> String {
        self.view.t.account_lasts.replace("{length}", &self.view.length(*seconds))
    }
}

impl Page for Account<'_> {
    fn render(&self, chrome: &Chrome<'_>) -> String {
        let view = View::new(chrome);
        let named = |session: &'_ ListedSession<'_>| {
            browser_name(session.user_agent).unwrap_or_else(|| view.t.account_unknown_browser.to_owned())
        };
        let sessions =
            self.sessions.iter().map(|session| (session, named(session), shown::name(session.place))).collect();
        let applications = self.applications.iter().map(|listed| listed.shown(view.t)).collect();
        let html = Html { page: self, login_id: shown::line(self.login_id, 254), sessions, applications, view };
        html.render().unwrap_or_default()
    }
}

impl Account<'static> {
    pub fn sample() -> Self {
        const SESSIONS: [ListedSession<'static>; 3] = [
            ListedSession {
                id: Uuid::from_u128(1),
                is_this: true,
                user_agent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
                place: "203.0.113.7",
                began_for: 7 * 86_400,
                used_for: 20,
            },
            ListedSession {
                id: Uuid::from_u128(2),
                is_this: false,
                user_agent: "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) Version/18.5 Safari/604.1",
                place: "2001:db8:85a3:8d3:1319:8a2e:370:7348",
                began_for: 3 * 3600,
                used_for: 900,
            },
            ListedSession {
                id: Uuid::from_u128(3),
                is_this: false,
                user_agent: "",
                place: "",
                began_for: 86_400,
                used_for: 2 * 86_400,
            },
        ];
        const SCOPES: [ConsentScope<'static>; 3] = [
            ConsentScope { name: "openid", message: None, detail: None, required: true },
            ConsentScope { name: "orders:write", message: Some("Place orders for you"), detail: None, required: true },
            ConsentScope { name: "offline_access", message: None, detail: None, required: true },
        ];
        const APPLICATIONS: [ListedApplication<'static>; 2] = [
            ListedApplication {
                id: Uuid::from_u128(4),
                name: "Hooli Chat",
                devices: &[],
                scopes: &SCOPES,
                allowed_for: Some(20 * 86_400),
                used_for: Some(130),
                lasts_for: Some(70 * 86_400),
            },
            ListedApplication {
                id: Uuid::from_u128(5),
                name: "Living-room TV",
                devices: &[],
                scopes: &[],
                allowed_for: Some(86_400),
                used_for: None,
                lasts_for: None,
            },
        ];
        Self {
            form: Form { action: "/oauth2/account", fields: &[], ..Form::SAMPLE },
            message: Some(Message::SessionEnded),
            login_id: "richard@piedpiper.com",
            password: Some(("/oauth2/account?section=password", 40 * 86_400)),
            second_factor: Some(("/oauth2/account?section=second_factor", Some(7))),
            passkeys: Some("/oauth2/passkeys"),
            passkey_count: 2,
            sign_out: "/oauth2/logout",
            sessions: &SESSIONS,
            has_other_sessions: true,
            applications: &APPLICATIONS,
            left_out: (3, "/oauth2/account?show=all"),
        }
    }

    /// Of somebody who has nothing but this browser, and is not remembered even there.
    pub fn empty() -> Self {
        Self {
            message: None,
            second_factor: Some(("/oauth2/account?section=second_factor", None)),
            passkey_count: 0,
            sessions: &[],
            has_other_sessions: false,
            applications: &[],
            left_out: (0, ""),
            ..Self::sample()
        }
    }
}
