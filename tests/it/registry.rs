//! Image registries: a real one with small real images, and a made-up one that signs people in, sends them elsewhere, and lies.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use secrecy::SecretString;
use sha2::{Digest as _, Sha256};
use tower::ServiceExt;
use trunkline::clock::Clock;
use trunkline::model::image::{ImageRef, ImageState};
use trunkline::registry::{Config, Credentials, Registries};
use trunkline::transport::{HttpRequest, HttpService, Transport};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn clock() -> Clock {
    Clock::manual("2026-11-02T09:00:00Z".parse().unwrap())
}

/// What the answer says, in a word.
async fn ask(registries: &Registries, image: &str, reference: &str) -> String {
    let reference = match reference.parse() {
        Ok(digest) => ImageRef::Digest(digest),
        Err(_) => ImageRef::Tag(reference.parse().unwrap()),
    };
    match registries.find(&image.parse().unwrap(), &reference).await {
        Ok(ImageState::Found(digest)) => digest.to_string(),
        Ok(ImageState::Missing { .. }) => "missing".to_owned(),
        Err(error) => error.to_string(),
    }
}

mod real {
    use super::*;

    /// Debian's `docker-registry`, which is CNCF's distribution, on a free port of loopback.
    struct Registry {
        child: Child,
        place: String,
        _dir: tempfile::TempDir,
    }

    impl Drop for Registry {
        fn drop(&mut self) {
            let _gone = self.child.kill();
            let _reaped = self.child.wait();
        }
    }

    fn program() -> Option<&'static str> {
        let found = ["/usr/bin/docker-registry", "/usr/local/bin/docker-registry"];
        let found = found.into_iter().find(|path| Path::new(path).exists());
        if found.is_none() {
            eprintln!("skipped: docker-registry is not there; run tests/tools/install as root, on Debian or Ubuntu");
        }
        found
    }

    impl Registry {
        fn start(password: Option<&str>) -> Option<Registry> {
            let program = program()?;
            let dir = tempfile::tempdir().unwrap();
            let place = dir.path().display();
            let auth = password.map_or(String::new(), |line| {
                std::fs::write(dir.path().join("htpasswd"), line).unwrap();
                format!("auth:\n  htpasswd:\n    realm: test\n    path: {place}/htpasswd\n")
            });
            let config = format!(
                "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    rootdirectory: {place}/data\n{auth}http:\n  addr: 127.0.0.1:0\n"
            );
            std::fs::write(dir.path().join("config.yml"), config).unwrap();
            let mut command = Command::new(program);
            command.args(["serve", &format!("{place}/config.yml")]).stdout(Stdio::null()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
            let place = lines.by_ref().map_while(Result::ok).find_map(|line| {
                let after = line.split_once("listening on ")?.1.to_owned();
                Some(after.chars().take_while(|c| c.is_ascii_digit() || ".:".contains(*c)).collect::<String>())
            });
            // Whoever stops reading stops the one who writes.
            std::thread::spawn(move || lines.for_each(drop));
            Some(Registry { child, place: place.expect("the registry did not start"), _dir: dir })
        }

        async fn send(&self, method: &str, path: &str, kind: &str, body: Vec<u8>) -> Response<Bytes> {
            let service = Transport::Network.service().unwrap();
            let uri = if path.starts_with("http") { path.to_owned() } else { format!("http://{}{path}", self.place) };
            let request = Request::builder().method(method).uri(uri).header("content-type", kind);
            let request = request.header("authorization", "Basic YW5uOm9ubHktZm9yLXRoaXMtdGVzdA==");
            let (parts, body) = service.oneshot(request.body(Full::from(body)).unwrap()).await.unwrap().into_parts();
            Response::from_parts(parts, body.collect().await.unwrap().to_bytes())
        }

        async fn blob(&self, name: &str, bytes: &[u8]) -> String {
            let begun = self.send("POST", &format!("/v2/{name}/blobs/uploads/"), "application/json", Vec::new()).await;
            let location = begun.headers()["location"].to_str().unwrap().to_owned();
            let digest = digest(bytes);
            let to = format!("{location}&digest={}", digest.replace(':', "%3A"));
            let done = self.send("PUT", &to, "application/octet-stream", bytes.to_vec()).await;
            assert_eq!(done.status(), 201, "{:?}", done.body());
            digest
        }

        /// A small image of one layer; the answer is its digest.
        async fn push(&self, name: &str, tag: &str, content: &str) -> String {
            let config =
                format!(r#"{{"architecture":"amd64","os":"linux","config":{{"Labels":{{"c":"{content}"}}}}}}"#);
            let (config_digest, layer) =
                (self.blob(name, config.as_bytes()).await, self.blob(name, content.as_bytes()).await);
            let manifest = format!(
                r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{config_digest}","size":{}}},"layers":[{{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"{layer}","size":{}}}]}}"#,
                config.len(),
                content.len()
            );
            self.manifest(name, tag, MANIFEST, &manifest).await
        }

        async fn manifest(&self, name: &str, tag: &str, kind: &str, text: &str) -> String {
            let done = self.send("PUT", &format!("/v2/{name}/manifests/{tag}"), kind, text.as_bytes().to_vec()).await;
            assert_eq!(done.status(), 201, "{:?}", done.body());
            digest(text.as_bytes())
        }

        fn ask_as(&self, credentials: Credentials) -> Registries {
            let listed = format!("http://{}", self.place);
            let config = Config { listed: Some(vec![listed.parse().unwrap()]), credentials };
            Registries::new(config, clock(), &Transport::Network).unwrap()
        }
    }

    #[tokio::test]
    async fn e27_images_are_found_by_tag_and_digest_in_a_real_registry() {
        let Some(registry) = Registry::start(None) else { return };
        let first = registry.push("acme/shop", "v1.0-rc.1", "one").await;
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{{"mediaType":"{MANIFEST}","digest":"{first}","size":1,"platform":{{"architecture":"amd64","os":"linux"}}}}]}}"#
        );
        let registries = registry.ask_as(Credentials::default());
        let image = format!("{}/acme/shop", registry.place);
        assert_eq!(ask(&registries, &image, "v1.0-rc.1").await, first);
        assert_eq!(ask(&registries, &image, &first).await, first);
        assert_eq!(ask(&registries, &image, "v1.0").await, "missing");
        assert_eq!(ask(&registries, &image, &digest(b"nothing")).await, "missing");
        assert_eq!(ask(&registries, &format!("{}/acme/other", registry.place), "v1.0").await, "missing");
        // For several architectures the index is what is pinned.
        let several = registry.manifest("acme/shop", "v2.0", INDEX, &index).await;
        assert_eq!(ask(&registries, &image, "v2.0").await, several);
        // Its tag moves; its digest stays.
        let second = registry.push("acme/shop", "v1.0-rc.1", "two").await;
        let later = registry.ask_as(Credentials::default());
        assert_eq!(ask(&later, &image, "v1.0-rc.1").await, second);
        assert_eq!(ask(&later, &image, &first).await, first);
    }

    #[tokio::test]
    async fn a_real_registry_wants_to_know_who_asks() {
        let line = "ann:$2a$04$abcdefghijklmnopqrstuuksBkI1YOOqxWRoEu7YcL.Xb.fRlWgPa\n";
        let Some(registry) = Registry::start(Some(line)) else { return };
        let first = registry.push("acme/shop", "v1.0", "one").await;
        let image = format!("{}/acme/shop", registry.place);
        let signed_in = |password: &str| {
            let text = format!(r#"{{"auths":{{"{}":{{"username":"ann","password":"{password}"}}}}}}"#, registry.place);
            registry.ask_as(Credentials::from_docker_config(&SecretString::from(text)).unwrap())
        };
        assert_eq!(ask(&signed_in("only-for-this-test"), &image, "v1.0").await, first);
        let place = &registry.place;
        let told = ask(&registry.ask_as(Credentials::default()), &image, "v1.0").await;
        assert_eq!(
            told,
            format!("{place} shows it only to those it knows, and we have no credentials for it (`--docker-config`)")
        );
        let told = ask(&signed_in("wrong-one"), &image, "v1.0").await;
        assert_eq!(told, format!("{place} does not accept the credentials we have for it"));
    }

    #[tokio::test]
    async fn t42_a_registry_inside_is_asked_only_when_the_operator_lists_it() {
        let Some(registry) = Registry::start(None) else { return };
        registry.push("acme/shop", "v1.0", "one").await;
        let image = format!("{}/acme/shop", registry.place);
        let registries = Registries::new(Config::default(), clock(), &Transport::Network).unwrap();
        let place = &registry.place;
        let told =
            format!("{place} is not at a public address; whoever runs Trunkline may list it (`--registries {place}`)");
        assert_eq!(ask(&registries, &image, "v1.0").await, told);
        // Listed with TLS is not listed without.
        let config = Config { listed: Some(vec![place.parse().unwrap()]), ..Config::default() };
        let registries = Registries::new(config, clock(), &Transport::Network).unwrap();
        assert_eq!(ask(&registries, &image, "v1.0").await, format!("{place} does not answer"));
    }
}

/// One answer of the made-up registry.
struct Canned {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

fn canned(status: u16, headers: &[(&'static str, &str)], body: &str) -> Canned {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Canned { status, headers, body: body.to_owned() }
}

/// A registry that answers from a list, and writes down what it was asked.
#[derive(Clone, Default)]
struct Fake {
    answers: Arc<Mutex<VecDeque<Canned>>>,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    fn answering(answers: Vec<Canned>) -> Fake {
        Fake { answers: Arc::new(Mutex::new(answers.into())), asked: Arc::default() }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }

    fn service(&self) -> HttpService {
        let fake = self.clone();
        HttpService::new(
            tower::service_fn(move |request: HttpRequest| {
                let fake = fake.clone();
                async move {
                    let (parts, body) = request.into_parts();
                    let body = body.collect().await.unwrap().to_bytes();
                    let who = parts.headers.get("authorization").map_or("nobody", |value| value.to_str().unwrap());
                    let body = String::from_utf8_lossy(&body);
                    let line = format!("{} {} by {who} {body}", parts.method, parts.uri);
                    fake.asked.lock().unwrap().push(line.trim_end().to_owned());
                    let Some(answer) = fake.answers.lock().unwrap().pop_front() else {
                        return Err(std::io::Error::other("it is away"));
                    };
                    let mut response = Response::builder().status(answer.status);
                    for (name, value) in answer.headers {
                        response = response.header(name, value);
                    }
                    Ok(response.body(Full::from(answer.body)).unwrap())
                }
            })
            .map_response(|response: Response<Full<Bytes>>| {
                response.map(|body| body.map_err(|never| match never {}).boxed_unsync())
            })
            .map_err(Into::into),
        )
    }

    fn registries(&self, docker_config: &str, clock: &Clock) -> Registries {
        let credentials = Credentials::from_docker_config(&SecretString::from(docker_config)).unwrap();
        let config = Config { listed: None, credentials };
        Registries::new(config, clock.clone(), &Transport::Service(self.service())).unwrap()
    }
}

const IMAGE: &str = "ghcr.io/acme/shop";
const ANN: &str =
    r#"{"auths":{"ghcr.io":{"username":"ann","password":"pw"},"docker.io":{"username":"hub","password":"pw"}}}"#;

fn found(content: &str) -> Canned {
    canned(200, &[("docker-content-digest", &digest(content.as_bytes()))], "")
}

fn wants(realm: &str) -> Canned {
    let challenge = format!(r#"Bearer realm="{realm}",service="s v",scope="repository:evil:push,pull""#);
    canned(401, &[("www-authenticate", &challenge)], "")
}

fn token(token: &str, lasts: u64) -> Canned {
    canned(200, &[], &format!(r#"{{"token":"{token}","expires_in":{lasts}}}"#))
}

#[tokio::test]
async fn a_token_is_fetched_once_used_again_and_replaced_when_it_ends() {
    let clock = clock();
    let fake = Fake::answering(vec![wants("https://ghcr.io/token"), token("t1", 300), found("a"), found("b")]);
    let registries = fake.registries("{}", &clock);
    assert_eq!(ask(&registries, IMAGE, "v1").await, digest(b"a"));
    assert_eq!(ask(&registries, IMAGE, "v1").await, digest(b"a"), "remembered");
    assert_eq!(ask(&registries, IMAGE, "v2").await, digest(b"b"));
    insta::assert_snapshot!(fake.asked().join("\n"), @"
    HEAD https://ghcr.io/v2/acme/shop/manifests/v1 by nobody
    GET https://ghcr.io/token?scope=repository%3Aacme%2Fshop%3Apull&service=s%20v by nobody
    HEAD https://ghcr.io/v2/acme/shop/manifests/v1 by Bearer t1
    HEAD https://ghcr.io/v2/acme/shop/manifests/v2 by Bearer t1
    ");
    clock.advance(Duration::from_secs(290));
    fake.answers.lock().unwrap().extend([wants("https://ghcr.io/token"), token("t2", 300), found("c")]);
    assert_eq!(ask(&registries, IMAGE, "v2").await, digest(b"c"));
    insta::assert_snapshot!(fake.asked().join("\n"), @"
    HEAD https://ghcr.io/v2/acme/shop/manifests/v2 by nobody
    GET https://ghcr.io/token?scope=repository%3Aacme%2Fshop%3Apull&service=s%20v by nobody
    HEAD https://ghcr.io/v2/acme/shop/manifests/v2 by Bearer t2
    ");
    // One that is taken back is replaced once.
    clock.advance(Duration::from_secs(61));
    fake.answers.lock().unwrap().extend([wants("https://ghcr.io/token"), token("t3", 300), found("d")]);
    assert_eq!(ask(&registries, IMAGE, "v2").await, digest(b"d"));
    insta::assert_snapshot!(fake.asked().join("\n"), @"
    HEAD https://ghcr.io/v2/acme/shop/manifests/v2 by Bearer t2
    GET https://ghcr.io/token?scope=repository%3Aacme%2Fshop%3Apull&service=s%20v by nobody
    HEAD https://ghcr.io/v2/acme/shop/manifests/v2 by Bearer t3
    ");
}

#[tokio::test]
async fn t39_credentials_go_to_the_registry_they_are_for_and_its_own_tokens() {
    let (clock, hub) = (clock(), "docker.io/acme/shop");
    let run = async |image: &str, answers: Vec<Canned>| {
        let fake = Fake::answering(answers);
        let told = ask(&fake.registries(ANN, &clock), image, "v1").await;
        format!("{told}\n{}", fake.asked().join("\n"))
    };
    insta::assert_snapshot!(run(hub, vec![wants("https://auth.docker.io/token?x=1"), token("t", 60), found("a")]).await, @"
    sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb
    HEAD https://registry-1.docker.io/v2/acme/shop/manifests/v1 by nobody
    GET https://auth.docker.io/token?x=1&scope=repository%3Aacme%2Fshop%3Apull&service=s%20v by Basic aHViOnB3
    HEAD https://registry-1.docker.io/v2/acme/shop/manifests/v1 by Bearer t
    ");
    insta::assert_snapshot!(run(IMAGE, vec![canned(401, &[("www-authenticate", "Basic realm=x")], ""), found("a")]).await, @"
    sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb
    HEAD https://ghcr.io/v2/acme/shop/manifests/v1 by nobody
    HEAD https://ghcr.io/v2/acme/shop/manifests/v1 by Basic YW5uOnB3
    ");
    insta::assert_snapshot!(run(IMAGE, vec![wants("https://evil.example/token")]).await, @"
    ghcr.io wants our credentials for it sent to another domain, which we do not do
    HEAD https://ghcr.io/v2/acme/shop/manifests/v1 by nobody
    ");
    insta::assert_snapshot!(run(IMAGE, vec![wants("http://ghcr.io/token")]).await, @"
    ghcr.io cannot be understood: where its tokens are made is no address we would ask
    HEAD https://ghcr.io/v2/acme/shop/manifests/v1 by nobody
    ");
    insta::assert_snapshot!(run(IMAGE, vec![wants("https://ghcr.io@evil.example/token")]).await, @"
    ghcr.io cannot be understood: where its tokens are made is no address we would ask
    HEAD https://ghcr.io/v2/acme/shop/manifests/v1 by nobody
    ");
    // Nobody's credentials: the realm is asked without any.
    insta::assert_snapshot!(run("quay.io/acme/shop", vec![wants("https://auth.example.com/t"), token("t", 60), found("a")]).await, @"
    sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb
    HEAD https://quay.io/v2/acme/shop/manifests/v1 by nobody
    GET https://auth.example.com/t?scope=repository%3Aacme%2Fshop%3Apull&service=s%20v by nobody
    HEAD https://quay.io/v2/acme/shop/manifests/v1 by Bearer t
    ");
    insta::assert_snapshot!(run("quay.io/acme/shop", vec![canned(401, &[("www-authenticate", "Basic realm=x")], "")]).await, @"
    quay.io shows it only to those it knows, and we have no credentials for it (`--docker-config`)
    HEAD https://quay.io/v2/acme/shop/manifests/v1 by nobody
    ");
    // Elsewhere nothing is asked at all.
    insta::assert_snapshot!(run(IMAGE, vec![canned(307, &[("location", "https://evil.example/")], "")]).await, @"
    ghcr.io cannot be understood: it sends us to another place; list that registry instead
    HEAD https://ghcr.io/v2/acme/shop/manifests/v1 by nobody
    ");
}

#[tokio::test]
async fn an_identity_token_is_posted_for_a_token_that_pulls_one_image() {
    let fake = Fake::answering(vec![wants("https://ghcr.io/token"), token("t", 60), found("a")]);
    let registries = fake.registries(r#"{"auths":{"ghcr.io":{"identitytoken":"i d"}}}"#, &clock());
    assert_eq!(ask(&registries, IMAGE, "v1").await, digest(b"a"));
    insta::assert_snapshot!(fake.asked().join("\n"), @"
    HEAD https://ghcr.io/v2/acme/shop/manifests/v1 by nobody
    POST https://ghcr.io/token by nobody scope=repository%3Aacme%2Fshop%3Apull&service=s%20v&grant_type=refresh_token&client_id=trunkline&refresh_token=i%20d
    HEAD https://ghcr.io/v2/acme/shop/manifests/v1 by Bearer t
    ");
}

#[tokio::test]
async fn a_registry_that_is_slow_of_speech_or_lies_is_seen_through() {
    let clock = clock();
    let run = async |reference: &str, answers: Vec<Canned>| {
        let fake = Fake::answering(answers);
        let told = ask(&fake.registries("{}", &clock), IMAGE, reference).await;
        format!("{told}\n{}", fake.asked().join("\n"))
    };
    // No digest in the header, or no such method: the body tells.
    insta::assert_snapshot!(run("v1", vec![canned(200, &[], ""), canned(200, &[], "{}")]).await, @"
    sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a
    HEAD https://ghcr.io/v2/acme/shop/manifests/v1 by nobody
    GET https://ghcr.io/v2/acme/shop/manifests/v1 by nobody
    ");
    insta::assert_snapshot!(run("v1", vec![canned(405, &[], ""), canned(200, &[], "{}")]).await, @"
    sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a
    HEAD https://ghcr.io/v2/acme/shop/manifests/v1 by nobody
    GET https://ghcr.io/v2/acme/shop/manifests/v1 by nobody
    ");
    let wrong = digest(b"x");
    insta::assert_snapshot!(run(&wrong, vec![found("y")]).await, @"
    ghcr.io cannot be understood: it answers with another image than was asked for
    HEAD https://ghcr.io/v2/acme/shop/manifests/sha256:2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881 by nobody
    ");
    insta::assert_snapshot!(run("v1", vec![canned(200, &[("docker-content-digest", "sha256:../..")], ""), canned(200, &[], "a")]).await, @"
    sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb
    HEAD https://ghcr.io/v2/acme/shop/manifests/v1 by nobody
    GET https://ghcr.io/v2/acme/shop/manifests/v1 by nobody
    ");
    insta::assert_snapshot!(run("v1", vec![canned(405, &[], ""), canned(200, &[], &"x".repeat(4 << 20 | 1))]).await, @"
    ghcr.io does not answer
    HEAD https://ghcr.io/v2/acme/shop/manifests/v1 by nobody
    GET https://ghcr.io/v2/acme/shop/manifests/v1 by nobody
    ");
    insta::assert_snapshot!(run("v1", vec![canned(500, &[], "<b>@everyone</b>")]).await, @"
    ghcr.io answers 500
    HEAD https://ghcr.io/v2/acme/shop/manifests/v1 by nobody
    ");
    insta::assert_snapshot!(run("v1", vec![wants("https://ghcr.io/token"), canned(200, &[], "{}")]).await, @"
    ghcr.io cannot be understood: the token it gives cannot be read
    HEAD https://ghcr.io/v2/acme/shop/manifests/v1 by nobody
    GET https://ghcr.io/token?scope=repository%3Aacme%2Fshop%3Apull&service=s%20v by nobody
    ");
    insta::assert_snapshot!(run("v1", vec![wants("https://ghcr.io/token"), token("a\\nb", 60)]).await, @"
    ghcr.io cannot be understood: the token it gives cannot be read
    HEAD https://ghcr.io/v2/acme/shop/manifests/v1 by nobody
    GET https://ghcr.io/token?scope=repository%3Aacme%2Fshop%3Apull&service=s%20v by nobody
    ");
    insta::assert_snapshot!(run("v1", vec![]).await, @"
    ghcr.io does not answer
    HEAD https://ghcr.io/v2/acme/shop/manifests/v1 by nobody
    ");
}

#[tokio::test]
async fn a_busy_registry_is_left_alone_for_as_long_as_it_asks() {
    let clock = clock();
    let fake = Fake::answering(vec![canned(429, &[("retry-after", "30")], ""), found("a")]);
    let registries = fake.registries("{}", &clock);
    assert_eq!(ask(&registries, IMAGE, "v1").await, "ghcr.io has had too many questions and wants a pause");
    clock.advance(Duration::from_secs(29));
    assert_eq!(
        ask(&registries, "ghcr.io/acme/other", "v1").await,
        "ghcr.io has had too many questions and wants a pause"
    );
    assert_eq!(fake.asked().len(), 1);
    clock.advance(Duration::from_secs(1));
    assert_eq!(ask(&registries, IMAGE, "v1").await, digest(b"a"));
}
