//! Settings of files that are served without the app.

use super::{Definition, Group, Occurs, ValueType};

pub(super) const SETTINGS: &[Definition] = &[
    Definition {
        long: Some("static"),
        value: "PREFIX=DIR",
        occurs: Occurs::Repeatedly,
        help: "Serve the files below DIR under PREFIX, without the app; may be repeated",
        more: "GET and HEAD with ranges, conditions and the sidecars `.zst`, `.br` and `.gz`; the longest prefix wins. A missing \
               file is a 404, other methods are a 405; under the prefix `/` both go to the app. `--static django` takes \
               `STATIC_URL` and `STATIC_ROOT` from the settings that the app has loaded, `--static django,media` the \
               `MEDIA_` ones, too. In `rgun.toml` also a table `[[static]]` with `prefix`, `directory`, `max_age`, \
               `immutable` (true, false; by the file's name when absent), `fallthrough`, `index` (serve `index.html` of directories) \
               and `headers`.",
        ..Definition::new("static", Group::Files, ValueType::TextOrTable)
    },
    Definition {
        long: Some("static-max-age"),
        value: "SECONDS",
        default: Some("60"),
        help: "How long clients may keep a static file whose name has no hash of its content",
        more: "Names with a hash are kept for a year (`immutable`): those in `staticfiles.json` or `.vite/manifest.json`, and \
               without such a file those that look like Django's, vite's, webpack's or Parcel's.",
        ..Definition::new("static_max_age", Group::Files, ValueType::Duration)
    },
    Definition {
        long: Some("sendfile-root"),
        value: "DIR",
        help: "Send files below DIR that the app names with X-Sendfile or X-Accel-Redirect",
        more: "The file takes the place of the response's body, whose other headers stay. X-Sendfile has the path of a file, \
               X-Accel-Redirect the path of a URL that begins at DIR. Ranges and conditions of the client apply if the response has \
               `Accept-Ranges: bytes`. A file that is not below DIR is a 500. Without this setting both headers go to the client.",
        ..Definition::new("sendfile_root", Group::Files, ValueType::Path)
    },
];
