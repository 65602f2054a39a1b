//! What stands around the program and runs before it: `scripts/deps`, `.ci/run`, and the files under `docker/`.
//!
//! Owns no rule about the source text; those are in `tidy.rs`.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use faregate::config::{self, Environment};
use serde_json::Value;

const REPOSITORY: &str = env!("CARGO_MANIFEST_DIR");

/// A machine made of one folder of programs: what `scripts/deps` finds there is all there is.
struct Machine {
    root: PathBuf,
}

/// Programs that the simplest Debian has, borrowed from this machine.
const ESSENTIAL: [&str; 11] = ["sh", "sed", "awk", "cut", "tr", "dirname", "grep", "chmod", "rm", "cat", "mkdir"];

/// Everything that `scripts/deps` may look for, as programs that do nothing and succeed.
const TOOLS: [&str; 23] = [
    "cc",
    "c++",
    "make",
    "cmake",
    "perl",
    "cargo",
    "curl",
    "wrk",
    "valgrind",
    "strace",
    "chromium",
    "chromedriver",
    "node",
    "npm",
    "python3",
    "prometheus",
    "promtool",
    "initdb",
    "postgres",
    "nginx",
    "haproxy",
    "caddy",
    "apache2",
];

const APACHE_MODULE: &str = "usr/lib/apache2/modules/mod_oauth2.so";

/// Writes down how it was called, and makes appear what the packages contain.
const APT_GET: &str = r#"
echo "apt-get $*" >>"$DEPS_ROOT/log"
[ ! -e "$DEPS_ROOT/usr/sbin/policy-rc.d" ] || echo "services held back" >>"$DEPS_ROOT/log"
case "$*" in *update) exit 0 ;; esac
echo "frontend $DEBIAN_FRONTEND" >>"$DEPS_ROOT/log"
add() { for tool; do printf '#!/bin/sh\n' >"$DEPS_ROOT/bin/$tool"; chmod 755 "$DEPS_ROOT/bin/$tool"; done; }
for package; do
    case "$package" in
    build-essential) add cc c++ make ;;
    cmake | perl | curl | wrk | valgrind | chromium | haproxy | caddy | strace) add "$package" ;;
    chromium-driver) add chromedriver ;;
    apache2) add apache2 ;;
    libapache2-mod-oauth2)
        mkdir -p "$DEPS_ROOT/usr/lib/apache2/modules"
        : >"$DEPS_ROOT/usr/lib/apache2/modules/mod_oauth2.so"
        ;;
    nodejs) add node ;;
    npm) add npm ;;
    python3) add python3 ;;
    prometheus) add prometheus promtool ;;
    nginx) cat "$DEPS_ROOT/bin/cmake" >"$DEPS_ROOT/usr/sbin/nginx"; chmod 755 "$DEPS_ROOT/usr/sbin/nginx" ;;
    postgresql)
        mkdir -p "$DEPS_ROOT/usr/lib/postgresql/15/bin"
        cat "$DEPS_ROOT/bin/cmake" >"$DEPS_ROOT/usr/lib/postgresql/15/bin/initdb"
        chmod 755 "$DEPS_ROOT/usr/lib/postgresql/15/bin/initdb"
        ;;
    esac
done
"#;

impl Machine {
    /// With every tool, a current Rust, apt-get, and a superuser at the keyboard.
    fn complete(name: &str) -> Self {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("deps").join(name);
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("bin")).unwrap();
        fs::create_dir_all(root.join("usr/sbin")).unwrap();
        let machine = Self { root };
        for program in ESSENTIAL {
            let real = ["/usr/bin", "/bin"].map(|folder| Path::new(folder).join(program));
            let real = real.iter().find(|path| path.exists()).unwrap_or_else(|| panic!("{program} is not here"));
            symlink(real, machine.root.join("bin").join(program)).unwrap();
        }
        for tool in TOOLS {
            machine.with(tool, "");
        }
        fs::create_dir_all(machine.root.join("usr/lib/apache2/modules")).unwrap();
        fs::write(machine.root.join(APACHE_MODULE), "").unwrap();
        machine.with("rustc", "echo 'rustc 1.999.0 (0123456 2030-01-01)'");
        machine.with("apt-get", APT_GET);
        machine.with("id", "echo 0");
        machine
    }

    fn with(&self, program: &str, script: &str) -> &Self {
        let path = self.root.join("bin").join(program);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        self
    }

    fn without(&self, programs: &[&str]) -> &Self {
        for program in programs {
            fs::remove_file(self.root.join("bin").join(program)).unwrap();
        }
        self
    }

    fn deps(&self, purpose: &str) -> Output {
        Command::new(self.root.join("bin/sh"))
            .arg(Path::new(REPOSITORY).join("scripts/deps"))
            .arg(purpose)
            .env_clear()
            .env("PATH", self.root.join("bin"))
            .env("DEPS_ROOT", &self.root)
            .output()
            .unwrap()
    }

    fn log(&self) -> String {
        fs::read_to_string(self.root.join("log")).unwrap_or_default()
    }
}

fn talk(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn a_complete_machine_hears_nothing() {
    let machine = Machine::complete("complete");
    for purpose in ["build", "run", "test", "bench", "compare"] {
        let output = machine.deps(purpose);
        assert!(output.status.success(), "{purpose}: {}", talk(&output));
        assert_eq!((talk(&output).as_str(), output.stdout.len()), ("", 0), "{purpose}");
    }
    assert_eq!(machine.log(), "");
}

#[test]
fn what_is_missing_is_named_in_one_line_and_installed_once() {
    let machine = Machine::complete("missing");
    machine
        .without(&[
            "cc", "c++", "make", "cmake", "perl", "curl", "chromium", "promtool", "initdb", "postgres", "wrk",
            "valgrind",
        ])
        .without(&["chromedriver", "node", "npm", "python3", "nginx", "haproxy", "caddy", "strace"]);
    let output = machine.deps("test");
    assert!(output.status.success(), "{}", talk(&output));
    assert_eq!(
        talk(&output),
        "deps: installing with apt-get: build-essential cmake perl curl postgresql prometheus chromium \
         chromium-driver nodejs npm python3 python3-venv nginx haproxy caddy strace\n"
    );
    let log = machine.log();
    assert!(log.contains("--no-install-recommends install build-essential cmake perl curl postgresql prometheus"));
    assert!(log.contains("frontend noninteractive"));
    assert_eq!(log.matches("update").count(), 1, "{log}");

    let again = machine.deps("test");
    assert!(again.status.success() && again.stderr.is_empty(), "{}", talk(&again));
    assert_eq!(machine.log(), log, "the second run installs nothing");
}

#[test]
fn each_purpose_asks_only_for_what_it_uses() {
    let machine = Machine::complete("purposes");
    machine.without(&[
        "chromium",
        "chromedriver",
        "npm",
        "python3",
        "promtool",
        "initdb",
        "postgres",
        "wrk",
        "valgrind",
        "curl",
    ]);
    machine.without(&["nginx", "haproxy", "caddy"]);
    assert!(machine.deps("build").status.success());
    assert_eq!(machine.log(), "", "building needs none of them");
    assert!(talk(&machine.deps("run")).ends_with("apt-get: curl\n"));
    assert!(talk(&machine.deps("bench")).ends_with("apt-get: wrk valgrind\n"));
    fs::remove_file(machine.root.join(APACHE_MODULE)).unwrap();
    let compared = "apt-get: nodejs npm python3 python3-venv nginx haproxy apache2 libapache2-mod-oauth2\n";
    assert!(talk(&machine.deps("compare")).ends_with(compared));
}

// Debian alone has the module; the comparison does without it elsewhere.
#[test]
fn what_only_debian_has_is_asked_for_there_only() {
    let machine = Machine::complete("apache");
    machine.without(&["apt-get", "apache2"]).with("dnf", "exit 1");
    let output = machine.deps("compare");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", talk(&output));
}

#[test]
fn packaged_servers_are_not_started_and_the_machine_is_left_as_it_was() {
    let machine = Machine::complete("services");
    machine.without(&["initdb", "postgres"]).with("systemctl", r#"echo "systemctl $*" >>"$DEPS_ROOT/log""#);
    assert!(machine.deps("test").status.success());
    assert!(machine.log().contains("services held back"), "{}", machine.log());
    assert!(machine.log().contains("systemctl disable --now postgresql"), "{}", machine.log());
    let policy = machine.root.join("usr/sbin/policy-rc.d");
    assert!(!policy.exists());

    machine.without(&["chromium"]);
    fs::write(&policy, "the administrator's own").unwrap();
    assert!(machine.deps("test").status.success());
    assert_eq!(fs::read_to_string(&policy).unwrap(), "the administrator's own");
}

#[test]
fn the_policy_is_taken_back_when_the_installation_fails() {
    let machine = Machine::complete("failing");
    machine.without(&["cmake"]).with("apt-get", "exit 100");
    assert!(!machine.deps("build").status.success());
    assert!(!machine.root.join("usr/sbin/policy-rc.d").exists());
}

#[test]
fn an_installation_that_brings_nothing_is_an_error() {
    let machine = Machine::complete("empty");
    machine.without(&["cmake"]).with("apt-get", "");
    let output = machine.deps("build");
    assert_eq!(output.status.code(), Some(1));
    assert!(talk(&output).ends_with("still missing: cmake \n"), "{}", talk(&output));
}

#[test]
fn a_user_installs_through_sudo_or_is_told_what_to_type() {
    let machine = Machine::complete("user");
    machine.with("id", "echo 1000").without(&["cmake"]);
    let output = machine.deps("build");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(talk(&output), "deps: missing; as root, type: apt-get install --no-install-recommends cmake\n");
    assert_eq!(machine.log(), "");

    machine.with("sudo", r#"echo "sudo" >>"$DEPS_ROOT/log"; exec "$@""#);
    let output = machine.deps("build");
    assert!(output.status.success(), "{}", talk(&output));
    assert_eq!(talk(&output), "deps: installing with sudo apt-get: cmake\n");
    assert!(machine.log().starts_with("sudo\napt-get"), "{}", machine.log());
}

#[test]
fn elsewhere_the_one_command_is_printed() {
    let rows = [
        ("dnf", "deps: missing; type: sudo dnf install gcc gcc-c++ make cmake perl\n"),
        ("apk", "deps: missing; type: sudo apk add build-base linux-headers cmake perl\n"),
        ("pacman", "deps: missing; type: sudo pacman -S --needed base-devel cmake perl\n"),
        ("zypper", "deps: missing; type: sudo zypper install gcc gcc-c++ make cmake perl\n"),
        ("brew", "deps: missing; type: brew install gcc make cmake perl\n"),
    ];
    for (manager, expected) in rows {
        let machine = Machine::complete(manager);
        machine.without(&["apt-get", "cc", "cmake", "perl"]).with(manager, "exit 1");
        let output = machine.deps("build");
        assert_eq!((output.status.code(), talk(&output).as_str()), (Some(1), expected), "{manager}");
    }
}

#[test]
fn a_compiler_without_headers_and_a_perl_without_modules_do_not_count() {
    let machine = Machine::complete("halves");
    machine.with("cc", "exit 1").with("perl", "exit 1");
    assert!(talk(&machine.deps("build")).ends_with("apt-get: build-essential perl\n"));
}

#[test]
fn rust_is_asked_for_and_never_installed() {
    let needed = "Rust 1.88 or newer";
    let machine = Machine::complete("rust");
    machine.with("rustc", "echo 'rustc 1.87.9 (0123456 2025-01-01)'");
    assert!(talk(&machine.deps("build")).contains(&format!("{needed} is needed, this is 1.87.9")));
    machine.with("rustc", "echo 'rustc 1.88.0-nightly (0123456 2025-01-01)'");
    assert_eq!(talk(&machine.deps("build")), "");
    machine.without(&["cargo"]);
    let output = machine.deps("build");
    assert_eq!(output.status.code(), Some(1));
    assert!(talk(&output).contains(&format!("{needed} is missing; install it with: curl ")), "{}", talk(&output));
    assert_eq!(machine.log(), "");
}

// --- docker/ --------------------------------------------------------------------------------------------------------

/// Runs `.ci/run` where `make test` says that this many tests failed and names one of them, `a::b`; where that is run alone,
/// `alone` is what happens. Whether all is well, and what was printed.
fn ci_run(name: &str, failed: u32, alone: &str) -> (bool, String) {
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("ci").join(name);
    let _ = fs::remove_dir_all(&root);
    let program = |path: &str, text: &str| {
        let path = root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    };
    program(".ci/run", &read(".ci/run"));
    program("scripts/deps", "#!/bin/sh\n");
    program("bin/cargo", "#!/bin/sh\necho cargo \"$@\"\n");
    let failures = format!("test a::b ... FAILED\ntest result: FAILED. 10 passed; {failed} failed; 0 ignored");
    program(
        "bin/make",
        &format!(
            "#!/bin/sh\ncase \"$*\" in *'--exact --test-threads 1 a::b') {alone} ;;\n*) echo '{failures}'; exit 2 ;; esac"
        ),
    );
    let path = format!("{}:/usr/bin:/bin", root.join("bin").display());
    let mut command = Command::new("bash");
    let output = command.arg(root.join(".ci/run")).env_clear().env("PATH", path).env("HOME", &root).output().unwrap();
    (output.status.success(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn what_fails_beside_others_only_is_named() {
    let (good, said) = ci_run("unsteady", 1, "echo 'test result: ok. 1 passed; 0 failed'");
    assert!(good, "{said}");
    assert!(said.ends_with("passed only when run alone: a::b\n"), "{said}");
    for lint in ["clippy --locked --all-targets -- -D warnings", "doc --locked --no-deps --document-private-items"] {
        assert!(said.contains(&format!("cargo {lint}\n")), "{lint} in {said}");
    }
}

#[test]
fn what_fails_again_or_is_not_found_or_is_one_of_many_fails() {
    let good = "echo 'test result: ok. 1 passed; 0 failed'";
    for (name, failed, alone) in [
        ("again", 1, "exit 2"),
        ("gone", 1, "echo 'test result: ok. 0 passed; 0 failed'"),
        // More than are named: something ended before it could say what failed.
        ("more", 2, good),
        ("none", 0, good),
    ] {
        let (passed, said) = ci_run(name, failed, alone);
        assert!(!passed, "{name}: {said}");
        assert!(!said.contains("passed only"), "{name}: {said}");
    }
}

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(REPOSITORY).join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    let parsed = serde_yaml::from_str(&read(path)).and_then(|mut value: serde_yaml::Value| {
        value.apply_merge()?;
        serde_yaml::from_value(value)
    });
    parsed.unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The strings in `value`, however deep.
fn strings(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(strings).collect(),
        Value::Object(members) => members.values().flat_map(strings).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) => Vec::new(),
    }
}

/// The configuration must be without problems, and pass its own policy tests.
fn assert_configuration(name: &str, text: &str, secrets: &[&str]) {
    let environment = secrets.iter().fold(Environment::of::<&str, &str>([]), |environment, secret| {
        environment.with_file(format!("/run/secrets/{secret}"), "5vYkVq0RlZBIDm8iKfXIZ1rjLCnzrYfBhYfTbSgtCzU")
    });
    let config = config::parse(name, text, &environment).unwrap_or_else(|problems| panic!("{name}: {problems:#?}"));
    let outcomes = config::policy_tests(&config);
    assert!(!outcomes.is_empty(), "{name} shows no policy test");
    for outcome in outcomes {
        assert!(outcome.passed(), "{name}: {outcome:#?}");
    }
}

#[test]
fn the_configuration_in_the_container_is_a_good_one() {
    let text = read("docker/faregate.yaml");
    assert_configuration("docker/faregate.yaml", &text, &["master.key", "postgres.password", "reporting.secret"]);
    let made = read("docker/make-secrets");
    for file in text.split("/run/secrets/").skip(1).filter_map(|rest| rest.split(['}', ' ', '\n']).next()) {
        assert!(made.contains(&format!("\nsecret {file} ")), "docker/make-secrets does not make {file}");
    }
}

#[test]
fn the_configuration_in_the_readme_is_a_good_one() {
    let readme = read("README.md");
    let block = readme.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a YAML block");
    assert_configuration("README.md", block, &["postgres", "reporting"]);
}

// Whoever copies a part of it is understood.
#[test]
fn every_configuration_in_the_readme_is_understood() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("readme");
    fs::create_dir_all(&folder).unwrap();
    let made = rcgen::generate_simple_self_signed(["gate.example.com".to_owned()]).unwrap();
    for name in ["tls.crt", "clients.crt", "ca.crt", "gateway.crt"] {
        fs::write(folder.join(name), made.cert.pem()).unwrap();
    }
    for name in ["tls.key", "gateway.key"] {
        fs::write(folder.join(name), made.signing_key.serialize_pem()).unwrap();
    }
    let signing = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap().serialize_pem();
    let secret = "5vYkVq0RlZBIDm8iKfXIZ1rjLCnzrYfBhYfTbSgtCzU";
    let hash = "$argon2id$v=19$m=19456,t=2,p=1$8m1p5HSHabKP0WxuErpwww$xbGvzXoiXputO1vk89mhrsWCzPH5ub9Iuf+NvxtG+MM";
    let variables = ["WEB", "SHOP", "WEBSITE", "DEVICE", "ADMINISTRATOR"].map(|name| (name, secret));
    let mut environment = Environment::of(variables.into_iter().chain([("ANN", hash)]));
    let readme = read("README.md");
    for path in readme.split("${file:").skip(1).filter_map(|rest| rest.split('}').next()) {
        let contents = if path.ends_with(".pem") { &signing } else { secret };
        environment = environment.with_file(folder.join(path), contents);
    }
    let name = folder.join("faregate.yaml").display().to_string();
    for block in readme.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        let mut text = block.to_owned();
        for (key, rest) in [
            ("public_url:", " https://gate.example.com\n"),
            (
                "upstreams:",
                " { orders: http://127.0.0.1:3000, app: http://127.0.0.1:3000, wiki: http://127.0.0.1:3000 }\n",
            ),
            ("routes:", " { /health: { upstream: orders, public: true } }\n"),
        ] {
            if !block.lines().any(|line| line.starts_with(key)) {
                text += &format!("{key}{rest}");
            }
        }
        config::parse(&name, &text, &environment).unwrap_or_else(|problems| panic!("{block}: {problems:#?}"));
    }
}

#[test]
fn compose_mounts_only_files_that_are_here_and_volumes_that_it_declares() {
    let compose = yaml("docker/compose.yaml");
    let services = compose["services"].as_object().expect("services");
    let mut mounts = 0;
    for (name, service) in services {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let source = volume.as_str().and_then(|text| text.split(':').next()).expect("SOURCE:TARGET");
            mounts += 1;
            if let Some(file) = source.strip_prefix("./") {
                assert!(Path::new(REPOSITORY).join("docker").join(file).exists(), "{name}: no docker/{file}");
            } else {
                assert!(compose["volumes"].get(source).is_some(), "{name}: volume {source} is not declared");
            }
        }
    }
    assert!(mounts > 4, "the loop above found {mounts} mounts");
}

// O8: metrics and administration are never on a public listener.
#[test]
fn compose_publishes_on_loopback_only_and_never_the_admin_listener() {
    let compose = yaml("docker/compose.yaml");
    let mut published = Vec::new();
    for (name, service) in compose["services"].as_object().expect("services") {
        assert_ne!(service["privileged"], Value::Bool(true), "{name}");
        for port in service["ports"].as_array().into_iter().flatten() {
            let port = port.as_str().expect("a string");
            assert!(port.starts_with("127.0.0.1:"), "{name} publishes {port} to the whole network");
            published.push(format!("{name} {}", port.rsplit(':').next().unwrap_or_default()));
        }
    }
    assert!(published.contains(&"gateway 8080".to_owned()), "{published:?}");
    assert!(!published.contains(&"gateway 9090".to_owned()), "{published:?}");
}

#[test]
fn containers_cannot_write_to_their_own_programs_and_hold_no_password() {
    let compose = yaml("docker/compose.yaml");
    for (name, service) in compose["services"].as_object().expect("services") {
        assert_eq!(service["read_only"], Value::Bool(true), "{name}");
        for (variable, value) in service["environment"].as_object().into_iter().flatten() {
            let secret = ["PASSWORD", "SECRET", "KEY", "TOKEN"].iter().any(|word| variable.contains(word));
            let from_file = value.as_str().is_some_and(|text| text.contains("/run/secrets/"));
            assert!(!secret || from_file, "{name}: {variable} is written down");
        }
    }
}

#[test]
fn the_comparison_finds_its_place_in_the_readme_and_what_it_installs() {
    let (readme, script) = (read("README.md"), read("benches/compare/run"));
    let places = ["<!-- compare: begin -->\n", "<!-- compare: end -->\n"].map(|mark| {
        assert!(script.contains(mark.trim_end()), "{mark}");
        assert_eq!(readme.matches(mark).count(), 1, "{mark}");
        readme.find(mark)
    });
    assert!(places[0] < places[1]);
    let json =
        |file: &str| -> Value { serde_json::from_str(&read(file)).unwrap_or_else(|error| panic!("{file}: {error}")) };
    let wanted = json("benches/compare/oidc-provider/package.json");
    let locked = json("benches/compare/oidc-provider/package-lock.json");
    assert_eq!(locked["packages"][""]["dependencies"], wanted["dependencies"]);
    for (name, version) in wanted["dependencies"].as_object().expect("dependencies") {
        assert_eq!(&locked["packages"][format!("node_modules/{name}")]["version"], version, "{name}");
    }
}

/// Names like `faregate_decisions_total`, without what Prometheus adds to a histogram's.
fn metric_names(text: &str) -> Vec<String> {
    let mut names: Vec<String> = text
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("faregate_") || word.starts_with("process_"))
        .map(|word| ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end)).unwrap_or(word))
        .map(str::to_owned)
        .collect();
    names.sort();
    names.dedup();
    names
}

#[test]
fn the_dashboard_asks_only_for_documented_metrics() {
    let dashboard: Value = serde_json::from_str(&read("docker/grafana/dashboards/faregate.json")).unwrap();
    let documented = metric_names(&read("README.md"));
    let asked: Vec<String> = strings(&dashboard).into_iter().flat_map(metric_names).collect();
    assert!(asked.len() > 8, "{asked:?}");
    for name in &asked {
        assert!(documented.contains(name), "{name} is on the dashboard, and README.md does not explain it");
    }
}

#[test]
fn the_readme_explains_each_metric_and_no_other() {
    let source = read("src/metrics.rs");
    let documented: Vec<String> = metric_names(&read("README.md"));
    let own: Vec<&str> = documented.iter().filter_map(|name| name.strip_prefix("faregate_")).collect();
    for name in &own {
        assert!(source.contains(&format!("\"{name}\"")), "README.md explains {name}, which nobody counts");
    }
    // `register.counters("name", "help", ...)` and its likes.
    let registered = source.lines().filter_map(|line| line.split_once("register.")?.1.split('"').nth(1));
    for name in registered {
        assert!(own.contains(&name), "README.md does not explain {name}");
    }
}

#[test]
fn provisioning_points_at_what_is_mounted() {
    let compose = read("docker/compose.yaml");
    let provider = yaml("docker/grafana/provisioning/dashboards/faregate.yaml");
    let folder = provider["providers"][0]["options"]["path"].as_str().expect("a path");
    assert!(compose.contains(&format!("./grafana/dashboards:{folder}:ro")), "{folder} is not mounted");

    let source = &yaml("docker/grafana/provisioning/datasources/prometheus.yaml")["datasources"][0];
    let dashboard: Value = serde_json::from_str(&read("docker/grafana/dashboards/faregate.json")).unwrap();
    for panel in dashboard["panels"].as_array().expect("panels") {
        if panel["type"] != "row" {
            assert_eq!(panel["datasource"]["uid"], source["uid"], "{}", panel["title"]);
        }
    }
    let scraped = yaml("docker/prometheus.yaml");
    assert_eq!(scraped["scrape_configs"][0]["static_configs"][0]["targets"][0], "gateway:9090");
}
