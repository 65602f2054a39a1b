//! The device grant (RFC 8628): a device asks, a person elsewhere decides, the device polls.
//!
//! Owns codes, their limits and the person's decision. It does not issue tokens: polling is a grant of the token
//! endpoint, and what a page looks like is up to `web`.

mod approve;
mod authorize;
mod limits;
mod lookup;
mod page;
mod qr;
mod user_code;

pub use approve::DeviceApproved;
pub use authorize::DeviceAuthorization;
pub(super) use limits::DeviceLimits;
pub use lookup::UserCodeDetails;
pub(super) use lookup::Typed;
pub use page::{DeviceConfirmation, DevicePage};
