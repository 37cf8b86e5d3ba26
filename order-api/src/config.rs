//! Command line, checked. The one file that reads the environment (through clap).

use crate::risk::Limits;
use clap::Parser;
use rust_decimal::Decimal;
use std::net::SocketAddr;
use wire::num::Number;
use wire::order::PARTITIONS_MAX;
use wire::{SHARDS_DEFAULT, SHARDS_MAX};

/// Decides orders durably: one log per partition, one writer, a paper venue.
#[derive(Debug, Clone, Parser)]
#[command(name = "order-api", version)]
pub struct Config {
    /// NATS server with JetStream.
    #[arg(long, env = "TICKGATE_NATS", value_name = "URL")]
    pub nats: String,
    /// Partition that this process writes.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..i64::from(PARTITIONS_MAX)))]
    pub partition: u16,
    /// Partitions of the deployment; fixed when the streams are created.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=i64::from(PARTITIONS_MAX)))]
    pub partitions: u16,
    /// Shards of the feed.
    #[arg(long, default_value_t = SHARDS_DEFAULT, value_parser = clap::value_parser!(u16).range(1..=i64::from(SHARDS_MAX)))]
    pub shards: u16,
    /// Replicas of the log when it is created: 3 on a cluster.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=5))]
    pub replicas: u16,
    /// Monitoring port of the NATS server, `http://host:port`; without it durability is unproven.
    #[arg(long, value_name = "URL")]
    pub nats_monitor: Option<String>,
    /// Where /healthz, /readyz and /metrics are served.
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDRESS")]
    pub listen: SocketAddr,
    /// A quote without proof for this long is stale.
    #[arg(long, default_value_t = 400, value_parser = clap::value_parser!(u32).range(10..=60_000))]
    pub stale_after_ms: u32,
    /// Largest quantity of one order.
    #[arg(long, default_value = "1000000000", value_parser = money)]
    pub order_qty_max: Decimal,
    /// Largest price × quantity of one order.
    #[arg(long, default_value = "1000000000", value_parser = money)]
    pub order_notional_max: Decimal,
    /// Most ids that the partition holds; about 40 bytes of memory each.
    #[arg(long, default_value_t = 50_000_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub ids_max: u32,
}

fn money(text: &str) -> Result<Decimal, String> {
    match text.parse::<Number>() {
        Ok(number) if number.mantissa > 0 => Ok(number.to_decimal()),
        Ok(_) => Err("must be above zero".into()),
        Err(error) => Err(error.to_string()),
    }
}

impl Config {
    /// Rules between fields.
    ///
    /// # Errors
    /// What is wrong, in one line.
    pub fn check(&self) -> Result<(), String> {
        if self.partition >= self.partitions {
            return Err(format!(
                "--partition {} is not below --partitions {}",
                self.partition, self.partitions
            ));
        }
        match self.nats_monitor.as_deref() {
            Some(url) if !url.starts_with("http://") => Err("--nats-monitor must begin with http://".into()),
            _ => Ok(()),
        }
    }

    /// Limits of the core.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            order_qty_max: self.order_qty_max,
            order_notional_max: self.order_notional_max,
            ids_max: usize::try_from(self.ids_max).unwrap_or(usize::MAX),
            ..Limits::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Config, String> {
        let args = ["order-api", "--nats", "nats://127.0.0.1:1"].iter().chain(args);
        let config = Config::try_parse_from(args).map_err(|error| error.to_string())?;
        config.check().map(|()| config)
    }

    #[test]
    fn defaults_are_one_partition() {
        let config = parse(&[]).unwrap();
        assert_eq!((config.partition, config.partitions, config.shards), (0, 1, 4));
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for bad in [
            &["--partition", "1"][..],
            &["--partitions", "0"],
            &["--shards", "65"],
            &["--order-qty-max", "1e5"],
            &["--order-notional-max", "0"],
            &["--nats-monitor", "localhost:8222"],
            &["--verbose"],
        ] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
