//! Requests and replies: round trips, golden bytes, and damaged bytes.

use super::*;

/// SplitMix64.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    pub(crate) fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[usize::try_from(self.below(from.len() as u64)).unwrap()]
    }

    fn text(&mut self, longest: u64) -> String {
        (0..=self.below(longest)).map(|_| char::from(self.pick(b"abcXYZ019.-_/:+"))).collect()
    }

    pub(crate) fn id(&mut self) -> ClOrdId {
        self.text(35).parse().unwrap()
    }

    pub(crate) fn account(&mut self) -> AccountId {
        self.text(31).parse().unwrap()
    }

    fn number(&mut self) -> Number {
        let mantissa = i64::try_from(self.next() >> (11 + self.below(50))).unwrap();
        let exponent = -i8::try_from(self.below(19)).unwrap();
        Number { mantissa: if self.below(2) == 0 { mantissa } else { -mantissa }, exponent }
    }

    fn act(&mut self) -> Act {
        let (cl_ord_id, orig_cl_ord_id) = (self.id(), self.id());
        match self.below(6) {
            0 => Act::New(NewOrder {
                cl_ord_id,
                symbol: self.text(47).parse().unwrap(),
                side: self.pick(Side::ALL),
                ord_type: self.pick(OrdType::ALL),
                tif: self.pick(TimeInForce::ALL),
                qty: self.number(),
                price: (self.below(2) > 0).then(|| self.number()),
            }),
            1 => Act::Cancel { cl_ord_id, orig_cl_ord_id },
            2 => {
                let price = (self.below(2) > 0).then(|| self.number());
                Act::Replace { cl_ord_id, orig_cl_ord_id, qty: self.number(), price }
            }
            3 => Act::Status { cl_ord_id },
            4 => Act::Resolve { cl_ord_id },
            _ => Act::Open,
        }
    }

    fn request(&mut self) -> OrderRequest {
        OrderRequest {
            account: self.account(),
            session: if self.below(2) == 0 { SessionName::default() } else { self.text(31).parse().unwrap() },
            session_epoch: u32::try_from(self.next() >> 32).unwrap(),
            received_us: self.next().cast_signed(),
            expires_us: (self.below(2) > 0).then(|| self.next().cast_signed()),
            act: self.act(),
        }
    }

    pub(crate) fn report(&mut self, partition: u16) -> ExecutionReport {
        let size = |random: &mut Self| i64::try_from(random.next() >> 11).unwrap();
        let terms = (self.below(4) > 0).then(|| Terms {
            symbol: self.text(47).parse().unwrap(),
            side: self.pick(Side::ALL),
            ord_type: self.pick(OrdType::ALL),
            tif: self.pick(TimeInForce::ALL),
            price_exponent: self.number().exponent,
            qty_exponent: self.number().exponent,
            qty: self.number().mantissa,
            price: (self.below(2) > 0).then(|| self.number().mantissa),
        });
        let cum_qty = if self.below(2) > 0 { 1 + (size(self) >> 1) } else { 0 };
        ExecutionReport {
            account: self.account(),
            report_seq: self.next(),
            block: 0,
            order_id: OrderId { partition, number: self.next() },
            cl_ord_id: self.id(),
            orig_cl_ord_id: (self.below(2) > 0).then(|| self.id()),
            exec_type: self.pick(ExecType::ALL),
            ord_status: self.pick(OrdStatus::ALL),
            leaves_qty: if terms.is_some() { size(self) } else { 0 },
            terms,
            last_qty: if cum_qty > 0 { size(self) } else { 0 },
            last_price: if cum_qty > 0 { self.number().mantissa } else { 0 },
            cum_qty,
            cum_notional: if cum_qty > 0 { u128::from(self.next()) << self.below(63) } else { 0 },
            reason: (self.below(2) > 0).then(|| self.pick(Reason::ALL)),
            ts_us: self.next().cast_signed(),
        }
    }

    fn reply(&mut self) -> OrderReply {
        let whole = |random: &mut Self| {
            let partition = u16::try_from(random.below(64)).unwrap();
            ExecutionReport { block: random.next(), ..random.report(partition) }
        };
        match self.below(5) {
            0 => OrderReply::Decided {
                outcome: self.pick(Outcome::ALL),
                cl_ord_id: self.id(),
                report: Box::new(whole(self)),
            },
            1 => OrderReply::NotKnown { cl_ord_id: self.id() },
            2 => OrderReply::Open {
                block: self.next(),
                report_seq: self.next(),
                orders: (0..self.below(4)).map(|_| whole(self)).collect(),
            },
            3 => OrderReply::Malformed,
            _ => OrderReply::IdsExhausted,
        }
    }
}

fn bytes(encode: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut out = Vec::new();
    encode(&mut out);
    out
}

/// Every way of cutting, and many of changing, some bytes.
pub(crate) fn damage(random: &mut Random, bytes: &[u8], mut read: impl FnMut(&[u8])) {
    (0..bytes.len()).for_each(|end| read(&bytes[..end]));
    for _ in 0..64 {
        let mut copy = bytes.to_vec();
        for _ in 0..=random.below(3) {
            let at = usize::try_from(random.below(copy.len() as u64)).unwrap();
            copy[at] = u8::try_from(random.below(256)).unwrap();
        }
        read(&copy);
    }
}

#[test]
fn requests_and_replies_round_trip() {
    let mut random = Random(1);
    for _ in 0..3_000 {
        let request = random.request();
        assert_eq!(OrderRequest::decode(&bytes(|out| request.encode(out))), Ok(request));
        let reply = random.reply();
        assert_eq!(OrderReply::decode(&bytes(|out| reply.encode(out))), Ok(reply));
    }
}

#[test]
fn damaged_bytes_are_refused_or_read_but_never_panic() {
    let mut random = Random(2);
    for _ in 0..200 {
        let request = bytes(|out| random.request().encode(out));
        for end in 0..request.len() {
            assert!(OrderRequest::decode(&request[..end]).is_err(), "a cut request is no request");
        }
        damage(&mut random, &request, |bytes| _ = OrderRequest::decode(bytes));
        let reply = bytes(|out| random.reply().encode(out));
        damage(&mut random, &reply, |bytes| _ = OrderReply::decode(bytes));
    }
}

#[test]
fn a_report_stays_within_its_bound() {
    let mut longest = Random(3).report(0);
    let widest = |text: &str, length: usize| text.repeat(length);
    longest.account = widest("a", 32).parse().unwrap();
    longest.cl_ord_id = widest("c", 36).parse().unwrap();
    longest.orig_cl_ord_id = Some(longest.cl_ord_id);
    (longest.report_seq, longest.order_id.number, longest.ts_us) = (u64::MAX, u64::MAX, i64::MIN);
    longest.terms = Some(Terms {
        symbol: widest("S", 48).parse().unwrap(),
        side: Side::Sell,
        ord_type: OrdType::Limit,
        tif: TimeInForce::Fok,
        price_exponent: -18,
        qty_exponent: -18,
        qty: -crate::MANTISSA_MAX,
        price: Some(crate::MANTISSA_MAX),
    });
    (longest.last_qty, longest.last_price) = (crate::MANTISSA_MAX, crate::MANTISSA_MAX);
    (longest.leaves_qty, longest.cum_qty) = (crate::MANTISSA_MAX, crate::MANTISSA_MAX);
    (longest.cum_notional, longest.reason) = ((1 << 126) - 1, Some(Reason::Expired));
    let written = bytes(|out| codec::put_report(out, &longest, &mut codec::Context::default()));
    assert!(written.len() <= codec::REPORT_BYTES_MAX, "{}", written.len());
}

#[test]
fn a_request_has_these_bytes() {
    let request = OrderRequest {
        account: "A1".parse().unwrap(),
        session: "desk".parse().unwrap(),
        session_epoch: 0,
        received_us: 1_000,
        expires_us: None,
        act: Act::New(NewOrder {
            cl_ord_id: "c-1".parse().unwrap(),
            symbol: "BTCUSDT.BINANCE".parse().unwrap(),
            side: Side::Buy,
            ord_type: OrdType::Limit,
            tif: TimeInForce::Gtc,
            qty: "0.5".parse().unwrap(),
            price: Some("61000.10".parse().unwrap()),
        }),
    };
    let expected = concat!(
        "01",
        "024131",
        "046465736b",
        "00",
        "d00f",
        "00",
        "00",
        "03632d31",
        "0f425443555344542e42494e414e4345",
        "010201",
        "0a01",
        "01",
        "d4d0e80502",
    );
    let hex: String = bytes(|out| request.encode(out)).iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, expected);
}

#[test]
fn numbers_and_words_lead_back_to_their_values() {
    for reason in Reason::ALL {
        assert_eq!(Reason::from_number(reason.number()), Some(*reason));
        assert_eq!(Reason::from_word(reason.word()), Some(*reason));
    }
    assert_eq!((TimeInForce::from_word("gtc"), Side::from_number(0)), (Some(TimeInForce::Gtc), None));
}

#[test]
fn an_average_price_is_exact_where_it_can_be() {
    let mut report = Random(4).report(0);
    report.terms = Some(Terms {
        symbol: "A.X".parse().unwrap(),
        side: Side::Buy,
        ord_type: OrdType::Limit,
        tif: TimeInForce::Gtc,
        price_exponent: -2,
        qty_exponent: -3,
        qty: 3_000,
        price: Some(10_000),
    });
    (report.cum_qty, report.cum_notional) = (3_000, 10_000 * 1_000 + 10_006 * 2_000);
    assert_eq!(report.avg_price().unwrap().to_string(), "100.04");
    report.cum_qty = 0;
    assert_eq!(report.avg_price(), None);
}

#[test]
fn partitions_are_stable_for_ever() {
    let account: AccountId = "A1".parse().unwrap();
    assert_eq!(partition_of(&account, 1), 0);
    assert_eq!((partition_of(&account, 4), partition_of(&account, 64)), (3, 7));
}

#[test]
fn a_fill_of_nothing_is_damage() {
    let reply = OrderReply::Decided {
        outcome: Outcome::Stored,
        cl_ord_id: "c-1".parse().unwrap(),
        report: Box::new(ExecutionReport {
            last_qty: 3,
            last_price: 5,
            cum_qty: 4,
            cum_notional: 7,
            reason: None,
            ..Random(6).report(0)
        }),
    };
    let mut encoded = bytes(|out| reply.encode(out));
    let [.., last_qty, _price, cum_qty, _high, _low] = encoded.as_mut_slice() else { panic!("{reply:?}") };
    assert_eq!((*last_qty, *cum_qty), (3, 4));
    *last_qty = 0;
    assert!(OrderReply::decode(&encoded).is_ok());
    let at = encoded.len() - 3;
    encoded[at] = 0;
    assert!(OrderReply::decode(&encoded).is_err());
}
