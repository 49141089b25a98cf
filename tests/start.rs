//! The first minutes with the program: what `init` writes, and what `doctor` says.

#![expect(clippy::unwrap_used, reason = "a test ends at what it did not expect")]

#[path = "start/doctor.rs"]
mod doctor;
#[path = "start/init.rs"]
mod init;
#[path = "start/metrics.rs"]
mod metrics;
#[path = "start/platforms.rs"]
mod platforms;
#[path = "support/scale.rs"]
#[expect(dead_code, reason = "this suite uses a part of it")]
mod scale;
#[path = "start/tour.rs"]
mod tour;
