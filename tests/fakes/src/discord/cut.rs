//! Connections that the server can break at any moment, as networks do.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use axum::{
    extract::connect_info::Connected,
    serve::{IncomingStream, Listener},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
};

/// Breaks one connection.
#[derive(Clone, Debug, Default)]
pub(super) struct Scissors(Arc<Cut>);

#[derive(Debug, Default)]
struct Cut {
    is_cut: AtomicBool,
    reader: Mutex<Option<Waker>>,
}

impl Scissors {
    /// Nothing more is read or written: the client sees a connection that ended in the middle.
    pub(super) fn cut(&self) {
        self.0.is_cut.store(true, Ordering::Release);
        if let Some(waker) = self.0.reader.lock().unwrap_or_else(PoisonError::into_inner).take() {
            waker.wake();
        }
    }

    fn check(&self) -> io::Result<()> {
        if self.0.is_cut.load(Ordering::Acquire) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl Connected<IncomingStream<'_, BreakableListener>> for Scissors {
    fn connect_info(stream: IncomingStream<'_, BreakableListener>) -> Self {
        stream.io().scissors.clone()
    }
}

/// A listener whose connections can be cut.
#[derive(Debug)]
pub(super) struct BreakableListener(pub(super) TcpListener);

impl Listener for BreakableListener {
    type Io = Breakable;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Breakable, SocketAddr) {
        loop {
            match self.0.accept().await {
                Ok((stream, address)) => {
                    // Small answers go out at once; a socket that refuses the option works all the same.
                    stream.set_nodelay(true).ok();
                    return (Breakable { stream, scissors: Scissors::default() }, address);
                }
                // Too many open files, or a client that went away: the next one may succeed.
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }
}

/// A connection that can be cut.
#[derive(Debug)]
pub(super) struct Breakable {
    stream: TcpStream,
    scissors: Scissors,
}

impl AsyncRead for Breakable {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        *self.scissors.0.reader.lock().unwrap_or_else(PoisonError::into_inner) = Some(context.waker().clone());
        if let Err(error) = self.scissors.check() {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Breakable {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if let Err(error) = self.scissors.check() {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
