use super::*;

/// Markup, an attribute's end, and a mark that turns the direction.
const HOSTILE: &str = "\"><script>alert('x')</script><b>\u{202e}&amp;";

fn hostile() -> Dashboard {
    let text = || HOSTILE.to_owned();
    let figure = || Figure::new(1234, "faregate_decisions_total", &[("route=", HOSTILE)]);
    Dashboard {
        source: text(),
        hash: text(),
        listener: text(),
        last_reload: Some(LastReload { is_applied: false, at: text(), said: text() }),
        connections: figure(),
        traffic: vec![Traffic {
            route: text(),
            answers: figure(),
            classes: std::array::from_fn(|_| figure()),
            durations: Distribution { count: 2, sum: 0.003, ..Distribution::default() },
        }],
        more_routes: 3,
        decisions: vec![Decisions {
            decision: text(),
            reason: text(),
            meaning: text(),
            requests: figure(),
            most_at: text(),
        }],
        refusals: vec![Refusal {
            time: text(),
            request_id: text(),
            method: text(),
            route: text(),
            decision: text(),
            reason: text(),
            status: text(),
        }],
        upstreams: vec![UpstreamHealth {
            name: text(),
            requests: figure(),
            durations: Distribution::default(),
            failed: figure(),
            in_flight: figure(),
            waiting: figure(),
            servers: vec![ServerHealth {
                address: text(),
                is_healthy: false,
                state: text(),
                circuit: text(),
                in_flight: figure(),
            }],
        }],
        issuers: vec![IssuerHealth { issuer: text(), keys: text(), age: Some(61), circuit: text(), problem: text() }],
        keys: vec![KeyOrCertificate { what: text(), of: text(), state: text() }],
        ..Dashboard::default()
    }
}

fn html(page: &dyn Page) -> String {
    let theme = Theme::default();
    page.render(&Chrome {
        language: Language::English,
        theme: &theme,
        tenant_name: "Faregate",
        here: None,
        is_https: false,
    })
}

fn denied(reason: &str, rule: &str) -> Decision {
    let verdict = "deny".to_owned();
    Decision {
        reason: reason.to_owned(),
        rule: rule.to_owned(),
        route: "/a/**".to_owned(),
        verdict,
        ..Decision::default()
    }
}

// UX 24, K11: whatever names, rules and problems are made of, they are text
#[test]
fn nothing_that_is_shown_is_markup() {
    let explained = Explained {
        code: HOSTILE.to_owned(),
        meaning: HOSTILE.to_owned(),
        who: HOSTILE.to_owned(),
        causes: vec![format!("`{HOSTILE}`")],
        checks: vec![HOSTILE.to_owned()],
        fix: HOSTILE.to_owned(),
        ..Explained::default()
    };
    let decision = Decision {
        request_id: HOSTILE.to_owned(),
        client_id: HOSTILE.to_owned(),
        issuer: HOSTILE.to_owned(),
        place: HOSTILE.to_owned(),
        explained: Some(explained.clone()),
        ..denied("missing_scope", HOSTILE)
    };
    let decision = DecisionPage { decision: Some(decision), ..DecisionPage::default() };
    let pages: [(&str, &dyn Page, usize); 3] = [
        ("dashboard", &hostile(), 1),
        ("decision", &decision, 0),
        ("reason", &ReasonPage { explained: Some(explained) }, 0),
    ];
    for (name, page, scripts) in pages {
        let html = html(page);
        assert!(html.trim_end().ends_with("</html>") && html.contains("alert("), "{name}: {html}");
        assert_eq!(html.matches("<script").count(), scripts, "{name}: {html}");
        assert!(!html.contains("<b>") && !html.contains("alert('"), "{name}: {html}");
        for once in ["<h1>", "<main", "<title>", "rel=\"stylesheet\"", "<html lang=\"en\""] {
            assert_eq!(html.matches(once).count(), 1, "{name}: {once}");
        }
        assert!(!html.contains(" style=") && !html.contains("http-equiv"), "{name}: {html}");
    }
}

// UX 24: tables that a reader of the screen can follow
#[test]
fn every_table_has_a_caption_and_every_heading_a_scope() {
    let html = html(&hostile());
    let tables = html.matches("<table>").count();
    assert_eq!(tables, 6);
    for each in ["<caption id=", "role=\"region\"", "tabindex=\"0\"", "<tbody>"] {
        assert_eq!(html.matches(each).count(), tables, "{each}");
    }
    assert_eq!(html.matches("<th").count(), html.matches("<th scope=").count() + html.matches("<thead").count());
    assert!(html.contains(">1,234</data>") && html.contains("3 more in"), "{html}");
    assert!(html.contains("<td>1.5 ms</td>") && html.contains("1 min 1 s"), "{html}");
}

// UX 9: the way to a permit is said where it is known
#[test]
fn what_would_pass_is_said_of_rules_only() {
    assert_eq!(denied("missing_scope", "scope a").would_pass(), Some("scope a"));
    assert_eq!(denied("denied", "not: role banned").would_pass(), None);
    assert_eq!(denied("rate_limited", "scope a").would_pass(), None);
    assert_eq!(denied("no_token", "").would_pass(), None);
    let permit = Decision { verdict: "permit".to_owned(), ..denied("", "scope a") };
    assert_eq!((permit.would_pass(), permit.title().as_str()), (None, "Permitted"));
    assert!(permit.checks().iter().all(|(is_good, _)| *is_good), "{:?}", permit.checks());
    let observed = Decision { verdict: "observe".to_owned(), ..denied("missing_scope", "scope a") };
    assert_eq!(observed.would_pass(), Some("scope a"));
    assert!(observed.title().ends_with("only observes; else refused: missing_scope"));
}

// UX 24: how far back, in words
#[test]
fn what_is_remembered_is_told() {
    let text = |decisions, oldest_ago, has_permits| Memory { decisions, oldest_ago, has_permits }.text();
    assert!(text(0, None, false).starts_with("This gateway remembers no decision yet. Permits are remembered where"));
    assert!(text(1, Some(90), true).ends_with("one decision, of 1 min 30 s ago. Permits are among them."));
    assert!(text(7, Some(3600), false).contains("7 decisions, the oldest of 1 h ago."));
}

// Codes of what the texts quote are set apart, and a lone backtick is harmless.
#[test]
fn backticks_become_code() {
    let explained = Explained::default();
    assert_eq!(explained.marked("use `a<b`, then `c`."), "use <code>a&lt;b</code>, then <code>c</code>.");
    assert_eq!(explained.marked("a `b"), "a <code>b</code>");
}
