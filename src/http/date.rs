//! The Date and Server lines as bytes (RFC 9110 §5.6.7), for a time that the caller passes.

/// `date: Sun, 06 Nov 1994 08:49:37 GMT\r\nserver: rgun\r\n`, made once a second by the owner of the clock,
/// copied once a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Date {
    seconds: u64,
    lines: [u8; LINES],
    /// The end of the lines that are sent.
    end: usize,
}

const PREFIX: &[u8; 6] = b"date: ";
const IMF: usize = 29;
const DATE_LINE: usize = PREFIX.len() + IMF + 2;
const SERVER_LINE: &[u8; 14] = b"server: rgun\r\n";
const LINES: usize = DATE_LINE + SERVER_LINE.len();

impl Date {
    /// `unix_seconds` since 1970-01-01T00:00:00Z, up to the year 9999.
    pub fn at(unix_seconds: u64) -> Self {
        let mut lines = [0; LINES];
        lines[..6].copy_from_slice(PREFIX);
        lines[6..6 + IMF].copy_from_slice(&imf_fixdate(unix_seconds));
        lines[6 + IMF..DATE_LINE].copy_from_slice(b"\r\n");
        lines[DATE_LINE..].copy_from_slice(SERVER_LINE);
        Date {
            seconds: unix_seconds,
            lines,
            end: LINES,
        }
    }

    /// Omits the Server line.
    #[must_use]
    pub fn without_server(self) -> Self {
        Date {
            end: DATE_LINE,
            ..self
        }
    }

    /// Since 1970-01-01T00:00:00Z.
    pub fn seconds(&self) -> u64 {
        self.seconds
    }

    /// The value alone: `Sun, 06 Nov 1994 08:49:37 GMT`.
    pub fn value(&self) -> &[u8] {
        &self.lines[PREFIX.len()..PREFIX.len() + IMF]
    }

    /// The Date line and, where it is wanted, the Server line.
    pub(super) fn both_lines(&self) -> &[u8] {
        &self.lines[..self.end]
    }

    pub(super) fn date_line(&self) -> &[u8] {
        &self.lines[..DATE_LINE]
    }

    pub(super) fn server_line(&self) -> &[u8] {
        &self.lines[DATE_LINE..self.end]
    }
}

/// IMF-fixdate of a moment, `unix_seconds` since the epoch; the year is cut to 9999.
pub fn imf_fixdate(unix_seconds: u64) -> [u8; IMF] {
    const DAYS: [&[u8; 3]; 7] = [b"Thu", b"Fri", b"Sat", b"Sun", b"Mon", b"Tue", b"Wed"];
    const MONTHS: [&[u8; 3]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    const LAST: u64 = 253_402_300_799; // 9999-12-31T23:59:59Z
    let seconds = unix_seconds.min(LAST);
    let (days, time) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    let mut out = *b"Thu, 01 Jan 1970 00:00:00 GMT";
    out[..3].copy_from_slice(DAYS[(days % 7) as usize]);
    two_digits(&mut out[5..7], day);
    out[8..11].copy_from_slice(MONTHS[(month - 1) as usize]);
    two_digits(&mut out[12..14], year / 100);
    two_digits(&mut out[14..16], year % 100);
    two_digits(&mut out[17..19], time / 3600);
    two_digits(&mut out[20..22], time / 60 % 60);
    two_digits(&mut out[23..25], time % 60);
    out
}

/// Year, month 1..=12, day 1..=31 of a day since the epoch (Hinnant's `civil_from_days`, non-negative half).
fn civil(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468; // days since 0000-03-01
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 {
        march_month + 3
    } else {
        march_month - 9
    };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    (year, month, day)
}

fn two_digits(out: &mut [u8], value: u64) {
    out[0] = b'0' + (value / 10) as u8;
    out[1] = b'0' + (value % 10) as u8;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates() {
        for (seconds, text) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (u64::MAX, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(std::str::from_utf8(&imf_fixdate(seconds)), Ok(text));
        }
    }

    #[test]
    fn lines() {
        let date = Date::at(784_111_777);
        assert_eq!(date.value(), b"Sun, 06 Nov 1994 08:49:37 GMT");
        assert_eq!(
            date.both_lines(),
            b"date: Sun, 06 Nov 1994 08:49:37 GMT\r\nserver: rgun\r\n"
        );
        assert_eq!(
            [date.date_line(), date.server_line()].concat(),
            date.both_lines()
        );
        let date = date.without_server();
        assert_eq!(date.both_lines(), date.date_line());
        assert_eq!(date.server_line(), b"");
    }
}
