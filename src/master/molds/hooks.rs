//! The hooks of a configuration file: the mold that has run it receives the events, and calls them without the
//! master.

use serde_json::{Value, json};

use super::running::Molds;
use crate::ipc::ToMold;
use crate::master::generations::Generations;
use crate::master::supervisor::{Generation, Incarnation, Supervisor};
use crate::master::workers::Workers;
use crate::sys::Pid;

/// Initial state for the file of a new mold, before there are workers.
pub fn begin(
    workers: &Workers,
    supervisor: &Supervisor,
    generation: Generation,
    count: u32,
) -> String {
    let is_first = generation == Generation(1);
    let others: Vec<(u64, i32)> = workers
        .iter()
        .map(|(incarnation, worker)| (incarnation.0, worker.pid.as_raw()))
        .collect();
    let before = (!is_first).then(|| supervisor.target());
    json!({"first": is_first, "workers": count, "before": before, "others": others}).to_string()
}

fn call(generations: &Generations<'_>, molds: &Molds, generation: Generation, message: &Value) {
    let generation_config = generations.get(generation);
    if generation_config.is_none_or(|generation_config| generation_config.settings.hooks.is_none())
    {
        return;
    }
    let Some(mold) = molds.get(generation) else {
        return;
    };
    if let Err(error) = mold.handle.send(&ToMold::Call(message.to_string()), &[]) {
        tracing::warn!(generation = generation.0, %error, "hook is stuck, dropping a hook call");
    }
}

/// Sent to the mold of the serving generation, as with gunicorn, whose workers from before a reload are its own
/// as well.
pub fn child_exit(
    generations: &Generations<'_>,
    molds: &Molds,
    serving: Generation,
    incarnation: Incarnation,
    pid: Pid,
) {
    let (age, pid) = (incarnation.0, pid.as_raw());
    call(
        generations,
        molds,
        serving,
        &json!({"call": "child_exit", "age": age, "pid": pid}),
    );
}

pub fn workers_changed(
    generations: &Generations<'_>,
    molds: &Molds,
    serving: Generation,
    old: u32,
    new: u32,
) {
    call(
        generations,
        molds,
        serving,
        &json!({"call": "nworkers_changed", "new": new, "old": old}),
    );
}

pub fn exit(generations: &Generations<'_>, molds: &Molds, serving: Generation) {
    call(generations, molds, serving, &json!({"call": "on_exit"}));
}

/// Called before another program goes on in this process; that does not wait for the hook.
pub fn exec(generations: &Generations<'_>, molds: &Molds, serving: Generation) {
    call(generations, molds, serving, &json!({"call": "pre_exec"}));
}
