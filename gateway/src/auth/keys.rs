//! The keys that tokens may be signed with: a JWK set (RFC 7517), public keys only. Pure over its text.

use super::crypto;
use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind, Validation};
use std::fmt;
use thiserror::Error;

/// Largest key file.
pub const KEYS_BYTES_MAX: u64 = 1 << 20;

/// Most keys of a set.
pub const KEYS_MAX: usize = 64;

/// Whose tokens are taken, and for whom they must be made.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Claim `iss`.
    pub issuer: String,
    /// What claim `aud` must hold.
    pub audience: String,
}

/// What is wrong with a key set.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadKeys {
    /// It is no JWK set.
    #[error("no JWK set: {0}")]
    Json(String),
    /// A key cannot be used.
    #[error("keys[{0}]: {1}")]
    Key(usize, &'static str),
    /// There is none, or there are too many.
    #[error("a set has 1 to 64 keys, this one {0}")]
    Count(usize),
}

pub(super) struct Key {
    pub(super) kid: String,
    pub(super) algorithm: Algorithm,
    pub(super) key: DecodingKey,
    pub(super) validation: Validation,
}

/// Keys by their ids.
pub struct KeySet(Vec<Key>);

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|key| &key.kid)).finish()
    }
}

impl KeySet {
    /// Reads a set. Keys that are for something else than to verify signatures are passed over.
    ///
    /// # Errors
    /// See [`BadKeys`]: a set with one bad key is refused, so that nobody finds out when that key is needed.
    pub fn parse(text: &[u8], rule: &Rule) -> Result<Self, BadKeys> {
        crypto::install();
        let set: JwkSet =
            serde_json::from_slice(text).map_err(|error| BadKeys::Json(error.classify_word().to_owned()))?;
        let mut keys: Vec<Key> = Vec::new();
        for (at, jwk) in set.keys.iter().enumerate() {
            if matches!(jwk.common.public_key_use, Some(PublicKeyUse::Encryption)) {
                continue;
            }
            let key = read(jwk, rule).map_err(|why| BadKeys::Key(at, why))?;
            if keys.iter().any(|other| other.kid == key.kid) {
                return Err(BadKeys::Key(at, "its kid stands twice"));
            }
            keys.push(key);
        }
        if keys.is_empty() || keys.len() > KEYS_MAX {
            Err(BadKeys::Count(keys.len()))
        } else {
            Ok(Self(keys))
        }
    }

    /// The key of an id; without an id the only one.
    pub(super) fn find(&self, kid: Option<&str>) -> Option<&Key> {
        match (kid, self.0.as_slice()) {
            (Some(kid), keys) => keys.iter().find(|key| key.kid == kid),
            (None, [only]) => Some(only),
            (None, _) => None,
        }
    }
}

/// What kind of fault JSON has, without any of its text.
trait Classified {
    fn classify_word(&self) -> &'static str;
}

impl Classified for serde_json::Error {
    fn classify_word(&self) -> &'static str {
        use serde_json::error::Category;
        match self.classify() {
            Category::Io => "it cannot be read",
            Category::Syntax | Category::Eof => "it is no JSON",
            Category::Data => "it has no keys as RFC 7517 has them",
        }
    }
}

fn read(jwk: &Jwk, rule: &Rule) -> Result<Key, &'static str> {
    let kid = jwk.common.key_id.clone().ok_or("it has no kid")?;
    let algorithm = match &jwk.algorithm {
        AlgorithmParameters::OctetKeyPair(pair) if pair.curve == EllipticCurve::Ed25519 => Algorithm::EdDSA,
        AlgorithmParameters::RSA(_) => Algorithm::RS256,
        AlgorithmParameters::OctetKey(_) => return Err("a secret that both sides share is not taken"),
        _ => return Err("its kty and crv are none of OKP with Ed25519, and RSA"),
    };
    let named = jwk.common.key_algorithm.map(|named| named.to_string());
    if named.is_some_and(|named| named != format!("{algorithm:?}")) {
        return Err("its alg is none of EdDSA and RS256, or does not go with its kty");
    }
    let key = DecodingKey::from_jwk(jwk).map_err(|_| "its numbers are no base64url")?;
    let long_enough = match key.kind() {
        DecodingKeyKind::SecretOrDer(x) => x.len() == 32,
        DecodingKeyKind::RsaModulusExponent { n, .. } => (256..=1_024).contains(&n.len()),
    };
    if !long_enough {
        return Err("its length: 32 bytes of Ed25519, 2,048 to 8,192 bits of RSA");
    }
    let mut validation = Validation::new(algorithm);
    validation.set_issuer(&[&rule.issuer]);
    validation.set_audience(&[&rule.audience]);
    validation.set_required_spec_claims(&["iss", "aud", "sub"]);
    validation.validate_exp = false; // by the time that is handed in, see `token`
    Ok(Key { kid, algorithm, key, validation })
}
