//! What feed-sim is told at its start: flags first, then the environment. The only file that reads either.

use clap::Parser;
use std::path::PathBuf;

/// Publishes market data to NATS: recordings of real venues, or a seeded market.
#[derive(Debug, Clone, Parser)]
#[command(name = "feed-sim", version, about, max_term_width = 100)]
pub struct Config {
    /// Address of nats-server.
    #[arg(long, env = "TICKGATE_NATS", default_value = "nats://127.0.0.1:4222", value_name = "URL")]
    pub nats: String,

    /// Shards of market data; the same for all services.
    #[arg(long, env = "TICKGATE_SHARDS", default_value_t = wire::SHARDS_DEFAULT,
          value_parser = clap::value_parser!(u16).range(1..=i64::from(wire::SHARDS_MAX)))]
    pub shards: u16,

    /// Folder or file of recordings to replay; without it a market is simulated.
    #[arg(long, value_name = "PATH", conflicts_with_all = ["seed", "symbols", "rate", "depth"])]
    pub data: Option<PathBuf>,

    /// How many times faster than recorded, 0.01 to 1,000.
    #[arg(long, default_value = "1", value_name = "X", value_parser = speed, requires = "data")]
    pub speed: Speed,

    /// Begin at this time of day of the recording (equities: 09:30 unless given).
    #[arg(long, value_name = "HH:MM", value_parser = time_of_day, requires = "data")]
    pub from: Option<i64>,

    /// At the end of a recording begin again, under a new epoch.
    #[arg(long = "loop", requires = "data")]
    pub again: bool,

    /// Seed of the simulated market: same seed, same events.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,

    /// Simulated instruments.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub symbols: u32,

    /// Simulated quotes and prints a second, all instruments together.
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: u32,

    /// Simulated book levels a side that are published; 0 = none.
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=20))]
    pub depth: u32,

    /// Say figures once a second on stderr.
    #[arg(long)]
    pub live: bool,

    /// What to log: `error`, `warn`, `info`, `debug`, or per module.
    #[arg(long, env = "TICKGATE_LOG", default_value = "info", value_name = "FILTER")]
    pub log: String,
}

/// A speed in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speed(pub i64);

fn speed(text: &str) -> Result<Speed, String> {
    let number: wire::num::Number =
        text.parse().map_err(|_| "a number like 10 or 0.5 is needed".to_owned())?;
    let thousandths = number.rescale(-3).map_err(|_| "at most three decimals".to_owned())?;
    if (10..=1_000_000).contains(&thousandths) {
        Ok(Speed(thousandths))
    } else {
        Err("0.01 to 1000".to_owned())
    }
}

/// Nanoseconds since midnight.
fn time_of_day(text: &str) -> Result<i64, String> {
    let refused = || "a time like 09:30 is needed".to_owned();
    let (hours, minutes) = text.split_once(':').ok_or_else(refused)?;
    let (hours, minutes): (i64, i64) =
        (hours.parse().map_err(|_| refused())?, minutes.parse().map_err(|_| refused())?);
    if (0..24).contains(&hours) && (0..60).contains(&minutes) {
        Ok((hours * 60 + minutes) * 60 * 1_000_000_000)
    } else {
        Err(refused())
    }
}

impl Config {
    /// What the process was told.
    ///
    /// # Errors
    /// The message for the user, help included where it was asked for.
    pub fn from_process() -> Result<Self, clap::Error> {
        Self::try_parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_settings_are_refused() {
        let parse =
            |flags: &[&str]| Config::try_parse_from(std::iter::once("feed-sim").chain(flags.iter().copied()));
        for flags in [
            &["--colour"][..],
            &["--symbols", "0"],
            &["--speed", "2"],
            &["--data", "x", "--seed", "1"],
            &["--data", "x", "--speed", "1e3"],
            &["--data", "x", "--from", "25:00"],
        ] {
            assert!(parse(flags).is_err(), "{flags:?}");
        }
        let config = parse(&["--data", "x", "--speed", "0.5", "--from", "09:30"]).unwrap();
        assert_eq!((config.speed, config.from), (Speed(500), Some(34_200_000_000_000)));
    }
}
