//! Health checks over HTTP in Kubernetes' and compose's files.

use super::yaml::YamlNode;
use crate::doctor::deployment::HttpProbe;

/// Of a container of a pod. `place` names a line.
pub fn of_container(container: &YamlNode, place: impl Fn(usize) -> String) -> Vec<HttpProbe> {
    let ports = container.get("ports").into_iter().flat_map(YamlNode::items);
    let named: Vec<(&str, u16)> = ports
        .filter_map(|port| {
            let number = port.get("containerPort")?.text()?.parse().ok()?;
            Some((port.get("name")?.text()?, number))
        })
        .collect();
    let kinds = ["startupProbe", "readinessProbe", "livenessProbe"];
    let probes = kinds.into_iter().filter_map(|kind| {
        let request = container.get(kind)?.get("httpGet")?;
        let port = request.get("port")?.text()?;
        let by_name = || named.iter().find(|(name, _)| *name == port);
        let port = port.parse().ok().or_else(|| Some(by_name()?.1))?;
        let headers = request.get("httpHeaders").into_iter();
        let host = headers.flat_map(YamlNode::items).find_map(|header| {
            let name = header.get("name")?.text()?;
            let value = header.get("value")?.text()?;
            name.eq_ignore_ascii_case("host").then(|| value.to_owned())
        });
        Some(HttpProbe {
            place: place(request.first_line),
            port,
            // `host` is where the kubelet connects to, and what it then sends.
            host: host.or_else(|| Some(request.get("host")?.text()?.to_owned())),
        })
    });
    probes.collect()
}

/// Of the words of a `healthcheck` that asks this container by a URL, without a header of its own.
pub fn of_command(words: &[&str], place: &str) -> Option<HttpProbe> {
    let begins_header = |part: &str| part.to_ascii_lowercase().starts_with("host:");
    let has_header = words
        .iter()
        .any(|word| word.split([' ', '"', '\'']).any(begins_header));
    let url = words.iter().find_map(|word| word.split_once("http://"))?.1;
    let end = url.find(|c: char| !c.is_ascii_alphanumeric() && !".:-".contains(c));
    let authority = &url[..end.unwrap_or(url.len())];
    let (host, port) = authority.split_once(':').unwrap_or((authority, "80"));
    let port = port.parse().ok()?;
    (!has_header && !host.is_empty()).then(|| HttpProbe {
        place: place.to_owned(),
        port,
        host: Some(host.to_owned()),
    })
}

#[cfg(test)]
mod tests {
    use super::super::yaml::documents;
    use super::*;

    #[test]
    fn probes_of_a_container() {
        let text = "
ports: [{name: http, containerPort: 8000}]
startupProbe: {httpGet: {path: /, port: http}}
readinessProbe:
  httpGet:
    path: /
    port: 8000
    httpHeaders: [{name: Host, value: shop.example}]
livenessProbe: {exec: {command: [true]}}
";
        let [container] = &documents(text).expect("YAML")[..] else {
            panic!("{text}");
        };
        let found = of_container(container, |line| format!("a:{line}"));
        let expected = [("a:3", None), ("a:6", Some("shop.example"))];
        let found: Vec<_> = found
            .iter()
            .map(|probe| (&*probe.place, probe.port, probe.host.as_deref()))
            .collect();
        assert_eq!(found, expected.map(|(place, host)| (place, 8000, host)));
    }

    #[test]
    fn checks_by_a_url() {
        for (words, expected) in [
            (
                &["CMD", "curl", "-f", "http://localhost:8000/health"][..],
                Some(("localhost", 8000)),
            ),
            (
                &["CMD-SHELL", "curl http://127.0.0.1/ || exit 1"],
                Some(("127.0.0.1", 80)),
            ),
            (
                &["curl", "-H", "Host: a.example", "http://localhost:8000/"],
                None,
            ),
            (&["CMD", "pg_isready"], None),
        ] {
            let found = of_command(words, "a");
            let found = found.map(|probe| (probe.host.unwrap_or_default(), probe.port));
            let expected = expected.map(|(host, port)| (host.to_owned(), port));
            assert_eq!(found, expected, "{words:?}");
        }
    }
}
