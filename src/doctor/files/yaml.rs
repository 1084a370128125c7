//! Services of a compose file, and workloads of Kubernetes manifests, that run this program.

use std::time::Duration;

use saphyr::{LoadableYamlNode, Scalar, Yaml};
use serde_json::{Map, Value as Json};

use super::{quantity, starts_rgun, unshelled};
use crate::doctor::facts::{Deployment, Manager};

/// Deployment files are far smaller.
const MOST_BYTES: usize = 1 << 20;
const DEEPEST: usize = 64;

pub fn read(place: &str, text: &str) -> Result<Vec<Deployment>, String> {
    if text.len() > MOST_BYTES {
        return Err("the file is larger than 1 MiB".to_owned());
    }
    let documents = Yaml::load_from_str(text).map_err(|error| error.to_string())?;
    let mut found = Vec::new();
    for document in &documents {
        let document = json(document, 0);
        match document.get("services") {
            Some(Json::Object(services)) => {
                let services = services.iter();
                found.extend(
                    services.filter_map(|(name, service)| service_of(place, name, service)),
                );
            }
            _ => workloads(place, &document, &mut found),
        }
    }
    Ok(found)
}

/// With merge keys (`<<`) merged, as compose does.
fn json(node: &Yaml<'_>, depth: usize) -> Json {
    if depth > DEEPEST {
        return Json::Null;
    }
    match node {
        Yaml::Value(Scalar::Boolean(value)) => (*value).into(),
        Yaml::Value(Scalar::Integer(value)) => (*value).into(),
        Yaml::Value(Scalar::FloatingPoint(value)) => value.into_inner().into(),
        Yaml::Value(Scalar::String(value)) => value.as_ref().into(),
        Yaml::Sequence(items) => items.iter().map(|item| json(item, depth + 1)).collect(),
        Yaml::Mapping(fields) => {
            let mut merged = Map::new();
            let mut own = Map::new();
            for (name, value) in fields {
                let Some(name) = name.as_str() else {
                    continue;
                };
                match (name, json(value, depth + 1)) {
                    ("<<", Json::Object(fields)) => merged.extend(fields),
                    ("<<", Json::Array(several)) => {
                        for fields in several {
                            if let Json::Object(fields) = fields {
                                merged.extend(fields);
                            }
                        }
                    }
                    (name, value) => {
                        own.insert(name.to_owned(), value);
                    }
                }
            }
            merged.extend(own);
            Json::Object(merged)
        }
        Yaml::Tagged(_, node) => json(node, depth + 1),
        Yaml::Value(Scalar::Null) | Yaml::Representation(..) | Yaml::Alias(_) | Yaml::BadValue => {
            Json::Null
        }
    }
}

/// A list of words, or a line of them.
fn words(value: Option<&Json>) -> Vec<String> {
    match value {
        Some(Json::String(line)) => crate::config::split(line).unwrap_or_default(),
        Some(Json::Array(words)) => words.iter().map(text).collect(),
        _ => Vec::new(),
    }
}

fn text(value: &Json) -> String {
    match value {
        Json::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn service_of(place: &str, name: &str, service: &Json) -> Option<Deployment> {
    let mut command = words(service.get("entrypoint"));
    command.extend(words(service.get("command")));
    let (command, has_shell) = unshelled(command);
    let memory = service
        .get("mem_limit")
        .or_else(|| service.pointer("/deploy/resources/limits/memory"));
    starts_rgun(&command).then(|| Deployment {
        place: format!("{place}: {name}"),
        manager: Manager::Compose,
        command,
        has_shell,
        stop: service
            .get("stop_grace_period")
            .and_then(|period| quantity::duration(&text(period))),
        kind: None,
        memory: memory.and_then(|memory| quantity::bytes(&text(memory))),
        server: None,
    })
}

fn workloads(place: &str, document: &Json, found: &mut Vec<Deployment>) {
    let kind = document.get("kind").and_then(Json::as_str);
    let spec = match kind {
        Some("Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") => {
            document.pointer("/spec/template/spec")
        }
        Some("Pod") => document.get("spec"),
        _ => None,
    };
    let Some(spec) = spec else {
        return;
    };
    let name = document.pointer("/metadata/name").map(text);
    let stop = spec
        .get("terminationGracePeriodSeconds")
        .and_then(Json::as_u64)
        .map(Duration::from_secs);
    let containers = spec.get("containers").and_then(Json::as_array);
    for container in containers.into_iter().flatten() {
        let mut command = words(container.get("command"));
        command.extend(words(container.get("args")));
        let (command, has_shell) = unshelled(command);
        if !starts_rgun(&command) {
            continue;
        }
        let memory = container.pointer("/resources/limits/memory");
        found.push(Deployment {
            place: format!("{place}: {}", name.as_deref().unwrap_or("?")),
            manager: Manager::Kubernetes,
            command,
            has_shell,
            stop,
            kind: None,
            memory: memory.and_then(|memory| quantity::bytes(&text(memory))),
            server: None,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_of_compose() {
        let text = "
x-app: &app
  stop_grace_period: 1m30s
  mem_limit: 512m
services:
  web:
    <<: *app
    command: rgun app:app -w 2
  shell:
    <<: *app
    stop_grace_period: 5s
    command: [sh, -c, rgun app:app]
  db:
    image: postgres
  worker:
    command: celery -A site worker
";
        let found = read("compose.yaml", text).expect("YAML");
        let places: Vec<_> = found.iter().map(|one| one.place.as_str()).collect();
        assert_eq!(places, ["compose.yaml: shell", "compose.yaml: web"]);
        let [shell, web] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!(web.command, ["rgun", "app:app", "-w", "2"]);
        assert_eq!(web.stop, Some(Duration::from_secs(90)));
        assert_eq!((web.memory, web.has_shell), (Some(512 << 20), false));
        assert_eq!(
            (shell.stop, shell.has_shell),
            (Some(Duration::from_secs(5)), true)
        );
    }

    #[test]
    fn workloads_of_kubernetes() {
        let text = "
apiVersion: v1
kind: Service
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: shop}
spec:
  template:
    spec:
      terminationGracePeriodSeconds: 45
      containers:
        - name: web
          args: [rgun, app:app, --shutdown-delay, \"5\", -w, 2]
          resources: {limits: {memory: 768Mi}}
        - name: proxy
          image: nginx
";
        let found = read("k8s.yaml", text).expect("YAML");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].command.last().map(String::as_str), Some("2"));
        assert_eq!(found[0].stop, Some(Duration::from_secs(45)));
        assert_eq!(found[0].memory, Some(768 << 20));
    }

    #[test]
    fn what_is_no_deployment() {
        for text in [
            "",
            "a: 1\n",
            "- 1\n- 2\n",
            "services: 3\n",
            "kind: [\n  1]\n",
        ] {
            assert!(
                read("a.yaml", text).is_ok_and(|found| found.is_empty()),
                "{text}"
            );
        }
        assert!(read("a.yaml", "a: [\n").is_err());
    }
}
