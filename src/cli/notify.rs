//! What a service manager is told (systemd's `sd_notify`).
//!
//! Owns the one message that there is. Where nobody wants to know, nothing happens.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::unix::net::UnixDatagram;
use std::process;

/// Requests are answered, by this process: after an upgrade it is another one than was started.
pub(super) fn ready() {
    let Some(socket) = env::var_os("NOTIFY_SOCKET") else { return };
    if let Err(error) = send(&socket, &format!("READY=1\nMAINPID={}\n", process::id())) {
        tracing::warn!(error = %error, "the service manager cannot be told that requests are answered");
    }
}

fn send(socket: &OsStr, message: &str) -> io::Result<()> {
    let sender = UnixDatagram::unbound()?;
    #[cfg(target_os = "linux")]
    {
        use std::os::linux::net::SocketAddrExt as _;
        use std::os::unix::ffi::OsStrExt as _;
        use std::os::unix::net::SocketAddr;
        if let Some(name) = socket.as_bytes().strip_prefix(b"@") {
            let address = SocketAddr::from_abstract_name(name)?;
            return sender.send_to_addr(message.as_bytes(), &address).map(drop);
        }
    }
    sender.send_to(message.as_bytes(), socket).map(drop)
}
