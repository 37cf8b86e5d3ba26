//! Verifies a token (RFC 7519, signed as RFC 7515 has it). Pure: keys and time are handed in.

use super::keys::KeySet;
use jsonwebtoken::errors::ErrorKind;
use serde::Deserialize;
use std::rc::Rc;
use wire::control::{Entitlements, TOKEN_BYTES_MAX};
use wire::error::ErrorCode;
use wire::order::AccountId;

/// How far ahead of this machine's clock an issuer's may be, seconds. An end is an end: none is given there.
const SKEW_S: u64 = 5;

/// Last second that times here can hold: the year 9999.
const LAST_S: u64 = 253_402_300_799;

/// Why a token is refused. No reason repeats any of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refused {
    /// There is none, and one is needed.
    Missing,
    /// This gateway takes none.
    NotTaken,
    /// It is no token, or has not what is needed, or something that is not understood.
    Broken,
    /// Nobody here knows its key.
    UnknownKey,
    /// It was signed by another key or another algorithm, or changed.
    BadSignature,
    /// Of another issuer.
    Issuer,
    /// Made for somebody else.
    Audience,
    /// Not valid yet.
    Early,
    /// Over.
    Expired,
    /// Its claim `tickgate` cannot be kept to.
    Entitlements,
}

impl Refused {
    /// The error.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::Expired => ErrorCode::TokenExpired,
            _ => ErrorCode::BadToken,
        }
    }

    /// One line of text.
    #[must_use]
    pub const fn why(self) -> &'static str {
        match self {
            Self::Missing => "token: one is needed",
            Self::NotTaken => "token: this gateway takes none",
            Self::Broken => "token: no signed token with kid, iss, aud, sub, iat and exp",
            Self::UnknownKey => "token: signed with a key that is not known",
            Self::BadSignature => "token: its signature is wrong",
            Self::Issuer => "token: of another issuer",
            Self::Audience => "token: made for another audience",
            Self::Early => "token: not valid yet",
            Self::Expired => "token: over",
            Self::Entitlements => "token: its claim tickgate is not as documented",
        }
    }
}

/// What a good token says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whose.
    pub account: AccountId,
    /// What for.
    pub entitlements: Rc<Entitlements>,
    /// When it was made, µs since the Unix epoch.
    pub issued_us: i64,
    /// When it is over, µs since the Unix epoch.
    pub expires_us: i64,
    /// The key that signed it.
    pub kid: Rc<str>,
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    exp: u64,
    iat: u64,
    #[serde(default)]
    nbf: Option<u64>,
    /// As it stands, so that a fault in it has its own word.
    #[serde(default)]
    tickgate: Option<serde_json::Value>,
}

/// Verifies a token at a moment of the machine's clock.
///
/// # Errors
/// See [`Refused`].
pub fn verify(token: &str, keys: &KeySet, wall_us: i64) -> Result<Verified, Refused> {
    if token.is_empty() || token.len() > TOKEN_BYTES_MAX {
        return Err(Refused::Broken);
    }
    let header = jsonwebtoken::decode_header(token).map_err(|_| Refused::Broken)?;
    let typed = header.typ.as_deref().is_none_or(|typ| matches!(typ, "JWT" | "jwt" | "at+jwt"));
    if !typed || header.crit.is_some() || header.enc.is_some() || header.zip.is_some() {
        return Err(Refused::Broken);
    }
    // A key is only ever looked up among ours: whatever else the header names (jwk, jku, x5u) is not followed.
    let Some(key) = keys.find(header.kid.as_deref()) else {
        return Err(if header.kid.is_some() { Refused::UnknownKey } else { Refused::Broken });
    };
    if header.alg != key.algorithm {
        return Err(Refused::BadSignature);
    }
    let decoded = jsonwebtoken::decode::<Claims>(token, &key.key, &key.validation);
    let claims = decoded.map_err(|error| refusal(error.kind()))?.claims;
    let account = AccountId::new(&claims.sub).map_err(|_| Refused::Broken)?;
    let wall_s = u64::try_from(wall_us.div_euclid(1_000_000)).unwrap_or(0);
    if claims.exp > LAST_S || claims.exp <= claims.iat {
        return Err(Refused::Broken);
    }
    if claims.exp <= wall_s {
        return Err(Refused::Expired);
    }
    if claims.iat.max(claims.nbf.unwrap_or(0)) > wall_s + SKEW_S {
        return Err(Refused::Early);
    }
    let granted = claims.tickgate.unwrap_or_else(|| serde_json::json!({}));
    let granted: Entitlements = serde_json::from_value(granted).map_err(|_| Refused::Entitlements)?;
    granted.check().map_err(|_| Refused::Entitlements)?;
    let us = |seconds: u64| i64::try_from(seconds * 1_000_000).unwrap_or(i64::MAX);
    let kid = Rc::from(key.kid.as_str());
    let entitlements = Rc::new(granted);
    Ok(Verified { account, entitlements, issued_us: us(claims.iat), expires_us: us(claims.exp), kid })
}

fn refusal(kind: &ErrorKind) -> Refused {
    match kind {
        ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => Refused::BadSignature,
        ErrorKind::InvalidIssuer => Refused::Issuer,
        ErrorKind::InvalidAudience => Refused::Audience,
        _ => Refused::Broken,
    }
}
