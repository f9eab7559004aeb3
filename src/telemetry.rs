//! What operators see: the log, with secrets taken out of it, and the metrics.
//!
//! Everything goes through one writer that knows what a token looks like, so that no error text of any library has to be
//! trusted. One event is one line, whatever a branch's name contains.

pub mod metrics;

use std::borrow::Cow;
use std::io::{self, Write};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;

/// What stands in a secret's place.
const REMOVED: &str = "[secret removed]";

/// A longer line is cut: nobody reads it, and it may be somebody's way of filling the disk.
const MAX_LINE: usize = 16 << 10;

/// A longer text inside a JSON line is cut, when the line is too long.
const MAX_FIELD: usize = 1 << 10;

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Human,
    /// One JSON object a line, for machines.
    Json,
}

/// Why the log could not be set up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TelemetryError {
    /// The filter cannot be read.
    #[error("`{0}` is no log filter; write a level such as `info`, or `info,trunkline::github=debug`")]
    Filter(String),
    /// A log was set up before.
    #[error("the log was set up twice")]
    Twice,
}

/// Sends the log to standard error, and panics to the log.
///
/// # Errors
/// When the filter cannot be read, or a log was set up before.
pub fn init(format: LogFormat, filter: &str) -> Result<(), TelemetryError> {
    let filter = EnvFilter::try_new(filter).map_err(|_| TelemetryError::Filter(scrub(filter).into_owned()))?;
    let twice = |_| TelemetryError::Twice;
    let log = subscriber(format, filter, io::stderr);
    tracing::subscriber::set_global_default(log).map_err(twice)?;
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or("a value that is no text");
        let backtrace = std::backtrace::Backtrace::capture();
        match backtrace.status() {
            std::backtrace::BacktraceStatus::Captured => tracing::error!(place, %backtrace, "panic: {message}"),
            _ => tracing::error!(place, "panic: {message}"),
        }
    }));
    Ok(())
}

/// The log as a value, writing wherever a test wants to look.
pub fn subscriber<W>(format: LogFormat, filter: EnvFilter, writer: W) -> Box<dyn tracing::Subscriber + Send + Sync>
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    // No colours: an escape in the line is somebody else's, and is shown as what it is.
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).with_target(true);
    match format {
        LogFormat::Human => Box::new(builder.with_writer(Scrubbing { writer, format }).finish()),
        LogFormat::Json => {
            Box::new(builder.json().flatten_event(true).with_writer(Scrubbing { writer, format }).finish())
        }
    }
}

/// Takes out everything that looks like a token, a JWT, a private key or credentials in a header or an address.
pub fn scrub(text: &str) -> Cow<'_, str> {
    static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
        let patterns = [
            // GitHub's tokens, in the old form and in the long one with dots.
            r"gh[psuor]_[A-Za-z0-9._-]+",
            r"github_pat_[A-Za-z0-9_]+",
            // A PEM block, also when it was cut, or when its line ends are written as `\n`.
            r"(?s:-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(?:-----END [A-Z0-9 ]*-----|$))",
            r"eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]*",
            r"(?i:bearer|basic) [A-Za-z0-9._~+/=-]{16,}",
            r"//[^/\s:@]*:[^/\s@]+@",
        ];
        #[expect(clippy::expect_used, reason = "a constant pattern; the tests below compile it")]
        Regex::new(&patterns.join("|")).expect("the pattern is valid")
    });
    SECRETS.replace_all(text, REMOVED)
}

/// Shows control characters, line separators and changes of direction as escapes that are also JSON's.
fn escape(text: &str) -> Cow<'_, str> {
    let strange = |c: char| c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    if !text.contains(strange) {
        return Cow::Borrowed(text);
    }
    let mut clean = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => clean.push_str("\\n"),
            c if strange(c) => clean.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => clean.push(c),
        }
    }
    Cow::Owned(clean)
}

struct Scrubbing<W> {
    writer: W,
    format: LogFormat,
}

impl<'w, W: MakeWriter<'w>> MakeWriter<'w> for Scrubbing<W> {
    type Writer = Line<W::Writer>;

    fn make_writer(&'w self) -> Self::Writer {
        Line { writer: self.writer.make_writer(), format: self.format }
    }
}

/// Receives one event a call, which is how the formatter writes.
struct Line<W> {
    writer: W,
    format: LogFormat,
}

impl<W: Write> Write for Line<W> {
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        let text = scrub(text.trim_end_matches('\n')).into_owned();
        let mut line = shorten(&escape(&text), self.format).into_owned();
        line.push('\n');
        self.writer.write_all(line.as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

fn shorten(line: &str, format: LogFormat) -> Cow<'_, str> {
    if line.len() <= MAX_LINE {
        return Cow::Borrowed(line);
    }
    if format == LogFormat::Json
        && let Ok(mut event) = serde_json::from_str::<Value>(line)
    {
        cut_fields(&mut event);
        let short = event.to_string();
        if short.len() <= MAX_LINE {
            return Cow::Owned(short);
        }
        return Cow::Owned(
            serde_json::json!({ "level": "WARN", "message": "an event too long for the log" }).to_string(),
        );
    }
    Cow::Owned(format!("{}…", &line[..line.floor_char_boundary(MAX_LINE)]))
}

fn cut_fields(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > MAX_FIELD => {
            text.truncate(text.floor_char_boundary(MAX_FIELD));
            text.push('…');
        }
        Value::Array(list) => list.iter_mut().for_each(cut_fields),
        Value::Object(map) => map.values_mut().for_each(cut_fields),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<Vec<u8>>>);

    impl Write for Memory {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn logged(format: LogFormat, log: impl FnOnce()) -> String {
        let memory = Memory::default();
        let writer = memory.clone();
        let subscriber = subscriber(format, EnvFilter::new("info"), move || writer.clone());
        tracing::subscriber::with_default(subscriber, log);
        let bytes = memory.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    const PEM: &str = "-----BEGIN RSA PRIVATE KEY-----\nCANARY\nCANARY=\n-----END RSA PRIVATE KEY-----";

    fn secrets() -> Vec<String> {
        let jwt = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJDQU5BUlkifQ.CANARY-CANARY_CANARY";
        vec![
            "ghs_CANARYCANARYCANARYCANARYCANARYCANARY".into(),
            format!("ghs_12345_{jwt}"),
            "%3Aghp_CANARY".into(),
            "github_pat_11CANARY_CANARY".into(),
            jwt.into(),
            PEM.into(),
            PEM.replace('\n', "\\n"),
            PEM[..45].into(),
            "Authorization: Bearer CANARYCANARYCANARY".into(),
            "Basic eC1hY2Nlc3MtdG9rZW46Q0FOQVJZ".into(),
            "https://x-access-token:CANARY@github.com/a/b".into(),
        ]
    }

    #[test]
    fn t39_no_secret_reaches_the_log() {
        for format in [LogFormat::Human, LogFormat::Json] {
            for secret in secrets() {
                let text = logged(format, || {
                    let _span = tracing::info_span!("pass", url = %secret).entered();
                    tracing::error!(error = %secret, debug = ?secret, "it failed: {secret}");
                });
                assert!(text.contains(REMOVED), "{text}");
                for canary in ["CANARY", "Q0FOQVJZ", "eyJhbGci"] {
                    assert!(!text.contains(canary), "{secret} shows in {text}");
                }
            }
        }
    }

    #[test]
    fn ordinary_text_stays() {
        for text in
            ["laughs_ and highs", "https://github.com/acme/shop/pull/3", "a basic idea", "bearer of news", "x@y"]
        {
            assert_eq!(scrub(text), text);
        }
    }

    #[test]
    fn t38_one_event_is_one_line() {
        let branch = "main\n2026-01-01 INFO forged \u{1b}[31mred\u{1b}[0m \u{202e}gnp.exe \u{9b}31m \r \u{2028}";
        for format in [LogFormat::Human, LogFormat::Json] {
            let text = logged(format, || tracing::info!(branch = %branch, "pushed to {branch}"));
            assert_eq!(text.matches('\n').count(), 1, "{text}");
            assert!(
                !text.trim_end().contains(|c: char| c.is_control() || c == '\u{202e}' || c == '\u{2028}'),
                "{text:?}"
            );
            if format == LogFormat::Json {
                let event: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(event["branch"], branch, "nothing is lost");
            }
        }
    }

    #[test]
    fn t38_long_lines_are_cut() {
        let long = "ä".repeat(MAX_LINE);
        for format in [LogFormat::Human, LogFormat::Json] {
            let text = logged(format, || tracing::info!(long, "short"));
            assert!(text.len() <= MAX_LINE + 8, "{}", text.len());
            assert!(text.contains("short") && text.ends_with('\n'));
            if format == LogFormat::Json {
                let event: Value = serde_json::from_str(&text).unwrap();
                assert!(event["long"].as_str().unwrap().len() < MAX_FIELD + 8);
            }
        }
    }
}
