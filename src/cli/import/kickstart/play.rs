//! Playing the requests, in order, until one is refused.
//!
//! Owns the calls and what becomes of them. What is printed is `report`'s.

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, StatusCode, header};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::super::is_watched;
use super::document::{Kickstart, Request};
use super::present::Look;
use super::report::{Refused, Report};
use crate::cli::{Failure, say};
use crate::directory::{Directory, DirectoryError, NewApiKey};
use crate::secret::Secret;
use crate::serve::ManagementCalls;

const TENANT: HeaderName = HeaderName::from_static("x-fusionauth-tenantid");

/// What became of a request.
enum Made {
    Done,
    /// It was there already.
    Present,
    Refused {
        status: StatusCode,
        answer: Value,
    },
}

/// Makes the first key, plays the requests with it, and makes the other keys, which may be for tenants that are new.
pub(super) async fn play(
    directory: &Directory,
    calls: &ManagementCalls,
    kickstart: &Kickstart,
    skipped: Vec<Request>,
) -> Result<Report, Failure> {
    let mut report = Report::new(kickstart, skipped);
    let mut keys = kickstart.keys.iter().enumerate();
    let Some((_, primary)) = keys.next() else { return Ok(report) };
    make_key(directory, primary, 0, &mut report).await?;
    let authorization = primary.key.as_ref().map(Secret::expose).and_then(|key| HeaderValue::from_str(key).ok());
    let caller = Caller { calls, authorization, default_tenant: kickstart.default_tenant };
    for (at, request) in kickstart.requests.iter().enumerate() {
        if report.is_good() {
            report.show_progress(request.number);
            match caller.make(request, &kickstart.requests[at + 1..]).await {
                Made::Done => report.done += 1,
                Made::Present => report.present += 1,
                Made::Refused { status, answer } => report.refused = Some(Refused::new(request, status, &answer)),
            }
        }
    }
    for (at, key) in keys {
        if report.is_good() {
            make_key(directory, key, at, &mut report).await?;
        }
    }
    report.clear_progress();
    Ok(report)
}

async fn make_key(directory: &Directory, new: &NewApiKey, at: usize, report: &mut Report) -> Result<(), Failure> {
    let place = format!("apiKeys[{at}]");
    let text = new.key.as_ref().map(Secret::expose).map_or("", String::as_str);
    if let Some(key) = directory.find_api_key(text).await? {
        let is_equal = (key.tenant_id, key.is_key_manager) == (new.tenant_id, new.is_key_manager)
            && key.endpoints == new.endpoints
            && new.id.is_none_or(|id| id == key.id);
        if is_equal {
            report.keys_present += 1;
        } else {
            report.refused = Some(Refused::key(place, "there is such a key already, and it has other rights"));
        }
        return Ok(());
    }
    match directory.create_api_key(new.clone()).await {
        Ok(_) => report.keys_made += 1,
        Err(DirectoryError::Invalid(errors)) => {
            let errors: Vec<String> = errors.iter().map(ToString::to_string).collect();
            report.refused = Some(Refused::key(place, &errors.join("; ")));
        }
        Err(error) => return Err(error.into()),
    }
    Ok(())
}

/// Somebody with a key.
struct Caller<'a> {
    calls: &'a ManagementCalls,
    authorization: Option<HeaderValue>,
    default_tenant: Uuid,
}

impl Caller<'_> {
    /// Whatever is different of an object that is there already is no difference if one of the `later` requests changes it.
    async fn make(&self, request: &Request, later: &[Request]) -> Made {
        let body = request.body.as_ref().map(Value::to_string).unwrap_or_default();
        let (status, answer) = self.call(request, &request.method, &request.uri.to_string(), body).await;
        if status.is_success() {
            return Made::Done;
        }
        if is_duplicate(&answer)
            && let Some(look) = Look::of(request)
        {
            let (status, found) = self.call(request, &Method::GET, &look.url, String::new()).await;
            let changes_it = |later: &Request| later.method != Method::POST && later.uri.path() == look.url;
            if status.is_success() && (look.is_equal(&found) || later.iter().any(changes_it)) {
                return Made::Present;
            }
        }
        Made::Refused { status, answer }
    }

    /// For the tenant of `like`, with its media type. What names no tenant is for the default one: when the file is played
    /// for the first time, that may be the only one still.
    async fn call(&self, like: &Request, method: &Method, url: &str, body: String) -> (StatusCode, Value) {
        let mut request = http::Request::new(Bytes::from(body));
        *request.method_mut() = method.clone();
        if let Ok(uri) = url.parse() {
            *request.uri_mut() = uri;
        }
        let headers = request.headers_mut();
        headers.extend(self.authorization.clone().map(|key| (header::AUTHORIZATION, key)));
        headers.extend(HeaderValue::from_str(&like.content_type).ok().map(|value| (header::CONTENT_TYPE, value)));
        let tenant = |id: &str| HeaderValue::from_str(id).ok().map(|id| (TENANT, id));
        headers.extend(like.tenant_id.as_deref().and_then(tenant));
        let (status, answer) = self.send(request.clone()).await;
        if answer.pointer("/generalErrors/0/code") != Some(&Value::from("[TenantIdRequired]")) {
            return (status, answer);
        }
        request.headers_mut().extend(tenant(&self.default_tenant.to_string()));
        self.send(request).await
    }

    async fn send(&self, request: http::Request<Bytes>) -> (StatusCode, Value) {
        let answer = self.calls.call(request).await;
        (answer.status(), serde_json::from_slice(answer.body()).unwrap_or_default())
    }
}

/// Whether nothing is wrong but that something of the kind is there.
fn is_duplicate(answer: &Value) -> bool {
    let fields = answer.get("fieldErrors").and_then(Value::as_object);
    let mut problems = fields.into_iter().flat_map(Map::values).filter_map(Value::as_array).flatten().peekable();
    let is_duplicate = |problem: &Value| {
        problem.get("code").and_then(Value::as_str).is_some_and(|code| code.starts_with("[duplicate]"))
    };
    problems.peek().is_some() && problems.all(is_duplicate)
}

impl Report {
    fn show_progress(&self, number: usize) {
        if is_watched() {
            say(format_args!("\rrequest {number} of {} ", self.requests));
            // What is not shown now is shown next time.
            let _ = std::io::Write::flush(&mut std::io::stderr());
        }
    }

    fn clear_progress(&self) {
        if is_watched() && self.requests > 0 {
            say(format_args!("\r\u{1b}[K"));
        }
    }
}
