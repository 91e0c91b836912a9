//! An empty 200 on hyper as its users write it: one thread, a task for each connection.

use std::{convert::Infallible, io};

use fsm_bench::peer;
use http_body_util::Empty;
use hyper::{
    Request, Response, body::Bytes, body::Incoming, header::CONTENT_TYPE, server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;

#[tokio::main(flavor = "current_thread")]
pub(crate) async fn main() -> io::Result<()> {
    let listener = peer::listen(peer::address_from_arguments())?;
    peer::end_some_time();
    loop {
        let (client, _) = listener.accept().await?;
        tokio::spawn(async {
            let serving = http1::Builder::new();
            // A client that breaks off is none of the others' business.
            let _ = serving.serve_connection(TokioIo::new(client), service_fn(answer)).await;
        });
    }
}

async fn answer(_request: Request<Incoming>) -> Result<Response<Empty<Bytes>>, Infallible> {
    let mut response = Response::new(Empty::new());
    let plain = hyper::header::HeaderValue::from_static("text/plain");
    response.headers_mut().insert(CONTENT_TYPE, plain);
    Ok(response)
}
