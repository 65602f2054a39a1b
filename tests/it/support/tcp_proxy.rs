//! A wire that a test can cut: whatever goes to a server through it passes, is refused, is held up or disappears.
//!
//! Owns its threads and connections. It does not know what is said on them.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What becomes of bytes and connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Passes,
    /// Every connection is closed, and so is each new one: as if nobody were there.
    Refuses,
    /// Nothing is closed and nothing arrives, in either direction.
    Swallows,
    /// Every piece on its way to the server is so late.
    Delays(Duration),
    /// So many pieces get to the server; the connection of the next one ends: before the server gets it, or, if it is to be
    /// heard, before the client gets the answer. Then everything passes.
    Loses {
        after: u32,
        heard: bool,
    },
}

#[derive(Clone)]
pub struct TcpProxy {
    pub address: SocketAddr,
    to: SocketAddr,
    state: Arc<Mutex<State>>,
}

struct State {
    wire: Wire,
    has_lost: bool,
    open: Vec<TcpStream>,
}

impl TcpProxy {
    pub fn to(to: SocketAddr) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let state = Arc::new(Mutex::new(State { wire: Wire::Passes, has_lost: false, open: Vec::new() }));
        let proxy = Self { address: socket.local_addr().unwrap(), to, state };
        let serving = proxy.clone();
        std::thread::spawn(move || {
            for client in socket.incoming().flatten() {
                serving.serve(client);
            }
        });
        proxy
    }

    pub fn becomes(&self, wire: Wire) {
        let mut state = self.state.lock().unwrap();
        (state.wire, state.has_lost) = (wire, false);
        if wire == Wire::Refuses {
            for stream in state.open.drain(..) {
                let _ = stream.shutdown(Shutdown::Both);
            }
        }
    }

    /// Everything passes from here on. Whether something was lost before is still known.
    pub fn loses_no_more(&self) {
        self.state.lock().unwrap().wire = Wire::Passes;
    }

    /// Whether the piece that was to be lost came.
    pub fn has_lost(&self) -> bool {
        self.state.lock().unwrap().has_lost
    }

    /// Whether this piece is the one that is lost, and if so, whether the server hears it.
    fn loses_now(&self) -> Option<bool> {
        let mut state = self.state.lock().unwrap();
        let Wire::Loses { after, heard } = state.wire else { return None };
        if let Some(left) = after.checked_sub(1) {
            state.wire = Wire::Loses { after: left, heard };
            return None;
        }
        (state.wire, state.has_lost) = (Wire::Passes, true);
        Some(heard)
    }

    fn wire(&self) -> Wire {
        self.state.lock().unwrap().wire
    }

    fn serve(&self, client: TcpStream) {
        if self.wire() == Wire::Refuses {
            return;
        }
        let Ok(server) = TcpStream::connect(self.to) else { return };
        for stream in [&client, &server] {
            let _ = stream.set_nodelay(true);
        }
        self.state.lock().unwrap().open.extend([client.try_clone().unwrap(), server.try_clone().unwrap()]);
        let ways = [(client.try_clone(), server.try_clone(), true), (Ok(server), Ok(client), false)];
        for (from, to, forward) in ways {
            let (proxy, from, to) = (self.clone(), from.unwrap(), to.unwrap());
            std::thread::spawn(move || proxy.carry(from, to, forward));
        }
    }

    fn carry(&self, mut from: TcpStream, mut to: TcpStream, forward: bool) {
        let mut buffer = [0; 16 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            // Like packets that are sent again until one arrives.
            while self.wire() == Wire::Swallows {
                std::thread::sleep(Duration::from_millis(20));
            }
            match self.wire() {
                Wire::Refuses => break,
                Wire::Delays(delay) if forward => std::thread::sleep(delay),
                Wire::Delays(_) | Wire::Passes | Wire::Swallows | Wire::Loses { .. } => {}
            }
            if let Some(heard) = forward.then(|| self.loses_now()).flatten() {
                // From here on the other way finds nobody to tell.
                let _ = from.shutdown(Shutdown::Both);
                if heard && to.write_all(&buffer[..read]).is_ok() {
                    std::thread::sleep(Duration::from_millis(50));
                }
                break;
            }
            if to.write_all(&buffer[..read]).is_err() {
                break;
            }
        }
        for stream in [&from, &to] {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}
