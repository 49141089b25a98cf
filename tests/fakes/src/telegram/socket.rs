//! Connections that a call can break off, as a network does, before the answer is out.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

/// Accepts connections of which each call knows its own.
pub(crate) struct Breakable(pub(crate) TcpListener);

/// The connection on which a call came.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    is_broken: Arc<AtomicBool>,
}

/// A stream that fails every write once its line is broken.
pub(crate) struct Stream {
    tcp: TcpStream,
    line: Line,
}

impl Line {
    /// Nothing goes out on this connection any more. The next attempt to answer closes it.
    pub(crate) fn cut(&self) {
        self.is_broken.store(true, Ordering::Release);
    }

    fn check(&self) -> io::Result<()> {
        match self.is_broken.load(Ordering::Acquire) {
            true => Err(io::ErrorKind::ConnectionReset.into()),
            false => Ok(()),
        }
    }
}

impl Listener for Breakable {
    type Io = Stream;
    type Addr = Line;

    async fn accept(&mut self) -> (Stream, Line) {
        let (tcp, _): (TcpStream, SocketAddr) = Listener::accept(&mut self.0).await;
        // A small answer must not wait for the acknowledgement of an earlier one. The calls work without it too.
        let _ = tcp.set_nodelay(true);
        let line = Line { is_broken: Arc::default() };
        (Stream { tcp, line: line.clone() }, line)
    }

    fn local_addr(&self) -> io::Result<Line> {
        Ok(Line { is_broken: Arc::default() })
    }
}

impl Connected<IncomingStream<'_, Breakable>> for Line {
    fn connect_info(stream: IncomingStream<'_, Breakable>) -> Self {
        stream.remote_addr().clone()
    }
}

impl AsyncRead for Stream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.line.check()?;
        Pin::new(&mut self.tcp).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}
