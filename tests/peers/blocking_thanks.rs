//! The thank-you server as one process that serves one client at a time: the same service as the
//! machine's, in plain `std`. Its lines are counted beside the machine's, so this one is written as
//! anybody would write it, and no longer.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use clap::Parser;

/// Thanks every client for every line, one client after the other
#[derive(Parser)]
#[command(after_help = "Example: blocking_thanks --listen 127.0.0.1:7008 --reply Danke!")]
struct Options {
    /// Where to listen: IP:PORT
    #[arg(long)]
    listen: SocketAddr,
    /// What a line is thanked with; a newline follows
    #[arg(long, default_value = "Thank you!")]
    reply: String,
    /// How long a client may send nothing
    #[arg(long, default_value = "5min", value_parser = humantime::parse_duration)]
    idle: Duration,
    /// How long a client may take nothing of what it is owed
    #[arg(long, default_value = "30s", value_parser = humantime::parse_duration)]
    stall: Duration,
}

fn thank(client: &TcpStream, options: &Options) -> io::Result<()> {
    client.set_nodelay(true)?;
    client.set_read_timeout(Some(options.idle))?;
    client.set_write_timeout(Some(options.stall))?;
    let thanks = format!("{}\n", options.reply);
    let mut lines = BufReader::new(client);
    // Nothing of a line is kept; a last half line counts as one.
    while lines.skip_until(b'\n')? > 0 {
        lines.get_mut().write_all(thanks.as_bytes())?;
    }
    Ok(())
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    let listener = TcpListener::bind(options.listen)?;
    println!("listening on {}", listener.local_addr()?);
    for client in listener.incoming() {
        // A client that breaks off or is too slow ends its own service, and the next one's begins.
        let _ = client.and_then(|client| thank(&client, &options));
    }
    Ok(())
}
