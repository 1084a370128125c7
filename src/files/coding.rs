//! Content codings and what a client accepts of them (RFC 9110 §12.5.3).

/// How the bytes of a representation are coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    Identity,
    Zstd,
    Brotli,
    Gzip,
}

impl Coding {
    /// Those with sidecars, the preferred one first.
    pub const CODED: [Coding; 3] = [Coding::Zstd, Coding::Brotli, Coding::Gzip];

    pub const ALL: [Coding; 4] = [Coding::Identity, Coding::Zstd, Coding::Brotli, Coding::Gzip];

    /// Its place in `ALL`.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// As in `Content-Encoding`.
    pub const fn token(self) -> &'static str {
        match self {
            Coding::Identity => "identity",
            Coding::Zstd => "zstd",
            Coding::Brotli => "br",
            Coding::Gzip => "gzip",
        }
    }

    /// What the name of a sidecar ends in.
    pub const fn suffix(self) -> &'static str {
        match self {
            Coding::Identity => "",
            Coding::Zstd => ".zst",
            Coding::Brotli => ".br",
            Coding::Gzip => ".gz",
        }
    }
}

/// A set of codings; identity is a member unless it is taken out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Codings {
    pub zstd: bool,
    pub brotli: bool,
    pub gzip: bool,
}

impl Codings {
    pub fn has(self, coding: Coding) -> bool {
        match coding {
            Coding::Identity => true,
            Coding::Zstd => self.zstd,
            Coding::Brotli => self.brotli,
            Coding::Gzip => self.gzip,
        }
    }

    pub fn is_empty(self) -> bool {
        self == Codings::default()
    }
}

/// Weights in thousandths; `None`: not named.
#[derive(Debug, Default)]
struct Weights {
    identity: Option<u16>,
    zstd: Option<u16>,
    brotli: Option<u16>,
    gzip: Option<u16>,
    any: Option<u16>,
}

impl Weights {
    fn of(&self, coding: Coding) -> u16 {
        let named = match coding {
            Coding::Identity => self.identity,
            Coding::Zstd => self.zstd,
            Coding::Brotli => self.brotli,
            Coding::Gzip => self.gzip,
        };
        named.or(self.any).unwrap_or(0)
    }

    fn excludes_identity(&self) -> bool {
        self.identity.or(self.any) == Some(0)
    }
}

/// The coding of the response, of those that are available. `None`: the client accepts none of them.
///
/// The highest weight wins; among equals, `Coding::CODED` has the order. Identity that is not named is used when no available
/// coding has a weight.
pub fn accepted(header: Option<&[u8]>, there: Codings) -> Option<Coding> {
    let Some(header) = header else {
        return Some(Coding::Identity);
    };
    let weights = weights(header);
    let mut best: Option<(u16, Coding)> = None;
    for coding in Coding::CODED
        .into_iter()
        .filter(|coding| there.has(*coding))
    {
        let weight = weights.of(coding);
        if weight > 0 && best.is_none_or(|(most, _)| weight > most) {
            best = Some((weight, coding));
        }
    }
    match (best, weights.identity) {
        // Named, and preferred.
        (Some((most, _)), Some(identity)) if identity > most => Some(Coding::Identity),
        (Some((_, coding)), _) => Some(coding),
        (None, _) if weights.excludes_identity() => None,
        (None, _) => Some(Coding::Identity),
    }
}

fn weights(header: &[u8]) -> Weights {
    let mut weights = Weights::default();
    for member in header.split(|&byte| byte == b',') {
        let mut parts = member.split(|&byte| byte == b';');
        let token = parts.next().unwrap_or_default().trim_ascii();
        let Some(weight) = parts.next().map_or(Some(1000), weight) else {
            continue;
        };
        let place = if token.eq_ignore_ascii_case(b"gzip") || token.eq_ignore_ascii_case(b"x-gzip")
        {
            &mut weights.gzip
        } else if token.eq_ignore_ascii_case(b"br") {
            &mut weights.brotli
        } else if token.eq_ignore_ascii_case(b"zstd") {
            &mut weights.zstd
        } else if token.eq_ignore_ascii_case(b"identity") {
            &mut weights.identity
        } else if token == b"*" {
            &mut weights.any
        } else {
            continue;
        };
        *place = Some(weight);
    }
    weights
}

/// `q=0.5` in thousandths (RFC 9110 §12.4.2). `None`: malformed, and the member is ignored.
fn weight(parameter: &[u8]) -> Option<u16> {
    let parameter = parameter.trim_ascii();
    let value = parameter
        .strip_prefix(b"q=")
        .or_else(|| parameter.strip_prefix(b"Q="))?;
    let (whole, fraction) = match value {
        [whole] => (*whole, &[][..]),
        [whole, b'.', fraction @ ..] if fraction.len() <= 3 => (*whole, fraction),
        _ => return None,
    };
    let mut thousandths = 0;
    for place in 0..3 {
        let digit = fraction.get(place).copied().unwrap_or(b'0');
        thousandths = thousandths * 10 + u16::from(digit.is_ascii_digit().then(|| digit - b'0')?);
    }
    match whole {
        b'0' => Some(thousandths),
        b'1' if thousandths == 0 => Some(1000),
        _ => None,
    }
}
