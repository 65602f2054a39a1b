//! The key that encrypts private keys at rest (rule P1): from the environment, or a file that only we may read.
//!
//! Owns reading, creating and using it; it does not store what it seals.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use zeroize::Zeroizing;

use super::KeyError;
use crate::entropy::Entropy;
use crate::secret::Secret;

const KEY_BYTES: usize = 32;
const FORMAT: &str = "v1.";

/// An AES-256-GCM key. Sealed text is `v1.` and base64url of nonce, ciphertext and tag.
pub struct MasterKey {
    sealing: LessSafeKey,
    deriving: hmac::Key,
}

/// Why there is no usable master key. Each text names the file and what to do.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    #[error("the master key is not 32 bytes in base64; make one with: head -c32 /dev/urandom | base64")]
    Malformed,
    #[error("{path} is not a master key (32 bytes in base64); restore it, because the stored keys need it", path = .0.display())]
    MalformedFile(PathBuf),
    #[error("there is no master key {path}, and the stored keys need the one that was there; restore it", path = .0.display())]
    Lost(PathBuf),
    #[error("{path} can be read by others (mode {mode:04o}); run: chmod 600 {path}", path = .path.display())]
    Exposed { path: PathBuf, mode: u32 },
    #[error("cannot read the master key {path}: {source}", path = .path.display())]
    Unreadable { path: PathBuf, source: io::Error },
    #[error("cannot create the master key {path}: {source}", path = .path.display())]
    Uncreatable { path: PathBuf, source: io::Error },
}

impl MasterKey {
    /// # Errors
    /// [`MasterKeyError::Malformed`] unless `text` is 32 bytes in padded or unpadded base64.
    pub fn from_base64(text: &str) -> Result<Self, MasterKeyError> {
        let text = text.trim().trim_end_matches('=');
        let bytes = Zeroizing::new(base64_of(text).ok_or(MasterKeyError::Malformed)?);
        Self::new(&bytes).ok_or(MasterKeyError::Malformed)
    }

    /// Reads the key in the file at `path`, or makes one there with mode 0600 if there is no file.
    ///
    /// Processes that start together agree on one key: the file appears complete, and the first one stays.
    ///
    /// # Errors
    /// [`MasterKeyError`] if the file is malformed, readable by others, or cannot be read or made.
    pub fn from_file(path: &Path, entropy: &Entropy) -> Result<Self, MasterKeyError> {
        match Self::read(path) {
            Err(MasterKeyError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                create(path, entropy)
                    .map_err(|source| MasterKeyError::Uncreatable { path: path.to_owned(), source })?;
                Self::read(path)
            }
            outcome => outcome,
        }
    }

    /// One that is kept nowhere, for whoever seals nothing that is kept.
    ///
    /// # Errors
    /// [`MasterKeyError::Malformed`] if the library takes no key at all.
    pub fn for_now(entropy: &Entropy) -> Result<Self, MasterKeyError> {
        let mut bytes = Zeroizing::new([0; KEY_BYTES]);
        entropy.fill(bytes.as_mut_slice());
        Self::new(bytes.as_slice()).ok_or(MasterKeyError::Malformed)
    }

    fn read(path: &Path) -> Result<Self, MasterKeyError> {
        let unreadable = |source| MasterKeyError::Unreadable { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o7777;
        if mode & 0o077 != 0 {
            return Err(MasterKeyError::Exposed { path: path.to_owned(), mode });
        }
        let mut text = Zeroizing::new(String::new());
        // Longer than any key, short enough for a device or a wrong file.
        file.take(1024).read_to_string(&mut text).map_err(unreadable)?;
        Self::from_base64(&text).map_err(|_| MasterKeyError::MalformedFile(path.to_owned()))
    }

    pub(super) fn new(bytes: &[u8]) -> Option<Self> {
        // The library takes no other length.
        let sealing = LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes).ok()?);
        Some(Self { sealing, deriving: hmac::Key::new(hmac::HMAC_SHA256, bytes) })
    }

    /// 32 bytes for another purpose, the same at every start; they tell nothing of the key (RFC 5869 2.3).
    pub fn derive(&self, purpose: &[u8]) -> [u8; 32] {
        let mut derived = [0; 32];
        derived.copy_from_slice(hmac::sign(&self.deriving, purpose).as_ref());
        derived
    }

    /// Encrypts a private key so that it opens only under its own `kid`.
    ///
    /// # Errors
    /// [`KeyError::Library`] if the library fails.
    pub fn seal(&self, kid: &str, private_key: &Secret<Vec<u8>>, entropy: &Entropy) -> Result<String, KeyError> {
        let mut nonce = [0; NONCE_LEN];
        entropy.fill(&mut nonce);
        let mut sealed = nonce.to_vec();
        let mut text = Zeroizing::new(private_key.expose().clone());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .sealing
            .seal_in_place_separate_tag(nonce, Aad::from(kid.as_bytes()), &mut text)
            .map_err(|_| KeyError::Library)?;
        sealed.extend_from_slice(&text);
        sealed.extend_from_slice(tag.as_ref());
        Ok(format!("{FORMAT}{}", URL_SAFE_NO_PAD.encode(sealed)))
    }

    /// Decrypts what [`MasterKey::seal`] made for the same `kid`.
    ///
    /// # Errors
    /// [`KeyError::Malformed`] if the text is damaged, of another `kid`, or of another master key.
    pub fn open(&self, kid: &str, sealed: &str) -> Result<Secret<Vec<u8>>, KeyError> {
        let bytes = sealed.strip_prefix(FORMAT).and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let bytes = bytes.ok_or(KeyError::Malformed)?;
        let (nonce, text) = bytes.split_at_checked(NONCE_LEN).ok_or(KeyError::Malformed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| KeyError::Malformed)?;
        let mut text = Zeroizing::new(text.to_vec());
        let opened =
            self.sealing.open_in_place(nonce, Aad::from(kid.as_bytes()), &mut text).map_err(|_| KeyError::Malformed)?;
        Ok(Secret::new(opened.to_vec()))
    }
}

fn base64_of(unpadded: &str) -> Option<Vec<u8>> {
    let standard = base64::engine::general_purpose::STANDARD_NO_PAD.decode(unpadded);
    standard.or_else(|_| URL_SAFE_NO_PAD.decode(unpadded)).ok()
}

/// Writes a new key beside `path` and links it into place, which fails if another process was first.
fn create(path: &Path, entropy: &Entropy) -> io::Result<()> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    entropy.fill(bytes.as_mut_slice());
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", entropy.token(6)));
    let draft = PathBuf::from(draft);
    let written =
        write(&draft, &Zeroizing::new(STANDARD.encode(*bytes) + "\n")).and_then(|()| {
            match std::fs::hard_link(&draft, path) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
                Ok(()) | Err(_) => sync_folder(path),
            }
        });
    // The draft has done its work; a failure to remove it must not hide the outcome.
    drop(std::fs::remove_file(&draft));
    written
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn sync_folder(path: &Path) -> io::Result<()> {
    match path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        Some(parent) => File::open(parent)?.sync_all(),
        None => File::open(".")?.sync_all(),
    }
}

#[cfg(test)]
mod tests;
