//! Tokens of plain HTTP and of handshakes: one `Authorization: Bearer`, and never in a URL. Pure over a request's head.

use super::token::Refused;
use super::{At, Auth, NoPass, Pass};
use hyper::StatusCode;
use hyper::header::{AUTHORIZATION, HeaderMap};
use std::rc::Rc;
use wire::control::Entitlements;

/// Names under which others put tokens into URLs, where logs and histories keep them.
const TOKEN_NAMES: [&str; 4] = ["token", "access_token", "authorization", "jwt"];

/// What is wrong with a request's proof.
pub type Unproved = (StatusCode, &'static str, Refused);

/// Whether a query bears a token. It is refused, whether it is good or not: it has been written down by now.
#[must_use]
pub fn bears_token(query: Option<&str>) -> bool {
    let names = query.unwrap_or_default().split('&').map(|pair| pair.split('=').next().unwrap_or(pair));
    names.into_iter().any(|name| TOKEN_NAMES.iter().any(|known| name.eq_ignore_ascii_case(known)))
}

/// The one token that a request's head bears, if it bears any.
fn bearer(headers: &HeaderMap) -> Result<Option<&str>, Unproved> {
    let mut lines = headers.get_all(AUTHORIZATION).iter();
    let Some(line) = lines.next() else { return Ok(None) };
    if lines.next().is_some() {
        return Err((StatusCode::UNAUTHORIZED, "Authorization stands twice", Refused::Broken));
    }
    let token = line.to_str().ok().and_then(|line| line.split_once(' '));
    match token {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(token)),
        _ => Err((StatusCode::UNAUTHORIZED, "Authorization: Bearer and a token are needed", Refused::Broken)),
    }
}

fn unproved(refused: Refused) -> Unproved {
    (StatusCode::UNAUTHORIZED, refused.why(), refused)
}

impl Auth {
    /// What a handshake proves: nothing without a token, which `hello` may still bear.
    ///
    /// # Errors
    /// 401 or 429, and one line of text.
    pub fn handshake(&self, headers: &HeaderMap, at: At) -> Result<Option<Pass>, Unproved> {
        let Some(token) = bearer(headers)? else { return Ok(None) };
        match self.pass(token, at) {
            Ok(pass) => Ok(Some(pass)),
            Err(NoPass::Refused(refused)) => Err(unproved(refused)),
            Err(NoPass::Full) => {
                let why = "the account has as many sessions as it may";
                Err((StatusCode::TOO_MANY_REQUESTS, why, Refused::NotTaken))
            }
        }
    }

    /// What a plain request may see; none = everything.
    ///
    /// # Errors
    /// 401 and one line of text.
    pub fn sight(&self, headers: &HeaderMap, at: At) -> Result<Option<Rc<Entitlements>>, Unproved> {
        match bearer(headers)? {
            Some(token) => self.verify(token, at).map(|good| Some(good.entitlements)).map_err(unproved),
            None if self.is_closed() => Err(unproved(Refused::Missing)),
            None => Ok(self.public.clone()),
        }
    }
}
