//! `/healthz`, `/readyz`, `/metrics`; and the one question asked of the NATS server's monitoring port.

use crate::metrics::Metrics;
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use wire::block::Durability;

const CONNECTIONS_MAX: usize = 64;
const TIMEOUT: Duration = Duration::from_secs(5);
const VARZ_BYTES_MAX: usize = 256 * 1024;

/// Serves until dropped. Beyond [`CONNECTIONS_MAX`] connections new ones are closed.
pub(crate) async fn serve(listener: TcpListener, metrics: Arc<Metrics>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await; // out of descriptors: let some be closed
            continue;
        };
        let Ok(permit) = Arc::clone(&permits).try_acquire_owned() else { continue };
        let metrics = Arc::clone(&metrics);
        tokio::spawn(async move {
            let answer = service_fn(|request| {
                let response = answer(&request, &metrics);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = hyper::server::conn::http1::Builder::new()
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), answer);
            let _ended = tokio::time::timeout(TIMEOUT, connection).await;
            drop(permit);
        });
    }
}

fn answer(request: &Request<Incoming>, metrics: &Metrics) -> Response<Full<Bytes>> {
    let (status, kind, text) = match (request.method(), request.uri().path()) {
        (&Method::GET, "/healthz") => (StatusCode::OK, "text/plain", "ok\n".to_owned()),
        (&Method::GET, "/readyz") => {
            let (ready, text) = metrics.readiness();
            let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            (status, "application/json", text)
        }
        (&Method::GET, "/metrics") => {
            (StatusCode::OK, "application/openmetrics-text; version=1.0.0", metrics.text())
        }
        _ => (StatusCode::NOT_FOUND, "text/plain", "not found\n".to_owned()),
    };
    let mut response = Response::new(Full::new(Bytes::from(text)));
    *response.status_mut() = status;
    if let Ok(kind) = kind.parse() {
        response.headers_mut().insert(hyper::header::CONTENT_TYPE, kind);
    }
    response
}

/// What the server at this monitoring port says of its sync interval.
pub(crate) async fn durability(monitor: &str) -> Durability {
    match tokio::time::timeout(TIMEOUT, varz(monitor)).await.ok().flatten() {
        Some(varz) => {
            let config = &varz["jetstream"]["config"];
            match (config.is_object(), config["sync_always"].as_bool()) {
                (true, Some(true)) => Durability::SyncAlways,
                (true, _) => Durability::NotDurable,
                _ => Durability::Unproven,
            }
        }
        None => Durability::Unproven,
    }
}

async fn varz(monitor: &str) -> Option<serde_json::Value> {
    let authority = monitor.strip_prefix("http://")?.trim_end_matches('/');
    let stream = TcpStream::connect(authority).await.ok()?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(TokioIo::new(stream)).await.ok()?;
    let request = Request::get("/varz").header(hyper::header::HOST, authority).body(Empty::new()).ok()?;
    let exchange = async {
        let response = sender.send_request(request).await.ok()?;
        let body = Limited::new(response.into_body(), VARZ_BYTES_MAX).collect().await.ok()?;
        serde_json::from_slice(&body.to_bytes()).ok()
    };
    tokio::pin!(exchange);
    tokio::select! {
        answer = &mut exchange => answer,
        _ = connection => None,
    }
}
