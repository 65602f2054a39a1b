//! The `faregate` binary. It owns the allocator; everything else is the library's.

use std::process::ExitCode;

/// Many small allocations per request on several threads are what this allocator is for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    faregate::cli::run()
}
