//! The supervisor's tests: an operator's stories step by step, random histories in a simulated OS, and deliberate
//! faults that they must detect.

mod companions;
mod facts;
mod histories;
mod law_molds;
mod law_scaling;
mod laws;
mod molds;
mod mutants;
mod notes;
mod oracle;
mod process;
mod rewriting;
mod rng;
mod stories_boot;
mod stories_canary;
mod stories_change;
mod stories_companions;
mod stories_helpers;
mod stories_leader;
mod stories_many;
mod stories_memory;
mod stories_molds;
mod stories_operator;
mod stories_preparation;
mod stories_reload;
mod stories_rollback;
mod stories_scaling;
mod stories_signals;
mod stories_stage;
mod stories_state;
mod stories_stop;
mod stories_workers;
mod story;
mod world;
