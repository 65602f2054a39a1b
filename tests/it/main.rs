//! Everything that needs more than one module: one binary, one list.

mod cli;
mod config;
mod faults;
mod gateway;
mod issuers;
mod keys;
mod login_time;
mod management;
mod peers;
mod profiles;
mod search_speed;
mod searches;
mod spec;
mod store;
mod store_speed;
mod support;
mod transcript;
