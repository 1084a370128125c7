//! Load balancers of AWS that Kubernetes' manifests ask for, with the time for which they keep idle connections.

use std::time::Duration;

use super::yaml::YamlNode;
use crate::doctor::facts::LoadBalancer;

/// AWS' own default.
const IDLE_TIMEOUT: u64 = 60;

/// Of an Ingress or a Service.
pub fn load_balancer(document: &YamlNode, place: &str) -> Option<LoadBalancer> {
    let kind = document.get("kind")?.text()?;
    let name = document
        .at("metadata/name")
        .and_then(YamlNode::text)
        .unwrap_or("?");
    let annotations = document.at("metadata/annotations");
    let annotation = |wanted: &str| annotations?.get(wanted)?.text();
    let seconds = match kind {
        "Ingress" => {
            let class = document
                .at("spec/ingressClassName")
                .and_then(YamlNode::text);
            let class = class.or_else(|| annotation("kubernetes.io/ingress.class"));
            if class != Some("alb") {
                return None;
            }
            let attributes = annotation("alb.ingress.kubernetes.io/load-balancer-attributes");
            let given = attributes.into_iter().flat_map(|list| list.split(','));
            let mut given = given.filter_map(|attribute| {
                let (name, value) = attribute.split_once('=')?;
                let is_it = name.trim() == "idle_timeout.timeout_seconds";
                is_it.then(|| value.trim().parse().ok())?
            });
            given.next().unwrap_or(IDLE_TIMEOUT)
        }
        // A network load balancer passes bytes on and reuses no connection; the classic one does.
        "Service" => {
            let name = "service.beta.kubernetes.io/aws-load-balancer-connection-idle-timeout";
            annotation(name)?.parse().ok()?
        }
        _ => return None,
    };
    Some(LoadBalancer {
        place: format!("{place}: {name}"),
        idle_timeout: Duration::from_secs(seconds),
    })
}

#[cfg(test)]
mod tests {
    use super::super::yaml::documents;
    use super::*;

    #[test]
    fn load_balancers() {
        let attributes = "metadata: {annotations: {alb.ingress.kubernetes.io/load-balancer-attributes: \"a=b,idle_timeout.timeout_seconds=600\"}}\n";
        for (text, expected) in [
            ("kind: Ingress\nspec: {ingressClassName: alb}\n".to_owned(), Some(60)),
            (format!("kind: Ingress\nspec: {{ingressClassName: alb}}\n{attributes}"), Some(600)),
            (
                "kind: Ingress\nmetadata: {annotations: {kubernetes.io/ingress.class: alb}}\n".to_owned(),
                Some(60),
            ),
            ("kind: Ingress\nspec: {ingressClassName: nginx}\n".to_owned(), None),
            ("kind: Service\n".to_owned(), None),
            (
                "kind: Service\nmetadata: {annotations: {service.beta.kubernetes.io/aws-load-balancer-connection-idle-timeout: \"90\"}}\n".to_owned(),
                Some(90),
            ),
        ] {
            let documents = documents(&text).expect("YAML");
            let found = load_balancer(&documents[0], "a.yaml");
            let found = found.map(|one| one.idle_timeout.as_secs());
            assert_eq!(found, expected, "{text}");
        }
    }
}
