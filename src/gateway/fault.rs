//! What may be wrong with a request beside its token: where it goes, how large it is, who asks, and what its upstream does.
//!
//! Owns the status and the words of each. Refusals of a token are `enforce`'s, those of a header block `header_block`'s, and
//! those of a path `route`'s.

/// Why the gateway answers a request itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    BadPath,
    BadRequest,
    BodyTimeout,
    BodyTooLarge,
    /// Rule K5.
    CrossSiteRequest,
    IdentityForged,
    Internal,
    NoRoute,
    OriginRefused,
    OriginalAmbiguous,
    OriginalMalformed,
    OriginalMissing,
    Overloaded,
    RateLimited,
    ResourcesShort,
    ServedElsewhere,
    UnknownHost,
    UntrustedPeer,
    UpgradeRefused,
    UpstreamBusy,
    UpstreamDns,
    UpstreamFailed,
    UpstreamTimeout,
    UpstreamTls,
    UpstreamUnavailable,
    UpstreamUnreachable,
    /// The same code as for a script's request: it is the same mistake.
    WebSocketOriginRefused,
}

impl Fault {
    pub const fn status(self) -> u16 {
        match self {
            Self::BadPath | Self::BadRequest | Self::UpgradeRefused => 400,
            Self::CrossSiteRequest
            | Self::IdentityForged
            | Self::OriginRefused
            | Self::OriginalAmbiguous
            | Self::OriginalMalformed
            | Self::OriginalMissing
            | Self::UntrustedPeer
            | Self::WebSocketOriginRefused => 403,
            Self::NoRoute | Self::ServedElsewhere => 404,
            Self::BodyTimeout => 408,
            Self::BodyTooLarge => 413,
            Self::UnknownHost => 421,
            Self::RateLimited => 429,
            Self::Internal => 500,
            Self::UpstreamFailed | Self::UpstreamTls | Self::UpstreamUnreachable => 502,
            Self::Overloaded
            | Self::ResourcesShort
            | Self::UpstreamBusy
            | Self::UpstreamDns
            | Self::UpstreamUnavailable => 503,
            Self::UpstreamTimeout => 504,
        }
    }

    /// A stable name for metrics, logs and the `code` of the problem document.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::BadPath => "bad_path",
            Self::BadRequest => "bad_request",
            Self::BodyTimeout => "body_timeout",
            Self::BodyTooLarge => "body_too_large",
            Self::CrossSiteRequest => "cross_site_request",
            Self::IdentityForged => "identity_forged",
            Self::Internal => "internal",
            Self::NoRoute => "no_route",
            Self::OriginRefused | Self::WebSocketOriginRefused => "origin_refused",
            Self::OriginalAmbiguous => "original_ambiguous",
            Self::OriginalMalformed => "original_malformed",
            Self::OriginalMissing => "original_missing",
            Self::Overloaded => "overloaded",
            Self::RateLimited => "rate_limited",
            Self::ResourcesShort => "resources_short",
            Self::ServedElsewhere => "served_elsewhere",
            Self::UnknownHost => "unknown_host",
            Self::UntrustedPeer => "untrusted_peer",
            Self::UpgradeRefused => "upgrade_refused",
            Self::UpstreamBusy => "upstream_busy",
            Self::UpstreamDns => "upstream_dns",
            Self::UpstreamFailed => "upstream_failed",
            Self::UpstreamTimeout => "upstream_timeout",
            Self::UpstreamTls => "upstream_tls",
            Self::UpstreamUnavailable => "upstream_unavailable",
            Self::UpstreamUnreachable => "upstream_unreachable",
        }
    }

    /// What the client is told.
    pub const fn description(self) -> &'static str {
        match self {
            Self::BadPath => "The path is not valid UTF-8",
            Self::BadRequest => "The request is malformed",
            Self::BodyTimeout => "The body of the request took too long",
            Self::BodyTooLarge => "The body of the request is larger than is accepted here",
            Self::CrossSiteRequest => {
                "A request that is made with a session and changes something must come from a page of this origin"
            }
            Self::IdentityForged => "A field of the request poses as one that tells who the caller is",
            Self::Internal => "The gateway failed; the request was not forwarded",
            Self::NoRoute => "No route is configured for this path",
            Self::OriginRefused => "Pages of this origin may not call this route",
            Self::OriginalAmbiguous => "The original request is told in two ways that differ",
            Self::OriginalMalformed => "The original request is told in no way that can be",
            Self::OriginalMissing => "The method or the target of the original request is not told",
            Self::Overloaded => "The gateway has more to do than it can; try again",
            Self::RateLimited => "Too many requests; the next one is possible after Retry-After",
            Self::ResourcesShort => "The gateway is short of memory or descriptors; try again",
            Self::ServedElsewhere => "This path is decided on here and served by another gateway",
            Self::UnknownHost => "This host is not served here",
            Self::UntrustedPeer => "Only a peer that trusted_proxies lists may ask for decisions",
            Self::UpgradeRefused => "Connections on this route cannot be upgraded",
            Self::UpstreamBusy => "The upstream has as many requests as it may have",
            Self::UpstreamDns => "No server of the upstream has an address",
            Self::UpstreamFailed => "The upstream broke off or answered nonsense",
            Self::UpstreamTimeout => "The upstream did not answer in time",
            Self::UpstreamTls => "The upstream's TLS cannot be trusted",
            Self::UpstreamUnavailable => "No server of the upstream is healthy",
            Self::UpstreamUnreachable => "The upstream cannot be reached",
            Self::WebSocketOriginRefused => "Pages of this origin cannot open a WebSocket here",
        }
    }
}
