use super::*;

fn matches(hash: &str, password: &str) -> bool {
    ImportedHash::parse(hash).unwrap_or_else(|| panic!("{hash} is in a known form")).matches(password)
}

// L7: the vectors of jBCrypt's TestBCrypt, and of OpenBSD's and PHP's prefixes
#[test]
fn bcrypt_is_verified() {
    for (password, hash) in [
        ("", "$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s."),
        ("a", "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe"),
        ("abc", "$2a$06$If6bvum7DFjUnE9p2uDeDu0YHzrHM6tf.iqN8.yx.jNN1ILEf7h0i"),
        ("abcdefghijklmnopqrstuvwxyz", "$2a$06$.rCVZVOThsIa97pEDOxvGuRRgzG64bvtJ0938xuqzv18d3ZpQhstC"),
    ] {
        for prefix in ["$2a$", "$2b$", "$2y$"] {
            let hash = format!("{prefix}{}", &hash[4..]);
            assert!(matches(&hash, password), "{hash}");
            assert!(!matches(&hash, "abd"), "{hash}");
        }
    }
}

// RFC 7914 11, and 64 bytes of SHA-512 as Python's hashlib computes them
#[test]
fn pbkdf2_is_verified_in_each_spelling() {
    let passwd = "VawEblbjCJ/sFpHCJUS2BflBhSFt3gRl5oudV8INrLxJypzM8Xm2RZkWZLOdd+8xfHG4RbHjC9UJESBB06GXgw";
    for hash in [
        format!("$pbkdf2-sha256$i=1$c2FsdA${passwd}"),
        format!("$pbkdf2-sha256$i=1,l=64$c2FsdA==${passwd}=="),
        format!("$pbkdf2-sha256$1$c2FsdA${}", passwd.replace('+', ".")),
    ] {
        assert!(matches(&hash, "passwd"), "{hash}");
        assert!(!matches(&hash, "Passwd") && !matches(&hash, ""), "{hash}");
    }
    let password = "TdzY9guYviGDDO5e8icB+WQaRBjQTAQUrv8Ih2s0q1ah1CWhIlgzVJrbhBtRybMXaicr3ruh0HhHj2Kzl/M8jQ";
    assert!(matches(&format!("$pbkdf2-sha256$i=80000$TmFDbA${password}"), "Password"));
    let long = "0Zexsz2wFD4BixLz0dFHnmzevcyXxcD4f2kC4HL0V7UUPzBgJkGz1VzTNZiMs2uEN2Bg7NUy4Dm3QqI5Q0ry1Q";
    assert!(matches(&format!("$pbkdf2-sha512$i=4096$c2FsdA${long}"), "password"));
}

// FusionAuth's reference of password hashes: the password and the decoded salt, hashed so often as the factor says
#[test]
fn salted_sha_256_is_verified() {
    let salt = "4MTVxbvk8swI0ys2Lf4saeR3swRvn0f2";
    for (rounds, hash) in
        [(1, "wLAU6Ma/KdGKjOhvQaKD6G3NSlpzDUxj8iJjA6FdjsA="), (3, "lvxmxJCxEi7P5h+mnmvTSRPh8YQDQYrO/1OS+o9vGCQ=")]
    {
        let hash = format!("$salted-sha256$r={rounds}${salt}${hash}");
        assert!(matches(&hash, "password"));
        assert!(!matches(&hash, "Password"));
    }
    assert!(matches(
        "$salted-sha256$r=20000$AAECAwQFBgcICQoLDA0ODw$oWgKIQgYd89gBhC5JXCvh2capO42yY1bwlOvrZUSy1g",
        "correct horse"
    ));
}

// L7: what would keep a thread busy is not taken, nor what is easily guessed around
#[test]
fn what_costs_too_much_or_proves_nothing_is_no_hash() {
    let output = "VawEblbjCJ/sFpHCJUS2BQ";
    for hash in [
        "$2a$15$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe".to_owned(),
        "$2x$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe".to_owned(),
        "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfx".to_owned(),
        format!("$pbkdf2-sha256$i=2000001$c2FsdA${output}"),
        format!("$pbkdf2-sha256$i=0$c2FsdA${output}"),
        format!("$pbkdf2-sha256$i=x$c2FsdA${output}"),
        format!("$pbkdf2-sha1$i=1000$c2FsdA${output}"),
        format!("$pbkdf2-sha256$i=1000$c2FsdA${output}$"),
        "$pbkdf2-sha256$i=1000$c2FsdA$VawEbg".to_owned(),
        "$pbkdf2-sha256$i=1000$c2FsdA$".to_owned(),
        format!("$salted-sha256$r=1${}${output}", "c2FsdA"),
        format!("$pbkdf2-sha256$i=1000${}${output}", "A".repeat(1_400)),
        "plain".to_owned(),
        String::new(),
    ] {
        assert!(ImportedHash::parse(&hash).is_none(), "{hash}");
    }
}

// FusionAuth's import: factor, salt and hash apart
#[test]
fn hashes_in_parts_become_one_string() {
    let joined = |scheme, factor, salt, hash| HashInParts { scheme, factor, salt, hash }.joined();
    let pbkdf2 = joined(
        "salted-pbkdf2-hmac-sha256",
        Some(24_000),
        "c2FsdHNhbHQ=",
        "K5VGHxhfVpPZT32s8OQ+l5Zp02ebsBh+2mA0ic3wAEs=",
    );
    let pbkdf2 = pbkdf2.expect("a known scheme");
    assert_eq!(pbkdf2, "$pbkdf2-sha256$i=24000$c2FsdHNhbHQ$K5VGHxhfVpPZT32s8OQ+l5Zp02ebsBh+2mA0ic3wAEs");
    assert!(matches(&pbkdf2, "password"));
    let apart = joined("bcrypt", Some(6), "m0CrhHm10qJ3lXRY.5zDGO", "3rS2KdeeWLuGmsfGlMfOxih58VYVfxe").expect("bcrypt");
    let together = joined("bcrypt", Some(6), "", "m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe");
    assert_eq!(apart, "$2a$06$m0CrhHm10qJ3lXRY.5zDGO3rS2KdeeWLuGmsfGlMfOxih58VYVfxe");
    assert_eq!(together.as_ref(), Ok(&apart));
    assert_eq!(joined("bcrypt", None, "", &apart).as_ref(), Ok(&apart));
    let sha256 = joined(
        "salted-sha256",
        Some(1),
        "4MTVxbvk8swI0ys2Lf4saeR3swRvn0f2",
        "wLAU6Ma/KdGKjOhvQaKD6G3NSlpzDUxj8iJjA6FdjsA=",
    );
    assert!(matches(&sha256.expect("a known scheme"), "password"));
    assert!(joined("salted-md5", Some(1), "c2FsdA==", "c2FsdA==").is_err());
    assert!(joined("salted-sha256", Some(1), "not base64!", "c2FsdA==").is_err());
}
