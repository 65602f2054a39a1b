//! The `faregate` binary. It owns the allocator; everything else is the library's.

use std::process::ExitCode;

/// Many small allocations per request on several threads are what this allocator is for.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    use_small_pages();
    faregate::cli::run()
}

/// The allocator asks for huge pages, of which a small program touches a little each: they were a quarter of its memory.
fn use_small_pages() {
    #[cfg(target_os = "linux")]
    {
        // Where it is forbidden, only more memory is used.
        let _ = rustix::thread::disable_transparent_huge_pages(true);
    }
}
