//! How a socket ends: one reason, one close code, and whether the client should come back.

/// Why the server ends a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseReason {
    /// The client said goodbye.
    Normal,
    /// The gateway stops.
    GoingAway,
    /// The peer broke RFC 6455.
    Protocol,
    /// A binary message where only text is taken.
    Unsupported,
    /// Text that is not UTF-8.
    BadText,
    /// Too many bad messages or fragments.
    Policy,
    /// A message above the limit.
    TooBig,
    /// No pong within the idle time.
    NoPong,
    /// The server has no room now.
    TryLater,
    /// No valid authentication.
    Auth,
    /// Origin or entitlement refused.
    Forbidden,
    /// No byte moved, or no `hello`, for the stated time.
    SlowConsumer,
    /// A newer session of the same name took over.
    TakenOver,
    /// More messages than allowed.
    Rate,
}

impl CloseReason {
    /// The WebSocket close code.
    #[must_use]
    pub const fn code(self) -> u16 {
        match self {
            Self::Normal => 1000,
            Self::GoingAway => 1001,
            Self::Protocol => 1002,
            Self::Unsupported => 1003,
            Self::BadText => 1007,
            Self::Policy => 1008,
            Self::TooBig => 1009,
            Self::NoPong => 1011,
            Self::TryLater => 1013,
            Self::Auth => 4401,
            Self::Forbidden => 4403,
            Self::SlowConsumer => 4408,
            Self::TakenOver => 4409,
            Self::Rate => 4429,
        }
    }

    /// Machine-readable word that goes into the close frame.
    #[must_use]
    pub const fn text(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::GoingAway => "going_away",
            Self::Protocol => "protocol",
            Self::Unsupported => "unsupported",
            Self::BadText => "bad_text",
            Self::Policy => "policy",
            Self::TooBig => "too_big",
            Self::NoPong => "no_pong",
            Self::TryLater => "try_later",
            Self::Auth => "auth",
            Self::Forbidden => "forbidden",
            Self::SlowConsumer => "slow_consumer",
            Self::TakenOver => "taken_over",
            Self::Rate => "rate",
        }
    }
}

/// Whether a client that sees this code should connect again by itself.
#[must_use]
pub const fn reconnects(code: u16) -> bool {
    matches!(code, 1001 | 1006 | 1011 | 1013 | 4408)
}
