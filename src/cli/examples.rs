//! What help shows as examples, where a command's own words do not: two for each. Tests run those that need only a store.

use clap::Command;

/// The words of a command, and lines that could be typed.
pub type Example = (&'static str, [&'static str; 2]);

/// They build on each other: what is deleted was made before.
pub const EXAMPLES: &[Example] = &[
    (
        "token get",
        [
            "FAREGATE_CLIENT_SECRET=... faregate token get --client-id reporting --scope target-entity:orders:read",
            "FAREGATE_CLIENT_SECRET=... faregate token get --client-id reporting --format json",
        ],
    ),
    (
        "token code",
        [
            "faregate token code --client-id web --scope openid --scope offline_access",
            "faregate token code --url https://gate.example.com --client-id web --keep web.token",
        ],
    ),
    (
        "token device",
        [
            "faregate token device --client-id tv --scope offline_access --keep tv.token",
            "faregate token device --url https://gate.example.com --client-id tv --format json",
        ],
    ),
    (
        "token password",
        [
            "faregate token password --client-id web --login-id ada@example.com < password.txt",
            "faregate token password --client-id web --login-id ada@example.com --format json",
        ],
    ),
    (
        "token refresh",
        [
            "faregate token refresh --client-id tv --keep tv.token",
            "faregate token refresh --client-id tv --format json < tv.token",
        ],
    ),
    (
        "token exchange",
        [
            "FAREGATE_CLIENT_SECRET=... faregate token exchange --client-id reporting --audience orders --permission read < token.txt",
            "FAREGATE_CLIENT_SECRET=... faregate token exchange --client-id reporting --audience orders --format json < token.txt",
        ],
    ),
    ("key list", ["faregate key list", "faregate key list --format json"]),
    ("key rotate", ["faregate key rotate", "faregate key rotate --tenant default --purpose access_token"]),
    (
        "tenant create",
        [
            "faregate tenant create partners",
            "faregate tenant create acme --profile fusionauth --issuer https://acme.example.com",
        ],
    ),
    ("tenant list", ["faregate tenant list", "faregate tenant list --format json"]),
    (
        "entity-type create",
        [
            "faregate entity-type create api --permission read --permission write",
            "faregate entity-type create service --access-token-for 300",
        ],
    ),
    ("entity-type allow", ["faregate entity-type allow api archive", "faregate entity-type allow service send"]),
    ("entity-type list", ["faregate entity-type list", "faregate entity-type list --format json"]),
    (
        "entity create",
        [
            "faregate entity create orders --type api",
            "faregate entity create reporting --type service --client-id reporting",
        ],
    ),
    ("entity list", ["faregate entity list", "faregate entity list --tenant default --format json"]),
    (
        "entity regenerate-secret",
        ["faregate entity regenerate-secret orders", "faregate entity regenerate-secret reporting --keep-old 3600"],
    ),
    (
        "grant set",
        [
            "faregate grant set reporting orders --permission read",
            "faregate grant set orders reporting --permission send",
        ],
    ),
    ("grant list", ["faregate grant list", "faregate grant list --format json"]),
    (
        "application create",
        [
            "faregate application create shop --redirect-uri https://shop.example/callback --role admin",
            "faregate application create spa --public --redirect-uri http://127.0.0.1:9999/callback",
        ],
    ),
    (
        "application update",
        [
            "faregate application update shop --relationship ThirdParty --require-registration true",
            "faregate application update spa --origin https://spa.example.com",
        ],
    ),
    ("application list", ["faregate application list", "faregate application list --tenant default --format json"]),
    ("application show", ["faregate application show shop", "faregate application show spa --format json"]),
    (
        "application regenerate-secret",
        ["faregate application regenerate-secret shop", "faregate application regenerate-secret shop --keep-old 3600"],
    ),
    (
        "user create",
        [
            "faregate user create ann@example.com --name \"Ann Lee\" --registration shop:admin",
            "faregate user create bob --password --mine < password.txt",
        ],
    ),
    ("user list", ["faregate user list", "faregate user list --limit 10 --format json"]),
    ("user show", ["faregate user show ann@example.com", "faregate user show bob --format json"]),
    (
        "user set-password",
        ["faregate user set-password ann@example.com", "faregate user set-password bob < password.txt"],
    ),
    ("user roles", ["faregate user roles bob shop --role admin", "faregate user roles bob shop --unregister"]),
    ("user totp", ["faregate user totp bob", "faregate user totp bob --recovery-codes"]),
    ("user passkeys", ["faregate user passkeys bob", "faregate user passkeys ann@example.com --format json"]),
    ("user access", ["faregate user access bob", "faregate user access ann@example.com --format json"]),
    ("user revoke", ["faregate user revoke bob", "faregate user revoke ann@example.com --tenant default"]),
    ("user lock", ["faregate user lock bob", "faregate user lock ann@example.com"]),
    ("user unlock", ["faregate user unlock bob", "faregate user unlock ann@example.com"]),
    (
        "api-key create",
        ["faregate api-key create terraform", "faregate api-key create metrics --allow /api/user=GET --tenant default"],
    ),
    ("api-key list", ["faregate api-key list", "faregate api-key list --format json"]),
    (
        "api-key delete",
        [
            "faregate api-key delete 3b1c5a0e-5f2d-4a68-9c1e-7d2b8f4a6c90",
            "faregate api-key delete 3b1c5a0e-5f2d-4a68-9c1e-7d2b8f4a6c90 --format json",
        ],
    ),
    ("grant delete", ["faregate grant delete reporting orders", "faregate grant delete orders reporting"]),
    ("entity delete", ["faregate entity delete orders", "faregate entity delete reporting --tenant default"]),
    ("entity-type delete", ["faregate entity-type delete api", "faregate entity-type delete service"]),
    ("application delete", ["faregate application delete spa", "faregate application delete shop --tenant default"]),
    ("user delete", ["faregate user delete bob", "faregate user delete ann@example.com"]),
    ("tenant delete", ["faregate tenant delete partners", "faregate tenant delete acme --with-everything"]),
];

/// The command with its examples, and so on down.
pub fn attached(command: Command) -> Command {
    attached_below(command, "")
}

fn attached_below(command: Command, path: &str) -> Command {
    let examples = EXAMPLES.iter().find(|(of, _)| *of == path);
    let own = command.get_after_help().map(|text| format!("{text}\n")).unwrap_or_default();
    let command = match examples {
        Some((_, [first, second])) => command.after_help(format!("{own}Examples:\n  {first}\n  {second}")),
        None => command,
    };
    command.mut_subcommands(|below| {
        let path = [path, below.get_name()].join(" ");
        attached_below(below, path.trim_start())
    })
}
