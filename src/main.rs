//! The binary `kanban`.

use std::{ffi::OsStr, process::ExitCode};

fn main() -> ExitCode {
    // The shim comes before anything else is built: a worker's start waits for it.
    let mut args = std::env::args_os().skip(1);
    if args.next().as_deref() == Some(OsStr::new("shim")) {
        return kanban_gateway::shim::main(args);
    }
    ExitCode::SUCCESS
}
