use std::collections::{BTreeMap, BTreeSet};

use clap::CommandFactory as _;

use super::*;
use crate::config::Lint;
use crate::enforce::{Ambiguity, Denial, Obstacle, TokenFault};
use crate::gateway::{Fault, header_block};
use crate::jose;
use crate::jose::dpop::ProofFault;
use crate::oauth::ErrorCode;
use crate::policy;
use crate::profile::Statuses as ProfileStatuses;
use crate::route::PathError;

/// Every value of an enum: does not compile without one that the enum has.
macro_rules! every {
    ($enum:ty: $($variant:ident),* $(,)?) => {{
        type Of = $enum;
        const _: fn(&Of) = |value| match value { $(Of::$variant { .. } => (),)* };
        [$(Of::$variant),*]
    }};
}

/// Every denial there can be, but for what a scope or an entity would add to it.
fn denials() -> Vec<Denial> {
    let doors = every!(jose::Reason: TooLarge, Malformed, DuplicateMember, CriticalHeader, UnsupportedAlgorithm, WrongType,
        UnknownKey, AlgorithmMismatch, BadSignature, WrongIssuer, MissingAudience, WrongAudience, MissingExpiry, InvalidTime,
        Expired, NotYetValid, IssuedInFuture, MissingClaim);
    const _: fn(&TokenFault) = |value| match value {
        TokenFault::Door(_)
        | TokenFault::IssuerNotAccepted
        | TokenFault::AudienceNotAccepted
        | TokenFault::Inactive
        | TokenFault::Revoked
        | TokenFault::BoundToKey
        | TokenFault::NotBound
        | TokenFault::StrangeBinding
        | TokenFault::WrongCertificate => (),
    };
    let faults = [
        TokenFault::IssuerNotAccepted,
        TokenFault::AudienceNotAccepted,
        TokenFault::Inactive,
        TokenFault::Revoked,
        TokenFault::BoundToKey,
        TokenFault::NotBound,
        TokenFault::StrangeBinding,
        TokenFault::WrongCertificate,
    ];
    let proofs = every!(ProofFault: Missing, Repeated, Malformed, MissingClaim, WrongType, UnsupportedAlgorithm, BadKey,
        PrivateKey, BadSignature, WrongMethod, WrongTarget, WrongNonce, TooOld, FromFuture, WrongToken, WrongKey, Replayed);
    let obstacles = every!(Obstacle: Binding, ReplayMemory, Keys, Introspection, Directory, Login, Session)
        .map(Denial::Undecidable);
    const _: fn(&policy::Reason) = |value| match value {
        policy::Reason::NoToken
        | policy::Reason::MethodNotAllowed
        | policy::Reason::MissingScope { .. }
        | policy::Reason::MissingRole
        | policy::Reason::MissingPermission
        | policy::Reason::ClaimMismatch
        | policy::Reason::WeakAuthentication { .. }
        | policy::Reason::OldAuthentication { .. }
        | policy::Reason::Denied => (),
    };
    let reasons = [
        policy::Reason::NoToken,
        policy::Reason::MethodNotAllowed,
        policy::Reason::MissingScope { scopes: "a".into() },
        policy::Reason::MissingRole,
        policy::Reason::MissingPermission,
        policy::Reason::ClaimMismatch,
        policy::Reason::WeakAuthentication { wanted: Default::default() },
        policy::Reason::OldAuthentication { wanted: Default::default() },
        policy::Reason::Denied,
    ];
    const _: fn(&Denial) = |value| match value {
        Denial::BadRequest(_)
        | Denial::NoToken
        | Denial::InvalidToken(_)
        | Denial::InvalidProof(_)
        | Denial::InsufficientScope { .. }
        | Denial::InsufficientAuthentication { .. }
        | Denial::Undecidable(_) => (),
    };
    let tokens = doors.map(TokenFault::Door).into_iter().chain(faults).map(Denial::InvalidToken);
    every!(Ambiguity: SeveralCredentials, MalformedBearer)
        .map(Denial::BadRequest)
        .into_iter()
        .chain(tokens)
        .chain(proofs.map(Denial::InvalidProof))
        .chain(reasons.iter().map(|reason| Denial::of(reason, String::new())))
        .chain(obstacles)
        .collect()
}

type Codes = BTreeMap<String, BTreeSet<u16>>;

/// What can be answered or logged, with the statuses that go with it.
fn known() -> Codes {
    let mut known = Codes::new();
    let mut add = |code: &str, status: u16| {
        known.entry(code.to_owned()).or_default().insert(status);
    };
    for denial in denials() {
        add(denial.code(), denial.status());
        if let Some(error) = denial.error().filter(|error| ErrorCode::ALL.iter().all(|code| code.as_str() != *error)) {
            add(error, denial.status());
        }
    }
    for fault in every!(Fault: BadPath, BadRequest, BodyTimeout, BodyTooLarge, CrossSiteRequest, IdentityForged, Internal,
        NoRoute, OriginRefused, OriginalAmbiguous, OriginalMalformed, OriginalMissing, Overloaded, RateLimited, ResourcesShort,
        ServedElsewhere, UnknownHost, UntrustedPeer, UpgradeRefused, UpstreamBusy, UpstreamDns, UpstreamFailed, UpstreamTimeout,
        UpstreamTls, UpstreamUnavailable, UpstreamUnreachable, WebSocketOriginRefused)
    {
        add(fault.as_str(), fault.status());
    }
    for refusal in every!(header_block::Refusal: RequestLine, Method, Version, LineEnd, FieldName, FieldValue, FoldedLine,
        ContentLength, TransferEncoding, Host, UriTooLong, TooLarge, TooManyFields, Timeout, NoRoom)
    {
        add(refusal.as_str(), refusal.status());
    }
    for error in every!(PathError: AboveRoot, Backslash, ControlCharacter, DotSegmentParameter, DoubleEncoding, EncodedSlash,
        Fragment, InvalidCharacter, InvalidEscape, InvalidUtf8, NonAscii, NotAbsolute)
    {
        add(error.as_str(), 400);
    }
    for code in every!(ErrorCode: AccessDenied, AuthorizationPending, ChangePasswordRequired, ConsentRequired, ExpiredToken,
        InsufficientScope, InteractionRequired, InvalidClient, InvalidClientMetadata, InvalidDpopProof, InvalidGrant, InvalidRedirectUri, InvalidRequest,
        InvalidRequestUri, InvalidScope, InvalidTarget, InvalidToken, LoginRequired, RequestNotSupported, RequestUriNotSupported,
        RegistrationNotSupported, ServerError, SlowDown, TemporarilyUnavailable, Throttled, TwoFactorRequired, UnauthorizedClient,
        UnmetAuthenticationRequirements, UnsupportedGrantType, UnsupportedResponseType, UnsupportedTokenType, UseDpopNonce)
    {
        add(code.as_str(), code.status(&ProfileStatuses::RFC));
    }
    let lints = every!(Lint: AcceptedRiskIsGone, AccessTokensLiveLong, AdminListenerReachable, AuthorizationCodesLiveLong,
        EverybodyIsATrustedProxy, ImplicitGrant, IssuerWithoutTls, KeyReadableByOthers, PasswordGrant, PublicUrlIsHttp,
        RouteAcceptsAnyAudience, RouteAcceptsRolesOfAnyApplication, RouteObservesOnly, StoreWithoutTls, TracesWithoutTls,
        UpstreamNotVerified, WildcardRedirectUri);
    assert_eq!(lints, Lint::ALL);
    known.extend(lints.map(|lint| (lint.as_str().to_owned(), BTreeSet::new())));
    known
}

// UX 8, UX 16: whatever is answered can be looked up, and nothing else is in the reference.
#[test]
fn every_code_has_an_entry_and_every_entry_a_code() {
    let entries = entries().unwrap();
    let mut written = Codes::new();
    for entry in &entries {
        let statuses = entry.statuses.iter().copied().collect();
        assert!(written.insert(entry.code.clone(), statuses).is_none(), "{} stands there twice", entry.code);
    }
    let known = known();
    let missing: Vec<_> = known.keys().filter(|code| !written.contains_key(*code)).collect();
    let needless: Vec<_> = written.keys().filter(|code| !known.contains_key(*code)).collect();
    assert!(missing.is_empty() && needless.is_empty(), "no entry: {missing:?}; no code: {needless:?}");
    for (code, statuses) in &known {
        assert_eq!(Some(statuses), written.get(code), "the statuses of {code}");
    }
}

/// The words in backticks that begin so.
fn quoted<'e>(entry: &'e Entry, start: &'e str) -> impl Iterator<Item = &'e str> {
    let texts = entry.checks.iter().chain(&entry.causes).chain([&entry.fix]);
    texts.flat_map(move |text| text.split('`').skip(1).step_by(2).filter(move |word| word.starts_with(start)))
}

// Nobody is sent to a command or a metric that is not there.
#[test]
fn what_an_entry_names_is_there() {
    let metrics = include_str!("../../metrics.rs");
    let command = crate::cli::Cli::command();
    for entry in entries().unwrap() {
        assert!(!entry.who.is_empty() && !entry.causes.is_empty() && !entry.checks.is_empty(), "{entry:?}");
        assert!(entry.meaning.ends_with('.') && entry.fix.ends_with('.'), "{entry:?}");
        for named in quoted(&entry, "faregate ") {
            let mut at = &command;
            for word in named.split(' ').skip(1).take_while(|word| word.bytes().all(|byte| byte.is_ascii_lowercase())) {
                match at.find_subcommand(word) {
                    Some(found) => at = found,
                    None => {
                        assert!(at.get_name() != "faregate" && !at.has_subcommands(), "{}: {named}", entry.code);
                        break;
                    }
                }
            }
        }
        for named in quoted(&entry, "faregate_").flat_map(|names| names.split(", ")) {
            let name = named.split('{').next().unwrap_or_default().trim_start_matches("faregate_");
            let is_there = metrics.contains(&format!("{name}\"")) || metrics.contains(&format!("\"faregate_{name}\""));
            assert!(is_there, "{}: no metric {named}", entry.code);
        }
    }
}

// UX 16
#[test]
fn a_slip_is_answered_with_what_may_have_been_meant() {
    let entries = entries().unwrap();
    let said = unknown("mising_scope", &entries);
    assert!(said.ends_with("did you mean missing_scope?"), "{said}");
    assert!(unknown("expire", &entries).contains("expired"));
    let token = "eyJ".repeat(40);
    assert!(!unknown(&token, &entries).contains("eyJ"), "it may be a token");
}
