//! How a gateway stops: told with lead time, so that sessions go on elsewhere before it ends theirs.

use crate::operators;
use crate::shell::Shell;
use std::rc::Rc;
use std::time::Duration;
use wire::close::CloseReason;
use wire::control::reply::{Notice, text};

/// Order requests that are under way at the end get this long to be answered.
const ANSWERS_WITHIN: Duration = Duration::from_secs(4);

/// Sessions get this long to take their goodbye at the end.
const GOODBYES_WITHIN: Duration = Duration::from_secs(4);

/// Tells all sessions that this gateway stops in a while, and waits until then, until none is left, or until `hurry`.
/// Meanwhile everything goes on, and new sessions are served; they are told when they say hello.
pub async fn lead(shell: &Rc<Shell>, hurry: impl Future<Output = ()>) {
    let lead = Duration::from_millis(shell.config.drain_ms.into());
    let now_us = shell.clock.now_us();
    shell.draining_until_us.set(Some(now_us + i64::from(shell.config.drain_ms) * 1_000));
    if lead.is_zero() {
        return;
    }
    let sessions: Vec<u32> = {
        let sessions = shell.sessions.borrow();
        sessions.iter().flatten().map(|live| live.client.session).collect()
    };
    for session in sessions {
        tell(shell, session);
    }
    shell.settle();
    tokio::select! {
        () = wait_until(lead, || shell.engine.borrow().sessions() == 0) => {}
        () = hurry => {}
    }
}

/// Tells a session that this gateway stops, if it does. Settle afterwards.
pub fn tell(shell: &Shell, session: u32) {
    let Some(until_us) = shell.draining_until_us.get() else { return };
    let now_us = shell.clock.now_us();
    let after_ms = ((until_us - now_us) / 1_000).max(0);
    let notice = text("notice", &Notice { code: "draining", after_ms: Some(after_ms), ..Notice::default() });
    shell.engine.borrow_mut().answer(session, notice.as_bytes(), now_us);
}

/// Takes no more orders, lets those under way be answered, then ends all sessions; each step within its bound.
pub async fn goodbye(shell: &Rc<Shell>) {
    shell.stopping.set(true);
    operators::goodbye(shell).await;
    wait_until(ANSWERS_WITHIN, || !shell.has_in_flight()).await;
    let sessions: Vec<u32> = {
        let sessions = shell.sessions.borrow();
        sessions.iter().flatten().map(|live| live.client.session).collect()
    };
    for session in sessions {
        shell.close(session, CloseReason::GoingAway);
    }
    shell.settle();
    wait_until(GOODBYES_WITHIN, || shell.engine.borrow().sessions() == 0).await;
}

async fn wait_until(bound: Duration, done: impl Fn() -> bool) {
    let deadline = tokio::time::Instant::now() + bound;
    while !done() && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
