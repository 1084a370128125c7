//! Workloads of Kubernetes manifests that run this program, and ConfigMaps and Secrets.

use std::time::Duration;

use super::words::{starts_rgun, unshelled};
use super::yaml::YamlNode;
use super::{Autoscaler, Contents, SourceFile, ingress, postgres, probes, quantity};
use crate::doctor::deployment::{
    CommandWord, Deployment, DeploymentVariable, DeploymentVariables, Expansion, Manager, MapName,
    VariableMaps, VariableSource,
};
use crate::doctor::facts::PostgresServer;

pub fn read(file: &SourceFile<'_>, document: &YamlNode, contents: &mut Contents) {
    let maps = &mut contents.maps;
    let manifest = KubernetesManifest { file };
    let kind = document.get("kind").and_then(YamlNode::text);
    let pod = match kind {
        Some("Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet") => {
            document.at("spec/template/spec")
        }
        Some("Pod") => document.get("spec"),
        Some("List") => {
            for item in document.get("items").into_iter().flat_map(YamlNode::items) {
                read(file, item, contents);
            }
            None
        }
        Some("ConfigMap") => {
            manifest.add_map(document, false, &["data"], maps);
            None
        }
        Some("Secret") => {
            manifest.add_map(document, true, &["data", "stringData"], maps);
            None
        }
        Some("Kustomization") => {
            manifest.add_generated(document, "configMapGenerator", false, maps);
            manifest.add_generated(document, "secretGenerator", true, maps);
            None
        }
        Some("HorizontalPodAutoscaler" | "ScaledObject") => {
            contents.autoscalers.extend(autoscaler(document));
            None
        }
        _ => {
            contents
                .load_balancers
                .extend(ingress::load_balancer(document, file.place));
            None
        }
    };
    if let Some(pod) = pod {
        let name = document.at("metadata/name").and_then(YamlNode::text);
        let name = name.unwrap_or("?");
        let replicas = document.at("spec/replicas").and_then(YamlNode::text);
        let replicas = replicas.and_then(|text| text.parse().ok()).unwrap_or(1);
        let found = manifest.containers(pod, name).into_iter();
        contents
            .deployments
            .extend(found.map(|one| Deployment { replicas, ..one }));
        contents.postgres.extend(manifest.databases(pod, name));
    }
}

fn autoscaler(document: &YamlNode) -> Option<Autoscaler> {
    let workload = document.at("spec/scaleTargetRef/name")?.text()?;
    let most = ["spec/maxReplicas", "spec/maxReplicaCount"];
    let most = most.into_iter().find_map(|path| document.at(path)?.text());
    Some(Autoscaler {
        workload: workload.to_owned(),
        most_replicas: most?.parse().ok()?,
    })
}

struct KubernetesManifest<'a> {
    file: &'a SourceFile<'a>,
}

impl KubernetesManifest<'_> {
    fn place(&self, line: usize) -> String {
        format!("{}:{line}", self.file.place)
    }

    fn containers(&self, pod: &YamlNode, name: &str) -> Vec<Deployment> {
        let stop = pod.get("terminationGracePeriodSeconds");
        let stop = stop
            .and_then(YamlNode::text)
            .and_then(|text| text.parse().ok());
        let containers = pod.get("containers").into_iter().flat_map(YamlNode::items);
        let found = containers.filter_map(|container| {
            let words = [
                self.words(container.get("command")),
                self.words(container.get("args")),
            ];
            let lines = container.lines(self.file.place, self.file.text);
            let inner = unshelled(words.concat(), &lines);
            if !starts_rgun(&inner.words) {
                return None;
            }
            let memory = container.at("resources/limits/memory");
            Some(Deployment {
                place: format!("{}: {name}", self.file.place),
                manager: Manager::Kubernetes,
                expansion: inner.expansion(Expansion::Kubernetes),
                has_shell: inner.stays,
                command: inner.words,
                environment: self.environment(container),
                stop: stop.map(Duration::from_secs),
                kind: None,
                memory: memory.and_then(YamlNode::text).and_then(quantity::bytes),
                replicas: 1,
                probes: probes::of_container(container, |line| self.place(line)),
                runtime_directory: None,
                server: None,
                misuses: Vec::new(),
            })
        });
        found.collect()
    }

    fn databases(&self, pod: &YamlNode, name: &str) -> Vec<PostgresServer> {
        let containers = pod.get("containers").into_iter().flat_map(YamlNode::items);
        let found = containers.filter_map(|container| {
            let words = ["command", "args"].into_iter();
            let words = words.filter_map(|part| container.get(part));
            let words = words.flat_map(YamlNode::items).filter_map(YamlNode::text);
            let words: Vec<&str> = words.collect();
            let place = format!("{}: {name}", self.file.place);
            postgres::server(container.get("image")?.text()?, &words, place)
        });
        found.collect()
    }

    fn words(&self, list: Option<&YamlNode>) -> Vec<CommandWord> {
        let items = list.into_iter().flat_map(YamlNode::items);
        let words = items.map(|item| CommandWord {
            text: item.text().map(str::to_owned),
            place: self.place(item.first_line),
        });
        words.collect()
    }

    /// `env` is stronger than `envFrom`.
    fn environment(&self, container: &YamlNode) -> Vec<VariableSource> {
        let mut sources = Vec::new();
        let from = container.get("envFrom").into_iter();
        for item in from.flat_map(YamlNode::items) {
            let prefix = item.get("prefix").and_then(YamlNode::text);
            for (reference, is_secret) in [("configMapRef/name", false), ("secretRef/name", true)] {
                if let Some(name) = item.at(reference).and_then(YamlNode::text) {
                    sources.push(VariableSource::Map {
                        map: MapName {
                            is_secret,
                            name: name.to_owned(),
                        },
                        prefix: prefix.unwrap_or_default().to_owned(),
                    });
                }
            }
        }
        for item in container.get("env").into_iter().flat_map(YamlNode::items) {
            let Some(name) = item.get("name").and_then(YamlNode::text) else {
                continue;
            };
            sources.push(self.variable(name.to_owned(), item));
        }
        sources
    }

    fn variable(&self, name: String, item: &YamlNode) -> VariableSource {
        let place = self.place(item.first_line);
        for (reference, is_secret) in [("configMapKeyRef", false), ("secretKeyRef", true)] {
            let reference = item.get("valueFrom").and_then(|from| from.get(reference));
            let part = |wanted: &str| reference?.get(wanted)?.text().map(str::to_owned);
            if let (Some(map), Some(key)) = (part("name"), part("key")) {
                let map = MapName {
                    is_secret,
                    name: map,
                };
                return VariableSource::Key {
                    name,
                    map,
                    key,
                    place,
                };
            }
        }
        // `fieldRef` and the like are known in the cluster.
        let value = match item.get("valueFrom") {
            Some(_) => None,
            None => Some(
                item.get("value")
                    .and_then(YamlNode::text)
                    .unwrap_or_default()
                    .to_owned(),
            ),
        };
        VariableSource::Given {
            name,
            variable: DeploymentVariable { value, place },
        }
    }

    fn add_map(
        &self,
        document: &YamlNode,
        is_secret: bool,
        parts: &[&str],
        maps: &mut VariableMaps,
    ) {
        let Some(name) = document.at("metadata/name").and_then(YamlNode::text) else {
            return;
        };
        let mut entries = DeploymentVariables::new();
        for field in parts
            .iter()
            .filter_map(|part| document.get(part))
            .flat_map(YamlNode::fields)
        {
            let value = field.value.text().filter(|_| !is_secret);
            let variable = DeploymentVariable {
                value: value.map(str::to_owned),
                place: self.place(field.line),
            };
            entries.insert(field.name.clone(), variable);
        }
        let name = name.to_owned();
        maps.entry(MapName { is_secret, name })
            .or_default()
            .extend(entries);
    }

    /// What kustomize makes of literals and files of variables.
    fn add_generated(
        &self,
        document: &YamlNode,
        generator: &str,
        is_secret: bool,
        maps: &mut VariableMaps,
    ) {
        for generated in document
            .get(generator)
            .into_iter()
            .flat_map(YamlNode::items)
        {
            let Some(name) = generated.get("name").and_then(YamlNode::text) else {
                continue;
            };
            let mut entries = DeploymentVariables::new();
            for file in generated.get("envs").into_iter().flat_map(YamlNode::items) {
                let found = file
                    .text()
                    .and_then(|path| Some((path, (self.file.beside)(path)?)));
                let Some((path, text)) = found else {
                    continue;
                };
                let place = self.file.place_beside(path);
                entries.extend(super::env_file::plain(&place, &text));
            }
            for literal in generated
                .get("literals")
                .into_iter()
                .flat_map(YamlNode::items)
            {
                if let Some((key, value)) = literal.text().and_then(|text| text.split_once('=')) {
                    let variable = DeploymentVariable {
                        value: Some(value.trim_matches(['"', '\'']).to_owned()),
                        place: self.place(literal.first_line),
                    };
                    entries.insert(key.to_owned(), variable);
                }
            }
            if is_secret {
                entries
                    .values_mut()
                    .for_each(|variable| variable.value = None);
            }
            let name = name.to_owned();
            maps.entry(MapName { is_secret, name })
                .or_default()
                .extend(entries);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::environment::{command, listed, variables};
    use crate::doctor::files::yaml::documents;

    fn contents(text: &str) -> Contents {
        let file = SourceFile {
            place: "k8s.yaml",
            text,
            beside: &|_| None,
        };
        let mut contents = Contents::default();
        for document in documents(text).expect("YAML") {
            read(&file, &document, &mut contents);
        }
        contents
    }

    fn found(text: &str) -> (Vec<Deployment>, VariableMaps) {
        let contents = contents(text);
        (contents.deployments, contents.maps)
    }

    #[test]
    fn how_many_pods_there_are_and_what_they_use() {
        let text = "
kind: Deployment
metadata: {name: shop}
spec:
  replicas: 3
  template: {spec: {containers: [{args: [rgun, a:a]}]}}
---
kind: StatefulSet
metadata: {name: db}
spec: {template: {spec: {containers: [{image: \"postgres:17\", args: [-c, max_connections=50]}]}}}
---
kind: HorizontalPodAutoscaler
spec: {maxReplicas: 10, scaleTargetRef: {name: shop}}
---
kind: Ingress
spec: {ingressClassName: alb}
";
        let contents = contents(text);
        assert_eq!(contents.deployments[0].replicas, 3);
        assert_eq!(contents.autoscalers[0].most_replicas, 10);
        assert_eq!(contents.postgres[0].most_connections, 50);
        assert_eq!(contents.load_balancers.len(), 1);
    }

    #[test]
    fn a_workload_with_its_variables() {
        let text = "
kind: Service
metadata: {name: shop}
---
kind: Deployment
metadata: {name: shop}
spec:
  template:
    spec:
      terminationGracePeriodSeconds: 45
      containers:
        - name: web
          args: [rgun, app:app, -w, \"$(COUNT)\", -b, '$(SECRET)']
          envFrom:
            - configMapRef: {name: shop}
            - {prefix: S_, secretRef: {name: shop}}
            - configMapRef: {name: absent}
          env:
            - {name: OWN, value: \"$(COUNT)0\"}
            - name: SECRET
              valueFrom: {secretKeyRef: {name: shop, key: KEY}}
            - name: OF_KEY
              valueFrom: {configMapKeyRef: {name: made, key: LEVEL}}
            - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
          resources: {limits: {memory: 768Mi}}
        - name: proxy
          image: nginx
---
kind: ConfigMap
metadata: {name: shop}
data:
  COUNT: \"2\"
---
kind: Secret
metadata: {name: shop}
stringData: {KEY: secret}
---
kind: Kustomization
configMapGenerator:
  - name: made
    literals:
      - LEVEL=debug
";
        let (deployments, maps) = found(text);
        let [web] = &deployments[..] else {
            panic!("{deployments:?}");
        };
        assert_eq!(web.stop, Some(Duration::from_secs(45)));
        assert_eq!(
            (web.memory, web.place.as_str()),
            (Some(768 << 20), "k8s.yaml: shop")
        );
        let variables = variables(web, &maps);
        assert_eq!(
            listed(&variables),
            [
                ("COUNT", Some("2"), "k8s.yaml:32"),
                ("NODE", None, "k8s.yaml:24"),
                ("OF_KEY", Some("debug"), "k8s.yaml:22"),
                ("OWN", Some("20"), "k8s.yaml:19"),
                ("SECRET", None, "k8s.yaml:20"),
                ("S_KEY", None, "k8s.yaml:36"),
            ]
        );
        let words = command(web, &variables);
        let texts: Vec<_> = words.iter().map(|word| word.text.as_deref()).collect();
        assert_eq!(
            texts,
            [
                Some("rgun"),
                Some("app:app"),
                Some("-w"),
                Some("2"),
                Some("-b"),
                None
            ]
        );
        assert_eq!(words[0].place, "k8s.yaml:13");
    }

    #[test]
    fn what_is_no_deployment() {
        for text in [
            "",
            "a: 1\n",
            "- 1\n- 2\n",
            "services: 3\n",
            "kind: [\n  1]\n",
            "kind: ConfigMap\n",
        ] {
            let (deployments, maps) = found(text);
            assert!(deployments.is_empty() && maps.is_empty(), "{text}");
        }
    }
}
