//! The tools over streamable HTTP, on one connection to the control socket, and the figures at `/metrics`.
//!
//! No session is kept: each request stands alone, so that a client goes on after the gateway was replaced.

use std::{convert::Infallible, io, sync::Arc, time::Duration};

use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    Method, Request, Response, StatusCode,
    body::{Bytes, Incoming},
    header::{ALLOW, CONTENT_TYPE, HeaderValue, ORIGIN},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use rmcp::transport::streamable_http_server::{
    StreamableHttpServerConfig, StreamableHttpService, session::never::NeverSessionManager,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::Server;
use crate::{command::Desk, metrics};

/// How long a client may take over the head of a request, and leave a connection idle.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a browser says of who asks; nothing else sends it.
const FROM_A_PAGE: &str = "sec-fetch-site";

/// Serves one connection until its client leaves or the gateway stops; what was taken is answered. `figures` are for the owner,
/// so others come without.
///
/// # Errors
/// When the connection breaks, or what comes is not HTTP.
pub async fn converse<S>(
    stream: S,
    server: Server,
    figures: Option<Desk>,
    shutdown: &CancellationToken,
) -> io::Result<()>
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
    let service = service_fn(move |request: Request<Incoming>| {
        let (tools, figures) = (tools.clone(), figures.clone());
        async move {
            Ok::<_, Infallible>(match request.uri().path() {
                "/metrics" => page(&request, figures.as_ref()).await,
                _ => tools.handle(request).await,
            })
        }
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

/// The figures, for the owner at the other end and for no page in their browser.
async fn page(request: &Request<Incoming>, figures: Option<&Desk>) -> Response<BoxBody<Bytes, Infallible>> {
    let is_page = request.headers().contains_key(ORIGIN) || request.headers().contains_key(FROM_A_PAGE);
    let (status, text) = match figures {
        _ if is_page => (StatusCode::FORBIDDEN, "no page in a browser may read this\n".to_owned()),
        None => (StatusCode::FORBIDDEN, "only the owner of the gateway may read this\n".to_owned()),
        Some(_) if !matches!(*request.method(), Method::GET | Method::HEAD) => {
            (StatusCode::METHOD_NOT_ALLOWED, "this can be read with GET\n".to_owned())
        }
        Some(desk) => match metrics::page(desk).await {
            Ok(page) => (StatusCode::OK, page),
            Err(error) => {
                tracing::error!(%error, "the figures cannot be read");
                (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "the figures cannot be read; the gateway's log says why\n".to_owned(),
                )
            }
        },
    };
    let mut response = Response::new(Full::new(Bytes::from(text)).boxed());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    if status == StatusCode::METHOD_NOT_ALLOWED {
        headers.insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
    }
    response
}
