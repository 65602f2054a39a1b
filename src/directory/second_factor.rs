//! Time-based one-time codes (RFC 6238) and recovery codes: made, told once, recognised.
//!
//! Owns their shapes. Counting wrong ones and spending right ones is `credentials`' business.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use totp_rs::{Builder, Totp};
use uuid::Uuid;

use super::{Directory, DirectoryError, FieldCode, FieldError};
use crate::entropy::Entropy;
use crate::events::Event;
use crate::model::{ClientSecret, Tenant, User};
use crate::percent;
use crate::secret::{Secret, equal};
use crate::store::{self, Lease};

/// RFC 6238 4.1: seconds per step. One step before and after the current one is accepted too (L11).
const STEP_FOR: i64 = 30;
const SKEW: i64 = 1;
/// RFC 4226 4: 160 bits.
const SECRET_BYTES: usize = 20;

const RECOVERY_CODES: usize = 10;
/// 80 bits: beyond guessing even for somebody who has the hashes (L13).
const RECOVERY_CHARACTERS: usize = 16;
/// No letters that look like digits, and no vowels but two.
const RECOVERY_ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What a person has to keep. Nobody will see it again.
#[derive(Debug)]
pub struct Enrollment {
    /// `otpauth://totp/...`, for an authenticator: what its QR code says.
    pub uri: Secret<String>,
    /// The same secret in base32, to be typed.
    pub secret: Secret<String>,
    pub recovery_codes: Vec<Secret<String>>,
}

/// A shared secret that is nobody's yet, in both forms in which FusionAuth's clients want it.
#[derive(Debug)]
pub struct ProposedSecret {
    pub base32: Secret<String>,
    pub base64: Secret<String>,
}

impl ProposedSecret {
    /// The form that is typed, of the one in base64; `None` for what is neither.
    pub fn base32_of(base64: &Secret<String>) -> Option<Secret<String>> {
        STANDARD.decode(base64.expose()).ok().map(|secret| Secret::new(base32(&secret)))
    }
}

/// What a presented code turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    Step(i64),
    /// The hash of the recovery code.
    Recovery(String),
}

impl Directory {
    /// Gives the user a second factor, replacing one that was there.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`], [`DirectoryError::Changed`], or the store's.
    pub async fn enroll_totp(&self, user_id: Uuid) -> Result<Enrollment, DirectoryError> {
        let before = self.store.find_user(user_id).await?.ok_or(DirectoryError::NotFound("user"))?;
        self.enroll(&before, self.propose_totp_secret().base32).await
    }

    /// Gives the user a second factor with a secret that was proposed before, if `code` shows that the person has it. `None`
    /// if it does not.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`] for a secret of another length, and for a user who has a second factor already: that one
    /// is removed first.
    pub async fn enroll_totp_with(
        &self,
        before: &User,
        secret: Secret<String>,
        code: &str,
    ) -> Result<Option<Enrollment>, DirectoryError> {
        let refused = |field, code, message| Err(DirectoryError::Invalid(vec![FieldError::new(field, code, message)]));
        if before.has_second_factor() {
            return refused("method", FieldCode::Duplicate, "the user has a second factor already");
        }
        if totp(&secret).is_none() {
            return refused("secretBase32Encoded", FieldCode::Invalid, "is not 20 bytes in base32");
        }
        // It is no login, and so not spent: whoever enrolls logs in next, within the same step if a program does it.
        match step_of(&normal(code), &secret, self.clock.now()) {
            Some(_) => self.enroll(before, secret).await.map(Some),
            None => Ok(None),
        }
    }

    async fn enroll(&self, before: &User, secret: Secret<String>) -> Result<Enrollment, DirectoryError> {
        let tenant = self.store.find_tenant(before.tenant_id).await?.ok_or(DirectoryError::NotFound("tenant"))?;
        let recovery_codes = self.propose_recovery_codes();
        let sealed = self.sealing.seal(&place(before.id), &secret, &self.entropy);
        let after = User {
            totp_secret: Some(sealed.map_err(DirectoryError::Sealing)?),
            recovery_codes: hashes(&recovery_codes),
            updated_at: self.clock.now(),
            ..before.clone()
        };
        let uri = Secret::new(uri(&tenant, before, &secret));
        self.replace_user(before, &after, Event::SecondFactorEnrolled).await?;
        Ok(Enrollment { uri, secret, recovery_codes })
    }

    /// Gives somebody with a second factor other recovery codes: those from before are worth nothing any more.
    ///
    /// # Errors
    /// [`DirectoryError::Invalid`] for a user without a second factor, [`DirectoryError::Changed`], or the store's.
    pub async fn renew_recovery_codes(&self, before: &User) -> Result<Vec<Secret<String>>, DirectoryError> {
        if !before.has_second_factor() {
            let error = FieldError::new("user", FieldCode::Invalid, "has no second factor, which is set up first");
            return Err(DirectoryError::Invalid(vec![error]));
        }
        let recovery_codes = self.propose_recovery_codes();
        let after = User { recovery_codes: hashes(&recovery_codes), updated_at: self.clock.now(), ..before.clone() };
        self.replace_user(before, &after, Event::RecoveryCodesRenewed).await?;
        Ok(recovery_codes)
    }

    fn propose_recovery_codes(&self) -> Vec<Secret<String>> {
        (0..RECOVERY_CODES).map(|_| recovery_code(&self.entropy)).collect()
    }

    /// Whether nobody has used the code of the step before (RFC 6238 5.2).
    pub(super) async fn spend_step(&self, user_id: Uuid, step: i64) -> store::Result<bool> {
        let key = ClientSecret::hash(&format!("{user_id}:{step}"));
        let lease = Lease { now: self.clock.now(), expires_at: over_at(step) };
        self.store.remember_once("totp", &key, lease).await
    }

    /// A new shared secret. It is remembered nowhere.
    pub fn propose_totp_secret(&self) -> ProposedSecret {
        let mut secret = [0; SECRET_BYTES];
        self.entropy.fill(&mut secret);
        ProposedSecret { base32: Secret::new(base32(&secret)), base64: Secret::new(STANDARD.encode(secret)) }
    }

    /// Takes the second factor away, for somebody who lost it. Sessions and tokens of the user end.
    ///
    /// # Errors
    /// [`DirectoryError::NotFound`], [`DirectoryError::Changed`], or the store's.
    pub async fn remove_totp(&self, user_id: Uuid) -> Result<(), DirectoryError> {
        let before = self.store.find_user(user_id).await?.ok_or(DirectoryError::NotFound("user"))?;
        let after =
            User { totp_secret: None, recovery_codes: Vec::new(), updated_at: self.clock.now(), ..before.clone() };
        self.replace_user(&before, &after, Event::SecondFactorRemoved).await?;
        self.revoke_user(user_id).await
    }
}

/// What an authenticator reads, from a QR code for example.
pub fn totp_uri(tenant: &Tenant, user: &User, secret: &Secret<String>) -> Secret<String> {
    Secret::new(uri(tenant, user, secret))
}

/// Whether the user has this recovery code, and has not used it.
pub fn is_recovery_code(user: &User, code: &str) -> bool {
    let hash = hash(code);
    user.recovery_codes.iter().any(|other| equal(other.as_bytes(), hash.as_bytes()))
}

/// Where the secret is sealed for.
pub(super) fn place(user_id: Uuid) -> String {
    format!("totp:{user_id}")
}

/// First instant at which a code of the step is not accepted by itself.
fn over_at(step: i64) -> i64 {
    (step + SKEW + 1) * STEP_FOR
}

/// What `code` is, as the user with this secret and these hashes would know it.
pub(super) fn find(code: &str, secret: Option<&Secret<String>>, recovery: &[String], now: i64) -> Option<Found> {
    let secret = secret?;
    let code = normal(code);
    if let Some(step) = step_of(&code, secret, now) {
        return Some(Found::Step(step));
    }
    let hash = hash(&code);
    let mut known = false;
    for other in recovery {
        known |= equal(other.as_bytes(), hash.as_bytes());
    }
    known.then_some(Found::Recovery(hash))
}

/// Without what people type between the groups.
fn normal(code: &str) -> String {
    code.chars().filter(|c| !c.is_whitespace() && *c != '-').take(64).collect()
}

fn step_of(code: &str, secret: &Secret<String>, now: i64) -> Option<i64> {
    let totp = totp(secret)?;
    let current = now.div_euclid(STEP_FOR);
    let mut found = None;
    for step in current - SKEW..=current + SKEW {
        let Ok(at) = u64::try_from(step * STEP_FOR) else { continue };
        if equal(totp.generate(at).to_string().as_bytes(), code.as_bytes()) {
            found = Some(step);
        }
    }
    found
}

/// SHA-1, six digits, 30 seconds: what every authenticator knows.
fn totp(secret: &Secret<String>) -> Option<Totp> {
    let bytes: [u8; SECRET_BYTES] = unbase32(secret.expose())?.try_into().ok()?;
    Builder::new().with_secret(bytes).build().ok()
}

fn uri(tenant: &Tenant, user: &User, secret: &Secret<String>) -> String {
    let issuer = percent::encoded(tenant.settings.theme.name.as_deref().unwrap_or(&tenant.name));
    let account = percent::encoded(user.email.as_deref().or(user.username.as_deref()).unwrap_or("user"));
    format!(
        "otpauth://totp/{issuer}:{account}?secret={}&issuer={issuer}&algorithm=SHA1&digits=6&period=30",
        secret.expose()
    )
}

/// `xxxx-xxxx-xxxx-xxxx`
fn recovery_code(entropy: &Entropy) -> Secret<String> {
    let mut bytes = [0; RECOVERY_CHARACTERS];
    entropy.fill(&mut bytes);
    let mut code = String::new();
    for (index, byte) in bytes.into_iter().enumerate() {
        if index > 0 && index % 4 == 0 {
            code.push('-');
        }
        code.push(char::from(RECOVERY_ALPHABET[usize::from(byte % 32)]));
    }
    Secret::new(code)
}

fn hashes(codes: &[Secret<String>]) -> Vec<String> {
    codes.iter().map(|code| hash(code.expose())).collect()
}

/// Of a recovery code, however it was typed.
fn hash(code: &str) -> String {
    let typed = code.chars().filter(|c| !c.is_whitespace() && *c != '-');
    let plain: String = typed.flat_map(char::to_lowercase).map(lookalike).collect();
    ClientSecret::hash(&plain)
}

/// The character of the alphabet that was probably read.
fn lookalike(character: char) -> char {
    match character {
        'o' => '0',
        'i' | 'l' => '1',
        'u' => 'v',
        other => other,
    }
}

/// RFC 4648 6, without padding: 20 bytes are 32 characters.
fn base32(bytes: &[u8]) -> String {
    let mut text = String::new();
    for chunk in bytes.chunks(5) {
        let mut block = [0; 8];
        block[3..3 + chunk.len()].copy_from_slice(chunk);
        let bits = u64::from_be_bytes(block);
        for index in 0..(chunk.len() * 8).div_ceil(5) {
            text.push(char::from(BASE32[((bits >> (35 - 5 * index)) & 31) as usize]));
        }
    }
    text
}

fn unbase32(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    let (mut bits, mut held) = (0_u32, 0);
    for byte in text.bytes() {
        let value = BASE32.iter().position(|known| *known == byte)?;
        bits = (bits << 5) | value as u32;
        held += 5;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238 appendix B: "12345678901234567890".
    fn rfc_secret() -> Secret<String> {
        Secret::new(base32(b"12345678901234567890"))
    }

    // RFC 4648 10
    #[test]
    fn base32_is_the_standard_one() {
        for (bytes, text) in
            [("f", "MY"), ("fo", "MZXQ"), ("foo", "MZXW6"), ("foob", "MZXW6YQ"), ("foobar", "MZXW6YTBOI")]
        {
            assert_eq!(base32(bytes.as_bytes()), text);
            assert_eq!(unbase32(text).unwrap(), bytes.as_bytes());
        }
        assert_eq!(rfc_secret().expose(), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
        assert_eq!(unbase32("a"), None);
    }

    // RFC 6238 appendix B, cut to six digits; L11: one step before and after
    #[test]
    fn codes_are_the_standard_ones_and_hold_for_three_steps() {
        let secret = rfc_secret();
        for (now, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (2_000_000_000, "279037")]
        {
            let step = now / 30;
            for (at, found) in [(now - 60, false), (now - 30, true), (now, true), (now + 30, true), (now + 60, false)] {
                let expected = found.then_some(Found::Step(step));
                assert_eq!(find(code, Some(&secret), &[], at), expected, "{code} at {at}");
            }
            assert!(over_at(step) > now + 30 && over_at(step) <= now + 60);
        }
        assert_eq!(find("287 082", Some(&secret), &[], 59), Some(Found::Step(1)));
        for wrong in ["", "28708", "2870820", "287083", "+28708", "٢٨٧٠٨٢"] {
            assert_eq!(find(wrong, Some(&secret), &[], 59), None, "{wrong}");
        }
    }

    // L13
    #[test]
    fn recovery_codes_are_long_random_and_forgiving() {
        let entropy = Entropy::seeded(3);
        let codes: Vec<_> = (0..RECOVERY_CODES).map(|_| recovery_code(&entropy)).collect();
        let hashes: Vec<String> = codes.iter().map(|code| hash(code.expose())).collect();
        let code = codes[4].expose();
        assert_eq!(code.len(), 19);
        for typed in [code.clone(), code.to_uppercase(), code.replace('-', " "), code.replace('0', "O")] {
            assert_eq!(
                find(&typed, Some(&rfc_secret()), &hashes, 0),
                Some(Found::Recovery(hashes[4].clone())),
                "{typed}"
            );
        }
        assert_eq!(find(&hashes[4], Some(&rfc_secret()), &hashes, 0), None);
        assert_eq!(find(code, None, &hashes, 0), None, "no second factor, no recovery");
    }

    #[test]
    fn the_uri_is_what_authenticators_read() {
        let mut user = User::new(Uuid::nil(), Uuid::nil(), 0);
        user.email = Some("ann+x@example.com".to_owned());
        let uri = uri(&Tenant::new(Uuid::nil(), "Acme & Söhne", 0), &user, &rfc_secret());
        assert_eq!(
            uri,
            "otpauth://totp/Acme%20%26%20S%C3%B6hne:ann%2Bx%40example.com?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ\
             &issuer=Acme%20%26%20S%C3%B6hne&algorithm=SHA1&digits=6&period=30"
        );
    }
}
