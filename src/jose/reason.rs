//! Why a token is refused, in words for logs and metrics. It does not decide anything.

/// Why a token was refused: for logs and metrics, never for the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    TooLarge,
    Malformed,
    DuplicateMember,
    CriticalHeader,
    UnsupportedAlgorithm,
    WrongType,
    UnknownKey,
    AlgorithmMismatch,
    BadSignature,
    WrongIssuer,
    MissingAudience,
    WrongAudience,
    MissingExpiry,
    InvalidTime,
    Expired,
    NotYetValid,
    IssuedInFuture,
    MissingClaim,
}

impl Reason {
    pub const ALL: [Self; 18] = [
        Self::TooLarge,
        Self::Malformed,
        Self::DuplicateMember,
        Self::CriticalHeader,
        Self::UnsupportedAlgorithm,
        Self::WrongType,
        Self::UnknownKey,
        Self::AlgorithmMismatch,
        Self::BadSignature,
        Self::WrongIssuer,
        Self::MissingAudience,
        Self::WrongAudience,
        Self::MissingExpiry,
        Self::InvalidTime,
        Self::Expired,
        Self::NotYetValid,
        Self::IssuedInFuture,
        Self::MissingClaim,
    ];

    /// The name in logs and metric labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::Malformed => "malformed",
            Self::DuplicateMember => "duplicate_member",
            Self::CriticalHeader => "critical_header",
            Self::UnsupportedAlgorithm => "unsupported_algorithm",
            Self::WrongType => "wrong_type",
            Self::UnknownKey => "unknown_key",
            Self::AlgorithmMismatch => "algorithm_mismatch",
            Self::BadSignature => "bad_signature",
            Self::WrongIssuer => "wrong_issuer",
            Self::MissingAudience => "missing_audience",
            Self::WrongAudience => "wrong_audience",
            Self::MissingExpiry => "missing_expiry",
            Self::InvalidTime => "invalid_time",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::IssuedInFuture => "issued_in_future",
            Self::MissingClaim => "missing_claim",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_have_distinct_names() {
        let names: std::collections::HashSet<_> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
    }
}
