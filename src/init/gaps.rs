//! What a project lacks for a deployment: what keeps its files from being written, and what they leave out.

use super::{DeployTarget, DjangoProject, Project, SqliteFile};

/// Why the files would not start, and the next step.
#[derive(Debug, PartialEq, Eq)]
pub struct Obstacle {
    pub problem: String,
    pub hint: &'static str,
}

/// What the files do not do for this project, and the next step.
#[derive(Debug, PartialEq, Eq)]
pub struct Omission {
    pub what: &'static str,
    pub text: String,
}

#[must_use]
pub fn obstacle(target: DeployTarget, project: &Project) -> Option<Obstacle> {
    let file = project.sqlite.as_ref()?;
    (target == DeployTarget::Kubernetes).then(|| Obstacle {
        problem: format!(
            "{} keeps its data in SQLite ({}), a file that pods cannot share",
            project.name, file.name
        ),
        hint: "name a database server in the settings and its driver (for example psycopg) in the requirements; `rgun init compose` keeps \
               the file in a volume of one machine",
    })
}

/// In the order in which they matter.
#[must_use]
pub fn omissions(target: DeployTarget, project: &Project) -> Vec<Omission> {
    let mut found = Vec::new();
    if let Some(file) = &project.sqlite {
        found.extend(database(target, project, file));
    }
    if let Some(django) = &project.django {
        found.extend(static_files(target, django));
        found.extend(fixed_settings(target, django));
    }
    let installs = matches!(
        target,
        DeployTarget::Compose | DeployTarget::Kubernetes | DeployTarget::BlueGreen
    );
    if project.dependencies.is_guessed && installs {
        found.push(Omission {
            what: "requirements",
            text: "no file names them: what the app's module imports is installed. `pip freeze > requirements.txt` \
                   where the app runs writes one; then --force, without the old Dockerfile"
                .to_owned(),
        });
    }
    found
}

fn database(target: DeployTarget, project: &Project, file: &SqliteFile) -> Option<Omission> {
    let text = match (target, &file.path) {
        (DeployTarget::Compose | DeployTarget::BlueGreen, None) => {
            "the settings keep data in SQLite and do not show in which file: the container cannot write it, since its root file system is \
             read-only. Name a file (BASE_DIR / \"db.sqlite3\"), then --force, without the old Dockerfile; or see \"Yours\" in the files"
                .to_owned()
        }
        (DeployTarget::Compose | DeployTarget::BlueGreen, Some(path)) => format!(
            "{path} (SQLite) is not copied into the image: the volume `data` has a file of its own, which the first start creates"
        ),
        (DeployTarget::Systemd, path) => format!(
            "{} (SQLite) has to be in /var/lib/{}, the only directory that the service may write to: its file has the command",
            path.as_deref().unwrap_or("the database"),
            project.name
        ),
        (DeployTarget::Procfile, _) => "SQLite: these hosts start every release, and every restart, with an empty disk: name a database server in the settings"
            .to_owned(),
        _ => return None,
    };
    Some(Omission {
        what: "database",
        text,
    })
}

fn static_files(target: DeployTarget, django: &DjangoProject) -> Option<Omission> {
    let serves = !matches!(
        target,
        DeployTarget::Systemd | DeployTarget::GithubActions | DeployTarget::Monitoring
    );
    (django.lacks_static_root && serves).then(|| Omission {
        what: "static files",
        text: format!(
            "not served (the admin has no style): {} sets no STATIC_ROOT. Add STATIC_ROOT = BASE_DIR / \"staticfiles\", then --force{}",
            django.settings,
            match target {
                DeployTarget::Nginx | DeployTarget::Procfile => "",
                _ => ", without the old Dockerfile",
            }
        ),
    })
}

fn fixed_settings(target: DeployTarget, django: &DjangoProject) -> Option<Omission> {
    let has_variables = !matches!(
        target,
        DeployTarget::Nginx | DeployTarget::GithubActions | DeployTarget::Monitoring
    );
    let names = django.fixed.join(", ");
    (!names.is_empty() && has_variables).then(|| Omission {
        what: "variables",
        text: format!(
            "{names}: {} has fixed values, which no variable of the deployment changes. `rgun doctor` says which are not for production",
            django.settings
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::{MANAGE, project, written};
    use super::*;

    /// What `django-admin startproject` writes, as far as it matters here.
    const FRESH: &str = "SECRET_KEY = 'django-insecure-x'\nDEBUG = True\nALLOWED_HOSTS = []\nDATABASES = {\n    'default': {\n        \
        'ENGINE': 'django.db.backends.sqlite3',\n        'NAME': BASE_DIR / 'db.sqlite3',\n    }\n}\nSTATIC_URL = 'static/'\n";

    fn with(settings: &str, requirements: &str) -> Project {
        let files = [
            ("manage.py", MANAGE),
            ("config/settings.py", settings),
            ("config/wsgi.py", ""),
            ("requirements.txt", requirements),
        ];
        project(&files).1.expect("a Django project")
    }

    fn missing(target: DeployTarget, project: &Project) -> Vec<&'static str> {
        let found = omissions(target, project).into_iter();
        found.map(|omission| omission.what).collect()
    }

    #[test]
    fn a_fresh_project() {
        let fresh = with(FRESH, "Django");
        for (target, expected) in [
            (
                DeployTarget::Compose,
                &["database", "static files", "variables"][..],
            ),
            (
                DeployTarget::BlueGreen,
                &["database", "static files", "variables"],
            ),
            (
                DeployTarget::Procfile,
                &["database", "static files", "variables"],
            ),
            (DeployTarget::Systemd, &["database", "variables"]),
            (DeployTarget::Nginx, &["static files"]),
            (DeployTarget::GithubActions, &[]),
            (DeployTarget::Monitoring, &[]),
        ] {
            assert_eq!(missing(target, &fresh), expected, "{}", target.name());
            assert_eq!(obstacle(target, &fresh), None);
        }
        let obstacle = obstacle(DeployTarget::Kubernetes, &fresh).expect("pods");
        assert_eq!(
            obstacle.problem,
            "my-shop keeps its data in SQLite (db.sqlite3), a file that pods cannot share"
        );
        let compose = written(DeployTarget::Compose, &fresh);
        for expected in [
            "    - data:/data\n",
            "\nvolumes:\n  data:\n",
            "ln -sf /data/db.sqlite3 /app/db.sqlite3\n",
            "# Static files are not served: config.settings sets no STATIC_ROOT.",
            "has fixed values for SECRET_KEY, DEBUG, ALLOWED_HOSTS.",
        ] {
            assert!(compose.contains(expected), "{expected}: {compose}");
        }
        let systemd = written(DeployTarget::Systemd, &fresh);
        let link = "#   ln -sf /var/lib/my-shop/db.sqlite3 /srv/my-shop/db.sqlite3      # ";
        assert!(
            systemd.contains(link) && systemd.contains("ExecStartPre="),
            "{systemd}"
        );
        let colours = written(DeployTarget::BlueGreen, &fresh);
        assert!(colours.contains("    - data:/data\n"), "{colours}");
        assert!(written(DeployTarget::Procfile, &fresh).contains("# Yours: SQLite"));
    }

    #[test]
    fn a_project_that_lacks_nothing() {
        let settings = "SECRET_KEY = os.environ['SECRET_KEY']\nSTATIC_ROOT = BASE_DIR / 'static'\n";
        let whole = with(settings, "Django\npsycopg\n");
        // A file for development: the requirements name the driver of a server.
        let driver = with(FRESH, "Django\nmysqlclient\nwhitenoise\n");
        for target in DeployTarget::ALL {
            assert_eq!(missing(target, &whole), [""; 0], "{}", target.name());
            assert_eq!(obstacle(target, &whole), None);
            assert_eq!(obstacle(target, &driver), None);
            let compose = written(DeployTarget::Compose, &driver);
            assert!(
                !compose.contains("data:") && !compose.contains("not served"),
                "{compose}"
            );
        }
    }

    #[test]
    fn files_of_apps_without_django() {
        let app = "from flask_sqlalchemy import SQLAlchemy\napp = Flask(__name__)\nURL = 'sqlite:///shop.db'\n";
        let (_directory, flask) = project(&[("app.py", app), ("requirements.txt", "flask\n")]);
        let flask = flask.expect("an app");
        let compose = written(DeployTarget::Compose, &flask);
        assert!(
            compose.contains("ln -sf /data/shop.db /app/instance/shop.db\n"),
            "{compose}"
        );
        assert!(obstacle(DeployTarget::Kubernetes, &flask).is_some());
        let (_directory, hidden) = project(&[
            ("app/main.py", "app = FastAPI()\n"),
            ("app/database.py", "URL = f'sqlite:///{BASE / NAME}'\n"),
            ("requirements.txt", "fastapi\n"),
        ]);
        let hidden = hidden.expect("an app");
        assert_eq!(missing(DeployTarget::Compose, &hidden), ["database"]);
        assert!(written(DeployTarget::Compose, &hidden).contains("# volumes: [\"data:/data\"]"));
    }
}
