<<<<<<< HEAD
//! Everything that needs more than one module: one binary, one list.

mod store;
mod support;
=======
//! The integration tests: one binary, one module per subject.

mod config;
>>>>>>> 56b835d88a7ec1c6c43cb7ab4148198391f0b854
