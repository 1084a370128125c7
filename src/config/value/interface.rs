//! `-k`: gunicorn's worker classes as interfaces.

use super::{InvalidValue, ParsedValue};
use crate::config::{EventLoop, Interface};

/// The interface of a worker class, and the other settings that it implies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) struct WorkerClass {
    pub interface: Interface,
    /// uvicorn's H11 worker is the one without uvloop.
    pub event_loop: Option<EventLoop>,
}

pub(in crate::config) fn worker_class(text: &str) -> ParsedValue<WorkerClass> {
    // A class may be given as `module:Class` too.
    let name = text.trim();
    let name = name.strip_prefix("egg:gunicorn#").unwrap_or(name);
    let name = name.replace(':', ".");
    let plain = |interface| {
        Ok(WorkerClass {
            interface,
            event_loop: None,
        })
    };
    match name.as_str() {
        "auto" => plain(Interface::Auto),
        "asgi"
        | "uvicorn.workers.UvicornWorker"
        | "uvicorn_worker.UvicornWorker"
        | "gunicorn.workers.gasgi.ASGIWorker" => plain(Interface::Asgi),
        "uvicorn.workers.UvicornH11Worker" | "uvicorn_worker.UvicornH11Worker" => Ok(WorkerClass {
            interface: Interface::Asgi,
            event_loop: Some(EventLoop::Asyncio),
        }),
        "wsgi"
        | "sync"
        | "gthread"
        | "gunicorn.workers.sync.SyncWorker"
        | "gunicorn.workers.gthread.ThreadWorker" => plain(Interface::Wsgi),
        _ => Err(refusal(&name)),
    }
}

fn refusal(name: &str) -> InvalidValue {
    let first = name
        .strip_prefix("gunicorn.workers.")
        .unwrap_or(name)
        .split('.')
        .next()
        .unwrap_or_default();
    match first {
        "gevent" | "gevent_pywsgi" | "gevent_wsgi" | "ggevent" | "eventlet" | "geventlet" => {
            InvalidValue::new("is not supported: rgun does not patch the standard library")
                .hint("slow clients occupy no thread here: use `-k wsgi --threads N` for as many requests as run at once")
                .understood()
        }
        "tornado" | "gtornado" => InvalidValue::new("is not supported: rgun serves ASGI and WSGI")
            .hint("a Tornado app that uses tornado.wsgi runs with `-k wsgi`")
            .understood(),
        "aiohttp" => InvalidValue::new("is not supported: rgun serves ASGI and WSGI").understood(),
        "meinheld" | "egg" | "egg.meinheld#gunicorn_worker" | "bjoern" => {
            InvalidValue::new("is not supported: rgun is the server itself").hint("use `-k wsgi`").understood()
        }
        "uvloop" | "asyncio" | "trio" => InvalidValue::new("is hypercorn's name of an event loop")
            .hint("use `-k asgi`, and `--loop uvloop` or `--loop asyncio`")
            .understood(),
        _ if name.contains('.') => InvalidValue::new("is a worker class of your own, which rgun does not run")
            .hint("use `-k asgi` or `-k wsgi`; most of what such classes change has a setting")
            .understood(),
        _ => {
            let known = ["auto", "asgi", "wsgi", "sync", "gthread"];
            let nearest = known.into_iter().find(|candidate| strsim::damerau_levenshtein(candidate, name) <= 2);
            InvalidValue::new("is not a worker class")
                .hint(nearest.map_or_else(|| "use auto, asgi or wsgi".to_owned(), |name| format!("did you mean `{name}`?")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn understood_names() {
        for (text, interface) in [
            ("auto", Interface::Auto),
            ("asgi", Interface::Asgi),
            ("uvicorn.workers.UvicornWorker", Interface::Asgi),
            ("uvicorn.workers:UvicornWorker", Interface::Asgi),
            ("uvicorn_worker.UvicornWorker", Interface::Asgi),
            ("uvicorn.workers.UvicornH11Worker", Interface::Asgi),
            ("sync", Interface::Wsgi),
            ("gthread", Interface::Wsgi),
            ("egg:gunicorn#gthread", Interface::Wsgi),
            ("wsgi", Interface::Wsgi),
        ] {
            assert_eq!(
                worker_class(text).expect(text).interface,
                interface,
                "{text}"
            );
        }
        assert_eq!(
            worker_class("uvicorn_worker.UvicornH11Worker")
                .unwrap()
                .event_loop,
            Some(EventLoop::Asyncio)
        );
    }

    #[test]
    fn what_rgun_replaces_is_refused_with_a_way_out() {
        for text in [
            "gevent",
            "gevent_pywsgi",
            "eventlet",
            "tornado",
            "gunicorn.workers.ggevent.GeventWorker",
            "egg:gunicorn#gevent",
            "egg:meinheld#gunicorn_worker",
            "site.workers.MyWorker",
        ] {
            let refusal = worker_class(text).expect_err(text);
            assert!(refusal.understood && refusal.hint.is_some(), "{text}");
        }
        assert_eq!(
            worker_class("agsi").unwrap_err().hint.as_deref(),
            Some("did you mean `asgi`?")
        );
        assert_eq!(
            worker_class("nosuch").unwrap_err().hint.as_deref(),
            Some("use auto, asgi or wsgi")
        );
    }
}
