//! A token that is asked for anew when the gateway says that it ends.

use crate::{Client, Message, Request};
use std::fmt;

/// Says who a client is: a text, or a function that gives a fresh one and returns at once.
pub struct Token(Box<dyn Fn() -> String + Send + Sync>);

impl Token {
    /// A function that gives a fresh one each time.
    pub fn fresh(give: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Self(Box::new(give))
    }

    pub(crate) fn get(&self) -> String {
        (self.0)()
    }
}

impl From<String> for Token {
    fn from(text: String) -> Self {
        Self::fresh(move || text.clone())
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token")
    }
}

impl Client {
    /// Sends a fresh token where a notice asks for it; one that the queue has no room for is sent with the next notice.
    pub(crate) fn renew_token(&mut self, message: &Message) {
        let Message::Notice(notice) = message else { return };
        let ends = matches!(notice.code.as_str(), "token_expiring" | "token_expired");
        let Some(token) = self.token.as_ref().filter(|_| ends) else { return };
        let text = token.get();
        let id = self.id();
        self.socket.try_send(Request::Auth { id, token: &text }.text());
    }
}
