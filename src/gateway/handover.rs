//! Sockets that go from one process to the next: when a new binary takes over, and when a service manager opened them.
//!
//! Owns how they travel. When the old process ends, and what becomes of its connections, is not its business.
//!
//! The old process starts the new one, which inherits the listening sockets and is told their numbers. Both accept on the same
//! queue then, so that no connection is refused at any time. A pair of Unix sockets, of which the new process has one end as its
//! standard input, tells the old one what became of it.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use std::{env, process};

use super::Listener;

/// Tells a process which sockets it inherits, and from whom: `PID ADDRESS=DESCRIPTOR ...`.
const VARIABLE: &str = "FAREGATE_TAKES_OVER";

/// Between the end of a new process and its being seen as such.
const LOOK_INTERVAL: Duration = Duration::from_millis(10);

const READY: u8 = b'1';

/// Listening sockets that somebody else opened for this process, by what the configuration calls them.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Mutex<Vec<(SocketAddr, TcpListener)>>,
    /// Descriptors that are none of them, and why.
    unusable: Vec<(i32, io::Error)>,
}

/// Why nobody took over.
#[derive(Debug, thiserror::Error)]
pub enum HandoverError {
    #[error("the new process cannot be started: {0}")]
    Start(io::Error),
    #[error("the new process cannot be given the sockets: {0}")]
    Sockets(io::Error),
    #[error("the new process ended before it was ready ({0}); what it said about it is above")]
    Ended(String),
    #[error("the new process was not ready within {} s and was ended", .0.as_secs())]
    Late(Duration),
}

impl Inherited {
    /// The sockets that a service manager opened (`LISTEN_FDS`, as systemd does it); none where there is no such thing.
    pub fn from_service_manager() -> Self {
        let number = |name: &str| env::var(name).ok()?.parse::<u32>().ok();
        // The variables may be somebody else's, from whom they were inherited.
        let is_ours = number("LISTEN_PID") == Some(process::id());
        let count = number("LISTEN_FDS").filter(|_| is_ours).unwrap_or(0);
        let mut inherited = Self::default();
        let sockets = inherited.sockets.get_mut().unwrap_or_else(PoisonError::into_inner);
        for (descriptor, _) in (3..).zip(0..count) {
            match adopt(descriptor).and_then(|socket| Ok((socket.local_addr()?, socket))) {
                Ok(socket) => sockets.push(socket),
                Err(error) => inherited.unusable.push((descriptor, error)),
            }
        }
        inherited
    }

    /// Says which descriptors cannot be listened on: nobody logs yet when they are looked at.
    pub(super) fn report(&self) {
        for (descriptor, error) in &self.unusable {
            tracing::warn!(descriptor, error = %error, "a socket of the service manager cannot be used");
        }
    }

    /// The socket for `address`, once.
    pub fn take(&self, address: SocketAddr) -> Option<TcpListener> {
        let mut sockets = self.sockets.lock().unwrap_or_else(PoisonError::into_inner);
        let index = sockets.iter().position(|(own, _)| *own == address)?;
        Some(sockets.remove(index).1)
    }
}

/// Owns a descriptor that this process was started with. It is a new one for the same socket, since nothing can vouch for a
/// number; the original is closed.
#[cfg(target_os = "linux")]
fn adopt(descriptor: i32) -> io::Result<TcpListener> {
    use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};
    let own = pidfd_open(getpid(), PidfdFlags::empty())?;
    let socket = TcpListener::from(pidfd_getfd(own, descriptor, PidfdGetfdFlags::empty())?);
    socket.local_addr()?;
    nix::unistd::close(descriptor)?;
    Ok(socket)
}

#[cfg(not(target_os = "linux"))]
fn adopt(_descriptor: i32) -> io::Result<TcpListener> {
    Err(io::ErrorKind::Unsupported.into())
}

/// The process that this one takes over from.
#[derive(Debug)]
pub struct Predecessor(UnixStream);

impl Predecessor {
    /// Takes the sockets if this process was started to take over; `None` if it was not.
    ///
    /// # Errors
    /// When they do not come.
    pub fn meet() -> io::Result<Option<(Self, Inherited)>> {
        let parent = std::os::unix::process::parent_id().to_string();
        let Ok(text) = env::var(VARIABLE) else { return Ok(None) };
        // The variable stays in the environment; the process that set it does not.
        let Some(sockets) = text.strip_prefix(&parent).and_then(|rest| rest.strip_prefix(' ')) else { return Ok(None) };
        let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
        Ok(Some((Self(stream), received(sockets)?)))
    }

    /// Tells it that requests are answered here now: it stops accepting.
    ///
    /// # Errors
    /// When it is gone already.
    pub fn relieve(mut self) -> io::Result<()> {
        self.0.write_all(&[READY])
    }
}

/// Starts this program again, whichever version of it there is now, with the same arguments, and gives it these sockets.
/// Returns its process id once it answers requests; then it is time to stop accepting here. Blocks for up to `patience`.
///
/// # Errors
/// [`HandoverError`]: nobody has taken over, and this process is to go on.
pub fn hand_over(sockets: &[(SocketAddr, Listener)], patience: Duration) -> Result<u32, HandoverError> {
    let (ours, theirs) = UnixStream::pair().map_err(HandoverError::Start)?;
    let mut arguments = env::args_os();
    let mut command = Command::new(arguments.next().unwrap_or_default());
    let told = format!("{} {}", process::id(), told(sockets));
    command.args(arguments).env(VARIABLE, told).stdin(Stdio::from(OwnedFd::from(theirs)));
    inheritable(sockets, true).map_err(HandoverError::Sockets)?;
    let started = command.spawn();
    inheritable(sockets, false).map_err(HandoverError::Sockets)?;
    let mut child = started.map_err(HandoverError::Start)?;
    // It kept the other end: without this, the end of the new process would not be noticed.
    drop(command);
    match wait(ours, &mut child, patience) {
        Ok(()) => Ok(child.id()),
        Err(error) => {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
            Err(error)
        }
    }
}

/// Whether a process that is started now gets these sockets.
#[cfg(target_os = "linux")]
fn inheritable(sockets: &[(SocketAddr, Listener)], inherited: bool) -> io::Result<()> {
    use rustix::io::{FdFlags, fcntl_setfd};
    let flags = if inherited { FdFlags::empty() } else { FdFlags::CLOEXEC };
    sockets.iter().try_for_each(|(_, listener)| Ok(fcntl_setfd(&*listener.socket, flags)?))
}

#[cfg(not(target_os = "linux"))]
fn inheritable(_sockets: &[(SocketAddr, Listener)], _inherited: bool) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

fn wait(mut stream: UnixStream, child: &mut Child, patience: Duration) -> Result<(), HandoverError> {
    stream.set_read_timeout(Some(patience)).map_err(HandoverError::Sockets)?;
    let mut answer = [0];
    match stream.read_exact(&mut answer) {
        Ok(()) if answer[0] == READY => Ok(()),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            Err(HandoverError::Late(patience))
        }
        // Its end of the pair is closed when it has ended.
        Ok(()) | Err(_) => {
            std::thread::sleep(LOOK_INTERVAL);
            let status = child.try_wait().ok().flatten();
            Err(HandoverError::Ended(status.map_or("without a reason".to_owned(), |status| status.to_string())))
        }
    }
}

fn told(sockets: &[(SocketAddr, Listener)]) -> String {
    let told = |(address, listener): &(SocketAddr, Listener)| format!("{address}={}", listener.socket.as_raw_fd());
    sockets.iter().map(told).collect::<Vec<_>>().join(" ")
}

fn received(told: &str) -> io::Result<Inherited> {
    let socket = |text: &str| {
        let (address, descriptor) = text.split_once('=')?;
        Some((address.parse().ok()?, descriptor.parse().ok()?))
    };
    let sockets = told.split_whitespace().map(|text| {
        let (address, descriptor) =
            socket(text).ok_or_else(|| io::Error::other(format!("{text:?} in {VARIABLE} is no socket")))?;
        let because = |error| io::Error::other(format!("the socket for {address} cannot be taken over: {error}"));
        Ok((address, adopt(descriptor).map_err(because)?))
    });
    Ok(Inherited { sockets: Mutex::new(sockets.collect::<io::Result<_>>()?), unusable: Vec::new() })
}

#[cfg(test)]
mod tests {
    use std::os::fd::IntoRawFd as _;

    use super::*;

    // FAULTS T43: the same sockets, under the names that the configuration has for them.
    #[test]
    #[cfg(target_os = "linux")]
    fn sockets_arrive_as_what_they_were() {
        let sockets: Vec<TcpListener> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let addresses: Vec<SocketAddr> = sockets.iter().map(|socket| socket.local_addr().unwrap()).collect();
        // Two that asked for a free port, and one that has a name.
        let asked = ["127.0.0.1:0".to_owned(), "127.0.0.1:0".to_owned(), addresses[2].to_string()];
        // Nobody owns them any more, as in a process that was just started.
        let descriptors: Vec<i32> = sockets.into_iter().map(|socket| socket.into_raw_fd()).collect();
        let told: Vec<_> = asked.iter().zip(&descriptors).map(|(asked, number)| format!("{asked}={number}")).collect();
        let inherited = received(&told.join(" ")).unwrap();
        for (asked, address) in asked.iter().zip(&addresses) {
            let socket = inherited.take(asked.parse().unwrap()).unwrap();
            assert_eq!(socket.local_addr().unwrap(), *address);
        }
        assert!(inherited.take(addresses[2]).is_none(), "each of them once");
        assert!(TcpListener::bind(addresses[0]).is_ok(), "whoever has taken one closes it");
    }

    // FAULTS T43: only silence is lateness
    #[test]
    fn a_connection_that_breaks_is_not_late() {
        let patience = Duration::from_millis(200);
        let mut child = Command::new("true").spawn().unwrap();
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        // What the other side has not read makes its end a reset.
        ours.write_all(b"x").unwrap();
        drop(theirs);
        assert!(matches!(wait(ours, &mut child, patience), Err(HandoverError::Ended(_))));
        let (ours, _theirs) = UnixStream::pair().unwrap();
        assert!(matches!(wait(ours, &mut child, patience), Err(HandoverError::Late(_))));
        child.wait().unwrap();
    }

    #[test]
    fn what_is_no_socket_is_an_error() {
        for told in ["nonsense", "127.0.0.1:80", "127.0.0.1:80=x", "127.0.0.1:80=999999"] {
            assert!(received(told).is_err(), "{told}");
        }
    }

    #[test]
    fn nobody_is_taken_for_a_predecessor() {
        assert!(Predecessor::meet().unwrap().is_none());
    }
}
