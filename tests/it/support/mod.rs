//! What the tests stand on.

pub mod authorization_server;
pub mod browser;
pub mod caller;
pub mod canary;
pub mod collector;
pub mod cost;
pub mod database;
pub mod dpop;
pub mod faulty;
pub mod files;
pub mod foreign_issuer;
pub mod gateway;
pub mod gateway_people;
pub mod ledger;
pub mod load;
pub mod log;
pub mod people;
pub mod person;
pub mod process;
pub mod steady;
pub mod tcp_proxy;
pub mod tls;
pub mod upstream;
pub mod visitor;
pub mod wire;
pub mod world;
