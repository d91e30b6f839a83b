//! What `cargo ci bench bytes` holds the cloud against: actix-web taking a body into a file and sending a
//! file, with nothing around it. `PUT /x` and `GET /x` on a free loopback port, which it prints.
#![allow(clippy::print_stdout)]

use std::io;
use std::path::PathBuf;

use actix_web::body::SizedStream;
use actix_web::web::{Data, Payload};
use actix_web::{App, HttpResponse, HttpServer, web};
use futures_util::{StreamExt as _, TryStreamExt as _};
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;
use tokio_util::io::ReaderStream;

async fn put(mut body: Payload, file: Data<PathBuf>) -> actix_web::Result<HttpResponse> {
    let mut to = File::create(file.as_path()).await?;
    while let Some(bytes) = body.next().await {
        to.write_all(&bytes?).await?;
    }
    to.flush().await?;
    // As durable as the cloud's own word.
    to.sync_all().await?;
    Ok(HttpResponse::NoContent().finish())
}

async fn get(file: Data<PathBuf>) -> actix_web::Result<HttpResponse> {
    let from = File::open(file.as_path()).await?;
    let size = from.metadata().await?.len();
    let bytes = ReaderStream::with_capacity(from, 64 * 1024).map_err(actix_web::Error::from);
    Ok(HttpResponse::Ok().body(SizedStream::new(size, bytes)))
}

#[actix_web::main]
async fn main() -> io::Result<()> {
    let file = std::env::args_os().nth(1).ok_or_else(|| io::Error::other("usage: ci-plain FILE"))?;
    let file = Data::new(PathBuf::from(file));
    let server = HttpServer::new(move || {
        App::new().app_data(file.clone()).route("/x", web::put().to(put)).route("/x", web::get().to(get))
    });
    let server = server.bind(("127.0.0.1", 0))?;
    println!("http://{}", server.addrs()[0]);
    server.run().await
}
