//! The line echo on tokio as its users write it: one thread, `Framed` and `LinesCodec`.

use std::io;

use fsm_bench::peer;
use futures_util::{SinkExt, StreamExt};
use tokio::net::TcpStream;
use tokio_util::codec::{Framed, LinesCodec};

/// The limit that the other line servers have by default.
const MAX_LINE: usize = 64 * 1024;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let listener = peer::listen(peer::address_from_arguments())?;
    peer::end_some_time();
    loop {
        let (client, _) = listener.accept().await?;
        tokio::spawn(echo(client));
    }
}

async fn echo(client: TcpStream) {
    let mut lines = Framed::new(client, LinesCodec::new_with_max_length(MAX_LINE));
    while let Some(Ok(line)) = lines.next().await {
        if lines.send(line).await.is_err() {
            return;
        }
    }
}
