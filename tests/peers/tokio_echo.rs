//! The echo server on tokio as somebody who counts every byte writes it: one thread, and one read
//! buffer that all clients share, borrowed only while a read is polled.

use std::{
    cell::RefCell,
    future::poll_fn,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use fsm_bench::peer;
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf},
    net::TcpStream,
};

/// As much as the C peer reads at once.
const READ_SIZE: usize = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_SIZE]);
}

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let listener = peer::listen(peer::address_from_arguments())?;
    peer::end_some_time();
    loop {
        let (client, _) = listener.accept().await?;
        tokio::spawn(echo(client));
    }
}

/// One client, until it closes or its socket fails.
async fn echo(mut client: TcpStream) -> io::Result<()> {
    loop {
        let step = poll_fn(|context| {
            BUFFER.with_borrow_mut(|buffer| poll_echo(&mut client, buffer, context))
        });
        match step.await? {
            Step::Echoed => {}
            Step::Unsent(rest) => client.write_all(&rest).await?,
            Step::Ended => return Ok(()),
        }
    }
}

/// What one read came to.
enum Step {
    Echoed,
    Unsent(Vec<u8>),
    Ended,
}

/// Reads once and writes what came; only what the kernel does not take is copied.
fn poll_echo(
    client: &mut TcpStream,
    buffer: &mut [u8],
    context: &mut Context<'_>,
) -> Poll<io::Result<Step>> {
    let mut buffer = ReadBuf::new(buffer);
    ready!(Pin::new(&mut *client).poll_read(context, &mut buffer))?;
    let read = buffer.filled();
    if read.is_empty() {
        return Poll::Ready(Ok(Step::Ended));
    }
    let sent = match Pin::new(client).poll_write(context, read) {
        Poll::Ready(sent) => sent?,
        Poll::Pending => 0,
    };
    let rest = &read[sent..];
    let step = if rest.is_empty() { Step::Echoed } else { Step::Unsent(rest.to_vec()) };
    Poll::Ready(Ok(step))
}
