//! The next step after an app's own error at the first boot, by the kind of its exception.

/// `traceback`: of the app; its last line names the exception. An error of the server's own, as that there is no such app, has its
/// hint in that place.
pub fn next_step(traceback: Option<&str>) -> Option<&'static str> {
    let traceback = traceback.filter(|text| !text.starts_with("hint: "))?;
    let last = traceback.lines().rfind(|line| !line.trim().is_empty())?;
    let exception = last.split(':').next()?;
    let class = exception.rsplit('.').next()?;
    Some(match class {
        "ModuleNotFoundError" => {
            "install the package into the Python that `rgun --version` names, or start the rgun of the project's own environment"
        }
        "KeyError" if traceback.contains("os.environ[") => {
            "the variable is not set here: --env NAME=VALUE, or the environment of the service or container"
        }
        "ImproperlyConfigured" => {
            "`python manage.py check` with the same variables says more; some may be missing in the environment of the service or container"
        }
        "OperationalError" | "ConnectionRefusedError" | "ConnectionError" => {
            "the app connects while it is imported: start that server first, or connect when it is needed"
        }
        "SyntaxError" | "IndentationError" => return None,
        _ => {
            "the app's own code raised this; `rgun --check-config APP` tries the boot again, without serving"
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_the_exception() {
        for (traceback, expected) in [
            (
                "Traceback\n  File\nModuleNotFoundError: No module named 'x'",
                Some("install the package"),
            ),
            (
                "    os.environ['A']\nKeyError: 'A'\n",
                Some("the variable is not set"),
            ),
            ("    values['A']\nKeyError: 'A'", Some("the app's own code")),
            (
                "django.core.exceptions.ImproperlyConfigured: SECRET_KEY: empty",
                Some("`python manage.py check`"),
            ),
            (
                "django.db.utils.OperationalError: no",
                Some("the app connects"),
            ),
            ("RuntimeError", Some("the app's own code")),
            ("SyntaxError: invalid syntax", None),
            ("hint: looked in /srv/app and sys.path; see --chdir", None),
            ("\n", None),
        ] {
            let found = next_step(Some(traceback));
            assert_eq!(found.is_some(), expected.is_some(), "{traceback}");
            assert!(
                found.is_none_or(|found| expected.is_some_and(|begin| found.starts_with(begin))),
                "{traceback}"
            );
        }
        assert_eq!(next_step(None), None);
    }
}
