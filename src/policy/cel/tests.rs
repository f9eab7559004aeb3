use super::value::{of, text, truth};
use super::*;
use crate::manifest::load;

/// The value of `source` over `object`, as text: the truth, the text, `error: why`, or how the engine prints it.
fn ask(source: &str, yaml: &str) -> String {
    let loaded = load(&"a.yaml".parse().unwrap(), yaml.as_bytes());
    let mut scope = Scope::new();
    if let Some(document) = loaded.documents.first() {
        scope.set("object", of(&document.node));
    }
    match Expression::compile(source).and_then(|expression| expression.evaluate(&scope)) {
        Ok(value) => match (truth(value.as_ref()), text(value.as_ref())) {
            (Some(truth), _) => truth.to_string(),
            (_, Some(text)) => text.to_owned(),
            _ => format!("{value:?}"),
        },
        Err(error) => format!("error: {error}"),
    }
}

const OBJECT: &str = "kind: Pod
spec:
  replicas: 3
  ratio: 0.5
  active: true
  nothing: null
  labels: { b: '2', a: '1' }
  containers:
    - { name: app, image: 'ghcr.io/acme/app:1', ports: [{ port: 80 }, { port: 443 }] }
    - { name: side, image: 'docker.io/side' }
";

#[test]
fn manifests_are_what_the_api_server_sees() {
    for (source, answer) in [
        ("object.spec.replicas == 3 && object.spec.replicas > 2", "true"),
        ("type(object.spec.replicas) == int && object.spec.ratio == 0.5", "true"),
        ("object.spec.active && object.spec.nothing == null", "true"),
        ("has(object.spec.labels.a) && !has(object.spec.labels.c)", "true"),
        ("object.spec.labels.map(key, key + '=' + object.spec.labels[key]).join(',')", "a=1,b=2"),
        ("'a' in object.spec.labels && size(object.spec.labels) == 2", "true"),
        ("object.spec.labels == {'a': '1', 'b': '2'} && {'b': '2', 'a': '1'} == object.spec.labels", "true"),
        ("object.spec.labels != {'a': '1'} && {'a': '1'} != object.spec.labels", "true"),
        ("object.spec.?missing.orValue('none')", "none"),
        ("object.spec.?labels.?a.orValue('none')", "1"),
        ("object.spec.containers.filter(c, c.image.startsWith('ghcr.io/')).map(c, c.name).join()", "app"),
        ("object.spec.containers.all(c, c.?ports.orValue([]).all(p, p.port > 0))", "true"),
        ("object.spec.missing == 1", "error: No such key: missing"),
        ("'é'.size() == 1 && 1 == 1.0", "true"),
        ("'%s has %d'.format([object.kind, object.spec.replicas])", "Pod has 3"),
    ] {
        assert_eq!(ask(source, OBJECT), answer, "{source}");
    }
}

#[test]
fn every_library_of_kubernetes() {
    for source in [
        "quantity('1.5Gi').compareTo(quantity('1536Mi')) == 0 && quantity('100m').isLessThan(quantity('1'))",
        "quantity('1k').asInteger() == 1000 && !quantity('1500m').isInteger() && quantity('500m').asApproximateFloat() == 0.5",
        "quantity('1e3') == quantity('1k') && quantity('-1').sign() == -1 && quantity('1').add(quantity('1')).sub(2).sign() == 0",
        "isQuantity('1Ei') && !isQuantity('1.5.2') && !isQuantity('Gi') && !isQuantity('1 Gi') && !isQuantity('')",
        "'abc 123'.find('[0-9]+') == '123' && 'a'.find('x') == '' && 'a1b22'.findAll('[0-9]+') == ['1', '22']",
        "'1 2 3'.findAll('[0-9]', 2) == ['1', '2'] && 'app:v1'.matches('^app:v[0-9]+$')",
        "url('https://user@example.com:80/a%20b?x=1&x=2&y=%2B').getHost() == 'example.com:80'",
        "url('https://example.com:80/a').getPort() == '80' && url('https://[::1]:80/').getHostname() == '::1'",
        "url('/path?x=1&x=2').getQuery()['x'] == ['1', '2'] && url('https://e.com/a b').getEscapedPath() == '/a%20b'",
        "url('mailto:a@b?x=1').getScheme() == 'mailto' && url('mailto:a@b?x=1').getHost() == '' && isURL('*')",
        "isURL('https://example.com') && !isURL('example.com') && !isURL('https://a:b/') && url('HTTP://e').getScheme() == 'http'",
        "ip('127.0.0.1').isLoopback() && ip('::1').family() == 6 && isIP('10.0.0.1') && !isIP('010.0.0.1') && !isIP('::ffff:1.2.3.4')",
        "ip('fe80::1').isLinkLocalUnicast() && ip('8.8.8.8').isGlobalUnicast() && ip.isCanonical('::1') && !ip.isCanonical('0:0::1')",
        "cidr('10.0.0.0/8').containsIP('10.1.2.3') && !cidr('10.0.0.0/8').containsIP(ip('11.0.0.1'))",
        "cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16') && !cidr('10.1.0.0/16').containsCIDR(cidr('10.0.0.0/8'))",
        "string(cidr('10.1.2.3/8').masked()) == '10.0.0.0/8' && cidr('::/0').prefixLength() == 0 && !isCIDR('10.0.0.0/33')",
        "cidr('0.0.0.0/0').containsIP('1.2.3.4') && string(cidr('10.1.2.3/8').ip()) == '10.1.2.3'",
        "semver('1.2.3-rc.1').isLessThan(semver('1.2.3')) && semver('1.2.3').minor() == 2 && !isSemver('v1.0')",
        "isSemver('v1.0', true) && semver('v1', true).compareTo(semver('1.0.0')) == 0 && semver('1.0.10').isGreaterThan(semver('1.0.9'))",
        "!format.dns1123Label().validate('web').hasValue() && format.dns1123Label().validate('Web').hasValue()",
        "format.named('uuid').hasValue() && !format.named('tea').hasValue() && !format.named('date').value().validate('2026-01-31').hasValue()",
        "!format.qualifiedName().validate('acme.dev/Name_1').hasValue() && format.uri().validate('x').value() == ['must be a uri']",
        "sets.contains([1, 2], [2]) && sets.equivalent([1, 2, 1], [2, 1]) && !sets.intersects([1], [2])",
        "[1, 2, 3].isSorted() && [1, 2].sum() == 3 && [2, 1].min() == 1 && [2, 3].max() == 3 && [].sum() == 0",
        "[1, 2, 1].indexOf(1) == 0 && [1, 2, 1].lastIndexOf(1) == 2 && ['b'].indexOf('a') == -1",
        "'Ab'.lowerAscii() == 'ab' && 'a,b'.split(',') == ['a', 'b'] && ' x '.trim() == 'x' && 'abc'.substring(1) == 'bc'",
        "base64.decode('aGk=') == b'hi' && math.greatest(1, 2) == 2 && [[1], [2]].flatten() == [1, 2]",
        "duration('90m') > duration('1h') && timestamp('2026-01-01T00:00:00Z').getFullYear() == 2026",
        "optional.of(1).optMap(x, x + 1).orValue(0) == 2 && optional.none().orValue(5) == 5",
        "cel.bind(x, 2, x * x) == 4",
        "[3, 4].all(i, v, v == i + 3) && {'a': 1}.exists(k, v, k == 'a' && v == 1) && [5, 6].existsOne(i, v, i == 1)",
        "[1, 2].transformList(i, v, i + v) == [1, 3] && [1, 2].transformList(i, v, i > 0, v) == [2]",
        "{'a': 1, 'b': 2}.transformMap(k, v, v > 1, v * 2) == {'b': 4} && [1, 2].existsOne(x, x == 2)",
    ] {
        assert_eq!(ask(source, OBJECT), "true", "{source}");
    }
}

#[test]
fn what_costs_too_much_is_refused_or_stopped() {
    let deep = "object.spec.a.all(a, a.b.all(b, b.c.all(c, c.d.all(d, d.e.all(e, e > 0)))))";
    assert_eq!(ask(deep, OBJECT), "error: its comprehensions nest deeper than 4");
    assert_eq!(ask(&"1 + ".repeat(2_000), OBJECT), "error: it is longer than 4096 bytes");
    let wide = "lists.range(1000).all(a, lists.range(1000).all(b, lists.range(1000).all(c, a + b + c >= 0)))";
    let stopped = ask(wide, OBJECT);
    assert!(stopped.contains("it goes over 1000000 elements"), "{stopped}");
    // The next one starts anew.
    assert_eq!(ask("lists.range(1000).all(a, a >= 0)", OBJECT), "true");
    assert_eq!(
        ask(&format!("{}1{}", "(".repeat(500), ")".repeat(500)), OBJECT),
        "error: Syntax error: OtherError(ParseError { source: None, pos: (96, -1), msg: \"Recursion limit of 96 exceeded\", expr_id: 0, source_info: None })"
    );
    assert_eq!(ask(&format!("{}true", "!".repeat(900)), OBJECT), "true");
    assert_eq!(ask(&format!("{}1", "1+".repeat(2000)), OBJECT), "error: its parts nest deeper than 100");
    assert_eq!(ask(&format!("{}1 == 61", "1+".repeat(60)), OBJECT), "true");
    assert_eq!(ask(&format!("{}true", "true && ".repeat(500)), OBJECT), "true");
    assert!(ask("object.spec.", OBJECT).starts_with("error: "));
    assert!(ask("v1.Pod{name: 'x'}", OBJECT).starts_with("error: it makes a message"));
    assert!(ask("authorizer.group('').resource('pods').check('get').allowed()", OBJECT).contains("authorizer"));
}

#[test]
fn the_fields_an_expression_reads() {
    let expression =
        Expression::compile("has(object.spec.a) && object.spec.template.spec.?hostNetwork.orValue(false)").unwrap();
    assert_eq!(expression.fields_of("object")[0], ["spec", "template", "spec", "hostNetwork"]);
}
