//! What this side of TLS is made of. Pure over the text of its files.

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::{TLS12, TLS13};
use rustls::{ServerConfig, crypto};
use std::io;
use std::sync::Arc;

/// Largest file of certificates, or of a key.
pub const PEM_BYTES_MAX: u64 = 1 << 20;

fn bad(what: &str, why: impl std::fmt::Display) -> io::Error {
    io::Error::other(format!("{what}: {why}"))
}

/// TLS 1.2 and 1.3 for HTTP/1.1 with a certificate chain and its key, both PEM.
///
/// # Errors
/// Which file cannot be used, or that they do not belong together.
pub fn config(chain: &[u8], key: &[u8]) -> io::Result<Arc<ServerConfig>> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(chain).collect();
    let chain = chain.map_err(|error| bad("--tls-cert", error))?;
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| bad("--tls-key", "no private key in PEM"))?;
    let config = ServerConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
        .with_protocol_versions(&[&TLS13, &TLS12])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key));
    let mut config = config.map_err(|error| bad("--tls-cert with --tls-key", error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
