//! Going on where an earlier connection ended, on whatever gateway: the view is carried over by symbol, and what the gateway
//! calls unchanged is not sent again.

use crate::follow::number;
use crate::message::{Message, Subscribed};
use crate::socket::Socket;
use crate::verify::Search;
use crate::{Client, Error};
use wire::frame::view::{Carried, View};

/// What is kept between connections.
#[derive(Debug, Default)]
pub(crate) struct GoingOn {
    cursor: Option<String>,
    carried: Carried,
}

impl Client {
    /// Connects anew, to this or another gateway (`host:port`), and carries over what is held, and its accounts. Say hello
    /// next, then subscribe as before: what has not changed since is not sent again. What is not subscribed again within
    /// a second (until the next cursor) is forgotten. Call it when the connection has ended, or on a notice `draining`.
    ///
    /// # Errors
    /// As of [`Client::connect`]; this client is then as it was.
    ///
    /// # Cancel safety
    /// A cancelled call changes nothing.
    pub async fn reconnect(&mut self, address: &str) -> Result<(), Error> {
        self.socket = Box::pin(Socket::open(address, self.form)).await?;
        let old = std::mem::replace(&mut self.view, View::new(self.form));
        self.view = old.carry(&self.names, &mut self.going_on.carried);
        self.names.clear();
        self.wrong.clear();
        self.search = Search::default();
        self.needs_repair = false;
        Ok(())
    }

    /// Where an earlier connection ended; none in the first one, and once all that was held goes on or is forgotten.
    #[must_use]
    pub fn resume(&self) -> Option<&str> {
        self.going_on.cursor.as_deref().filter(|_| !self.going_on.carried.is_empty())
    }

    /// A message has been followed.
    pub(crate) fn go_on(&mut self, message: &Message) {
        match message {
            Message::Subscribed(subscribed) => self.joined(subscribed),
            Message::Heartbeat(beat) if beat.cursor.is_some() => {
                self.going_on.cursor.clone_from(&beat.cursor);
                self.view.reached(&mut self.going_on.carried);
            }
            _ => {}
        }
    }

    fn joined(&mut self, subscribed: &Subscribed) {
        let channel = number(&subscribed.channel);
        for symbol in &subscribed.symbols {
            let (id, told) = (symbol.id, symbol.resumed());
            let lacks = symbol.unchanged == Some(true) && told.is_none();
            let carried = &mut self.going_on.carried;
            if !self.view.resumed(channel, id, &symbol.symbol, told, carried) || lacks {
                self.wrong.insert((channel, id));
            }
        }
    }
}
