//! The public listeners while the gateway runs: opened, changed and closed one by one.
//!
//! Owns which sockets are open. A listener that is wanted as before keeps its socket, whatever else changes about it.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use pingora::proxy::HttpProxy;
use tokio::task::AbortHandle;

use super::connection::RefusalLog;
use super::front::Front;
use super::handover::Inherited;
use super::listener::{Ending, Manner};
use super::{Census, Current, H2Limits, ListenError, Listener, Overload, Proxy, Service, run};

/// A listener as a configuration asks for it.
pub struct Wanted {
    /// Port 0 takes a free one, once.
    pub address: SocketAddr,
    pub manner: Manner,
}

/// Sockets that are bound, and how those that are open already are to go on. Nothing has changed yet.
pub struct Prepared(Vec<Place>);

struct Place {
    wanted: Wanted,
    listener: Listener,
}

impl Prepared {
    /// Binds the sockets of a gateway that has none yet.
    ///
    /// # Errors
    /// [`ListenError`] of the first that cannot be bound.
    pub fn bind(wanted: Vec<Wanted>, inherited: &Inherited) -> Result<Self, ListenError> {
        inherited.report();
        let place = |wanted: Wanted| Ok(Place { listener: Listener::bind(wanted.address, inherited)?, wanted });
        wanted.into_iter().map(place).collect::<Result<_, _>>().map(Self)
    }

    /// Where it will be listened, and whether with TLS.
    pub fn addresses(&self) -> Vec<(SocketAddr, bool)> {
        let address = |place: &Place| (place.listener.address(), place.wanted.manner.certificate.is_some());
        self.0.iter().map(address).collect()
    }
}

/// The open listeners, and what all of them share.
pub struct Doors {
    app: Arc<HttpProxy<Proxy>>,
    front: Arc<Front>,
    census: Arc<Census>,
    refusals: Arc<dyn RefusalLog>,
    ending: Ending,
    overload: Arc<Overload>,
    open: Mutex<Vec<Door>>,
}

/// An open listener.
struct Door {
    /// As the configuration has it.
    configured: SocketAddr,
    listener: Listener,
    manner: Arc<ArcSwap<Manner>>,
    accepting: AbortHandle,
}

impl Doors {
    /// None is open yet.
    pub fn new(current: &Arc<Current>, h2: &H2Limits, census: &Arc<Census>, ending: &Ending) -> Self {
        let (app, front) = run::app(current, h2);
        Self {
            app: Arc::new(app),
            front: Arc::new(front),
            census: census.clone(),
            refusals: current.load().metrics.clone(),
            ending: ending.clone(),
            overload: current.load().overload.clone(),
            open: Mutex::default(),
        }
    }

    /// Binds what is wanted and not open yet.
    ///
    /// # Errors
    /// [`ListenError`] of the first that cannot be bound. Everything is as before then.
    pub fn prepare(&self, wanted: Vec<Wanted>) -> Result<Prepared, ListenError> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Several may have asked for a free port.
        let mut taken = vec![false; open.len()];
        let place = |wanted: Wanted| {
            let same = |index: &usize| !taken[*index] && open[*index].configured == wanted.address;
            let listener = match (0..open.len()).find(same) {
                Some(index) => {
                    taken[index] = true;
                    open[index].listener.clone()
                }
                None => Listener::bind(wanted.address, &Inherited::default())?,
            };
            Ok(Place { wanted, listener })
        };
        wanted.into_iter().map(place).collect::<Result<_, _>>().map(Prepared)
    }

    /// Makes it so: opens, changes, and closes what is not wanted any more. Connections that are open stay so.
    pub fn open(&self, prepared: Prepared) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut before = std::mem::take(&mut *open);
        for Place { wanted, listener } in prepared.0 {
            let same = |door: &Door| Arc::ptr_eq(&door.listener.socket, &listener.socket);
            let door = match before.iter().position(same) {
                Some(index) => {
                    let door = before.swap_remove(index);
                    door.manner.store(Arc::new(wanted.manner));
                    door
                }
                None => self.door(wanted, listener),
            };
            open.push(door);
        }
        for door in before {
            door.accepting.abort();
        }
    }

    fn door(&self, wanted: Wanted, listener: Listener) -> Door {
        let manner = Arc::new(ArcSwap::from_pointee(wanted.manner));
        let service = Service {
            app: self.app.clone(),
            front: Some(self.front.clone()),
            manner: manner.clone(),
            census: self.census.clone(),
            refusals: self.refusals.clone(),
            ending: self.ending.clone(),
            overload: Some(self.overload.clone()),
            turned_away: Arc::default(),
        };
        let accepting = tokio::spawn(service.accept(listener.clone())).abort_handle();
        Door { configured: wanted.address, listener, manner, accepting }
    }

    /// The open sockets, by what the configuration calls them: for a process that goes on with them.
    pub fn listeners(&self) -> Vec<(SocketAddr, Listener)> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().map(|door| (door.configured, door.listener.clone())).collect()
    }

    /// Lets go of the sockets. Who accepts on them ends by itself.
    pub fn close(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
