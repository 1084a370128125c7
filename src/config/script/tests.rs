//! Answers in, layers out.

use super::*;
use crate::config::CMD_ARGS;

fn script_answer(settings: &Value) -> ScriptAnswer {
    let said = json!({
        "settings": settings, "unknown": ["wokers", "zzz"], "hooks": ["post_fork"], "acts": true,
        "environment": {"A": "b"}, "path": ["/x"],
    });
    answer("gunicorn.conf.py", said.to_string().as_bytes()).unwrap()
}

fn text(settings: &Value, name: &'static str) -> Vec<String> {
    let layers = Layers::new(vec![script_answer(settings).layer]);
    let given = layers.given(name).iter();
    given.map(|given| given.text.clone()).collect()
}

#[test]
fn python_values_are_what_would_be_typed() {
    for (settings, name, expected) in [
        (json!({"workers": 4}), "workers", &["4"][..]),
        (json!({"workers": 3.0}), "workers", &["3"]),
        (json!({"timeout": 1.5}), "timeout", &["1.5"]),
        (json!({"bind": ":80"}), "bind", &[":80"]),
        (
            json!({"bind": [":80", "unix:/a"]}),
            "bind",
            &[":80", "unix:/a"],
        ),
        (json!({"bind": ":80, unix:/a"}), "bind", &[":80", "unix:/a"]),
        (json!({"raw_env": "A=b,C=d"}), "raw_env", &["A=b", "C=d"]),
        (json!({"daemon": false}), "daemon", &["false"]),
        (json!({"umask": 79}), "umask", &["79"]),
        (json!({"user": 1000}), "user", &["1000"]),
        (json!({"pidfile": null}), "pidfile", &[]),
        (
            json!({"pidfile": " /run/a.pid\n"}),
            "pidfile",
            &["/run/a.pid"],
        ),
        (
            json!({"raw_env": ["A=b", "C=d"]}),
            "raw_env",
            &["A=b", "C=d"],
        ),
        (
            json!({"pythonpath": ["/a", "/b"]}),
            "pythonpath",
            &["/a,/b"],
        ),
        (json!({"proxy_protocol": true}), "proxy_protocol", &["auto"]),
        (
            json!({"secure_scheme_headers": {"X-TLS": "on"}}),
            "secure_scheme_headers",
            &["X-TLS=on"],
        ),
    ] {
        assert_eq!(text(&settings, name), expected, "{settings}");
    }
    let script_answer = script_answer(&json!({}));
    assert_eq!(
        script_answer.environment,
        [("A".to_owned(), "b".to_owned())]
    );
    assert_eq!(
        script_answer.warnings,
        [
            "gunicorn.conf.py: `wokers` is not a setting; did you mean `workers`?",
            "gunicorn.conf.py: `zzz` is not a setting"
        ]
    );
}

#[test]
fn a_class_made_of_uvicorns_brings_its_options() {
    let settings = json!({"accesslog": "-", "worker_class": {
        "class": "site.workers.Own",
        "ancestors": ["site.workers.Own", "uvicorn.workers.UvicornWorker", "builtins.object"],
        "overrides": ["notify"],
        "options": {"loop": "asyncio", "http": "h11", "lifespan": "off", "timeout_keep_alive": 7, "ws": "none", "access_log": false, "zzz": 1},
    }});
    let script_answer = script_answer(&settings);
    let own = Layers::new(vec![script_answer.layer]);
    assert_eq!(own.given("accesslog").last().unwrap().text, "");
    assert_eq!(
        own.given("worker_class")[0].text,
        "uvicorn.workers.UvicornWorker"
    );
    let options = Layers::new(vec![script_answer.class_options]);
    for (name, expected) in [
        ("asgi_loop", "asyncio"),
        ("asgi_lifespan", "off"),
        ("keepalive", "7"),
        ("ws", "off"),
    ] {
        assert_eq!(options.given(name)[0].text, expected);
    }
    let warnings = script_answer.warnings.join("\n");
    assert!(
        warnings.contains("notify") && warnings.contains("`zzz`"),
        "{warnings}"
    );
}

#[test]
fn what_went_wrong_is_told() {
    let said = json!({"error": "NameError: x", "traceback": "Traceback"}).to_string();
    let error = answer("conf.py", said.as_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "conf.py: NameError: x");
    assert_eq!(error.exit_code(), 1);
    assert!(
        answer("conf.py", b"")
            .unwrap_err()
            .to_string()
            .contains("without an answer")
    );
    let said = json!({
        "settings": {"timeout": [1]}, "unknown": [], "hooks": [], "acts": false, "environment": {}, "path": [],
    });
    let error = answer("conf.py", said.to_string().as_bytes()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "conf.py: timeout must be one value, not several"
    );
}

#[test]
fn python_is_asked_only_where_it_has_to_be() {
    let layers = |class: &str| {
        let mut layer = Layer::default();
        layer.add(
            definition("worker_class").unwrap(),
            class,
            Origin::CmdArgs(CMD_ARGS.into()),
        );
        Layers::new(vec![layer])
    };
    for class in [
        "auto",
        "uvicorn.workers.UvicornWorker",
        "gevent",
        "nosuch",
        "egg:gunicorn#gthread",
        "gunicorn.workers.ggevent.GeventWorker",
    ] {
        assert_eq!(question(None, &layers(class)), None, "{class}");
    }
    assert!(
        question(None, &layers("site.workers.Own"))
            .unwrap()
            .contains("site.workers.Own")
    );
    let script = Script::Module("site.conf".to_owned());
    assert!(
        question(Some(&script), &Layers::default())
            .unwrap()
            .contains("python:site.conf")
    );
}
