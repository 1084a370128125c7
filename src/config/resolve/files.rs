//! The settings of files that are served without the app.

use super::Typed;
use crate::config::value::{self, InvalidValue, Mounted};
use crate::config::{Error, StaticFiles};

pub(super) fn files(typed: &Typed<'_>, base: &std::path::Path) -> Result<StaticFiles, Error> {
    let seen = std::cell::RefCell::new(Vec::new());
    let mounted = typed.list("static", |text| {
        let mounted = value::mount(text, base)?;
        if let Mounted::Directory(mount) = &mounted {
            let mut seen = seen.borrow_mut();
            if seen.contains(&mount.prefix) {
                return Err(InvalidValue::new(format!(
                    "mounts {} a second time",
                    mount.prefix
                )));
            }
            seen.push(mount.prefix.clone());
        }
        Ok(mounted)
    })?;
    let mut files = StaticFiles {
        max_age: typed.value("static_max_age", value::duration)?,
        sendfile_root: typed
            .optional("sendfile_root", |text| value::directory(&base.join(text)))?,
        ..StaticFiles::default()
    };
    for one in mounted {
        match one {
            Mounted::Directory(mount) => files.mounts.push(*mount),
            Mounted::Django(named) => files.of_django.extend(named),
        }
    }
    files.of_django.dedup();
    Ok(files)
}
