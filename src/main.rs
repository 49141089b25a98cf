//! The binary `kanban`.

use std::{ffi::OsStr, process::ExitCode};

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let mut rest = arguments.by_ref().peekable();
    // The shim comes before anything else is built: a worker's start waits for it.
    if rest.peek().map(std::ffi::OsString::as_os_str) == Some(OsStr::new(kanban_gateway::shim::VERB)) {
        return kanban_gateway::shim::main(rest.skip(1));
    }
    kanban_gateway::cli::main(&rest.collect::<Vec<_>>())
}
