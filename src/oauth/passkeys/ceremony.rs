//! What a browser and an authenticator say when a passkey is made or used, and whether to believe it (WebAuthn Level 3, 7).
//!
//! Pure: it asks nobody. What was sent once can be sent again, so whoever calls sees to it that each challenge counts once.

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use uuid::Uuid;

use crate::jose::{Algorithm, PasskeyKey};
use crate::model::{Passkey, PasskeyAlgorithm};
use crate::secret::equal;

/// Longest answer of a browser, in bytes: an RSA key and a long credential id fit into it several times.
const MOST_BYTES: usize = 16 * 1024;
/// WebAuthn Level 3, 4: the longest credential id.
const MOST_ID_BYTES: usize = 1023;

/// Bytes of SHA-256, in front of authenticator data.
const DIGEST: usize = 32;
const USER_PRESENT: u8 = 0x01;
const USER_VERIFIED: u8 = 0x04;
const MAY_BE_BACKED_UP: u8 = 0x08;
const IS_BACKED_UP: u8 = 0x10;
const HAS_CREDENTIAL: u8 = 0x40;

/// Where people sign in: passkeys are for one such place and for no other, which is why nobody can be led to use them
/// elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::oauth) struct RelyingParty<'a> {
    /// The host, a domain.
    pub id: &'a str,
    /// `https://` and the host, with its port if that is not the usual one.
    pub origin: &'a str,
}

/// Why an answer counts for nothing. For tests and for the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::oauth) enum Refusal {
    Malformed,
    WrongType,
    WrongChallenge,
    WrongOrigin,
    WrongRelyingParty,
    UserNotPresent,
    UserNotVerified,
    ImpossibleBackup,
    UnknownAlgorithm,
    WrongSignature,
}

/// What the browser says of how it asked (WebAuthn Level 3, 5.8.1).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ClientData {
    r#type: String,
    challenge: String,
    origin: String,
    #[serde(default)]
    cross_origin: bool,
    top_origin: Option<String>,
}

/// A new credential: what matters of `RegistrationResponseJSON` (WebAuthn Level 3, 5.1).
#[derive(Deserialize)]
struct Registration {
    id: String,
    response: Attested,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Attested {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    authenticator_data: String,
    public_key: String,
    public_key_algorithm: i64,
}

/// A use of a credential: what matters of `AuthenticationResponseJSON`.
#[derive(Deserialize)]
struct Authentication {
    id: String,
    response: Asserted,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Asserted {
    #[serde(rename = "clientDataJSON")]
    client_data: String,
    authenticator_data: String,
    signature: String,
    user_handle: Option<String>,
}

/// A use of a passkey that nobody has judged yet.
#[derive(Debug)]
pub(in crate::oauth) struct Assertion {
    pub credential_id: String,
    /// Whose it says it is.
    pub user_id: Uuid,
    client_data: Vec<u8>,
    authenticator_data: Vec<u8>,
    signature: Vec<u8>,
}

/// The first 37 bytes of authenticator data (WebAuthn Level 3, 6.1), believed as far as they speak of us.
struct Reported<'a> {
    flags: u8,
    sign_count: u32,
    rest: &'a [u8],
}

/// The new passkey that `answer` tells of, without a name.
///
/// What attests where it was made is not asked for: its public key is as good as the session in which it is told (7.1).
pub(in crate::oauth) fn register(answer: &str, at: RelyingParty<'_>, challenge: &str) -> Result<Passkey, Refusal> {
    let Registration { id, response } = parse(answer)?;
    check_client_data(&decoded(&response.client_data)?, "webauthn.create", at, challenge)?;
    let authenticator_data = decoded(&response.authenticator_data)?;
    let reported = read(&authenticator_data, at)?;
    if reported.flags & HAS_CREDENTIAL == 0 || attested_id(reported.rest)? != decoded(&id)? {
        return Err(Refusal::Malformed);
    }
    let algorithm = PasskeyAlgorithm::of_cose(response.public_key_algorithm).ok_or(Refusal::UnknownAlgorithm)?;
    let public_key = decoded(&response.public_key)?;
    PasskeyKey::new(named(algorithm), &public_key).ok_or(Refusal::UnknownAlgorithm)?;
    Ok(Passkey {
        id: URL_SAFE_NO_PAD.encode(decoded(&id)?),
        algorithm,
        public_key: URL_SAFE_NO_PAD.encode(public_key),
        sign_count: reported.sign_count,
        name: String::new(),
        created_at: 0,
    })
}

impl Assertion {
    pub(in crate::oauth) fn parse(answer: &str) -> Result<Self, Refusal> {
        let Authentication { id, response } = parse(answer)?;
        // We ask for credentials that the authenticator finds by itself, and those know whose they are.
        let user_id = decoded(&response.user_handle.ok_or(Refusal::Malformed)?)?;
        Ok(Self {
            credential_id: URL_SAFE_NO_PAD.encode(decoded(&id)?),
            user_id: Uuid::from_slice(&user_id).map_err(|_| Refusal::Malformed)?,
            client_data: decoded(&response.client_data)?,
            authenticator_data: decoded(&response.authenticator_data)?,
            signature: decoded(&response.signature)?,
        })
    }

    /// How often the authenticator says that it signed, if this was made with `passkey`, here, for `challenge`.
    pub(in crate::oauth) fn verify(
        &self,
        passkey: &Passkey,
        at: RelyingParty<'_>,
        challenge: &str,
    ) -> Result<u32, Refusal> {
        check_client_data(&self.client_data, "webauthn.get", at, challenge)?;
        let reported = read(&self.authenticator_data, at)?;
        let key = PasskeyKey::new(named(passkey.algorithm), &decoded(&passkey.public_key)?);
        let hash = digest::digest(&digest::SHA256, &self.client_data);
        let message = [&self.authenticator_data, hash.as_ref()].concat();
        if !key.ok_or(Refusal::UnknownAlgorithm)?.verifies(&message, &self.signature) {
            return Err(Refusal::WrongSignature);
        }
        Ok(reported.sign_count)
    }
}

/// What an authenticator gives back with every use of a passkey: whose it is.
pub(in crate::oauth) fn handle(user_id: Uuid) -> String {
    URL_SAFE_NO_PAD.encode(user_id.as_bytes())
}

fn parse<T: for<'a> Deserialize<'a>>(answer: &str) -> Result<T, Refusal> {
    if answer.len() > MOST_BYTES {
        return Err(Refusal::Malformed);
    }
    serde_json::from_str(answer).map_err(|_| Refusal::Malformed)
}

fn decoded(text: &str) -> Result<Vec<u8>, Refusal> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| Refusal::Malformed)
}

/// WebAuthn Level 3, 7.1 steps 7 to 12 and 7.2 steps 11 to 15.
fn check_client_data(text: &[u8], what: &str, at: RelyingParty<'_>, challenge: &str) -> Result<(), Refusal> {
    // Members that we do not know are skipped unread: whether all of it is text is seen here.
    let text = std::str::from_utf8(text).map_err(|_| Refusal::Malformed)?;
    let said: ClientData = serde_json::from_str(text).map_err(|_| Refusal::Malformed)?;
    if said.r#type != what {
        return Err(Refusal::WrongType);
    }
    if !equal(&decoded(&said.challenge)?, challenge.as_bytes()) {
        return Err(Refusal::WrongChallenge);
    }
    // Nobody shows our pages in a frame (A16), whatever the browser thinks of it.
    if said.origin != at.origin || said.cross_origin || said.top_origin.is_some() {
        return Err(Refusal::WrongOrigin);
    }
    Ok(())
}

/// WebAuthn Level 3, 7.1 steps 13 to 18 and 7.2 steps 16 to 20. A PIN or a finger is always asked for: without, whoever finds
/// the device would be its owner.
fn read<'a>(data: &'a [u8], at: RelyingParty<'_>) -> Result<Reported<'a>, Refusal> {
    let (hash, rest) = data.split_first_chunk::<DIGEST>().ok_or(Refusal::Malformed)?;
    let (&[flags], rest) = rest.split_first_chunk::<1>().ok_or(Refusal::Malformed)?;
    let (count, rest) = rest.split_first_chunk::<4>().ok_or(Refusal::Malformed)?;
    if hash != digest::digest(&digest::SHA256, at.id.as_bytes()).as_ref() {
        return Err(Refusal::WrongRelyingParty);
    }
    let is_set = |flag: u8| flags & flag != 0;
    if !is_set(USER_PRESENT) {
        return Err(Refusal::UserNotPresent);
    }
    if !is_set(USER_VERIFIED) {
        return Err(Refusal::UserNotVerified);
    }
    if is_set(IS_BACKED_UP) && !is_set(MAY_BE_BACKED_UP) {
        return Err(Refusal::ImpossibleBackup);
    }
    Ok(Reported { flags, sign_count: u32::from_be_bytes(*count), rest })
}

/// The credential id in attested credential data (WebAuthn Level 3, 6.5.1), which has to be followed by a key.
fn attested_id(data: &[u8]) -> Result<&[u8], Refusal> {
    let (_model, rest) = data.split_first_chunk::<16>().ok_or(Refusal::Malformed)?;
    let (length, rest) = rest.split_first_chunk::<2>().ok_or(Refusal::Malformed)?;
    let length = usize::from(u16::from_be_bytes(*length));
    match rest.split_at_checked(length) {
        Some((id, key)) if (1..=MOST_ID_BYTES).contains(&length) && !key.is_empty() => Ok(id),
        Some(_) | None => Err(Refusal::Malformed),
    }
}

fn named(algorithm: PasskeyAlgorithm) -> Algorithm {
    match algorithm {
        PasskeyAlgorithm::Es256 => Algorithm::Es256,
        PasskeyAlgorithm::Rs256 => Algorithm::Rs256,
        PasskeyAlgorithm::EdDsa => Algorithm::EdDsa,
    }
}

#[cfg(test)]
mod tests;
