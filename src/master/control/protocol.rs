//! The protocol of the control socket, as plain data: a request is one line of JSON, its response another.
//!
//! Fields are only ever added, so that newer and older versions of `rgun ctl` and the server can communicate.

use serde::{Deserialize, Serialize};

/// `{"command": "scale", "workers": 4}`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum ControlRequest {
    Status,
    /// Answered when the new workers serve, or when the reload has failed.
    Reload,
    /// Another program goes on in the master's place; answered when the reload that follows has ended, or when it is not done.
    Upgrade {
        #[serde(default)]
        no_reload: bool,
    },
    /// Boots a generation beside the one that serves; answered when all of it is ready, or when that has failed.
    Stage {
        /// Addresses where it can be inspected before it serves, in the form of `--bind`.
        #[serde(default)]
        bind: Vec<String>,
    },
    /// Lets the staged generation serve; answered as `Reload`.
    Promote,
    /// Removes the staged generation, or the canary.
    Discard,
    /// Lets so many slots of a new generation serve; answered when they do, or, if it is judged, with the verdict.
    Canary {
        /// `3`, or `10%`
        share: String,
        #[serde(default)]
        for_ms: Option<u64>,
        /// It is compared with the serving generation, once it has completed so many requests.
        #[serde(default)]
        judged_after: Option<u64>,
    },
    /// Lets the previous generation serve again.
    Rollback,
    /// Reads the TLS certificates again, without a reload.
    ReloadCertificates,
    /// To so many, or to a range in which the load decides.
    Scale {
        workers: u32,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        most: Option<u32>,
    },
    /// Answered when the stop has begun; its completion is the end of the connection.
    Stop {
        #[serde(default)]
        mode: ControlStopMode,
    },
    /// Answered when the slot's next worker serves, or has failed to boot.
    RestartWorker {
        slot: u32,
    },
    /// Answered when that companion has a new process, or cannot have one.
    Restart {
        name: String,
    },
    LogLevel {
        level: String,
    },
    /// The Python stacks of that slot's worker, or of all.
    Stacks {
        #[serde(default)]
        slot: Option<u32>,
    },
    /// Answered when every wanted worker serves.
    WaitReady,
    /// Answered when, beyond that, no request is in flight and no worker boots or drains.
    WaitIdle,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ControlStopMode {
    #[default]
    Graceful,
    Fast,
}

/// The result of a request. `ok` is always present, the rest where it applies.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ControlResponse {
    pub ok: bool,
    /// What was done, or why not, for people.
    #[serde(default)]
    pub message: String,
    /// The app's own, complete.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceback: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// A canary was taken back.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub taken_back: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stacks: Option<Vec<WorkerStacks>>,
}

/// The Python stacks of a worker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerStacks {
    pub slot: u32,
    pub pid: i32,
    pub way: StackSource,
    /// Every thread, and every asyncio task if it replied itself; or why there is nothing to show.
    pub text: String,
}

/// How the stacks were obtained.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StackSource {
    /// It did not reply.
    #[default]
    None,
    Inside,
    /// It did not reply within a second: threads only.
    Signal,
}

impl ControlResponse {
    pub fn done(message: impl Into<String>) -> Self {
        Self {
            ok: true,
            message: message.into(),
            ..Self::default()
        }
    }

    pub fn failed(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            ..Self::default()
        }
    }
}

/// The state of the server.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Status {
    pub version: String,
    pub pid: u32,
    /// `--name`
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    pub app: String,
    /// `booting`, `serving`, `reloading` or `stopping`.
    pub state: String,
    /// The one that serves.
    pub generation: u32,
    pub uptime_ms: u64,
    pub listeners: Vec<String>,
    /// What is served without the app: `/static -> /srv/static`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub static_files: Vec<String>,
    /// A generation that is being rolled out, or is staged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutStatus>,
    /// The generation that `rollback` brings back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<PreviousGeneration>,
    pub workers_wanted: u32,
    /// Where that number follows the load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scaling: Option<ScalingStatus>,
    pub reloads: Reloads,
    /// By slot; during a rollout a slot has two.
    pub workers: Vec<WorkerStatus>,
    /// What runs beside them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub companions: Vec<CompanionStatus>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CompanionStatus {
    pub name: String,
    /// As it was started last, without quotes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// `running`, `paused` (it has ended, and is started again) or `stopping`.
    pub state: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Since its start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub age_ms: Option<u64>,
    /// How often it was started again because it had ended unasked.
    pub restarts: u64,
    /// Resident bytes of its process, without those that it has started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PreviousGeneration {
    pub generation: u32,
    /// Time left.
    pub left_ms: u64,
    /// What is: its workers, or its mold.
    #[serde(default)]
    pub kept: String,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RolloutStatus {
    pub generation: u32,
    /// `reloading` (it is to serve), `staging` (it boots, to be staged), `staged`, `canary-booting`, `canary` or `taking-back`
    /// (it is to serve again).
    pub state: String,
    /// Slots that run it.
    #[serde(default)]
    pub slots: u32,
    /// Until a canary ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_ms: Option<u64>,
    /// Addresses where it can be inspected before it serves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preview: Vec<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScalingStatus {
    pub least: u32,
    pub most: u32,
    /// The last change.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<ScaleChange>,
}

/// With the numbers that it was decided by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScaleChange {
    pub from: u32,
    pub to: u32,
    pub reason: String,
    pub ago_ms: u64,
    /// Of the workers' time.
    pub busy_percent: u32,
    /// 19 of 20 connections were accepted sooner.
    pub wait_p95_ms: u64,
    /// Connections that waited to be accepted.
    pub waiting: u64,
    pub in_flight: u64,
}

/// Number of reloads, and why the last one failed if it did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reloads {
    pub succeeded: u64,
    pub failed: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct WorkerStatus {
    pub slot: u32,
    pub generation: u32,
    pub pid: i32,
    /// `booting`, `standby` (ready, waits for the rest of its generation or for its promotion), `serving`,
    /// `paused` (may serve again), `hung`, `draining` or `stopping`.
    pub state: String,
    /// Since its start.
    pub age_ms: u64,
    /// Since its last heartbeat.
    pub silent_ms: u64,
    /// Number of earlier workers of this slot that were replaced.
    pub restarts: u64,
    /// Begun since its start.
    pub requests: u64,
    pub requests_per_second: f64,
    /// The share of its time in which it was busy, over the last second; 1.0: all of it.
    pub busy: f64,
    pub connections: u64,
    pub in_flight: u64,
    /// Resident bytes; `None`: unknown.
    pub memory: Option<u64>,
    /// The requests in flight, the oldest first, as far as they are known individually.
    pub oldest: Vec<InFlightRequest>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InFlightRequest {
    pub method: String,
    pub path: String,
    pub age_ms: u64,
    /// `X-Request-ID`, its first 40 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The app's code for it runs, or did when it got stuck; otherwise it waits.
    #[serde(default)]
    pub running: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_read_as_they_are_documented() {
        for (text, request) in [
            (r#"{"command":"status"}"#, ControlRequest::Status),
            (
                r#"{"command":"scale","workers":4}"#,
                ControlRequest::Scale {
                    workers: 4,
                    most: None,
                },
            ),
            (
                r#"{"command":"scale","workers":2,"most":8}"#,
                ControlRequest::Scale {
                    workers: 2,
                    most: Some(8),
                },
            ),
            (
                r#"{"command":"stop"}"#,
                ControlRequest::Stop {
                    mode: ControlStopMode::Graceful,
                },
            ),
            (
                r#"{"command":"restart-worker","slot":2,"reason":"later versions may say why"}"#,
                ControlRequest::RestartWorker { slot: 2 },
            ),
        ] {
            let read: ControlRequest = serde_json::from_str(text).expect("well formed");
            assert_eq!(read, request);
            let again: ControlRequest =
                serde_json::from_str(&serde_json::to_string(&request).expect("plain data"))
                    .expect("our own");
            assert_eq!(again, request);
        }
        serde_json::from_str::<ControlRequest>(r#"{"command":"explode"}"#)
            .expect_err("no such command");
    }

    #[test]
    fn an_older_answer_has_fewer_fields() {
        let read: ControlResponse = serde_json::from_str(r#"{"ok":true}"#).expect("well formed");
        assert_eq!(read, ControlResponse::done(""));
    }
}
