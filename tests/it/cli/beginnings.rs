//! What is typed before there is anything: a first configuration, a hash for it, completions and manual pages.

use serde_json::json;

use super::{Run, Site};
use crate::support::database::Folder;
use crate::support::process::{Gateway, faregate};

fn run(folder: &Folder, arguments: &[&str]) -> Run {
    Run::of(&mut faregate(folder.path(), arguments))
}

fn replaced(folder: &Folder, changes: &[(&str, &str)]) {
    let file = folder.file("faregate.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    let changed = changes.iter().fold(text, |text, (from, to)| {
        assert!(text.contains(from), "{from}: {text}");
        text.replace(from, to)
    });
    std::fs::write(file, changed).unwrap();
}

// UX 2: it is short, passes the strict check as it is, and is never written over.
#[test]
fn a_first_configuration_can_be_used_as_it_is() {
    for arguments in [
        &["init"][..],
        &["init", "--upstream", "http://127.0.0.1:3000"],
        &["init", "--issuer", "https://idp.example.com", "--audience", "an api: ${HOME} \"#"],
    ] {
        let folder = Folder::new();
        let made = run(&folder, arguments);
        assert_eq!((made.code, made.stdout.as_str()), (0, "faregate.yaml\n"), "{made:?}");
        let text = std::fs::read_to_string(folder.file("faregate.yaml")).unwrap();
        assert!(text.lines().count() <= 60 && text.starts_with("# "), "{text}");
        let checked = run(&folder, &["check", "--strict"]);
        assert_eq!(checked.code, 0, "{checked:?}\n{text}");
        assert!(checked.stdout.contains("3 tests passed"), "{}", checked.stdout);
        let again = run(&folder, &["init"]);
        assert_eq!((again.code, again.stderr.contains("faregate.yaml is there already")), (1, true), "{again:?}");
        assert_eq!(std::fs::read_to_string(folder.file("faregate.yaml")).unwrap(), text);
    }
    let folder = Folder::new();
    for wrong in [&["init", "--upstream", "nowhere at all"][..], &["init", "--issuer", "https://idp.example.com"]] {
        let refused = run(&folder, wrong);
        assert_eq!(refused.code, 2, "{refused:?}");
        assert!(!folder.file("faregate.yaml").exists());
    }
    // The file that a line would be of does not exist, so the option is named, and what to write.
    for (arguments, needed) in [
        (&["--upstream", "foo"][..], "--upstream: \"foo\" is not a URL"),
        (&["--upstream", "ftp://127.0.0.1:3000"], "--upstream: \"ftp://127.0.0.1:3000\""),
        (&["--upstream", "builtin:nope"], "--upstream: unknown upstream \"builtin:nope\""),
        (&["--issuer", "foo", "--audience", "api"], "--issuer: \"foo\" is not a URL"),
    ] {
        let refused = run(&folder, &[&["init"], arguments].concat());
        let said = refused.complaint(2);
        assert!(said.contains(needed) && !said.contains("faregate.yaml"), "{said}");
        let fix = if arguments.contains(&"--issuer") { "write https://HOST" } else { "write http://HOST:PORT" };
        assert!(said.contains(fix), "{said}");
        assert!(std::fs::read_dir(folder.path()).unwrap().next().is_none(), "nothing is written");
    }
    let elsewhere = run(&folder, &["init", "--config", "no/such/folder.yaml", "--format", "json"]);
    assert_eq!((elsewhere.code, elsewhere.stderr.contains("no/such/folder.yaml")), (3, true), "{elsewhere:?}");
    let named = run(&folder, &["init", "--config", "gate.yaml", "--format", "json"]);
    assert_eq!(named.json(), json!({ "file": "gate.yaml" }));
}

// UX 2: what its first lines say leads to an answer of the service behind.
#[test]
fn the_first_lines_of_a_first_configuration_are_true() {
    let folder = Folder::new();
    assert_eq!(run(&folder, &["init"]).code, 0);
    replaced(&folder, &[("127.0.0.1:8080", "127.0.0.1:0"), ("127.0.0.1:9090", "127.0.0.1:0")]);
    let gateway = Gateway::start(&mut faregate(folder.path(), &["serve", "--format", "json"]));
    assert_eq!(gateway.request("GET", "/health", "").status(), 200);
    let refused = gateway.request("GET", "/api/x", "");
    assert_eq!(refused.status(), 401);
    let made = run(&folder, &["entity", "create", "reporting", "--type", "API", "--format", "json"]).json();
    let granted = run(&folder, &["grant", "set", "reporting", "app", "--permission", "read"]);
    assert_eq!(granted.code, 0, "{granted:?}");
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    let mut get = faregate(folder.path(), &["token", "get", "--scope", "target-entity:app:read", "--client-id"]);
    get.arg(text("client_id"))
        .args(["--url", &format!("http://{}", gateway.address())])
        .env("FAREGATE_CLIENT_SECRET", text("client_secret"));
    let token = Run::of(&mut get);
    assert_eq!(token.code, 0, "{token:?}");
    for (method, status) in [("GET", 200), ("POST", 403)] {
        let answer = gateway.request_with(token.stdout.trim(), method, "/api/x");
        assert_eq!(answer.status(), status, "{method}: {answer:?}");
    }
}

// L7: the hash is good where configurations and imports take one.
#[test]
fn a_hash_stands_for_a_password() {
    let folder = Folder::new();
    let hash = |input: &str, more: &[&str]| {
        Run::with_input(&mut faregate(folder.path(), &[&["hash-password"], more].concat()), input)
    };
    let hashed = hash("correct horse battery staple\n", &[]);
    assert_eq!(hashed.code, 0, "{hashed:?}");
    assert!(hashed.stdout.starts_with("$argon2id$v=19$m=19456,t=2,p=1$") && !hashed.stdout.contains("horse"));
    let other = hash("correct horse battery staple", &["--format", "json"]).json();
    assert_ne!(other["password_hash"], hashed.stdout.trim(), "each has its own salt");
    for (input, code) in [("", 1), ("\n", 1), (&*"x".repeat(1025), 2)] {
        let refused = hash(input, &[]);
        assert_eq!((refused.code, refused.stdout.as_str()), (code, ""), "{refused:?}");
    }
    let user = format!(
        "directory:\n  applications: {{ shop: {{ client_authentication: NotRequired, grants: [password] }} }}\n  users: \
         {{ ann@example.com: {{ password_hash: \"{}\", registrations: {{ shop: [] }} }} }}\n",
        hashed.stdout.trim()
    );
    let site = Site::with(&[super::ROUTES, &user]);
    let gateway = site.serve();
    let applications = site.json(&["application", "list"]);
    let id = applications[0]["client_id"].as_str().unwrap();
    let login = |password: &str| {
        let arguments = ["token", "password", "--login-id", "ann@example.com", "--client-id", id, "--url"];
        let url = format!("http://{}", gateway.address());
        Run::with_input(faregate(site.folder.path(), &arguments).arg(url), password)
    };
    assert_eq!(login("correct horse battery staple").code, 0);
    assert_eq!(login("correct horse battery stable").code, 1);
}

// L2, UX 15: what has no end, or is the wrong file, is read no further than anything that is right
#[test]
fn no_more_is_read_than_anybody_needs() {
    let folder = Folder::new();
    let program = env!("CARGO_BIN_EXE_faregate");
    for (command, said) in [
        ("hash-password", "password on standard input: more than 1024 bytes"),
        ("token inspect", "token on standard input: more than 1048576 bytes"),
        ("explain GET /x --token -", "token on standard input: more than 1048576 bytes"),
        ("explain GET /x --claims -", "claims on standard input: more than 1048576 bytes"),
        ("token refresh --client-id x", "refresh token on standard input: more than 1048576 bytes"),
        ("token password --client-id x --login-id x", "password on standard input: more than 1024 bytes"),
    ] {
        let endless = format!("ulimit -v 4194304; exec {program} {command} < /dev/zero");
        let refused = Run::of(std::process::Command::new("sh").args(["-c", &endless]).current_dir(folder.path()));
        assert!(refused.complaint(2).contains(said), "{command}: {refused:?}");
    }
    let longest = "x".repeat(1024);
    for line in [format!("{longest}\r\n"), format!("{longest}\nmore\n")] {
        assert_eq!(Run::with_input(&mut faregate(folder.path(), &["hash-password"]), &line).code, 0);
    }
}

// UX 16
#[test]
fn shells_and_man_know_the_commands() {
    let folder = Folder::new();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = run(&folder, &["completions", shell]);
        assert_eq!((script.code, script.stderr.as_str()), (0, ""), "{shell}");
        for word in ["regenerate-secret", "hash-password", "redirect-uri", "tls-client-auth"] {
            assert!(script.stdout.contains(word), "{shell}: {word}");
        }
    }
    std::fs::write(folder.file("faregate.bash"), run(&folder, &["completions", "bash"]).stdout).unwrap();
    let asked = "source ./faregate.bash; COMP_WORDS=(faregate stat); COMP_CWORD=1; _faregate faregate stat faregate; echo ${COMPREPLY[@]}";
    let answered = Run::of(std::process::Command::new("bash").args(["-c", asked]).current_dir(folder.path()));
    assert_eq!(answered.stdout.trim(), "status", "{answered:?}");
    let page = run(&folder, &["man"]);
    assert!(page.stdout.contains(".TH faregate 1") && page.stdout.contains("hash\\-password"), "{}", page.stdout);
    std::fs::create_dir(folder.file("man1")).unwrap();
    assert_eq!(run(&folder, &["man", "--out", "man1"]).code, 0);
    for page in ["faregate.1", "faregate-serve.1", "faregate-user-create.1"] {
        let text = std::fs::read_to_string(folder.file("man1").join(page)).unwrap();
        assert!(text.contains(".SH SYNOPSIS"), "{page}: {text}");
    }
    let create = std::fs::read_to_string(folder.file("man1").join("faregate-application-create.1")).unwrap();
    assert!(create.contains("tls\\-client\\-auth"), "what help shows in fewer lines is here: {create}");
    let nowhere = run(&folder, &["man", "--out", "nowhere"]);
    assert_eq!((nowhere.code, nowhere.stderr.contains("nowhere")), (3, true), "{nowhere:?}");
}

// UX 14: what may be a password is not repeated; UX 15: nor is a panic what odd words get
#[test]
fn words_that_may_be_secrets_are_not_repeated() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = Folder::new();
    let run = run(&folder, &["hash-password", "s3cretpass"]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{run:?}");
    assert!(run.stderr.contains("standard input") && !run.stderr.contains("s3cret"), "{}", run.stderr);
    let odd = Run::of(faregate(folder.path(), &[]).arg(std::ffi::OsStr::from_bytes(b"\xff")));
    assert!(odd.code == 2 && !odd.stderr.contains("panicked"), "{odd:?}");
}

// UX 15: whoever gives up at a password has a terminal that shows what they type
#[test]
fn a_password_that_is_not_given_leaves_the_terminal_as_it_was() {
    let folder = Folder::new();
    std::fs::write(folder.file("ask.sh"), format!("{} hash-password\n", env!("CARGO_BIN_EXE_faregate"))).unwrap();
    // Ctrl-C comes while the password is asked for; then the terminal says how it is.
    let command = "(printf '. ./ask.sh\\r'; sleep 2; printf '\\003'; sleep 1; printf 'stty -a; exit\\r'; sleep 1) \
                   | script -qec 'bash --norc -i' /dev/null";
    let run = Run::of(std::process::Command::new("bash").args(["-c", command]).current_dir(folder.path()));
    assert!(run.stdout.contains("Password: "), "{run:?}");
    let settings: Vec<&str> =
        run.stdout.split_whitespace().filter(|word| word.trim_end_matches(';').ends_with("echo")).collect();
    assert!(settings.contains(&"echo") && !settings.contains(&"-echo"), "{settings:?}: {}", run.stdout);
}
