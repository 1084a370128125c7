//! How a server is started and stopped according to one file: its command, its variables and its limits.

use std::collections::BTreeMap;
use std::time::Duration;

use super::server_settings::ServerSettings;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manager {
    Systemd,
    Compose,
    Kubernetes,
    /// A Dockerfile.
    Image,
}

#[derive(Debug, Clone)]
pub struct Deployment {
    /// `deploy/shop.service`, `compose.yaml: web`.
    pub place: String,
    pub manager: Manager,
    /// The program and its arguments.
    pub command: Vec<CommandWord>,
    /// A shell runs the program and stays its parent.
    pub has_shell: bool,
    /// What variables in the command are written like.
    pub expansion: Expansion,
    /// The weakest first.
    pub environment: Vec<VariableSource>,
    /// From the signal to the kill, according to the file.
    pub stop: Option<Duration>,
    /// systemd's `Type=`.
    pub kind: Option<String>,
    /// Bytes.
    pub memory: Option<u64>,
    /// Of how many containers at the most.
    pub replicas: u32,
    /// Requests that something other than a client sends.
    pub probes: Vec<HttpProbe>,
    /// systemd's `RuntimeDirectory=`.
    pub runtime_directory: Option<RuntimeDirectory>,
    /// The settings of its command and its variables; `None`: not known.
    pub server: Option<ServerSettings>,
    /// What would be rejected or ignored there.
    pub misuses: Vec<MisusedSetting>,
}

/// A health check over HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpProbe {
    /// File and line.
    pub place: String,
    pub port: u16,
    /// Its `Host`; `None`: the address of the container, which nothing knows in advance.
    pub host: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeDirectory {
    /// Below `/run`.
    pub names: Vec<String>,
    pub mode: u32,
    pub group: Option<String>,
}

/// A word of a command, where it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandWord {
    /// `None`: it depends on a variable whose value is not in the files.
    pub text: Option<String>,
    /// File and line.
    pub place: String,
}

impl CommandWord {
    pub fn is(&self, test: impl Fn(&str) -> bool) -> bool {
        self.text.as_deref().is_some_and(test)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expansion {
    /// Words are taken as they are.
    None,
    /// `$NAME`, `${NAME:-default}`.
    Shell,
    /// `$NAME` as a word, `${NAME}` in a word, `%` specifiers.
    Systemd,
    /// `$(NAME)`
    Kubernetes,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentVariable {
    /// `None`: not in the files, as a Secret's or one of the shell that deploys.
    pub value: Option<String>,
    /// File and line.
    pub place: String,
}

pub type DeploymentVariables = BTreeMap<String, DeploymentVariable>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VariableSource {
    Given {
        name: String,
        variable: DeploymentVariable,
    },
    /// Every key of a ConfigMap or Secret.
    Map { map: MapName, prefix: String },
    /// One key of it.
    Key {
        name: String,
        map: MapName,
        key: String,
        place: String,
    },
}

/// A ConfigMap's or Secret's.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct MapName {
    pub is_secret: bool,
    pub name: String,
}

pub type VariableMaps = BTreeMap<MapName, DeploymentVariables>;

/// An option or variable that rgun would reject or ignore, or a line that the file's own program would.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MisusedSetting {
    /// File and line.
    pub place: String,
    pub problem: String,
    pub hint: Option<String>,
    pub consequence: MisuseConsequence,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MisuseConsequence {
    /// The server does not start.
    Rejected,
    /// A variable that names no setting.
    Ignored,
    /// A line of a unit.
    IgnoredBySystemd,
}
