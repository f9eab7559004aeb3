//! What `serve` needs to know, from flags, environment variables and files.
//!
//! Flags and variables are raw until [`Settings::resolve`] has checked them all; it names every problem at once, with the
//! flag, the variable or the file, and the next step. Secrets come from files or variables, never as arguments, which
//! every user of the machine can read.

use std::fs::{DirBuilder, File};
use std::io::Read;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::Uri;
use secrecy::{ExposeSecret, SecretString};

use crate::model::finding::Problem;
use crate::model::id::BadName;
use crate::registry;
use crate::telemetry::LogFormat;
use crate::web::signature::{BadSecrets, Secrets};

/// The variable that holds the private key itself.
const KEY: &str = "TRUNKLINE_PRIVATE_KEY";

/// The variable that holds the webhook secrets themselves.
const SECRET: &str = "TRUNKLINE_WEBHOOK_SECRET";

/// No key or secret is longer; a path that points to something else should not fill the memory.
const MAX_FILE: u64 = 64 << 10;

/// Sweeping more often than this would spend GitHub's hourly budget on looking.
const MIN_POLL: Duration = Duration::from_secs(10);

/// Sweeping less often than this is not what anybody who polls wants.
const MAX_POLL: Duration = Duration::from_secs(24 * 3600);

/// The arguments of `serve`, as written.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// Where GitHub is: github.com, or the address of your GitHub Enterprise Server
    #[arg(long, env = "TRUNKLINE_GITHUB_URL", value_name = "URL", default_value = "https://github.com")]
    pub github_url: String,
    /// The App's id, from the top of its settings page
    #[arg(long, env = "TRUNKLINE_APP_ID", value_name = "ID")]
    pub app_id: Option<u64>,
    /// The App's client id, which GitHub prefers to the App's id in tokens
    #[arg(long, env = "TRUNKLINE_CLIENT_ID", value_name = "ID")]
    pub client_id: Option<String>,
    /// The App's private key as a PEM file; or put the key itself into TRUNKLINE_PRIVATE_KEY
    #[arg(long, env = "TRUNKLINE_PRIVATE_KEY_FILE", value_name = "FILE")]
    pub private_key_file: Option<PathBuf>,
    /// A file with the webhook secret, one a line while you rotate it; or put it into TRUNKLINE_WEBHOOK_SECRET
    #[arg(long, env = "TRUNKLINE_WEBHOOK_SECRET_FILE", value_name = "FILE", value_delimiter = ',')]
    pub webhook_secret_file: Vec<PathBuf>,
    /// Where the queue and the git caches are kept; nothing in it is needed to start again
    #[arg(long, env = "TRUNKLINE_DATA_DIR", value_name = "FOLDER", default_value = "trunkline-data")]
    pub data_dir: PathBuf,
    /// Where GitHub's webhooks arrive
    #[arg(long, env = "TRUNKLINE_LISTEN", value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub listen: SocketAddr,
    /// Where operators find /healthz, /readyz and /metrics
    #[arg(long, env = "TRUNKLINE_OPS_LISTEN", value_name = "ADDRESS", default_value = "127.0.0.1:8081")]
    pub ops_listen: SocketAddr,
    /// Look at every repository this often, such as 1m, where no webhook can reach this machine
    #[arg(long, env = "TRUNKLINE_POLL", value_name = "DURATION", value_parser = poll)]
    pub poll: Option<Duration>,
    /// The only image registries that may be asked, such as ghcr.io,registry.internal:5000 (http:// in front for one without TLS);
    /// without it any public one that a configuration lists
    #[arg(long, env = "TRUNKLINE_REGISTRIES", value_name = "HOSTS", value_delimiter = ',')]
    pub registries: Vec<String>,
    /// A docker configuration with credentials of registries, as a Kubernetes image pull secret holds it; read at the start
    #[arg(long, env = "TRUNKLINE_DOCKER_CONFIG", value_name = "FILE")]
    pub docker_config: Option<PathBuf>,
    /// How the log is written
    #[arg(long, env = "TRUNKLINE_LOG_FORMAT", value_name = "FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// What is logged, such as info or info,trunkline::github=debug
    #[arg(long, env = "TRUNKLINE_LOG", value_name = "FILTER", default_value = "info")]
    pub log: String,
}

/// The addresses of one GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GithubUrls {
    /// What people open, and what git clones from: `https://github.com`.
    pub web: String,
    /// REST, without trailing slash: `https://api.github.com`, or `https://ghe.example.com/api/v3`.
    pub api: String,
    /// GraphQL: `https://api.github.com/graphql`, or `https://ghe.example.com/api/graphql`.
    pub graphql: String,
}

/// What `serve` works with, checked.
#[derive(Debug)]
pub struct Settings {
    /// The GitHub it serves.
    pub github: GithubUrls,
    /// The App's id.
    pub app_id: u64,
    /// The App's client id, when it is known.
    pub client_id: Option<String>,
    /// The App's private key, as PEM.
    pub private_key: SecretString,
    /// The webhook secrets; none only when polling, and then no webhook is served.
    pub webhook_secrets: Option<Secrets>,
    /// Where the queue and the caches are.
    pub data_dir: PathBuf,
    /// Where webhooks arrive.
    pub listen: SocketAddr,
    /// Where operators look.
    pub ops_listen: SocketAddr,
    /// How often to sweep, when no webhook can reach us.
    pub poll: Option<Duration>,
    /// Which image registries may be asked, and with which credentials.
    pub registries: registry::Config,
    /// How the log is written.
    pub log_format: LogFormat,
    /// What is logged.
    pub log: String,
}

impl Settings {
    /// Checks the arguments, and reads the secrets through `variable`, which is the environment outside of tests.
    ///
    /// # Errors
    /// Every problem there is.
    pub fn resolve(args: ServeArgs, variable: &dyn Fn(&str) -> Option<String>) -> Result<Settings, Vec<Problem>> {
        let mut problems = Vec::new();
        let mut keep = |result: Result<(), Problem>| problems.extend(result.err());
        let mut github = None;
        keep(github_urls(&args.github_url).map(|urls| github = Some(urls)));
        let mut app_id = None;
        keep(required_id(args.app_id).map(|id| app_id = Some(id)));
        let mut private_key = None;
        keep(read_key(args.private_key_file.as_deref(), variable).map(|key| private_key = Some(key)));
        let mut webhook_secrets = None;
        keep(
            read_secrets(&args.webhook_secret_file, args.poll.is_some(), variable)
                .map(|secrets| webhook_secrets = secrets),
        );
        let mut registries = registry::Config::default();
        keep(listed(&args.registries).map(|listed| registries.listed = listed));
        keep(
            args.docker_config
                .as_deref()
                .map_or(Ok(registry::Credentials::default()), credentials)
                .map(|found| registries.credentials = found),
        );
        if args.listen == args.ops_listen && args.listen.port() != 0 {
            keep(Err(problem(
                format!("`--listen` and `--ops-listen` are both {}", args.listen),
                "give operators a port of their own, so that metrics are not public",
            )));
        }
        match (github, app_id, private_key) {
            (Some(github), Some(app_id), Some(private_key)) if problems.is_empty() => Ok(Settings {
                github,
                app_id,
                client_id: args.client_id,
                private_key,
                webhook_secrets,
                data_dir: args.data_dir,
                listen: args.listen,
                ops_listen: args.ops_listen,
                poll: args.poll,
                registries,
                log_format: args.log_format,
                log: args.log,
            }),
            _ => Err(problems),
        }
    }

    /// The queue's file.
    pub fn queue_file(&self) -> PathBuf {
        self.data_dir.join("queue.db")
    }

    /// Creates the data folder, for its owner only: it tells which private repositories exist.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn create_data_dir(&self) -> Result<(), Problem> {
        DirBuilder::new().recursive(true).mode(0o700).create(&self.data_dir).map_err(|error| {
            problem(
                format!("the data folder `{}` cannot be created: {error}", self.data_dir.display()),
                "pass a folder this user may write to with `--data-dir`, or set `TRUNKLINE_DATA_DIR`",
            )
        })
    }
}

/// The addresses of the GitHub whose web page is at `url`.
///
/// # Errors
/// When it is no address of a server, or would carry tokens in the open.
pub fn github_urls(url: &str) -> Result<GithubUrls, Problem> {
    let help =
        "write it as `https://github.com` or `https://github.example.com`, in `--github-url` or `TRUNKLINE_GITHUB_URL`";
    // Not quoted whole: somebody may have put credentials into it.
    let bad = |why: &str| problem(format!("the address of GitHub {why}"), help);
    let uri: Uri = url.trim_end_matches('/').parse().map_err(|_| bad("cannot be read"))?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(bad("has no `https://` in front"));
    };
    if authority.as_str().contains('@') {
        return Err(bad("holds credentials; Trunkline signs in as an App and needs none there"));
    }
    if uri.path() != "/" || uri.query().is_some() {
        return Err(bad("has a path; only the server is wanted"));
    }
    let host = authority.host().to_ascii_lowercase();
    let loopback = host == "localhost"
        || host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    if scheme != "https" && !(scheme == "http" && loopback) {
        return Err(bad("does not begin with `https://`; tokens must not travel in the open"));
    }
    let place = authority.as_str().to_ascii_lowercase();
    Ok(match place.as_str() {
        "github.com" | "www.github.com" | "api.github.com" => GithubUrls {
            web: "https://github.com".into(),
            api: "https://api.github.com".into(),
            graphql: "https://api.github.com/graphql".into(),
        },
        // GitHub Enterprise Cloud with data residency.
        _ if host.ends_with(".ghe.com") => GithubUrls {
            web: format!("{scheme}://{place}"),
            api: format!("{scheme}://api.{place}"),
            graphql: format!("{scheme}://api.{place}/graphql"),
        },
        _ => GithubUrls {
            web: format!("{scheme}://{place}"),
            api: format!("{scheme}://{place}/api/v3"),
            graphql: format!("{scheme}://{place}/api/graphql"),
        },
    })
}

/// The registries an operator lists; none listed is no limit.
fn listed(hosts: &[String]) -> Result<Option<Vec<registry::Listed>>, Problem> {
    let hosts = hosts.iter().map(|host| host.trim()).filter(|host| !host.is_empty());
    let read = |host: &str| {
        host.parse().map_err(|error: BadName| {
            let help = "write them as `ghcr.io,registry.internal:5000` in `--registries` or `TRUNKLINE_REGISTRIES`";
            problem(error.to_string(), help)
        })
    };
    let all: Vec<registry::Listed> = hosts.map(read).collect::<Result<_, _>>()?;
    Ok((!all.is_empty()).then_some(all))
}

fn credentials(file: &Path) -> Result<registry::Credentials, Problem> {
    let text = read(file, "--docker-config")?;
    registry::Credentials::from_docker_config(&text).map_err(|why| {
        let help = "give it `auths` with user and password for each registry, as `kubectl create secret docker-registry` makes it";
        problem(format!("`{}`, given with `--docker-config`, {why}", file.display()), help)
    })
}

fn required_id(id: Option<u64>) -> Result<u64, Problem> {
    id.filter(|id| *id > 0).ok_or_else(|| {
        let help = "pass `--app-id` or set `TRUNKLINE_APP_ID`; the id stands at the top of the App's settings page";
        problem("no App id is set".into(), help)
    })
}

fn read_key(file: Option<&Path>, variable: &dyn Fn(&str) -> Option<String>) -> Result<SecretString, Problem> {
    let (source, text) = match (file, variable(KEY).filter(|text| !text.trim().is_empty())) {
        (Some(_), Some(_)) => return Err(twice("the private key", "--private-key-file", KEY)),
        (Some(file), None) => (format!("the file `{}`", file.display()), read(file, "--private-key-file")?),
        // Many places that keep variables cannot keep line ends.
        (None, Some(text)) => (format!("the variable `{KEY}`"), SecretString::from(text.replace("\\n", "\n"))),
        (None, None) => {
            let help = format!(
                "create one on the App's settings page, then pass its file with `--private-key-file`, or its text in `{KEY}`"
            );
            return Err(problem("no private key is set".into(), &help));
        }
    };
    let pem = text.expose_secret();
    if pem.contains("-----BEGIN ") && pem.contains("PRIVATE KEY-----") && pem.contains("-----END ") {
        return Ok(text);
    }
    let help = "download the key from the App's settings page; it begins with `-----BEGIN RSA PRIVATE KEY-----`";
    Err(problem(format!("{source} holds no private key in PEM form"), help))
}

fn read_secrets(
    files: &[PathBuf],
    polling: bool,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Secrets>, Problem> {
    let text = variable(SECRET).filter(|text| !text.trim().is_empty());
    if !files.is_empty() && text.is_some() {
        return Err(twice("the webhook secret", "--webhook-secret-file", SECRET));
    }
    let mut found: Vec<SecretString> = Vec::new();
    let mut take = |text: &str, between: char| {
        found.extend(text.split(between).map(str::trim).filter(|part| !part.is_empty()).map(SecretString::from));
    };
    for file in files {
        take(read(file, "--webhook-secret-file")?.expose_secret(), '\n');
    }
    if let Some(text) = text {
        take(&text, ',');
    }
    if found.is_empty() && files.is_empty() && polling {
        return Ok(None);
    }
    // The label is the place in the list: it shows in the metric which one GitHub still signs with.
    let labelled = found.into_iter().enumerate().map(|(n, secret)| ((n + 1).to_string(), secret)).collect();
    let source = match files {
        [] => format!("`{SECRET}`"),
        files => files.iter().map(|file| format!("`{}`", file.display())).collect::<Vec<_>>().join(", "),
    };
    Secrets::new(labelled).map(Some).map_err(|bad| match bad {
        BadSecrets::None if files.is_empty() => problem(
            "no webhook secret is set".into(),
            &format!(
                "put the one from the App's settings page into `{SECRET}`, or into a file for `--webhook-secret-file`; \
                 or pass `--poll 1m` when no webhook can reach this machine"
            ),
        ),
        BadSecrets::None => problem(format!("{source} is empty"), "put the webhook secret into it, one a line"),
        bad => problem(
            format!("{source}: {bad}"),
            "make one with `openssl rand -hex 32`, and set the same on the App's settings page",
        ),
    })
}

fn read(file: &Path, flag: &str) -> Result<SecretString, Problem> {
    let failed = |why: String| {
        problem(
            format!("`{}`, given with `{flag}`, cannot be read: {why}", file.display()),
            "check the path, and that this user may read it",
        )
    };
    let mut text = String::new();
    let opened = File::open(file).map_err(|error| failed(error.to_string()))?;
    opened.take(MAX_FILE + 1).read_to_string(&mut text).map_err(|error| failed(error.to_string()))?;
    if text.len() as u64 > MAX_FILE {
        return Err(failed(format!("it is larger than {} KiB", MAX_FILE >> 10)));
    }
    Ok(text.into())
}

fn poll(text: &str) -> Result<Duration, String> {
    let parsed = text.parse::<jiff::SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    let duration = parsed.ok_or("write a duration such as `30s`, `1m` or `1h`")?;
    if (MIN_POLL..=MAX_POLL).contains(&duration) {
        Ok(duration)
    } else {
        Err("choose between `10s` and `24h`".to_owned())
    }
}

fn twice(what: &str, flag: &str, variable: &str) -> Problem {
    problem(format!("{what} is set twice: with `{flag}` and with `{variable}`"), "remove one of the two")
}

fn problem(message: String, help: &str) -> Problem {
    Problem { location: None, message, help: Some(help.to_owned()) }
}

#[cfg(test)]
mod tests;
