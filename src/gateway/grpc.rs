//! Refusals that a gRPC client understands.
//!
//! Owns the translation of a status of HTTP into one of gRPC. Which status a refusal has is decided where the refusal is.

use http::{HeaderValue, Version, header};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::HttpTask;
use pingora::proxy::Session;

use super::respond::{Problem, REQUEST_ID};

const MEDIA_TYPE: &str = "application/grpc";

/// Whether a request is a call of gRPC, whose outcome is not looked for in the status of HTTP.
pub fn is_call(request: &RequestHeader) -> bool {
    let media_type = request.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    let rest = media_type.and_then(|media_type| media_type.strip_prefix(MEDIA_TYPE.as_bytes()));
    // `application/grpc+proto` is one, `application/grpc-web` is something else.
    request.version == Version::HTTP_2
        && rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// Answers with nothing but the outcome, as one block of fields ("Trailers-Only" in gRPC over HTTP/2).
///
/// # Errors
/// When the connection breaks on the way.
pub async fn respond(session: &mut Session, problem: &Problem, request_id: &str) -> pingora::Result<()> {
    let mut answer = ResponseHeader::build(200, Some(9))?;
    answer.insert_header(header::CONTENT_TYPE, MEDIA_TYPE)?;
    answer.insert_header("grpc-status", status(problem.status))?;
    // A constant of ours, in printable ASCII without a percent sign.
    answer.insert_header("grpc-message", problem.detail)?;
    answer.insert_header(REQUEST_ID, request_id)?;
    answer.insert_header("x-problem-code", problem.code)?;
    problem.set_fields(&mut answer)?;
    session.as_downstream_mut().response_duplex_vec(vec![HttpTask::Header(Box::new(answer), true)]).await?;
    Ok(())
}

/// As gRPC's "HTTP to gRPC Status Code Mapping" has it, so that it does not matter who refused.
fn status(http: u16) -> &'static str {
    match http {
        // INTERNAL
        400 => "13",
        // UNAUTHENTICATED
        401 => "16",
        // PERMISSION_DENIED
        403 => "7",
        // UNIMPLEMENTED
        404 => "12",
        // UNAVAILABLE
        429 | 502..=504 => "14",
        // RESOURCE_EXHAUSTED, which the table has no line for
        413 => "8",
        // UNKNOWN
        _ => "2",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_are_told_by_their_media_type() {
        let call = |media_type: &str, version| {
            let mut request = RequestHeader::build("POST", b"/a.B/C", None).unwrap();
            request.set_version(version);
            request.insert_header(header::CONTENT_TYPE, media_type).unwrap();
            is_call(&request)
        };
        for media_type in ["application/grpc", "application/grpc+proto", "application/grpc;x=y"] {
            assert!(call(media_type, Version::HTTP_2), "{media_type}");
            assert!(!call(media_type, Version::HTTP_11), "{media_type}");
        }
        for media_type in ["application/grpc-web", "application/grpcs", "application/json"] {
            assert!(!call(media_type, Version::HTTP_2), "{media_type}");
        }
    }

    #[test]
    fn refusals_have_their_status() {
        let expected = [(401, "16"), (403, "7"), (404, "12"), (502, "14"), (503, "14"), (504, "14"), (418, "2")];
        assert!(expected.iter().all(|(http, grpc)| status(*http) == *grpc));
    }
}
