//! The echo server on tokio as somebody who counts every byte writes it: one thread, and one read buffer
//! that all clients share, borrowed only once a socket is known to be readable.

use std::{cell::RefCell, io, time::Duration};

use fsm_bench::peer;
use tokio::net::TcpStream;

/// As much as the C peer reads at once.
const READ_SIZE: usize = 64 * 1024;

thread_local! {
    static BUFFER: RefCell<Vec<u8>> = RefCell::new(vec![0; READ_SIZE]);
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let listener = peer::listen(peer::address_from_arguments())?;
    // A server that a broken bench forgot ends by itself.
    let end = tokio::time::sleep(Duration::from_secs(peer::LIFETIME_SECONDS));
    tokio::pin!(end);
    loop {
        tokio::select! {
            accepted = listener.accept() => { tokio::spawn(echo(accepted?.0)); }
            () = &mut end => return Ok(()),
        }
    }
}

/// One client, until it closes or its socket fails.
async fn echo(client: TcpStream) {
    while client.readable().await.is_ok() {
        match BUFFER.with_borrow_mut(|buffer| echo_once(&client, buffer)) {
            Ok(Step::Ended) => return,
            Ok(Step::Unsent(rest)) if send_rest(&client, &rest).await.is_err() => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return,
        }
    }
}

/// What one read came to.
enum Step {
    Echoed,
    Unsent(Vec<u8>),
    Ended,
}

fn echo_once(client: &TcpStream, buffer: &mut [u8]) -> io::Result<Step> {
    let read = client.try_read(buffer)?;
    if read == 0 {
        return Ok(Step::Ended);
    }
    let sent = match client.try_write(&buffer[..read]) {
        Ok(sent) => sent,
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
        Err(error) => return Err(error),
    };
    if sent == read { Ok(Step::Echoed) } else { Ok(Step::Unsent(buffer[sent..read].to_vec())) }
}

async fn send_rest(client: &TcpStream, mut rest: &[u8]) -> io::Result<()> {
    while !rest.is_empty() {
        client.writable().await?;
        match client.try_write(rest) {
            Ok(sent) => rest = &rest[sent..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
