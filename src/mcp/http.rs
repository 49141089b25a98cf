//! The tools over streamable HTTP, on one connection to the control socket.
//!
//! No session is kept: each request stands alone, so that a client goes on after the gateway was replaced.

use std::{io, sync::Arc, time::Duration};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::Server;

/// How long a client may take over the head of a request, and leave a connection idle.
const PATIENCE: Duration = Duration::from_secs(60);

/// Serves one connection until its client leaves or the gateway stops; what was taken is answered.
///
/// # Errors
/// When the connection breaks, or what comes is not HTTP.
pub async fn converse<S>(stream: S, server: Server, shutdown: &CancellationToken) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    // A page in a browser reaches no unix socket by itself, but whoever forwards the socket must not let one in.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .enforce_origin_validation();
    let tools =
        StreamableHttpService::new(move || Ok(server.clone()), Arc::new(NeverSessionManager::default()), config);
    let service = service_fn(move |request| {
        let tools = tools.clone();
        async move { Ok::<_, std::convert::Infallible>(tools.handle(request).await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(PATIENCE)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let served = tokio::select! {
        served = connection.as_mut() => served,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    served.map_err(io::Error::other)
}
