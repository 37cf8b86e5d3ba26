//! Keys and certificates that change while the gateway runs: looked at once a second, away from the thread that serves.
//!
//! A file that cannot be used changes nothing: what was read before stays in force, and the log says so.

use crate::auth::Auth;
use crate::auth::keys::{KEYS_BYTES_MAX, KeySet, Rule};
use crate::auth::watch::Watch;
use crate::config::Config;
use crate::session::tls::{self, PEM_BYTES_MAX};
use crate::shell::Shell;
use rustls::ServerConfig;
use std::cell::RefCell;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The key file and what its keys are for; none = development.
pub(crate) struct Keys(Option<(Watch, Rule)>);

impl Keys {
    pub(crate) fn of(config: &Config) -> Self {
        let (issuer, audience) = (config.token_issuer.clone(), config.token_audience.clone());
        let rule = issuer.zip(audience).map(|(issuer, audience)| Rule { issuer, audience });
        let watch = config.jwks.clone().map(|path| Watch::new(vec![path], KEYS_BYTES_MAX));
        Self(watch.zip(rule))
    }

    /// Who may do what, by the keys as they are now.
    pub(crate) fn auth(&mut self, config: &Config) -> io::Result<Auth> {
        let sessions_max = config.limits.sessions_of_an_account();
        let Some((watch, rule)) = &mut self.0 else {
            return Ok(Auth::development(config.demo_accounts.clone(), sessions_max));
        };
        let read = watch.look().unwrap_or_else(|| watch.read());
        let keys = key_set(read, rule)?;
        tracing::info!(?keys, "tokens say who somebody is");
        let (again, rule) = (watch.clone(), rule.clone());
        // Read at once, for a file of this machine is there in no time; at most once a second.
        let look = Box::new(move || key_set(again.read(), &rule).ok());
        Ok(Auth::by_tokens(keys, look, config.public_data.clone(), sessions_max))
    }
}

fn key_set(read: io::Result<Vec<Vec<u8>>>, rule: &Rule) -> io::Result<KeySet> {
    let text = read?.pop().unwrap_or_default();
    KeySet::parse(&text, rule).map_err(|bad| io::Error::other(format!("--jwks: {bad}")))
}

/// The files of TLS, and what they come to.
pub(crate) struct Certificates {
    watch: Watch,
    config: Rc<RefCell<Arc<ServerConfig>>>,
}

impl Certificates {
    /// As the files are now; none = no TLS.
    pub(crate) fn of(config: &Config) -> io::Result<Option<Self>> {
        let Some((chain, key)) = config.tls_cert.clone().zip(config.tls_key.clone()) else { return Ok(None) };
        let mut watch = Watch::new(vec![chain, key], PEM_BYTES_MAX);
        let read = watch.look().unwrap_or_else(|| watch.read());
        let config = Rc::new(RefCell::new(tls_config(read)?));
        Ok(Some(Self { watch, config }))
    }

    /// What new connections are to use; those that are open keep what they have.
    pub(crate) fn config(&self) -> Rc<RefCell<Arc<ServerConfig>>> {
        Rc::clone(&self.config)
    }

    /// Looks for newer ones. Runs until dropped.
    pub(crate) async fn run(mut self) {
        let mut every = every_look();
        loop {
            every.tick().await;
            let mut watch = self.watch.clone();
            let looked = tokio::task::spawn_blocking(move || {
                let read = watch.look().map(tls_config);
                (watch, read)
            });
            let Ok((watch, read)) = looked.await else { return };
            self.watch = watch;
            match read {
                Some(Ok(config)) => {
                    tracing::info!("newer certificates are in force for new connections");
                    self.config.replace(config);
                }
                // One file of two may be newer already: the other's change makes it looked at again.
                Some(Err(error)) => tracing::error!("{error}; the certificates before it stay in force"),
                None => {}
            }
        }
    }
}

fn tls_config(read: io::Result<Vec<Vec<u8>>>) -> io::Result<Arc<ServerConfig>> {
    let files = read?;
    let [chain, key] = [0, 1].map(|at| files.get(at).map(Vec::as_slice).unwrap_or_default());
    tls::config(chain, key)
}

fn every_look() -> tokio::time::Interval {
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    every
}

/// Says loudly what a setting opens.
pub(crate) fn announce(config: &Config) {
    if !config.demo_accounts.is_empty() {
        tracing::warn!("DEVELOPMENT MODE: accounts are taken from hello without proof; loopback only");
    }
    if !config.listen.ip().is_loopback() && config.tls_cert.is_none() {
        tracing::warn!(
            "INSECURE: other machines are served without TLS; tokens and orders can be read on the way"
        );
    }
    if !config.listen.ip().is_loopback() && config.jwks.is_none() {
        tracing::warn!("OPEN: without --jwks anybody who gets here sees all market data");
    }
}

/// Looks for newer keys. Runs until dropped.
pub(crate) async fn run(shell: Rc<Shell>, mut keys: Keys) {
    let mut every = every_look();
    loop {
        every.tick().await;
        let Some((mut watch, rule)) = keys.0.take() else { return std::future::pending().await };
        let looked = tokio::task::spawn_blocking(move || {
            let read = watch.look().map(|read| key_set(read, &rule));
            ((watch, rule), read)
        });
        let Ok((watched, read)) = looked.await else { return };
        keys.0 = Some(watched);
        match read {
            Some(Ok(keys)) => {
                tracing::info!(?keys, "newer keys are in force");
                shell.terms.auth.renew(keys);
            }
            Some(Err(error)) => tracing::error!("{error}; the keys before it stay in force"),
            None => {}
        }
    }
}
