//! Companions as the master shows them.

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CompanionSample {
    pub name: String,
    pub runs: bool,
    pub restarts: u64,
}

impl CompanionSample {
    /// `text`: a line for each, as `MonitorInit::companions` has it.
    pub fn read(text: &[u8]) -> Vec<Self> {
        let text = String::from_utf8_lossy(text);
        let companions = text.lines().filter_map(|line| {
            let mut words = line.splitn(3, ' ');
            Some(Self {
                runs: words.next()? == "1",
                restarts: words.next()?.parse().ok()?,
                name: words.next()?.to_owned(),
            })
        });
        companions.collect()
    }
}
