//! What the gateway is told at its start: flags first, then the environment. The only file that reads either.

use crate::auth::origins::is_origin;
use crate::engine::MEMORY_MIN;
use clap::{Parser, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;
use wire::order::AccountId;

/// Conflates market data from NATS for WebSocket clients and carries their orders.
#[derive(Debug, Clone, Parser)]
#[command(name = "gateway", version, about, max_term_width = 100)]
pub struct Config {
    /// Address of nats-server.
    #[arg(long, env = "TICKGATE_NATS", default_value = "nats://127.0.0.1:4222", value_name = "URL")]
    pub nats: String,

    /// Address to serve HTTP and WebSocket on; port 0 takes a free one and prints it.
    #[arg(long, env = "TICKGATE_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDR")]
    pub listen: SocketAddr,

    /// Shards of market data; the same for all services.
    #[arg(long, env = "TICKGATE_SHARDS", default_value_t = wire::SHARDS_DEFAULT,
          value_parser = clap::value_parser!(u16).range(1..=i64::from(wire::SHARDS_MAX)))]
    pub shards: u16,

    /// Partitions of orders; the same for all services.
    #[arg(long, env = "TICKGATE_PARTITIONS", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub partitions: u16,

    /// Accounts that a hello may name without proof. Development only: refused unless `--listen` is loopback.
    #[arg(long, env = "TICKGATE_DEMO_ACCOUNTS", value_delimiter = ',', value_name = "A1,A2,…", value_parser = account)]
    pub demo_accounts: Vec<AccountId>,

    /// Demo accounts whose sessions are operators': they may send notices and list sessions.
    #[arg(long, env = "TICKGATE_DEMO_OPERATORS", value_delimiter = ',', value_name = "A1,…", value_parser = account)]
    pub demo_operators: Vec<AccountId>,

    /// Keys that tokens are signed with (a JWK set: Ed25519 and RSA public keys). With it a token says who somebody is
    /// and what they may do; the file is read again when it changes.
    #[arg(long, env = "TICKGATE_JWKS", value_name = "FILE", requires_all = ["token_issuer", "token_audience"])]
    pub jwks: Option<PathBuf>,

    /// Claim `iss` that a token must have.
    #[arg(long, env = "TICKGATE_TOKEN_ISSUER", value_name = "TEXT", requires = "jwks")]
    pub token_issuer: Option<String>,

    /// Value that a token's claim `aud` must hold.
    #[arg(long, env = "TICKGATE_TOKEN_AUDIENCE", value_name = "TEXT", requires = "jwks")]
    pub token_audience: Option<String>,

    /// Symbols and patterns whose market data needs no token.
    #[arg(long, env = "TICKGATE_PUBLIC_DATA", value_delimiter = ',', value_name = "SYMBOLS", requires = "jwks", value_parser = pattern)]
    pub public_data: Vec<String>,

    /// Origin of pages that may connect, beside the gateway's own; may stand several times.
    #[arg(long, env = "TICKGATE_ALLOW_ORIGIN", value_delimiter = ',', value_name = "ORIGIN", value_parser = origin)]
    pub allow_origin: Vec<String>,

    /// Certificate chain for TLS (PEM); read again when it or the key changes.
    #[arg(long, env = "TICKGATE_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// Private key of the certificate (PEM).
    #[arg(long, env = "TICKGATE_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Serves other machines without TLS: whoever is on the way reads tokens and orders.
    #[arg(long, env = "TICKGATE_INSECURE")]
    pub insecure: bool,

    /// Limits per account: `default` 100 orders a second, `bench` 50,000.
    #[arg(long, env = "TICKGATE_LIMITS", default_value = "default")]
    pub limits: LimitSet,

    /// Most sockets at a time; the next is answered 503.
    #[arg(long, env = "TICKGATE_SESSIONS_MAX", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub sessions_max: u32,

    /// Memory that sessions, subscriptions, instruments and rings may take together, such as `512M` or `2G`: above it new
    /// sessions get 503 and new subscriptions the error 1901. Default: three quarters of what the machine or its
    /// control group allows.
    #[arg(long, env = "TICKGATE_MEMORY_MAX", value_name = "BYTES", value_parser = memory)]
    pub memory_max: Option<u64>,

    /// Most unsent bytes of reports and order replies of a session; beyond it the session is closed.
    #[arg(long, env = "TICKGATE_REPORT_BYTES_MAX", default_value_t = 1 << 20, value_parser = clap::value_parser!(u32).range(4_096..=1 << 28))]
    pub report_bytes_max: u32,

    /// Without proof for longer than this a symbol is STALE, in milliseconds.
    #[arg(long, env = "TICKGATE_STALE_AFTER_MS", default_value_t = 400, value_parser = clap::value_parser!(u32).range(200..=60_000))]
    pub stale_after_ms: u32,

    /// Unchanged for longer than this a symbol is QUIET, in milliseconds.
    #[arg(long, env = "TICKGATE_QUIET_AFTER_MS", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(100..=600_000))]
    pub quiet_after_ms: u32,

    /// Time between the first signal to stop, which tells all sessions, and the end of those that have not gone on
    /// elsewhere, in milliseconds; 0 = at once. A second signal ends it.
    #[arg(long, env = "TICKGATE_DRAIN_MS", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(0..=600_000))]
    pub drain_ms: u32,

    /// Folder of the page; without it `/` says that there is none.
    #[arg(long, env = "TICKGATE_PAGE_DIR", value_name = "DIR")]
    pub page_dir: Option<PathBuf>,

    /// Adds the route `/echo` for conformance tests of the socket code.
    #[arg(long)]
    pub socket_echo: bool,

    /// What to log: `error`, `warn`, `info`, `debug`, or per module.
    #[arg(long, env = "TICKGATE_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
}

/// A set of limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LimitSet {
    /// For service.
    Default,
    /// For load tests on loopback.
    Bench,
}

impl LimitSet {
    /// Orders that an account may send in a second.
    #[must_use]
    pub const fn orders_per_s(self) -> u32 {
        match self {
            Self::Default => 100,
            Self::Bench => 50_000,
        }
    }

    /// Sessions that an account may have at a time.
    #[must_use]
    pub const fn sessions_of_an_account(self) -> u32 {
        match self {
            Self::Default => 16,
            Self::Bench => u32::MAX,
        }
    }

    /// Requests other than orders that a session may send in a second.
    #[must_use]
    pub const fn requests_per_s(self) -> u32 {
        match self {
            Self::Default => 400,
            Self::Bench => 100_000,
        }
    }
}

impl Config {
    /// What the process was told.
    ///
    /// # Errors
    /// The message for the user, help included where it was asked for.
    pub fn from_process() -> Result<Self, clap::Error> {
        let config = Self::try_parse()?;
        config.check()?;
        Ok(config)
    }

    /// Checks what no single flag can tell.
    ///
    /// # Errors
    /// The message for the user.
    pub fn check(&self) -> Result<(), clap::Error> {
        let refuse = |text: &str| {
            let mut command = <Self as clap::CommandFactory>::command();
            Err(command.error(clap::error::ErrorKind::ValueValidation, text))
        };
        if !self.demo_accounts.is_empty() && !self.listen.ip().is_loopback() {
            return refuse("--demo-accounts is for development: --listen must be a loopback address");
        }
        if !self.demo_accounts.is_empty() && self.jwks.is_some() {
            return refuse("--demo-accounts does not go with --jwks: an account is named by its token");
        }
        if !self.listen.ip().is_loopback() && self.tls_cert.is_none() && !self.insecure {
            return refuse(
                "--listen beyond loopback needs --tls-cert and --tls-key; --insecure does without, for all to read",
            );
        }
        if self.public_data.len() > wire::control::GRANT_SYMBOLS_MAX {
            return refuse("--public-data: at most 32 symbols and patterns");
        }
        if let Some(stranger) = self.demo_operators.iter().find(|name| !self.demo_accounts.contains(name)) {
            return refuse(&format!("--demo-operators: {stranger} is none of --demo-accounts"));
        }
        if self.limits == LimitSet::Bench && !self.listen.ip().is_loopback() {
            return refuse("--limits bench is for load tests: --listen must be a loopback address");
        }
        if let Some(dir) = &self.page_dir
            && !dir.is_dir()
        {
            return refuse(&format!("--page-dir: no such folder: {}", dir.display()));
        }
        Ok(())
    }
}

fn pattern(text: &str) -> Result<String, String> {
    if wire::instrument::valid_pattern(text) {
        Ok(text.to_owned())
    } else {
        Err("no symbol or pattern".to_owned())
    }
}

fn origin(text: &str) -> Result<String, String> {
    let why = "scheme, host and port as browsers write them, like https://app.example";
    if is_origin(text) { Ok(text.to_owned()) } else { Err(why.to_owned()) }
}

fn account(text: &str) -> Result<AccountId, String> {
    AccountId::new(text).map_err(|error| error.to_string())
}

/// Bytes, with `K`, `M` or `G` for powers of 1,024.
fn memory(text: &str) -> Result<u64, String> {
    let (digits, scale) = match text.strip_suffix(['K', 'M', 'G']) {
        Some(digits) if text.ends_with('K') => (digits, 1 << 10),
        Some(digits) if text.ends_with('M') => (digits, 1 << 20),
        Some(digits) => (digits, 1 << 30),
        None => (text, 1),
    };
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(scale));
    bytes
        .filter(|bytes| *bytes >= MEMORY_MIN)
        .ok_or_else(|| "bytes, at least 64M, such as 512M or 2G".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(flags: &[&str]) -> Result<Config, clap::Error> {
        let config = Config::try_parse_from(std::iter::once("gateway").chain(flags.iter().copied()))?;
        config.check()?;
        Ok(config)
    }

    #[test]
    fn unknown_and_impossible_settings_are_refused() {
        for flags in [
            &["--colour"][..],
            &["--shards", "0"],
            &["--shards", "65"],
            &["--listen", "nowhere"],
            &["--demo-accounts", "A 1"],
            &["--demo-operators", "A1"],
            &["--demo-accounts", "A1", "--demo-operators", "A1,A2"],
            &["--demo-accounts", "A1", "--listen", "0.0.0.0:80"],
            &["--limits", "bench", "--listen", "0.0.0.0:80"],
            &["--listen", "0.0.0.0:80"],
            &["--listen", "0.0.0.0:80", "--tls-cert", "c"],
            &["--jwks", "k", "--token-issuer", "i"],
            &["--jwks", "k", "--token-audience", "a"],
            &["--token-issuer", "i"],
            &["--public-data", "*"],
            &["--jwks", "k", "--token-issuer", "i", "--token-audience", "a", "--demo-accounts", "A1"],
            &["--jwks", "k", "--token-issuer", "i", "--token-audience", "a", "--public-data", "A >"],
            &["--allow-origin", "*"],
            &["--limits", "none"],
            &["--page-dir", "/no/such/folder"],
            &["--allow-origin", "*"],
            &["--allow-origin", "https://a.example/"],
            &["--memory-max", "63M"],
            &["--memory-max", "lots"],
            &["--memory-max", "99999999999999G"],
        ] {
            assert!(parse(flags).is_err(), "{flags:?}");
        }
        for flags in [
            &["--listen", "0.0.0.0:80", "--insecure"][..],
            &["--listen", "0.0.0.0:80", "--tls-cert", "c", "--tls-key", "k"],
            &["--jwks", "k", "--token-issuer", "i", "--token-audience", "a", "--public-data", "*.X,A.Y"],
            &["--allow-origin", "https://a.example", "--allow-origin", "http://b.example:80"],
        ] {
            assert!(parse(flags).is_ok(), "{flags:?}");
        }
        let config = parse(&["--demo-accounts", "A1,A2", "--limits", "bench"]).unwrap();
        assert_eq!(config.demo_accounts, ["A1", "A2"].map(|name| AccountId::new(name).unwrap()));
        assert_eq!(config.limits.orders_per_s(), 50_000);
        let config =
            parse(&["--allow-origin", "https://a.example", "--allow-origin", "http://b:81"]).unwrap();
        assert_eq!(config.allow_origin.len(), 2);
        assert_eq!(config.memory_max, None);
        assert_eq!(parse(&["--memory-max", "512M"]).unwrap().memory_max, Some(512 << 20));
        assert_eq!(parse(&["--memory-max", "70000000"]).unwrap().memory_max, Some(70_000_000));
        assert!(config.demo_operators.is_empty());
        assert!(parse(&["--demo-accounts", "A1,A2", "--demo-operators", "A2"]).is_ok());
    }
}
