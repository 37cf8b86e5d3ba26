//! What is served over plain HTTP besides the page, as one table: the answers and `/openapi.json` are made from it.

use crate::http::{Asked, Page};
use crate::shell::Shell;
use crate::{openapi, ready, snapshot};
use hyper::StatusCode;

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
    Route { path: "/v1/instruments", answer: |shell, _| json(StatusCode::OK, ready::instruments(shell)) },
    Route { path: "/v1/snapshot", answer: snapshot::answer },
];

/// The answer to a question; `None` = there is none.
pub(crate) fn answer(shell: &Shell, asked: &Asked<'_>) -> Option<Page> {
    let route = ROUTES.iter().find(|route| route.path == asked.path)?;
    Some((route.answer)(shell, asked))
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
