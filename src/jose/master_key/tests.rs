use super::*;

struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = std::env::temp_dir().join(format!("faregate-master-key-{}", Entropy::system().token(9)));
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn key(&self) -> PathBuf {
        self.0.join("master.key")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

fn secret() -> Secret<Vec<u8>> {
    Secret::new(b"private key".to_vec())
}

fn refusal(path: &Path) -> String {
    MasterKey::from_file(path, &Entropy::system()).err().unwrap().to_string()
}

// P1
#[test]
fn what_is_sealed_opens_under_its_own_name_only() {
    let entropy = Entropy::system();
    let key = MasterKey::from_base64(&STANDARD.encode([7; 32])).unwrap();
    let sealed = key.seal("kid", &secret(), &entropy).unwrap();
    assert!(!sealed.contains("private") && sealed.starts_with("v1."));
    assert_eq!(key.open("kid", &sealed).unwrap().expose(), secret().expose());
    assert_ne!(key.seal("kid", &secret(), &entropy).unwrap(), sealed);

    let other = MasterKey::from_base64(&STANDARD.encode([8; 32])).unwrap();
    let changed = format!("{}A{}", &sealed[..20], &sealed[21..]);
    for damaged in ["", "v1.", "v1.AAAA", "v2.AAAA", &sealed[3..], &sealed[..sealed.len() - 4], &changed] {
        assert!(damaged == sealed || key.open("kid", damaged).is_err(), "{damaged}");
    }
    assert!(key.open("another kid", &sealed).is_err());
    assert!(other.open("kid", &sealed).is_err());
}

#[test]
fn a_key_in_the_environment_is_32_bytes_of_base64() {
    let bytes = [0xfb; 32];
    let spellings = [STANDARD.encode(bytes), format!(" {}\n", STANDARD.encode(bytes)), URL_SAFE_NO_PAD.encode(bytes)];
    for text in spellings {
        assert!(MasterKey::from_base64(&text).is_ok(), "{text}");
    }
    for text in ["", "secret", &STANDARD.encode([1; 31]), &STANDARD.encode([1; 33])] {
        assert!(MasterKey::from_base64(text).is_err(), "{text}");
    }
}

// P1
#[test]
fn the_first_start_makes_a_private_file_and_the_next_one_reads_it() {
    let folder = Folder::new();
    let entropy = Entropy::system();
    let sealed = MasterKey::from_file(&folder.key(), &entropy).unwrap().seal("kid", &secret(), &entropy).unwrap();
    assert_eq!(std::fs::metadata(folder.key()).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(std::fs::read_dir(&folder.0).unwrap().count(), 1);
    let again = MasterKey::from_file(&folder.key(), &entropy).unwrap();
    assert_eq!(again.open("kid", &sealed).unwrap().expose(), secret().expose());
}

#[test]
fn starts_at_once_agree_on_one_key() {
    let folder = Folder::new();
    let barrier = std::sync::Barrier::new(8);
    let keys: Vec<_> = std::thread::scope(|scope| {
        let start = || {
            barrier.wait();
            MasterKey::from_file(&folder.key(), &Entropy::system()).unwrap()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let sealed = keys[0].seal("kid", &secret(), &Entropy::system()).unwrap();
    assert!(keys.iter().all(|key| key.open("kid", &sealed).is_ok()));
}

// P1, T66
#[test]
fn a_file_that_others_can_read_is_refused_with_the_remedy() {
    let folder = Folder::new();
    MasterKey::from_file(&folder.key(), &Entropy::system()).unwrap();
    for mode in [0o644, 0o640, 0o604, 0o660] {
        std::fs::set_permissions(folder.key(), std::fs::Permissions::from_mode(mode)).unwrap();
        let text = refusal(&folder.key());
        assert!(text.contains(&format!("chmod 600 {}", folder.key().display())), "{text}");
    }
}

#[test]
fn a_wrong_or_impossible_file_is_named() {
    let folder = Folder::new();
    write(&folder.key(), "not a key").unwrap();
    assert!(refusal(&folder.key()).contains("master.key is not a master key"));
    let missing = folder.0.join("missing/master.key");
    assert!(refusal(&missing).contains("cannot create the master key"));
    assert!(refusal(&missing).contains("missing/master.key"));
}
