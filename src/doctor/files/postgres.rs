//! PostgreSQL servers that compose and Kubernetes start.

use crate::doctor::facts::PostgresServer;

/// PostgreSQL's own default.
pub const MOST_CONNECTIONS: u32 = 100;

/// `words`: its command and arguments.
pub fn server(image: &str, words: &[&str], place: String) -> Option<PostgresServer> {
    let name = image.rsplit('/').next()?.split([':', '@']).next()?;
    let is_postgres = [
        "postgres",
        "postgresql",
        "postgis",
        "timescaledb",
        "pgvector",
    ]
    .contains(&name);
    let given = words.iter().find_map(|word| {
        let (_, value) = word.split_once("max_connections=")?;
        value.split_whitespace().next()?.parse().ok()
    });
    is_postgres.then(|| PostgresServer {
        place,
        most_connections: given.unwrap_or(MOST_CONNECTIONS),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn servers_by_their_image() {
        for (image, words, expected) in [
            ("postgres:17", &[][..], Some(100)),
            (
                "docker.io/library/postgres",
                &["postgres", "-c", "max_connections=300"],
                Some(300),
            ),
            (
                "ghcr.io/x/postgis@sha256:0",
                &["-cmax_connections=20"],
                Some(20),
            ),
            ("redis:7", &[], None),
        ] {
            let found = server(image, words, "a".to_owned());
            assert_eq!(found.map(|one| one.most_connections), expected, "{image}");
        }
    }
}
