//! The hooks of a configuration file: the mold that has run it receives the events, and calls them without the
//! master.

use serde_json::{Value, json};

use crate::ipc::ToMold;
use crate::master::child_signal::deliver;
use crate::master::shell::Shell;
use crate::master::supervisor::{Event, Generation, Incarnation};
use crate::sys::Pid;
use crate::sys::process;
use crate::sys::signals::SignalNumber;

impl Shell<'_> {
    /// Initial state for the file of a new mold, before there are workers.
    pub(super) fn hooks_begin(&self, generation: Generation, workers: u32) -> String {
        let is_first = generation == Generation(1);
        let others: Vec<(u64, i32)> = self
            .fleet
            .workers
            .iter()
            .map(|(incarnation, worker)| (incarnation.0, worker.pid.as_raw()))
            .collect();
        let before = (!is_first).then(|| self.supervisor.target());
        json!({"first": is_first, "workers": workers, "before": before, "others": others})
            .to_string()
    }

    fn call(&self, generation: Generation, message: &Value) {
        let generation_config = self.generations.generation_configs.get(&generation);
        if generation_config
            .is_none_or(|generation_config| generation_config.settings.hooks.is_none())
        {
            return;
        }
        let Some(mold) = self.molds.get(generation) else {
            return;
        };
        if let Err(error) = mold.handle.send(&ToMold::Call(message.to_string()), &[]) {
            tracing::warn!(generation = generation.0, %error, "hook is stuck, dropping a hook call");
        }
    }

    /// Sent to the mold of the serving generation, as with gunicorn, whose workers from before a reload are its own
    /// as well.
    pub(in crate::master) fn hook_child_exit(&self, incarnation: Incarnation, pid: Pid) {
        let (age, pid) = (incarnation.0, pid.as_raw());
        self.call(
            self.supervisor.generation(),
            &json!({"call": "child_exit", "age": age, "pid": pid}),
        );
    }

    pub(in crate::master) fn hook_workers_changed(&self, old: u32, new: u32) {
        self.call(
            self.supervisor.generation(),
            &json!({"call": "nworkers_changed", "new": new, "old": old}),
        );
    }

    pub(in crate::master) fn hook_exit(&self) {
        self.call(self.supervisor.generation(), &json!({"call": "on_exit"}));
    }

    /// Called before another program goes on in this process; that does not wait for the hook.
    pub(in crate::master) fn hook_exec(&self) {
        self.call(self.supervisor.generation(), &json!({"call": "pre_exec"}));
    }

    /// Lets a hung worker call `worker_abort`, if it can still run Python.
    pub(in crate::master) fn abort(&mut self, incarnation: Incarnation) {
        let Some(worker) = self.fleet.workers.get(incarnation) else {
            return;
        };
        if process::catches(worker.pid, SignalNumber::ABRT) {
            deliver(worker.pid, SignalNumber::ABRT);
        } else {
            self.events
                .pending
                .push_back(Event::AbortInVain { incarnation });
        }
    }
}
