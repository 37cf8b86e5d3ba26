//! Requests and replies about alerts: round trips, golden bytes, and damaged bytes.

use super::*;
use crate::order::tests::{Random, damage};

impl Random {
    fn alert(&mut self) -> Alert {
        let source = self.pick(&Source::ALL);
        let direction = self.pick(&[Direction::Up, Direction::Down]);
        let mantissa = i64::try_from(self.next() >> 11).unwrap();
        let condition = match self.below(3) {
            0 => Condition::Crosses { source, direction, level: Number { mantissa, exponent: -2 } },
            1 => Condition::Spread { above_ticks: u32::try_from(self.below(SPREAD_TICKS_MAX + 1)).unwrap() },
            _ => {
                let over = self.below(STALE_MS.end() - STALE_MS.start() + 1);
                Condition::Stale { longer_than_ms: u32::try_from(STALE_MS.start() + over).unwrap() }
            }
        };
        let letter = self.pick(&["a", "é", "🦀"]);
        let letters = usize::try_from(self.below(65)).unwrap();
        Alert {
            symbol: self.id().as_str().replace(['#', '@', '='], "_").parse().unwrap(),
            condition,
            expires_us: (self.below(2) > 0).then(|| self.next().cast_signed()),
            note: letter.repeat(letters),
        }
    }

    pub(crate) fn alert_report(&mut self) -> AlertReport {
        let states = [
            AlertState::Standing,
            AlertState::Fired,
            AlertState::Cancelled,
            AlertState::Expired,
            AlertState::Burned,
        ];
        AlertReport {
            account: self.account(),
            report_seq: self.next(),
            block: 0,
            cl_alert_id: self.id(),
            state: self.pick(&states),
            alert: (self.below(4) > 0).then(|| self.alert()),
            seen: self.next().cast_signed(),
            ts_us: self.next().cast_signed(),
        }
    }

    fn alert_request(&mut self) -> AlertRequest {
        let act = match self.below(3) {
            0 => AlertAct::New { cl_alert_id: self.id(), alert: self.alert() },
            1 => AlertAct::Cancel { cl_alert_id: self.id() },
            _ => AlertAct::List,
        };
        AlertRequest {
            account: self.account(),
            session: SessionName::default(),
            session_epoch: 3,
            received_us: self.next().cast_signed(),
            act,
        }
    }

    fn alert_reply(&mut self) -> AlertReply {
        let whole = |random: &mut Self| AlertReport { block: random.next(), ..random.alert_report() };
        match self.below(4) {
            0 => AlertReply::Decided { outcome: Outcome::Known, report: Box::new(whole(self)) },
            1 => AlertReply::Refused { cl_alert_id: self.id(), refusal: self.pick(&Refusal::ALL) },
            2 => AlertReply::List {
                block: self.next(),
                report_seq: self.next(),
                alerts: (0..self.below(5)).map(|_| whole(self)).collect(),
            },
            _ => AlertReply::Malformed,
        }
    }
}

#[test]
fn requests_and_replies_round_trip_and_cut_or_damaged_ones_are_refused() {
    let mut random = Random(11);
    for _ in 0..1_000 {
        let (request, reply) = (random.alert_request(), random.alert_reply());
        let (mut asked, mut answered) = (Vec::new(), Vec::new());
        request.encode(&mut asked);
        reply.encode(&mut answered);
        assert!(codec::is_alert(&asked) && crate::order::OrderRequest::decode(&asked).is_err());
        assert_eq!(AlertRequest::decode(&asked), Ok(request));
        assert_eq!(AlertReply::decode(&answered), Ok(reply));
        assert!((0..asked.len()).all(|end| AlertRequest::decode(&asked[..end]).is_err()));
        assert!((0..answered.len()).all(|end| AlertReply::decode(&answered[..end]).is_err()));
        damage(&mut random, &asked, |bytes| _ = AlertRequest::decode(bytes));
        damage(&mut random, &answered, |bytes| _ = AlertReply::decode(bytes));
    }
}

#[test]
fn a_request_has_these_bytes() {
    let alert = Alert {
        symbol: "BTCUSDT.BINANCE".parse().unwrap(),
        condition: Condition::Crosses {
            source: Source::Bid,
            direction: Direction::Up,
            level: "61000.10".parse().unwrap(),
        },
        expires_us: None,
        note: "top".to_owned(),
    };
    let request = AlertRequest {
        account: "A1".parse().unwrap(),
        session: "desk".parse().unwrap(),
        session_epoch: 0,
        received_us: 1_000,
        act: AlertAct::New { cl_alert_id: "a-1".parse().unwrap(), alert },
    };
    let mut bytes = Vec::new();
    request.encode(&mut bytes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected = concat!(
        "02",
        "024131",
        "046465736b",
        "00",
        "d00f",
        "00",
        "03612d31",
        "0f425443555344542e42494e414e4345",
        "0101d4d0e80502",
        "00",
        "03746f70",
    );
    assert_eq!(hex, expected);
}

#[test]
fn a_writer_without_alerts_says_that_it_cannot_read_them() {
    let mut bytes = Vec::new();
    crate::order::OrderReply::Malformed.encode(&mut bytes);
    assert_eq!(AlertReply::decode(&bytes), Ok(AlertReply::Malformed));
}

#[test]
fn the_longest_report_is_within_its_bound_and_a_longer_note_is_refused() {
    let long = "x".repeat(48);
    let alert = Alert {
        symbol: long.parse().unwrap(),
        condition: Condition::Crosses {
            source: Source::Last,
            direction: Direction::Down,
            level: Number { mantissa: -crate::MANTISSA_MAX, exponent: -18 },
        },
        expires_us: Some(i64::MIN),
        note: "🦀".repeat(NOTE_CHARS_MAX),
    };
    let mut report = AlertReport {
        account: long[..32].parse().unwrap(),
        report_seq: u64::MAX,
        block: u64::MAX,
        cl_alert_id: long[..36].parse().unwrap(),
        state: AlertState::Fired,
        alert: Some(alert),
        seen: i64::MIN,
        ts_us: i64::MIN,
    };
    let reply = |report: &AlertReport| {
        let mut bytes = Vec::new();
        let report = Box::new(report.clone());
        AlertReply::Decided { outcome: Outcome::Stored, report }.encode(&mut bytes);
        bytes
    };
    let bytes = reply(&report);
    assert!(bytes.len() <= codec::ALERT_REPORT_BYTES_MAX && AlertReply::decode(&bytes).is_ok());
    for note in ["🦀".repeat(NOTE_CHARS_MAX + 1), "a\nb".to_owned()] {
        report.alert.as_mut().unwrap().note = note;
        assert!(AlertReply::decode(&reply(&report)).is_err());
    }
}
