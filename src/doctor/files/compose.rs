//! Services of a compose file that run this program, with the images that the file builds.

use super::container::{self, ImageCommand};
use super::env_file;
use super::expansion::{self, Escape};
use super::quantity;
use super::words::{starts_rgun, unshelled};
use super::yaml::YamlNode;
use super::{Contents, SourceFile, postgres, probes};
use crate::doctor::deployment::{
    CommandWord, Deployment, DeploymentVariable, DeploymentVariables, Expansion, HttpProbe,
    Manager, VariableSource,
};
use crate::doctor::facts::PostgresServer;

pub fn read(file: &SourceFile<'_>, services: &YamlNode, contents: &mut Contents) {
    let interpolation = Interpolation {
        variables: (file.beside)(".env")
            .map(|text| env_file::compose(".env", &text, &|_| None))
            .unwrap_or_default(),
    };
    for service in services.fields() {
        let compose = ComposeService {
            file,
            node: &service.value,
            interpolation: &interpolation,
        };
        contents
            .deployments
            .extend(compose.deployment(&service.name));
        contents.postgres.extend(compose.database(&service.name));
    }
}

/// The variables of the `.env` file beside the compose file.
struct Interpolation {
    variables: DeploymentVariables,
}

impl Interpolation {
    fn value(&self, text: &str) -> Option<String> {
        expansion::expanded(text, Escape::Dollar, &|name| self.lookup(name))
    }

    fn lookup(&self, name: &str) -> Option<String> {
        self.variables.get(name)?.value.clone()
    }
}

struct ComposeService<'a> {
    file: &'a SourceFile<'a>,
    node: &'a YamlNode,
    interpolation: &'a Interpolation,
}

impl ComposeService<'_> {
    fn deployment(&self, name: &str) -> Option<Deployment> {
        let image = self.image().unwrap_or_default();
        let words = match (self.node.get("entrypoint"), self.node.get("command")) {
            (Some(entrypoint), command) => [
                self.words(entrypoint),
                command.map(|node| self.words(node)).unwrap_or_default(),
            ]
            .concat(),
            (None, Some(command)) => [image.entrypoint, self.words(command)].concat(),
            (None, None) => [image.entrypoint, image.command].concat(),
        };
        let lines = self.node.lines(self.file.place, self.file.text);
        let inner = unshelled(words, &lines);
        if !starts_rgun(&inner.words) {
            return None;
        }
        let value = |path: &str| self.interpolation.value(self.node.at(path)?.text()?);
        let memory = value("mem_limit").or_else(|| value("deploy/resources/limits/memory"));
        Some(Deployment {
            place: format!("{}: {name}", self.file.place),
            manager: Manager::Compose,
            expansion: inner.expansion(Expansion::None),
            has_shell: inner.stays,
            command: inner.words,
            environment: [image.environment, self.environment()].concat(),
            stop: value("stop_grace_period").and_then(|period| quantity::duration(&period)),
            kind: None,
            memory: memory.and_then(|memory| quantity::bytes(&memory)),
            replicas: value("deploy/replicas")
                .or_else(|| value("scale"))
                .and_then(|number| number.parse().ok())
                .unwrap_or(1),
            probes: self.probe().into_iter().collect(),
            runtime_directory: None,
            server: None,
            misuses: Vec::new(),
        })
    }

    /// Of a list, or the line that takes its place.
    fn texts(&self, path: &str) -> Vec<&str> {
        let node = self.node.at(path);
        let line = node.and_then(YamlNode::text).into_iter();
        let items = node.into_iter().flat_map(YamlNode::items);
        line.chain(items.filter_map(YamlNode::text)).collect()
    }

    fn probe(&self) -> Option<HttpProbe> {
        let line = self.node.at("healthcheck/test")?.first_line;
        let place = format!("{}:{line}", self.file.place);
        probes::of_command(&self.texts("healthcheck/test"), &place)
    }

    fn database(&self, name: &str) -> Option<PostgresServer> {
        let image = self.interpolation.value(self.node.get("image")?.text()?)?;
        let place = format!("{}: {name}", self.file.place);
        postgres::server(&image, &self.texts("command"), place)
    }

    /// A list of words, or a line of them.
    fn words(&self, node: &YamlNode) -> Vec<CommandWord> {
        let lines = node.lines(self.file.place, self.file.text);
        let written = match node.text() {
            // Split first: an interpolated value is rarely more than one word, and each word has its place.
            Some(line) => lines.placed(crate::config::split(line).unwrap_or_default()),
            None => {
                let items = node.items().iter();
                let words = items.map(|item| CommandWord {
                    text: item.text().map(str::to_owned),
                    place: format!("{}:{}", self.file.place, item.first_line),
                });
                words.collect()
            }
        };
        let words = written.into_iter().map(|word| CommandWord {
            text: word.text.and_then(|text| self.interpolation.value(&text)),
            place: word.place,
        });
        words.collect()
    }

    /// The weakest first: files, then `environment`.
    fn environment(&self) -> Vec<VariableSource> {
        let mut sources = Vec::new();
        let files = self.node.get("env_file");
        let single = files.and_then(YamlNode::text);
        let several = files.into_iter().flat_map(YamlNode::items);
        let several = several.filter_map(|item| item.text().or_else(|| item.get("path")?.text()));
        for path in single.into_iter().chain(several) {
            let text = self.interpolation.value(path).and_then(|path| {
                let text = (self.file.beside)(&path)?;
                Some((path, text))
            });
            let Some((path, text)) = text else {
                continue;
            };
            let place = self.file.place_beside(&path);
            let outer = |name: &str| self.interpolation.lookup(name);
            let variables = env_file::compose(&place, &text, &outer).into_iter();
            sources
                .extend(variables.map(|(name, variable)| VariableSource::Given { name, variable }));
        }
        let Some(own) = self.node.get("environment") else {
            return sources;
        };
        let place = |line: usize| format!("{}:{line}", self.file.place);
        for field in own.fields() {
            let value = field.value.text();
            let value = value.and_then(|value| self.interpolation.value(value));
            let place = place(field.line);
            sources.push(VariableSource::Given {
                name: field.name.clone(),
                variable: DeploymentVariable { value, place },
            });
        }
        for item in own.items() {
            let Some(text) = item.text() else {
                continue;
            };
            // Without a value: the one of the shell that runs compose.
            let (name, value) = match text.split_once('=') {
                Some((name, value)) => (name, self.interpolation.value(value)),
                None => (text, None),
            };
            let place = place(item.first_line);
            sources.push(VariableSource::Given {
                name: name.to_owned(),
                variable: DeploymentVariable { value, place },
            });
        }
        sources
    }

    /// What the Dockerfile says that the service is built from.
    fn image(&self) -> Option<ImageCommand> {
        let build = self.node.get("build")?;
        let given = |name: &str| self.interpolation.value(build.get(name)?.text()?);
        let context = build
            .text()
            .and_then(|text| self.interpolation.value(text))
            .or_else(|| given("context"))
            .unwrap_or_else(|| ".".to_owned());
        let dockerfile = given("dockerfile").unwrap_or_else(|| "Dockerfile".to_owned());
        let path = format!("{}/{dockerfile}", context.trim_end_matches('/'));
        let path = path.strip_prefix("./").unwrap_or(&path);
        let text = (self.file.beside)(path)?;
        let place = self.file.place_beside(path);
        Some(container::image(&place, &text, given("target").as_deref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::environment::{command, listed, variables};
    use crate::doctor::files::yaml::documents;
    use std::time::Duration;

    fn found(text: &str, others: &[(&str, &str)]) -> Vec<Deployment> {
        let beside = |path: &str| {
            let found = others.iter().find(|(name, _)| *name == path);
            found.map(|(_, text)| (*text).to_owned())
        };
        let file = SourceFile {
            place: "deploy/compose.yaml",
            text,
            beside: &beside,
        };
        let documents = documents(text).expect("YAML");
        let mut contents = Contents::default();
        read(
            &file,
            documents[0].get("services").expect("services"),
            &mut contents,
        );
        contents.deployments
    }

    fn words(deployment: &Deployment) -> Vec<Option<String>> {
        let variables = variables(deployment, &std::collections::BTreeMap::new());
        let words = command(deployment, &variables).into_iter();
        words.map(|word| word.text).collect()
    }

    #[test]
    fn services() {
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
        let found = found(text, &[]);
        let places: Vec<_> = found.iter().map(|one| one.place.as_str()).collect();
        assert_eq!(
            places,
            ["deploy/compose.yaml: web", "deploy/compose.yaml: shell"]
        );
        let [web, shell] = &found[..] else {
            panic!("{found:?}");
        };
        assert_eq!(web.command[2].place, "deploy/compose.yaml:8");
        assert_eq!(web.stop, Some(Duration::from_secs(90)));
        assert_eq!((web.memory, web.has_shell), (Some(512 << 20), false));
        assert_eq!(
            (shell.stop, shell.has_shell),
            (Some(Duration::from_secs(5)), true)
        );
    }

    #[test]
    fn variables_by_their_strength() {
        let text = "
services:
  web:
    command: [rgun, 'app:app', -b, ':${PORT}', -w, '${COUNT:-3}', --ready-path, '${ABSENT}']
    env_file: [a.env, {path: b.env, required: false}, absent.env]
    environment:
      C: 3
      D:
      E: $$E ${PORT}
";
        let others = [
            (".env", "PORT=9000\n"),
            ("a.env", "A=1\nB=1\nC=1\n"),
            ("b.env", "B=2\nC=${PORT}\n"),
        ];
        let found = found(text, &others);
        let texts: Vec<_> = words(&found[0]);
        let texts: Vec<_> = texts.iter().map(Option::as_deref).collect();
        assert_eq!(
            texts,
            ["rgun", "app:app", "-b", ":9000", "-w", "3", "--ready-path"]
                .map(Some)
                .into_iter()
                .chain([None])
                .collect::<Vec<_>>()
        );
        let variables = variables(&found[0], &std::collections::BTreeMap::new());
        assert_eq!(
            listed(&variables),
            [
                ("A", Some("1"), "deploy/a.env:1"),
                ("B", Some("2"), "deploy/b.env:1"),
                ("C", Some("3"), "deploy/compose.yaml:7"),
                ("D", None, "deploy/compose.yaml:8"),
                ("E", Some("$E 9000"), "deploy/compose.yaml:9"),
            ]
        );
    }

    #[test]
    fn the_image_gives_what_the_service_does_not() {
        let text = "
services:
  web:
    build: .
    environment: [WEB_CONCURRENCY=8]
  other:
    build: {context: ./app, dockerfile: Own.Dockerfile, target: web}
    command: ['app:app', -w, '2']
";
        let others = [
            (
                "Dockerfile",
                "FROM a\nENV PORT=80\nCMD rgun app:app -b :$PORT\n",
            ),
            (
                "app/Own.Dockerfile",
                "FROM a AS web\nENTRYPOINT [\"rgun\"]\nCMD [\"x\"]\nFROM a\nCMD [\"y\"]\n",
            ),
        ];
        let found = found(text, &others);
        assert_eq!(found.len(), 2);
        assert_eq!(
            words(&found[0]).last().cloned().flatten().as_deref(),
            Some(":80")
        );
        assert_eq!(found[0].command[0].place, "deploy/Dockerfile:3");
        assert!(found[0].has_shell);
        let texts: Vec<_> = words(&found[1]).into_iter().flatten().collect();
        assert_eq!(texts, ["rgun", "app:app", "-w", "2"]);
    }
}
