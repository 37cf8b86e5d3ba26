//! The log as it is stored, read block by block, and what must hold of it whatever was killed.

use std::collections::{BTreeMap, HashMap};
use wire::alert::AlertReport;
use wire::block::{Block, Effect, Told};
use wire::order::{ExecutionReport, Side};
use wire::subject;

/// One partition's log.
#[derive(Debug, Default)]
pub(crate) struct Log {
    /// Reports of each account in order of their numbers.
    pub(crate) reports: BTreeMap<String, Vec<ExecutionReport>>,
    /// How often an id was accepted, rejected or burned, by account and id.
    pub(crate) decisions: HashMap<(String, String), u32>,
    /// Both sides of each match.
    pub(crate) matches: HashMap<u64, Vec<ExecutionReport>>,
    /// Blocks.
    pub(crate) blocks: u64,
    /// Terms of writers.
    pub(crate) terms: u64,
}

/// Reads the blocks of partition 0 that count.
async fn blocks(url: &str) -> (u64, Vec<(u64, Block)>) {
    let client = async_nats::connect(url).await.unwrap();
    let context = async_nats::jetstream::new(client);
    let stream = context.get_stream(subject::report_stream(0)).await.unwrap();
    let last = stream.get_info().await.unwrap().state.last_sequence;
    let mut blocks: Vec<(u64, Block)> = Vec::new();
    for sequence in 1..=last {
        let message = stream.get_raw_message(sequence).await.unwrap();
        let block = Block::decode(&message.payload).unwrap();
        if blocks.last().is_none_or(|(_, before)| block.writer_epoch >= before.writer_epoch) {
            blocks.push((sequence, block)); // else of a writer whose term was over
        }
    }
    (last, blocks)
}

/// Reads the whole log of partition 0.
pub(crate) async fn dump(url: &str) -> Log {
    let (last, blocks) = blocks(url).await;
    let mut log = Log { blocks: last, ..Log::default() };
    for (sequence, block) in &blocks {
        for effect in block.steps.iter().flat_map(|step| &step.effects) {
            log.take(effect, *sequence);
        }
    }
    log
}

/// What the log says of the alerts of its one account, in order; reports without a hole.
pub(crate) async fn alerts(url: &str) -> Vec<AlertReport> {
    let (_, blocks) = blocks(url).await;
    let told = blocks.iter().flat_map(|(sequence, block)| block.told(*sequence)).map(|told| match told {
        Told::Alert(report) => report,
        Told::Order(report) => panic!("{report:?}"),
    });
    let alerts: Vec<AlertReport> = told.collect();
    assert!((1..).zip(&alerts).all(|(number, report)| report.report_seq == number));
    alerts
}

impl Log {
    fn take(&mut self, effect: &Effect, sequence: u64) {
        self.terms += u64::from(matches!(effect, Effect::Term { .. }));
        let Some(report) = effect.report() else { return };
        let report = ExecutionReport { block: sequence, ..*report };
        let account = report.account.as_str().to_owned();
        let id = report.cl_ord_id.as_str().to_owned();
        if let Effect::Execution { match_id, .. } = effect {
            self.matches.entry(*match_id).or_default().push(report);
        }
        let decides =
            matches!(effect, Effect::OrderAccepted { .. } | Effect::Rejected { .. } | Effect::Burned { .. });
        // A cancel's answer bears the cancel's own id, too.
        let cancels = matches!(effect, Effect::Cancelled { .. }) && report.orig_cl_ord_id.is_some();
        if decides || cancels {
            *self.decisions.entry((account.clone(), id)).or_default() += 1;
        }
        self.reports.entry(account).or_default().push(report);
    }

    /// What must hold of any log: numbers without a hole, no id decided twice, no fill twice, both sides alike.
    pub(crate) fn check(&self) {
        for (account, reports) in &self.reports {
            for (number, report) in (1..).zip(reports) {
                assert_eq!(report.report_seq, number, "{account}: reports are not contiguous");
            }
            let mut filled: HashMap<u64, i64> = HashMap::new();
            for report in reports.iter().filter(|report| report.order_id.number != 0) {
                let sum = filled.entry(report.order_id.number).or_default();
                *sum += report.last_qty;
                assert_eq!(report.cum_qty, *sum, "{account}: {report:?}");
                let qty = report.terms.map_or(0, |terms| terms.qty);
                assert!(report.cum_qty <= qty, "{account}: filled beyond its quantity: {report:?}");
            }
        }
        for ((account, id), count) in &self.decisions {
            assert_eq!(*count, 1, "{account} {id} was decided {count} times");
        }
        for (number, sides) in &self.matches {
            match sides.as_slice() {
                [_] => {}
                [one, other] => {
                    let of = |report: &ExecutionReport| report.terms.map(|terms| terms.side);
                    assert_ne!(of(one), of(other), "match {number}");
                    assert!(of(one) == Some(Side::Buy) || of(other) == Some(Side::Buy));
                    let same = (one.last_qty, one.last_price) == (other.last_qty, other.last_price);
                    assert!(same, "match {number}: {one:?} {other:?}");
                }
                more => panic!("match {number} has {} sides", more.len()),
            }
        }
    }
}
