use clap::Parser;

use super::*;

const PEM: &str = "-----BEGIN RSA PRIVATE KEY-----\nCANARY\n-----END RSA PRIVATE KEY-----\n";

#[derive(Debug, Parser)]
#[command(name = "trunkline serve", no_binary_name = true)]
struct Program {
    #[command(flatten)]
    args: ServeArgs,
}

fn resolve(args: &[&str], variables: &[(&str, &str)]) -> Result<Settings, String> {
    let args = Program::try_parse_from(args).map_err(|error| error.to_string())?.args;
    let variable =
        |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    Settings::resolve(args, &variable).map_err(|problems| {
        let line = |problem: Problem| format!("{}\n  → {}\n", problem.message, problem.help.unwrap());
        problems.into_iter().map(line).collect()
    })
}

fn good() -> [(&'static str, &'static str); 2] {
    [(KEY, PEM), (SECRET, "0123456789abcdef0123, fedcba98765432100000")]
}

#[test]
fn the_least_that_works() {
    let settings = resolve(&["--app-id", "7"], &good()).unwrap();
    assert_eq!(settings.github.api, "https://api.github.com");
    assert_eq!(
        settings.webhook_secrets.as_ref().map(|secrets| format!("{secrets:?}").matches("REDACTED").count()),
        Some(2)
    );
    assert!(settings.ops_listen.ip().is_loopback());
    assert!(!format!("{settings:?}").contains("CANARY"));
    let polling = resolve(&["--app-id", "7", "--poll", "1m"], &good()[..1]).unwrap();
    assert!(polling.webhook_secrets.is_none());
    assert_eq!(polling.poll, Some(Duration::from_secs(60)));
    let escaped = PEM.replace('\n', "\\n");
    let one_line = resolve(&["--app-id", "7"], &[(KEY, &escaped), good()[1]]).unwrap();
    assert_eq!(one_line.private_key.expose_secret(), PEM);
}

#[test]
fn every_problem_is_named_with_its_next_step() {
    insta::assert_snapshot!(resolve(&["--github-url", "github.com"], &[]).unwrap_err(), @"
    the address of GitHub has no `https://` in front
      → write it as `https://github.com` or `https://github.example.com`, in `--github-url` or `TRUNKLINE_GITHUB_URL`
    no App id is set
      → pass `--app-id` or set `TRUNKLINE_APP_ID`; the id stands at the top of the App's settings page
    no private key is set
      → create one on the App's settings page, then pass its file with `--private-key-file`, or its text in `TRUNKLINE_PRIVATE_KEY`
    no webhook secret is set
      → put the one from the App's settings page into `TRUNKLINE_WEBHOOK_SECRET`, or into a file for `--webhook-secret-file`; or pass `--poll 1m` when no webhook can reach this machine
    ");
}

#[test]
fn t1_short_and_doubled_secrets_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (name, content) in [("short", "0123456789abcdef\nshort\n"), ("empty", "\n"), ("pem", PEM), ("nopem", "CANARY")]
    {
        std::fs::write(path(name), content).unwrap();
    }
    std::fs::write(path("huge"), vec![b'x'; 70_000]).unwrap();
    let mut text = String::new();
    for (flag, name) in [
        ("--webhook-secret-file", "short"),
        ("--webhook-secret-file", "empty"),
        ("--webhook-secret-file", "missing"),
        ("--webhook-secret-file", "huge"),
        ("--private-key-file", "nopem"),
    ] {
        let other = if flag == "--private-key-file" { good()[1] } else { good()[0] };
        text += &resolve(&["--app-id", "7", flag, &path(name)], &[other]).unwrap_err();
    }
    text += &resolve(&["--app-id", "7", "--private-key-file", &path("pem")], &good()).unwrap_err();
    let text = text.replace(folder.path().to_str().unwrap(), "[folder]");
    insta::assert_snapshot!(text, @"
    `[folder]/short`: webhook secret 2 has fewer than 16 bytes
      → make one with `openssl rand -hex 32`, and set the same on the App's settings page
    `[folder]/empty` is empty
      → put the webhook secret into it, one a line
    `[folder]/missing`, given with `--webhook-secret-file`, cannot be read: No such file or directory (os error 2)
      → check the path, and that this user may read it
    `[folder]/huge`, given with `--webhook-secret-file`, cannot be read: it is larger than 64 KiB
      → check the path, and that this user may read it
    the file `[folder]/nopem` holds no private key in PEM form
      → download the key from the App's settings page; it begins with `-----BEGIN RSA PRIVATE KEY-----`
    the private key is set twice: with `--private-key-file` and with `TRUNKLINE_PRIVATE_KEY`
      → remove one of the two
    ");
}

#[test]
fn githubs_addresses() {
    let told = |url: &str| match github_urls(url) {
        Ok(urls) => format!("{url}: {} {} {}\n", urls.web, urls.api, urls.graphql),
        Err(problem) => format!("{url}: {}\n", problem.message),
    };
    let text: String = [
        "https://github.com/",
        "https://ghe.example.com",
        "https://GHE.example.com:8443",
        "https://acme.ghe.com",
        "http://127.0.0.1:4000",
        "http://[::1]:4000",
        "http://ghe.example.com",
        "https://user:pass@ghe.example.com",
        "https://ghe.example.com/api/v3",
        "ghe.example.com",
        "file:///etc/passwd",
        "https://",
        "",
    ]
    .into_iter()
    .map(told)
    .collect();
    insta::assert_snapshot!(text, @"
    https://github.com/: https://github.com https://api.github.com https://api.github.com/graphql
    https://ghe.example.com: https://ghe.example.com https://ghe.example.com/api/v3 https://ghe.example.com/api/graphql
    https://GHE.example.com:8443: https://ghe.example.com:8443 https://ghe.example.com:8443/api/v3 https://ghe.example.com:8443/api/graphql
    https://acme.ghe.com: https://acme.ghe.com https://api.acme.ghe.com https://api.acme.ghe.com/graphql
    http://127.0.0.1:4000: http://127.0.0.1:4000 http://127.0.0.1:4000/api/v3 http://127.0.0.1:4000/api/graphql
    http://[::1]:4000: http://[::1]:4000 http://[::1]:4000/api/v3 http://[::1]:4000/api/graphql
    http://ghe.example.com: the address of GitHub does not begin with `https://`; tokens must not travel in the open
    https://user:pass@ghe.example.com: the address of GitHub holds credentials; Trunkline signs in as an App and needs none there
    https://ghe.example.com/api/v3: the address of GitHub has a path; only the server is wanted
    ghe.example.com: the address of GitHub has no `https://` in front
    file:///etc/passwd: the address of GitHub cannot be read
    https://: the address of GitHub has no `https://` in front
    : the address of GitHub cannot be read
    ");
}

#[test]
fn arguments_help_and_suggest() {
    let error = resolve(&["--app-idd", "7"], &[]).unwrap_err();
    assert!(error.contains("a similar argument exists: '--app-id'"), "{error}");
    for (poll, said) in [("often", "write a duration"), ("1s", "between `10s` and `24h`"), ("-1m", "")] {
        let error = resolve(&["--poll", poll], &[]).unwrap_err();
        assert!(error.contains(said), "{error}");
    }
    let error = resolve(&["--app-id", "7", "--listen", "127.0.0.1:8081"], &good()).unwrap_err();
    assert!(error.contains("a port of their own"), "{error}");
    assert!(resolve(&["--webhook-secret", "x"], &[]).is_err(), "a secret is never an argument");
}

#[test]
fn t47_the_data_folder_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("a/b");
    let settings = resolve(&["--app-id", "7", "--data-dir", data.to_str().unwrap()], &good()).unwrap();
    settings.create_data_dir().unwrap();
    assert_eq!(std::fs::metadata(&data).unwrap().permissions().mode() & 0o777, 0o700);
    assert_eq!(settings.queue_file(), data.join("queue.db"));
}
