//! The kanban gateway: a chat bot service that speaks `/kanban`, keeps a durable board and runs workers.
//!
//! # Map
//!
//! Three planes, each blind to the machinery of the others; `docs/architecture.md` follows a message and an event
//! through them.
//!
//! - control: the adapters, which know [`kanban_platform`] and nothing of ours beside it; [`gateway`] routes what they
//!   bring; [`command`] declares every verb, reads what people typed, and runs it
//! - state: [`board`], the only code that knows SQL
//! - execution: [`dispatcher`] claims tasks and starts workers, [`shim`] is the small process that owns one worker, and
//!   [`process`] is what the system tells of processes
//!
//! Beside them: [`import`] brings in the boards of another system and takes them there, [`backup`] keeps and restores ours, [`notifier`] hands posts to platforms, [`control`] is the socket that the command line and the shims
//! reach a gateway by, [`cli`] is the command line itself, [`local`] the owner's way to a board from there, [`mcp`] the
//! verbs as tools of an agent, [`skills`] what agents are taught of the board, [`init`] sets a home up, [`doctor`] says what is usable here. What comes from outside
//! comes by [`settings`], [`clock`] and [`random`]; [`recurrence`] is when a schedule fires; [`telemetry`] is the program's own log, [`metrics`] its figures, [`secret`] what it must not
//! show, [`redact`] what takes that out of texts, [`suggest`] the distance behind "did you mean".
//!
//! # Invariants
//!
//! Each with the test that fails first when it does not hold; `docs/architecture.md` has all of them.
//!
//! 1. Each client library is named in one place: `tests/architecture.rs::only_the_board_knows_sql`,
//!    `tests/architecture.rs::each_platform_is_known_to_its_adapter`.
//! 2. A verb is declared once, and all else is derived: `tests/surfaces.rs::the_declaration_is_sound`.
//! 3. A command is a call down and a value back, with nothing around it:
//!    `tests/architecture.rs::what_comes_from_outside_comes_through_one_door`.
//! 4. A change, its event, its posts and the acknowledgement are one transaction, and nothing is sent or spawned inside:
//!    `tests/board/follow.rs::an_update_is_acknowledged_with_what_it_did_or_not_at_all`,
//!    `tests/architecture.rs::the_board_neither_sends_nor_spawns`.
//! 5. Nothing that an agent holds is ever needed by a command: `tests/planes.rs::a_working_agent_holds_up_no_command`.
//! 6. A pid is never trusted: `tests/shim.rs::an_identity_is_one_process_and_no_other`.
//! 7. Every wait has a deadline, and the outside comes from outside:
//!    `tests/architecture.rs::the_lints_that_hold_invariants_are_on`.
//! 8. Unsafe code is in `src/process.rs` alone: `tests/architecture.rs::unsafe_code_is_in_one_file`.
//! 9. Whoever is not listed may do nothing: `tests/settings.rs::people_who_are_not_listed_may_do_nothing`.
//! 10. What goes out is what the platform takes, is never lost, and notifies nobody by a task's text:
//!     `tests/gateway/platforms/story.rs::long_output_and_markup_arrive_whole_and_harmless`.
//! 11. A question has one answer, by a person:
//!     `tests/board/answer.rs::of_any_sequence_of_answers_exactly_one_has_an_effect`.
//! 12. Nobody decides on their own work: `tests/board/review.rs::whoever_did_the_work_cannot_approve_it`,
//!     `tests/board/review.rs::a_worker_whose_work_was_sent_back_hands_it_in_again_however_it_ends`.
//! 13. One check for every road: `tests/access.rs::every_verb_is_let_through_or_refused_as_the_table_says`.
//! 14. Whether a ready task starts is decided in one place: `tests/gateway/why.rs::why_and_the_dispatcher_agree_in_every_state`.
//! 15. A restart costs nothing: `tests/gateway/restart.rs::a_storm_of_restarts_disturbs_no_worker_and_loses_nothing`.
//! 16. Dead means dead: `tests/death/trees.rs::random_trees_leave_no_survivor`,
//!     `tests/shim_leaks.rs::workers_that_die_in_ten_ways_leave_no_zombie_and_no_descriptor`.
//! 17. A worker reaches nothing that is not its own:
//!     `tests/gateway/hostile.rs::a_hostile_worker_reaches_nothing_beyond_its_task`,
//!     `tests/confinement.rs::a_confined_worker_reaches_nothing_of_the_home_but_its_own`.
//! 18. What a worker is told has a hard limit, and nobody's text in it passes for ours:
//!     `tests/views.rs::any_board_makes_a_context_that_fits_and_that_nobody_can_forge`.
//! 19. A budget is exact and over all attempts: `tests/board/budget.rs::any_reports_add_up_exactly`.
//! 20. A time of a schedule fires once: `tests/board/schedule.rs::two_gateways_at_once_fire_a_time_once`.
//! 21. What is brought in comes in whole, once, and leaves its source as it was:
//!     `tests/board/import.rs::an_import_that_is_killed_at_any_statement_leaves_nothing_half_done`.
//! 22. A board of any version comes up with all that it held, and a backup takes its place whole:
//!     `tests/board/upgrade.rs::a_board_of_every_version_comes_up_whole_and_works`,
//!     `tests/board/restore.rs::a_restore_that_is_killed_after_any_step_leaves_the_old_boards_or_the_new_ones`.

#![deny(clippy::significant_drop_in_scrutinee)]
#![deny(unsafe_code)]

pub mod backup;
pub mod board;
pub mod cli;
pub mod clock;
pub mod command;
pub mod control;
pub mod dispatcher;
pub mod doctor;
pub mod gateway;
pub mod import;
pub mod init;
pub mod local;
pub mod mcp;
pub mod metrics;
pub mod notifier;
pub mod process;
pub mod random;
pub mod recurrence;
pub mod redact;
pub mod secret;
pub mod settings;
pub mod shim;
pub mod skills;
pub mod suggest;
pub mod telemetry;
