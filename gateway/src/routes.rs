//! What is served over plain HTTP besides the page, as one table: the answers and `/openapi.json` are made from it.

use crate::http::{Asked, Page};
use crate::shell::Shell;
use crate::{openapi, ready, snapshot};
use hyper::StatusCode;
use std::rc::Rc;
use wire::control::Entitlements;
use wire::control::reply::{Error, text};

/// One path.
pub(crate) struct Route {
    pub(crate) path: &'static str,
    pub(crate) answer: fn(&Shell, &Asked<'_>) -> Page,
}

/// All paths but the stream, whose answer has no end.
pub(crate) const ROUTES: &[Route] = &[
    Route { path: "/healthz", answer: |_, _| Page::new(StatusCode::OK, "text/plain; charset=utf-8", "ok\n") },
    Route { path: "/readyz", answer: |shell, _| readiness(shell) },
    Route { path: "/metrics", answer: |shell, _| metrics(shell) },
    Route { path: "/openapi.json", answer: |_, _| json(StatusCode::OK, openapi::document().to_string()) },
    Route {
        path: "/v1/instruments",
        answer: |shell, asked| {
            entitled(shell, asked, |sight| json(StatusCode::OK, ready::instruments(shell, sight.as_deref())))
        },
    },
    Route {
        path: "/v1/snapshot",
        answer: |shell, asked| entitled(shell, asked, |sight| snapshot::answer(shell, asked, sight)),
    },
];

/// The answer to a question; `None` = there is none.
pub(crate) fn answer(shell: &Shell, asked: &Asked<'_>) -> Option<Page> {
    let route = ROUTES.iter().find(|route| route.path == asked.path)?;
    Some((route.answer)(shell, asked))
}

/// What a request gets that may see so much (none = everything), or a 401.
fn entitled(shell: &Shell, asked: &Asked<'_>, page: impl FnOnce(Option<Rc<Entitlements>>) -> Page) -> Page {
    match shell.terms.auth.sight(asked.headers, shell.at()) {
        Ok(sight) => page(sight),
        Err((status, why, refused)) => json(status, text("error", &Error::new(None, refused.code(), why))),
    }
}

fn json(status: StatusCode, body: String) -> Page {
    Page::new(status, "application/json", body)
}

fn readiness(shell: &Shell) -> Page {
    let (ready, body) = ready::readiness(shell);
    json(if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, body)
}

fn metrics(shell: &Shell) -> Page {
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    Page::new(StatusCode::OK, kind, shell.metrics_text())
}
