//! The deployment files as templates, filled in for a project.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, UndefinedBehavior};

use super::Project;

/// A file to be written.
#[derive(Debug, PartialEq, Eq)]
pub struct Draft {
    /// Below the project's directory.
    pub path: String,
    pub text: String,
    pub is_executable: bool,
    /// If the project has one already, it is not changed: it belongs to the project, not to a deployment.
    pub is_shared: bool,
}

/// What to deploy a project with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeployTarget {
    Systemd,
    Nginx,
    Compose,
    Kubernetes,
    BlueGreen,
    GithubActions,
    Procfile,
    Monitoring,
}

impl DeployTarget {
    pub const ALL: [DeployTarget; 8] = [
        DeployTarget::Systemd,
        DeployTarget::Nginx,
        DeployTarget::Compose,
        DeployTarget::Kubernetes,
        DeployTarget::BlueGreen,
        DeployTarget::GithubActions,
        DeployTarget::Procfile,
        DeployTarget::Monitoring,
    ];

    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            DeployTarget::Systemd => "systemd",
            DeployTarget::Nginx => "nginx",
            DeployTarget::Compose => "compose",
            DeployTarget::Kubernetes => "kubernetes",
            DeployTarget::BlueGreen => "blue-green",
            DeployTarget::GithubActions => "github-actions",
            DeployTarget::Procfile => "procfile",
            DeployTarget::Monitoring => "monitoring",
        }
    }

    /// Other words for it.
    const fn synonyms(self) -> &'static [&'static str] {
        match self {
            DeployTarget::Systemd => &["service", "unit"],
            DeployTarget::Nginx => &["proxy"],
            DeployTarget::Compose => &[
                "docker",
                "dockerfile",
                "docker-compose",
                "container",
                "podman",
                "image",
            ],
            DeployTarget::Kubernetes => &["k8s", "kube", "kustomize", "helm"],
            DeployTarget::BlueGreen => &["bluegreen", "blue", "zero-downtime"],
            DeployTarget::GithubActions => &["github", "actions", "ci", "workflow"],
            DeployTarget::Procfile => &["heroku", "dokku", "render", "railway", "scalingo"],
            DeployTarget::Monitoring => {
                &["prometheus", "grafana", "alerts", "metrics", "dashboard"]
            }
        }
    }

    /// The one that another word means.
    #[must_use]
    pub fn meant(word: &str) -> Option<DeployTarget> {
        let word = word.to_lowercase();
        let mut all = Self::ALL.into_iter();
        all.find(|target| target.name() == word || target.synonyms().contains(&&*word))
    }

    #[must_use]
    pub const fn about(self) -> &'static str {
        match self {
            DeployTarget::Systemd => "a service, its socket and its environment file",
            DeployTarget::Nginx => "a server block in front of the unix socket or the port",
            DeployTarget::Compose => "compose.yaml, Dockerfile and a proxy",
            DeployTarget::Kubernetes => "a Kustomize base with overlays",
            DeployTarget::BlueGreen => "two colours behind nginx, and a script that switches",
            DeployTarget::GithubActions => "a workflow that tests, and deploys over ssh",
            DeployTarget::Procfile => "Procfile, for hosts that read one",
            DeployTarget::Monitoring => "alert rules for Prometheus and a dashboard for Grafana",
        }
    }

    fn templates(self) -> &'static [Template] {
        match self {
            DeployTarget::Systemd => SYSTEMD,
            DeployTarget::Nginx => NGINX,
            DeployTarget::Compose => COMPOSE,
            DeployTarget::Kubernetes => KUBERNETES,
            DeployTarget::BlueGreen => BLUE_GREEN,
            DeployTarget::GithubActions => GITHUB_ACTIONS,
            DeployTarget::Procfile => PROCFILE,
            DeployTarget::Monitoring => MONITORING,
        }
    }
}

struct Template {
    /// May contain `NAME`.
    path: &'static str,
    text: &'static str,
    kind: TemplateKind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum TemplateKind {
    Own,
    Script,
    Shared,
}

const fn own(path: &'static str, text: &'static str) -> Template {
    Template {
        path,
        text,
        kind: TemplateKind::Own,
    }
}

const fn shared(path: &'static str, text: &'static str) -> Template {
    Template {
        path,
        text,
        kind: TemplateKind::Shared,
    }
}

const SETTINGS: Template = shared("rgun.toml", include_str!("templates/rgun.toml"));
const DOCKERFILE: Template = shared("Dockerfile", include_str!("templates/compose/Dockerfile"));
const DOCKERIGNORE: Template = shared(
    ".dockerignore",
    include_str!("templates/compose/dockerignore"),
);

const SYSTEMD: &[Template] = &[
    own(
        "deploy/systemd/NAME.service",
        include_str!("templates/systemd/service"),
    ),
    own(
        "deploy/systemd/NAME.socket",
        include_str!("templates/systemd/socket"),
    ),
    own(
        "deploy/systemd/NAME.env",
        include_str!("templates/systemd/env"),
    ),
    SETTINGS,
];
const NGINX: &[Template] = &[own(
    "deploy/nginx/NAME.conf",
    include_str!("templates/nginx/site.conf"),
)];
const COMPOSE: &[Template] = &[
    own(
        "compose.yaml",
        include_str!("templates/compose/compose.yaml"),
    ),
    own(
        "deploy/compose/proxy.conf",
        include_str!("templates/compose/proxy.conf"),
    ),
    own(
        "deploy/compose/web.env.example",
        include_str!("templates/compose/env"),
    ),
    DOCKERFILE,
    DOCKERIGNORE,
    SETTINGS,
];
const KUBERNETES: &[Template] = &[
    own(
        "deploy/kubernetes/base/kustomization.yaml",
        include_str!("templates/kubernetes/base.yaml"),
    ),
    own(
        "deploy/kubernetes/base/deployment.yaml",
        include_str!("templates/kubernetes/deployment.yaml"),
    ),
    own(
        "deploy/kubernetes/base/service.yaml",
        include_str!("templates/kubernetes/service.yaml"),
    ),
    own(
        "deploy/kubernetes/base/ingress.yaml",
        include_str!("templates/kubernetes/ingress.yaml"),
    ),
    own(
        "deploy/kubernetes/base/scaling.yaml",
        include_str!("templates/kubernetes/scaling.yaml"),
    ),
    own(
        "deploy/kubernetes/base/network.yaml",
        include_str!("templates/kubernetes/network.yaml"),
    ),
    own(
        "deploy/kubernetes/components/migrate/kustomization.yaml",
        include_str!("templates/kubernetes/migrate.yaml"),
    ),
    own(
        "deploy/kubernetes/components/migrate/job.yaml",
        include_str!("templates/kubernetes/job.yaml"),
    ),
    own(
        "deploy/kubernetes/components/keda/kustomization.yaml",
        include_str!("templates/kubernetes/keda.yaml"),
    ),
    own(
        "deploy/kubernetes/components/keda/scaledobject.yaml",
        include_str!("templates/kubernetes/scaledobject.yaml"),
    ),
    own(
        "deploy/kubernetes/components/nginx/kustomization.yaml",
        include_str!("templates/kubernetes/sidecar.yaml"),
    ),
    own(
        "deploy/kubernetes/components/nginx/nginx.conf",
        include_str!("templates/kubernetes/sidecar.conf"),
    ),
    own(
        "deploy/kubernetes/overlays/staging/kustomization.yaml",
        include_str!("templates/kubernetes/staging.yaml"),
    ),
    own(
        "deploy/kubernetes/overlays/production/kustomization.yaml",
        include_str!("templates/kubernetes/production.yaml"),
    ),
    DOCKERFILE,
    DOCKERIGNORE,
    SETTINGS,
];
const BLUE_GREEN: &[Template] = &[
    own(
        "deploy/blue-green/compose.yaml",
        include_str!("templates/blue-green/compose.yaml"),
    ),
    own(
        "deploy/blue-green/nginx.conf",
        include_str!("templates/blue-green/nginx.conf"),
    ),
    own(
        "deploy/blue-green/active.conf",
        include_str!("templates/blue-green/active.conf"),
    ),
    own(
        "deploy/blue-green/web.env.example",
        include_str!("templates/compose/env"),
    ),
    Template {
        path: "deploy/blue-green/deploy.sh",
        text: include_str!("templates/blue-green/deploy.sh"),
        kind: TemplateKind::Script,
    },
    DOCKERFILE,
    DOCKERIGNORE,
    SETTINGS,
];
const GITHUB_ACTIONS: &[Template] = &[own(
    ".github/workflows/deploy.yml",
    include_str!("templates/github-actions/deploy.yml"),
)];
const MONITORING: &[Template] = &[
    own(
        "deploy/monitoring/rgun.rules.yml",
        include_str!("templates/monitoring/rules.yml"),
    ),
    own(
        "deploy/monitoring/rgun-dashboard.json",
        include_str!("templates/monitoring/dashboard.json"),
    ),
];
const PROCFILE: &[Template] = &[own("Procfile", include_str!("templates/procfile/Procfile"))];

/// Of the proxies in front of containers and on hosting platforms: this machine, and the networks that are not routed publicly
/// (RFC 1918, 6598, 4193).
const PRIVATE_NETWORKS: &str =
    "127.0.0.1,::1,10.0.0.0/8,100.64.0.0/10,172.16.0.0/12,192.168.0.0/16,fc00::/7";

/// The files of that deployment, in reading order.
///
/// One word of a shell's command line.
fn word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-.:/".contains(c);
    if text.chars().all(is_plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// # Errors
/// When a template is wrong, which the tests rule out.
pub fn drafts(target: DeployTarget, project: &Project) -> Result<Vec<Draft>, minijinja::Error> {
    let mut environment = Environment::new();
    environment.set_syntax(
        SyntaxConfig::builder()
            .trim_blocks(true)
            .lstrip_blocks(true)
            .keep_trailing_newline(true)
            .build()?,
    );
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.add_filter("below", |directory: &str, base: &str| {
        // An absolute directory stays as it is.
        std::path::Path::new(base)
            .join(directory)
            .display()
            .to_string()
    });
    environment.add_filter("word", word);
    environment.add_global("private_networks", PRIVATE_NETWORKS);
    let facts = Value::from(Serde(project));
    let filled = |template: &Template| {
        Ok(Draft {
            path: template.path.replace("NAME", &project.name),
            text: environment.render_str(template.text, facts.clone())?,
            is_executable: template.kind == TemplateKind::Script,
            is_shared: template.kind == TemplateKind::Shared,
        })
    };
    target.templates().iter().map(filled).collect()
}
