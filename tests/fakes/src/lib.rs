//! Stand-ins for chat platforms, with state and with faults on demand.

#![forbid(unsafe_code)]
