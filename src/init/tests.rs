//! Tests with projects of each kind, and the files that are written for them.

use std::fs;
use std::path::Path;

use super::*;

pub(super) fn project(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Project, Unclear>) {
    project_with(files, Choices::default())
}

fn project_with(
    files: &[(&str, &str)],
    choices: Choices,
) -> (tempfile::TempDir, Result<Project, Unclear>) {
    let directory = tempfile::Builder::new()
        .prefix("My_Shop-")
        .rand_bytes(0)
        .tempdir_in(tempfile::tempdir().expect("a directory").keep());
    let directory = directory.expect("a directory");
    for (name, text) in files {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().expect("below")).expect("made");
        fs::write(path, text).expect("written");
    }
    let found = Project::found(directory.path(), choices);
    (directory, found)
}

pub(super) const MANAGE: &str =
    "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'config.settings')\n";
const SETTINGS: &str = "STATIC_URL = 'static/'\nSTATIC_ROOT = BASE_DIR / 'staticfiles'\nMEDIA_URL='/media/'\nMEDIA_ROOT=os.path.join(BASE_DIR, 'public', 'media')\n";

fn django() -> Project {
    let (_directory, found) = project(&[
        ("manage.py", MANAGE),
        ("config/settings.py", SETTINGS),
        ("config/asgi.py", ""),
        ("config/wsgi.py", ""),
        ("config/celery.py", ""),
        (
            "requirements.txt",
            "Django>=5\npsycopg[binary]\ncelery\nredis\n",
        ),
    ]);
    found.expect("a Django project")
}

#[test]
fn a_django_project() {
    let found = django();
    assert_eq!(
        (found.app.as_str(), found.is_asgi),
        ("config.wsgi:application", false)
    );
    assert_eq!(found.name, "my-shop");
    let django = found.django.as_ref().expect("Django");
    assert_eq!(django.settings, "config.settings");
    assert_eq!(django.static_url, "/static/");
    let path = |directory: &Option<SettingsDirectory>| directory.as_ref()?.path.clone();
    assert_eq!(path(&django.static_root).as_deref(), Some("staticfiles"));
    assert_eq!(path(&django.media_root).as_deref(), Some("public/media"));
    assert!(django.serves_static);
    assert_eq!(django.media_url.as_deref(), Some("/media/"));
    assert!(found.postgres && found.redis);
    assert_eq!(found.celery.as_deref(), Some("config"));
}

/// All files of a deployment, one after the other.
pub(super) fn written(target: DeployTarget, project: &Project) -> String {
    let drafts = drafts(target, project).unwrap_or_else(|_| panic!("{}", target.name()));
    drafts.into_iter().map(|draft| draft.text).collect()
}

#[test]
fn directories_of_django_in_the_files() {
    let with = |roots: &str, requirements: &str| {
        let settings = format!("STATIC_URL='/s/'\nMEDIA_URL='/m/'\n{roots}");
        let files = [
            ("manage.py", MANAGE),
            ("config/settings.py", settings.as_str()),
            ("config/wsgi.py", ""),
            ("requirements.txt", requirements),
        ];
        project(&files).1.expect("a Django project")
    };
    let below = with(
        "STATIC_ROOT=BASE_DIR/'public'/'static'\nMEDIA_ROOT=BASE_DIR/'up'\n",
        "",
    );
    let nginx = written(DeployTarget::Nginx, &below);
    assert!(
        nginx.contains("alias /srv/my-shop/public/static/;"),
        "{nginx}"
    );
    assert!(nginx.contains("alias /srv/my-shop/up/;"), "{nginx}");
    let compose = written(DeployTarget::Compose, &below);
    assert!(compose.contains("media:/app/up"), "{compose}");
    assert!(compose.contains("location /m/"), "{compose}");
    let absolute = with("STATIC_ROOT='/var/www/s'\nMEDIA_ROOT='/var/www/m'\n", "");
    let compose = written(DeployTarget::Compose, &absolute);
    assert!(compose.contains("media:/var/www/m"), "{compose}");
    assert!(
        compose.contains("COPY --from=build /var/www/s /var/www/s"),
        "{compose}"
    );
    assert!(written(DeployTarget::Nginx, &absolute).contains("alias /var/www/s/;"));
    let unclear = with("STATIC_ROOT=env('X')\nMEDIA_ROOT=env('Y')\n", "");
    for target in [DeployTarget::Nginx, DeployTarget::Compose] {
        let text = written(target, &unclear);
        assert!(
            text.contains("# Yours: ") && text.contains("STATIC_ROOT"),
            "{text}"
        );
        assert!(text.contains("MEDIA_ROOT"), "{text}");
    }
}

/// A volume that is filled once would keep the files of the first release.
#[test]
fn static_files_are_those_of_the_release() {
    let (_directory, itself) = project(&[
        ("manage.py", MANAGE),
        ("config/settings.py", SETTINGS),
        ("config/wsgi.py", ""),
        ("requirements.txt", "django\nwhitenoise\n"),
    ]);
    let itself = itself.expect("a Django project");
    for target in [
        DeployTarget::Compose,
        DeployTarget::Kubernetes,
        DeployTarget::BlueGreen,
        DeployTarget::Procfile,
    ] {
        let text = written(target, &django());
        assert!(
            text.contains("--static") && !text.contains("static:/"),
            "{text}"
        );
        let text = written(target, &itself);
        assert!(!text.contains("--static"), "{text}");
    }
}

#[test]
fn a_django_project_with_channels_is_asgi() {
    let (_directory, found) = project(&[
        ("manage.py", MANAGE),
        (
            "config/settings.py",
            "ASGI_APPLICATION = 'config.asgi.application'\n",
        ),
        ("config/asgi.py", ""),
        ("config/wsgi.py", ""),
    ]);
    let found = found.expect("a Django project");
    assert_eq!(
        (found.app.as_str(), found.is_asgi),
        ("config.asgi:application", true)
    );
}

#[test]
fn apps_of_other_frameworks() {
    for (file, text, app, is_asgi) in [
        ("main.py", "app = FastAPI()\n", "main:app", true),
        (
            "app/main.py",
            "from fastapi import FastAPI\napi = FastAPI(title='x')\n",
            "app.main:api",
            true,
        ),
        ("app.py", "app = Flask(__name__)\n", "app:app", false),
        (
            "app/__init__.py",
            "def create_app():\n    return Flask(__name__)\n",
            "app:create_app()",
            false,
        ),
        (
            "wsgi.py",
            "application = make()\n",
            "wsgi:application",
            false,
        ),
    ] {
        let (_directory, found) = project(&[(file, text)]);
        let found = found.expect(file);
        assert_eq!(
            (found.app.as_str(), found.is_asgi),
            (app, is_asgi),
            "{file}"
        );
    }
}

#[test]
fn a_factory_is_one_word_where_a_shell_reads_it() {
    let (_directory, found) = project(&[("main.py", "def create_app():\n    return FastAPI()\n")]);
    let found = found.expect("an app");
    for (target, expected) in [
        (DeployTarget::Procfile, "web: rgun 'main:create_app()' "),
        (
            DeployTarget::GithubActions,
            "rgun --check-config 'main:create_app()'\n",
        ),
    ] {
        let drafts = drafts(target, &found).expect("templates");
        let is_there = drafts.iter().any(|draft| draft.text.contains(expected));
        assert!(is_there, "{expected}");
    }
}

#[test]
fn a_chosen_app_is_judged_by_the_text_of_its_module() {
    for (file, text, app, is_asgi) in [
        ("main.py", "app = FastAPI()\n", "main:app", true),
        (
            "site/__init__.py",
            "def make():\n    return Starlette()\n",
            "site:make()",
            true,
        ),
        (
            "asgi_tools.py",
            "app = Flask('x')\n",
            "asgi_tools:app",
            false,
        ),
        ("main.py", "app = FastAPI()\n", "main", true),
        ("other.py", "", "config.asgi:application", true),
        ("other.py", "", "main:app", false),
    ] {
        let choices = Choices {
            app: Some(app.to_owned()),
            ..Choices::default()
        };
        let (_directory, found) = project_with(&[(file, text)], choices);
        assert_eq!(found.expect(app).is_asgi, is_asgi, "{app} {text}");
    }
}

#[test]
fn the_module_with_the_celery_app() {
    let app = ("main.py", "app = FastAPI()\n");
    let celery = (
        "celery.py",
        "from celery import Celery\napp = Celery('x')\n",
    );
    let tasks = ("tasks.py", "app = Celery('x')\n");
    let wanted = ("requirements.txt", "celery\n");
    for (files, expected) in [
        (&[app, wanted, celery][..], Some("celery")),
        (&[app, wanted, tasks], Some("tasks")),
        (&[app, wanted, ("tasks.py", ""), celery], Some("celery")),
        (&[app, wanted, ("main/tasks.py", "")], None),
        (&[app, wanted], None),
        (&[app, tasks], None),
    ] {
        let (_directory, found) = project(files);
        let found = found.expect("a project").celery;
        assert_eq!(found.as_deref(), expected, "{files:?}");
    }
}

#[test]
fn the_python_that_the_project_requires() {
    let app = ("main.py", "app = FastAPI()\n");
    for (file, text, expected) in [
        (
            "pyproject.toml",
            "[project]\nrequires-python = \">=3.14\"\n",
            "3.14",
        ),
        (
            "pyproject.toml",
            "[project]\nrequires-python='>=3.10,<3.13'\n",
            "3.12",
        ),
        (
            "pyproject.toml",
            "[tool.poetry.dependencies]\npython = \"^3.14\"\n",
            "3.14",
        ),
        (".python-version", "3.11.2\n", "3.11"),
        ("pyproject.toml", "[project]\n", "3.13"),
    ] {
        let (_directory, found) = project(&[app, (file, text)]);
        assert_eq!(found.expect("a project").python, expected, "{text}");
    }
}

#[test]
fn what_cannot_be_found_or_is_malformed_is_an_error() {
    let choose = |app: &str, name: &str, domain: &str| Choices {
        app: Some(app.to_owned()),
        name: Some(name.to_owned()),
        port: None,
        domain: Some(domain.to_owned()),
    };
    assert!(matches!(project(&[]).1, Err(Unclear::NoApp(_))));
    for (app, name, domain) in [
        ("a b", "x", "x.org"),
        ("a:b", "X y", "x.org"),
        ("a:b", "x", "x.org; rm"),
        ("a:b", "../x", "x.org"),
        ("a:b\nUser=root", "x", "x.org"),
    ] {
        assert!(
            project_with(&[], choose(app, name, domain)).1.is_err(),
            "{app} {name} {domain}"
        );
    }
    assert!(project_with(&[], choose("a:b", "x", "x.org")).1.is_ok());
}

/// No template uses a value that a project does not have, and no template syntax is left.
#[test]
fn every_target_for_every_kind_of_project() {
    let (_one, plain) = project(&[("main.py", "app = FastAPI()\n")]);
    let (_two, pinned) = project(&[
        ("app.py", "app = Flask(__name__)\n"),
        (
            "pyproject.toml",
            "[project]\nname='x'\ndependencies=['flask','rgun']\n",
        ),
        (".python-version", "3.12.4\n"),
    ]);
    let pinned = pinned.expect("a project");
    assert!(pinned.has_rgun && pinned.python == "3.12");
    for project in [django(), plain.expect("a project"), pinned] {
        for target in DeployTarget::ALL {
            let written = drafts(target, &project)
                .unwrap_or_else(|error| panic!("{}: {error}", target.name()));
            assert!(!written.is_empty());
            for draft in written {
                let text = draft.text.replace("${{", "").replace("$$", "");
                // Grafana's own marks are the same.
                let theirs = target == DeployTarget::Monitoring;
                assert!(
                    (theirs || !text.contains("{{")) && !text.contains("{%"),
                    "{}: {text}",
                    draft.path
                );
                assert!(!draft.path.contains("NAME") && Path::new(&draft.path).is_relative());
                assert!(text.ends_with('\n'), "{}", draft.path);
                assert!(!text.contains("\n\n\n"), "{}: {text}", draft.path);
            }
        }
    }
}

#[test]
fn requirements_of_each_kind() {
    let pyproject = "[project]\nname = 'a'\ndependencies = ['fastapi', 'redis']\n";
    let built = &format!("{pyproject}[build-system]\n");
    let poetry = "[tool.poetry.dependencies]\nfastapi = '^0.1'\nredis = '*'\n";
    let app = ("main.py", "from fastapi import FastAPI\napp = FastAPI()\n");
    for (files, tool, arguments, copied) in [
        (
            vec![("requirements.txt", "redis\n")],
            None,
            "install -r requirements.txt",
            "requirements.txt",
        ),
        (
            vec![("requirements/base.txt", "redis")],
            None,
            "install -r requirements/base.txt",
            "requirements",
        ),
        (
            vec![("pyproject.toml", pyproject), ("uv.lock", "")],
            Some("uv"),
            "sync",
            "pyproject.toml uv.lock",
        ),
        (
            vec![("pyproject.toml", poetry), ("poetry.lock", "")],
            Some("poetry"),
            "install",
            "pyproject.toml poetry.lock",
        ),
        (
            vec![("pyproject.toml", poetry)],
            Some("poetry"),
            "install",
            "pyproject.toml",
        ),
        (
            vec![("pyproject.toml", pyproject)],
            Some("uv"),
            "pip install -r pyproject.toml",
            "pyproject.toml",
        ),
        (vec![("pyproject.toml", built)], None, "install .", ""),
        (
            vec![("setup.py", "setup(install_requires=['redis'])")],
            None,
            "install .",
            "",
        ),
        (
            vec![
                ("Pipfile", "[packages]\nredis = '*'\n"),
                ("Pipfile.lock", ""),
            ],
            Some("pipenv"),
            "sync",
            "Pipfile Pipfile.lock",
        ),
        (
            vec![("Pipfile", "[packages]\nredis = '*'\n")],
            Some("pipenv"),
            "install --skip-lock",
            "Pipfile",
        ),
    ] {
        let (_directory, found) = project(&[files.as_slice(), &[app]].concat());
        let found = found.expect("an app");
        let shown = format!("{files:?} {found:?}");
        assert!(found.redis && !found.dependencies.is_guessed, "{shown}");
        assert_eq!(
            (found.dependencies.tool, found.dependencies.files.as_str()),
            (tool, copied),
            "{shown}"
        );
        assert!(
            found.dependencies.arguments.starts_with(arguments),
            "{shown}"
        );
    }
    let src = [
        ("pyproject.toml", built.as_str()),
        ("uv.lock", ""),
        ("src/main.py", app.1),
    ];
    assert!(project(&src).1.expect("an app").dependencies.is_package);
}

#[test]
fn without_requirements_the_imports_of_the_app_count() {
    for (files, packages) in [
        (
            vec![(
                "main.py",
                "import os\nfrom fastapi import FastAPI\napp = FastAPI()\n",
            )],
            "install fastapi",
        ),
        (
            vec![("app.py", "import flask\napp = flask.Flask('a')\n")],
            "install flask",
        ),
        (
            vec![(
                "app.py",
                "from starlette.applications import Starlette\napp = Starlette()\n",
            )],
            "install starlette",
        ),
        (vec![("wsgi.py", "application = Site()\n")], ""),
        (
            vec![("manage.py", MANAGE), ("config/wsgi.py", "")],
            "install django",
        ),
    ] {
        let (_directory, found) = project(&files);
        let found = found.expect("an app");
        assert!(found.dependencies.is_guessed, "{files:?}");
        assert_eq!(found.dependencies.arguments, packages, "{files:?}");
    }
}
