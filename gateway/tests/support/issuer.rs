//! An issuer of tokens, good and bad, and its key file.

use ring::rand::SystemRandom;
use ring::rsa::{KeyPair as RsaKeyPair, PublicKeyComponents};
use ring::signature::{Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// A key of 2,048 bits that signs nothing but tokens of tests.
const RSA: &[u8] = include_bytes!("../data/rsa-for-tests.der");

/// Who issues, and for whom.
pub(crate) const ISSUER: &str = "https://issuer.test";
pub(crate) const AUDIENCE: &str = "tickgate";

/// Signs as one of its kinds.
pub(crate) enum Key {
    Ed(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl Key {
    pub(crate) fn ed(seed: u8) -> Self {
        Self::Ed(Ed25519KeyPair::from_seed_unchecked(&[seed; 32]).unwrap())
    }

    pub(crate) fn rsa() -> Self {
        Self::Rsa(RsaKeyPair::from_der(RSA).unwrap())
    }

    pub(crate) fn alg(&self) -> &'static str {
        match self {
            Self::Ed(_) => "EdDSA",
            Self::Rsa(_) => "RS256",
        }
    }

    /// As it stands in a key file.
    pub(crate) fn jwk(&self, kid: &str) -> Value {
        match self {
            Self::Ed(key) => {
                json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "alg": "EdDSA", "use": "sig", "x": b64(key.public_key().as_ref())})
            }
            Self::Rsa(key) => {
                let PublicKeyComponents { n, e } = PublicKeyComponents::<Vec<u8>>::from(key.public());
                json!({"kty": "RSA", "kid": kid, "n": b64(&n), "e": b64(&e)})
            }
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Ed(key) => key.sign(message).as_ref().to_vec(),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public().modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).unwrap();
                signature
            }
        }
    }

    /// A token of exactly this head and these claims.
    pub(crate) fn token(&self, head: &Value, claims: &Value) -> String {
        self.raw(head.to_string().as_bytes(), claims.to_string().as_bytes())
    }

    /// A token of these bytes.
    pub(crate) fn raw(&self, head: &[u8], claims: &[u8]) -> String {
        let message = format!("{}.{}", b64(head), b64(claims));
        format!("{message}.{}", b64(&self.sign(message.as_bytes())))
    }

    /// A good token of an account that lasts so many seconds.
    pub(crate) fn good(&self, kid: &str, account: &str, seconds: i64, tickgate: &Value) -> String {
        self.token(&json!({"alg": self.alg(), "typ": "JWT", "kid": kid}), &claims(account, seconds, tickgate))
    }
}

/// Good claims.
pub(crate) fn claims(account: &str, seconds: i64, tickgate: &Value) -> Value {
    let now = now_s();
    json!({"iss": ISSUER, "aud": AUDIENCE, "sub": account, "iat": now - 1, "exp": now + seconds, "tickgate": tickgate})
}

/// All market data and orders.
pub(crate) fn all() -> Value {
    json!({"data": [{"channels": ["quote", "trade"], "symbols": ["*"]}], "trade": true})
}

#[expect(clippy::disallowed_methods, reason = "an issuer has the time of its machine")]
pub(crate) fn now_s() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

/// base64url without padding.
pub(crate) fn b64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let chunk = |chunk: &[u8]| {
        let bits =
            chunk.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        (0..=chunk.len())
            .map(move |at| char::from(LETTERS[(bits >> (18 - 6 * at) & 63) as usize]))
            .collect::<String>()
    };
    bytes.chunks(3).map(chunk).collect()
}

/// A key file of a test's own.
pub(crate) fn key_file(name: &str, keys: &[Value]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}.jwks", std::process::id()));
    write_keys(&path, keys);
    path
}

/// Replaces a key file as an operator should: whole.
pub(crate) fn write_keys(path: &Path, keys: &[Value]) {
    let beside = path.with_extension("new");
    std::fs::write(&beside, json!({"keys": keys}).to_string()).unwrap();
    std::fs::rename(&beside, path).unwrap();
}

/// Flags of a gateway that takes tokens of a key file.
pub(crate) fn flags(path: &Path) -> Vec<&str> {
    vec!["--jwks", path.to_str().unwrap(), "--token-issuer", ISSUER, "--token-audience", AUDIENCE]
}
