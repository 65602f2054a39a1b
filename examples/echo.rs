//! The echo of `faregate dev` on an address of its own: it answers with what it received, as JSON.
//!
//! Owns nothing but the address. It is for looking at what an upstream gets, on the other side of a network for example;
//! it repeats every header, so it must be reachable from the gateway only.
//!
//! ```console
//! $ cargo run --example echo -- 127.0.0.1:3000 &
//! $ cargo run -- dev --upstream http://127.0.0.1:3000
//! ```

use std::env;

use faregate::gateway::echo;
use tokio::net::TcpListener;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let address = env::args().nth(1).unwrap_or_else(|| "127.0.0.1:3000".to_owned());
    let socket = TcpListener::bind(&address).await?;
    eprintln!("echo: listening on http://{}", socket.local_addr()?);
    echo::serve(socket).await;
    Ok(())
}
