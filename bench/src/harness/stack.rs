//! The whole deployment on one machine: nats-server, feed-sim, order-api, gateway.

use super::{Folder, HarnessError, Nats, Outcome, Process, READY_WAIT, Signal, get, metric, until};
use crate::config;
use std::path::{Path, PathBuf};

/// Demo accounts of every stack.
pub const ACCOUNTS: &str = "A1,A2,A3,A4,A5,A6,A7,A8";

/// What the feed plays.
#[derive(Debug, Clone)]
pub enum Feed {
    /// The seeded simulator.
    Simulator {
        /// Symbols.
        symbols: u32,
        /// Events a second.
        rate: u32,
        /// Seed.
        seed: u64,
    },
    /// A recording.
    Recording {
        /// Its folder.
        folder: PathBuf,
        /// Faster than it happened.
        speed: String,
        /// Where to begin, `HH:MM`.
        from: Option<String>,
        /// Whether it begins again at its end.
        again: bool,
    },
}

impl Feed {
    fn args(&self) -> Vec<String> {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        match self {
            Self::Simulator { symbols, rate, seed } => words(&[
                "--symbols",
                &symbols.to_string(),
                "--rate",
                &rate.to_string(),
                "--seed",
                &seed.to_string(),
            ]),
            Self::Recording { folder, speed, from, again } => {
                let mut args = words(&["--data", &folder.display().to_string(), "--speed", speed]);
                if let Some(from) = from {
                    args.extend(words(&["--from", from]));
                }
                if *again {
                    args.extend(words(&["--loop"]));
                }
                args
            }
        }
    }
}

/// Cores of the processes; none = wherever the system puts them.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pins {
    /// The gateway.
    pub gateway: Option<u32>,
    /// nats-server, feed-sim and order-api.
    pub rest: Option<u32>,
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Options {
    /// What the feed plays; none = no feed.
    pub feed: Option<Feed>,
    /// Whether order-api runs.
    pub orders: bool,
    /// Cores.
    pub pins: Pins,
    /// More arguments of the gateway.
    pub gateway_args: Vec<String>,
    /// Descriptors that the gateway may have; none = as many as this process.
    pub gateway_descriptors: Option<u32>,
}

impl Options {
    /// The simulator with as many symbols and events a second, and orders.
    #[must_use]
    pub const fn simulator(symbols: u32, rate: u32) -> Self {
        Self::of(Feed::Simulator { symbols, rate, seed: 1 })
    }

    /// A feed, and orders.
    #[must_use]
    pub const fn of(feed: Feed) -> Self {
        Self {
            feed: Some(feed),
            orders: true,
            pins: Pins { gateway: None, rest: None },
            gateway_args: Vec::new(),
            gateway_descriptors: None,
        }
    }
}

/// Everything that runs.
#[derive(Debug)]
pub struct Stack {
    /// The gateway.
    pub gateway: Process,
    /// order-api.
    pub order_api: Option<Process>,
    /// feed-sim.
    pub feed: Option<Process>,
    /// nats-server.
    pub nats: Nats,
    /// Address of the gateway.
    pub address: String,
    /// Address of order-api's health and metrics.
    pub orders_address: Option<String>,
    options: Options,
    folder: Folder,
}

impl Stack {
    /// Starts everything; returns when every service is ready.
    ///
    /// # Errors
    /// When something does not start, with the end of its log.
    pub async fn start(options: Options) -> Outcome<Self> {
        let folder = Folder::new()?;
        let nats = Nats::start(folder.path(), options.pins.rest).await?;
        let mut feed = match &options.feed {
            Some(kind) => Some(start_feed(kind, &nats, &options, &folder)?),
            None => None,
        };
        if let Some(feed) = &mut feed {
            feed.ready().await?;
        }
        let (mut order_api, mut orders_address) = (None, None);
        if options.orders {
            let mut process = start_orders(&nats, &options, &folder)?;
            orders_address = process.ready().await?.remove("http");
            order_api = Some(process);
        }
        let mut gateway = start_gateway(&nats, &options, &folder, "127.0.0.1:0")?;
        let mut values = gateway.ready().await?;
        let address = values.remove("http").ok_or_else(|| gateway.obituary("said no address"))?;
        let stack = Self { gateway, order_api, feed, nats, address, orders_address, options, folder };
        stack.ready().await?;
        Ok(stack)
    }

    /// Waits until the gateway says that it is ready and knows the feed's instruments.
    ///
    /// # Errors
    /// When it does not within the harness' bound.
    pub async fn ready(&self) -> Outcome {
        let wanted = match &self.options.feed {
            Some(Feed::Simulator { symbols, .. }) => f64::from(*symbols),
            Some(Feed::Recording { .. }) => 1.0,
            None => return Ok(()),
        };
        let waiting = until("instruments at the gateway", READY_WAIT, async || {
            let known = self.metric("gw_instruments").await.ok()?;
            let ready = get(&self.address, "/readyz").await.ok()?.status == 200;
            (ready && known >= wanted).then_some(())
        });
        waiting.await.map_err(|error| HarnessError(format!("{error}\n{}", self.tails())))
    }

    /// Starts the gateway again on the same address. The old one must be gone. Returns when it began to listen, µs.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart_gateway(&mut self) -> Outcome<i64> {
        self.gateway = start_gateway(&self.nats, &self.options, &self.folder, &self.address)?;
        self.gateway.ready().await?;
        let listening_us = tickgate_client::now_us();
        self.ready().await?;
        Ok(listening_us)
    }

    /// Starts one more gateway with the same arguments; returns it with its address.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn another_gateway(&self) -> Outcome<(Process, String)> {
        let mut gateway = start_gateway(&self.nats, &self.options, &self.folder, "127.0.0.1:0")?;
        let address = gateway.ready().await?.remove("http");
        let address = address.ok_or_else(|| gateway.obituary("said no address"))?;
        Ok((gateway, address))
    }

    /// Starts order-api again. The old one must be gone.
    ///
    /// # Errors
    /// When it does not start.
    pub async fn restart_orders(&mut self) -> Outcome {
        let mut process = start_orders(&self.nats, &self.options, &self.folder)?;
        self.orders_address = process.ready().await?.remove("http");
        self.order_api = Some(process);
        Ok(())
    }

    /// Starts the feed again. The old one must be gone.
    ///
    /// # Errors
    /// When it does not start, or there was none.
    pub async fn restart_feed(&mut self) -> Outcome {
        let kind = self.options.feed.as_ref().ok_or_else(|| HarnessError::new("no feed"))?;
        let mut process = start_feed(kind, &self.nats, &self.options, &self.folder)?;
        process.ready().await?;
        self.feed = Some(process);
        Ok(())
    }

    /// Stops or continues gateway and feed together. Do not stop them longer than the gateway's write deadline.
    pub fn pause(&mut self, signal: Signal) {
        self.gateway.signal(signal);
        if let Some(feed) = &mut self.feed {
            feed.signal(signal);
        }
    }

    /// The gateway's metrics as text.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn metrics(&self) -> Outcome<String> {
        Ok(get(&self.address, "/metrics").await?.body)
    }

    /// One of the gateway's metrics.
    ///
    /// # Errors
    /// When it does not answer or has no such metric.
    pub async fn metric(&self, name: &str) -> Outcome<f64> {
        metric(&self.metrics().await?, name).ok_or_else(|| HarnessError(format!("no metric {name}")))
    }

    /// The ends of all logs, for failures.
    #[must_use]
    pub fn tails(&self) -> String {
        let services = [Some(&self.gateway), self.order_api.as_ref(), self.feed.as_ref()];
        services.into_iter().flatten().map(|process| process.obituary("").0 + "\n").collect()
    }
}

fn start_feed(kind: &Feed, nats: &Nats, options: &Options, folder: &Folder) -> Outcome<Process> {
    let mut args = vec!["--nats".to_owned(), nats.url()];
    args.extend(kind.args());
    service("feed-sim", &args, options.pins.rest, folder)
}

fn start_orders(nats: &Nats, options: &Options, folder: &Folder) -> Outcome<Process> {
    let args = ["--nats", &nats.url(), "--nats-monitor", &nats.monitor(), "--listen", "127.0.0.1:0"];
    service("order-api", &args.map(str::to_owned), options.pins.rest, folder)
}

fn start_gateway(nats: &Nats, options: &Options, folder: &Folder, listen: &str) -> Outcome<Process> {
    let url = nats.url();
    let args = ["--nats", &url, "--listen", listen, "--demo-accounts", ACCOUNTS, "--limits", "bench"];
    let mut args: Vec<String> = args.map(str::to_owned).into();
    args.extend(options.gateway_args.iter().cloned());
    let Some(descriptors) = options.gateway_descriptors else {
        return service("gateway", &args, options.pins.gateway, folder);
    };
    // The shell becomes the program itself, so that the process id is the program's.
    let script = format!("ulimit -n {descriptors} && exec \"$0\" \"$@\"");
    let program = binary("gateway")?.display().to_string();
    args.splice(0..0, ["-c".to_owned(), script, program]);
    Process::start("gateway", Path::new("/bin/sh"), &args, options.pins.gateway, folder.path())
}

fn service(name: &str, args: &[String], core: Option<u32>, folder: &Folder) -> Outcome<Process> {
    Process::start(name, &binary(name)?, args, core, folder.path())
}

fn binary(name: &str) -> Outcome<PathBuf> {
    let program = config::binaries().map_err(HarnessError::new)?.join(name);
    if !program.is_file() {
        return Err(HarnessError(format!(
            "{}: not built; `cargo build --bins -p feed-sim -p order-api -p gateway`, release where this is",
            program.display()
        )));
    }
    Ok(program)
}
