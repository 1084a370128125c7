//! Settings that only gunicorn has, when they are given: rejected with what to use instead, or ignored with a warning.

use super::{Definition, Error, ErrorSubject, Layers, Origin, Support, understood};

/// Reports the first one that is not supported.
pub fn refused(layers: &Layers) -> Result<(), Error> {
    for definition in understood() {
        let Support::Refused(hint) = definition.support else {
            continue;
        };
        let verdict = "is gunicorn's and not supported";
        let Some(origin) = says_something(definition, layers) else {
            continue;
        };
        let hint = hint.to_owned();
        let subject = Box::new(ErrorSubject::of(origin, definition.name));
        return Err(match origin {
            Origin::CommandLine => Error::Usage {
                message: format!("{} {verdict}", definition.spelling()),
                hint: Some(hint),
                subject,
            },
            Origin::CmdArgs(variable) => Error::Usage {
                message: format!("{variable}: {} {verdict}", definition.spelling()),
                hint: Some(hint),
                subject,
            },
            origin => Error::Unsupported {
                place: origin.to_string(),
                problem: format!("{} {verdict}", definition.name),
                hint,
                subject,
            },
        });
    }
    Ok(())
}

/// Warnings about those that have no effect.
#[must_use]
pub fn idle(layers: &Layers) -> Vec<String> {
    understood()
        .filter_map(|definition| {
            let why = match definition.support {
                Support::Idle(why) | Support::Part(why) => why,
                Support::Ours | Support::Refused(_) => return None,
            };
            let origin = says_something(definition, layers)?;
            let name = if origin.is_option() {
                definition.spelling()
            } else {
                definition.name.to_owned()
            };
            let why = why.replace('`', "");
            Some(format!(
                "{name} is gunicorn's and has no effect here: {why}"
            ))
        })
        .collect()
}

/// Where it was given, unless the value is its default.
fn says_something<'a>(definition: &Definition, layers: &'a Layers) -> Option<&'a Origin> {
    let given = layers.given(definition.name).last()?;
    let text = given.text.trim();
    let default = definition.default.unwrap_or_default();
    (!text.is_empty() && !text.eq_ignore_ascii_case(default)).then_some(&given.origin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layer, definition};

    fn layers(name: &str, text: &str, origin: Origin) -> Layers {
        let mut layer = Layer::default();
        layer.add(definition(name).unwrap(), text, origin);
        Layers::new(vec![layer])
    }

    #[test]
    fn what_is_the_case_anyway_may_be_said() {
        for (name, text) in [
            ("spew", "false"),
            ("protocol", "HTTP"),
            ("suppress_ragged_eofs", "true"),
        ] {
            assert_eq!(
                refused(&layers(name, text, Origin::CommandLine)),
                Ok(()),
                "{name}"
            );
        }
    }

    #[test]
    fn the_way_out_is_told() {
        let error = refused(&layers("protocol", "uwsgi", Origin::CommandLine)).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--protocol is gunicorn's and not supported"
        );
        assert_eq!((error.exit_code(), error.hint().is_some()), (2, true));
        let origin = Origin::Python("gunicorn.conf.py".into());
        let error = refused(&layers("spew", "true", origin.clone())).unwrap_err();
        assert_eq!(
            error.to_string(),
            "gunicorn.conf.py: spew is gunicorn's and not supported"
        );
        assert_eq!(error.exit_code(), 1);
        let warnings = idle(&layers("worker_connections", "500", origin));
        assert!(
            warnings[0].starts_with("worker_connections is gunicorn's and has no effect"),
            "{warnings:?}"
        );
        assert_eq!(
            idle(&layers("http_parser", "auto", Origin::CommandLine)),
            [""; 0]
        );
    }
}
