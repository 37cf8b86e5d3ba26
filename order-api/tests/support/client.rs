//! Requests as a gateway sends them. Also used by the example.

use async_nats::{Client, Request};
use std::time::Duration;
use wire::order::{Act, NewOrder, OrdType, OrderReply, OrderRequest, SessionName, Side, TimeInForce};
use wire::subject;

/// How long a request may stay unanswered until its outcome is unknown.
pub const WAIT: Duration = Duration::from_secs(4);

/// A request of an account.
pub fn request(account: &str, act: Act) -> OrderRequest {
    OrderRequest {
        account: account.parse().unwrap(),
        session: SessionName::default(),
        session_epoch: 0,
        received_us: 1,
        expires_us: None,
        act,
    }
}

/// A limit order on the feed's instrument.
pub fn limit(id: &str, side: Side, qty: &str, price: &str) -> Act {
    Act::New(NewOrder {
        cl_ord_id: id.parse().unwrap(),
        symbol: super::feed::SYMBOL.parse().unwrap(),
        side,
        ord_type: OrdType::Limit,
        tif: TimeInForce::Gtc,
        qty: qty.parse().unwrap(),
        price: Some(price.parse().unwrap()),
    })
}

/// One attempt; `None` = no writer, or no answer in time.
pub async fn attempt(client: &Client, request: &OrderRequest) -> Option<OrderReply> {
    let mut bytes = Vec::new();
    request.encode(&mut bytes);
    let request = Request::new().payload(bytes.into()).timeout(Some(WAIT));
    let answer = client.send_request(subject::order(0), request).await.ok()?;
    Some(OrderReply::decode(&answer.payload).unwrap())
}

/// Resends the same request until it is answered; returns the answer and how many attempts it took.
pub async fn insist(client: &Client, request: &OrderRequest) -> (OrderReply, u32) {
    for attempts in 1..2_000 {
        if let Some(reply) = attempt(client, request).await {
            return (reply, attempts);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("never answered: {request:?}");
}
