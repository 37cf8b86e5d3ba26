//! The page's files, read once at the start: no request ever names a path of the machine.

use super::Answer;
use bytes::Bytes;
use http_body_util::{Either, Full};
use hyper::header::{CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderValue, WWW_AUTHENTICATE};
use hyper::{Response, StatusCode};
use std::collections::HashMap;
use std::io;
use std::path::Path;

/// Most bytes of all files together.
const BYTES_MAX: usize = 64 << 20;

/// One answer.
#[derive(Debug, Clone)]
pub struct Page {
    /// HTTP status.
    pub status: StatusCode,
    /// Media type.
    pub content_type: &'static str,
    /// Body.
    pub body: Bytes,
    /// Entity tag with its quotes, if it has one.
    pub etag: Option<String>,
}

impl Page {
    /// A page that says `text` in a media type.
    #[must_use]
    pub fn new(status: StatusCode, content_type: &'static str, text: impl Into<Bytes>) -> Self {
        Self { status, content_type, body: text.into(), etag: None }
    }

    /// With headers that keep a browser from loading or guessing anything else.
    pub(crate) fn into_response(self) -> Answer {
        let mut response = Response::new(Either::Left(Full::new(self.body)));
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        if self.status != StatusCode::NOT_MODIFIED {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(self.content_type));
        }
        if let Some(Ok(etag)) = self.etag.map(HeaderValue::try_from) {
            headers.insert(ETAG, etag);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
        for (name, value) in [
            (
                "content-security-policy",
                // For connections 'self' is this host's WebSockets too.
                "default-src 'self'; connect-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
                 form-action 'none'; frame-ancestors 'none'",
            ),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-embedder-policy", "require-corp"),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        response
    }
}

/// Files by the path that asks for them.
#[derive(Debug, Default)]
pub struct Pages {
    files: HashMap<String, (&'static str, Bytes)>,
}

impl Pages {
    /// Reads a folder with all below it. `index.html` answers `/` too. Links are passed over: they may lead out of the
    /// folder, or round in it.
    ///
    /// # Errors
    /// When a file cannot be read, or all together are larger than 64 MiB.
    pub fn read(folder: &Path) -> io::Result<Self> {
        let mut pages = Self::default();
        let mut left = BYTES_MAX;
        pages.read_below(folder, "/", &mut left)?;
        Ok(pages)
    }

    fn read_below(&mut self, folder: &Path, prefix: &str, left: &mut usize) -> io::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let entry = entry?;
            let Some(name) = entry.file_name().to_str().map(ToOwned::to_owned) else { continue };
            let kind = entry.file_type()?; // of the entry itself: links are not followed
            if kind.is_dir() {
                self.read_below(&entry.path(), &format!("{prefix}{name}/"), left)?;
                continue;
            }
            if !kind.is_file() {
                tracing::warn!("not served, no plain file: {prefix}{name}");
                continue;
            }
            let body = Bytes::from(std::fs::read(entry.path())?);
            *left = left
                .checked_sub(body.len())
                .ok_or_else(|| io::Error::other("the page's files pass 64 MiB"))?;
            let kind = content_type(&name);
            if prefix == "/" && name == "index.html" {
                self.files.insert("/".to_owned(), (kind, body.clone()));
            }
            self.files.insert(format!("{prefix}{name}"), (kind, body));
        }
        Ok(())
    }

    /// The file for a path.
    #[must_use]
    pub fn get(&self, path: &str) -> Option<Page> {
        let (content_type, body) = self.files.get(path)?;
        Some(Page::new(StatusCode::OK, content_type, body.clone()))
    }
}

fn content_type(name: &str) -> &'static str {
    match name.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        _ => "application/octet-stream",
    }
}
