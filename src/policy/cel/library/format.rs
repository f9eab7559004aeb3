//! `format.dns1123Label().validate(text)` and its like: nothing when the text is well formed, else what is wrong.

use std::sync::LazyLock;

use cel::common::types::{CelList, CelOptional, CelString, Type};
use cel::common::value::{CowVal, Val};
use cel::{DeclarationError, Env, ExecutionError, add_member_overload};
use regex::Regex;

use super::{Known, Own, url};

/// A named form of text.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Format(&'static str);

static KIND: Type = Type::new_unspecified_type("kubernetes.NamedFormat");

impl Known for Format {
    fn kind() -> &'static Type {
        &KIND
    }
}

type Named = Own<Format>;

/// The forms, with the most characters and the pattern of each.
static FORMS: LazyLock<Vec<(&'static str, usize, Option<Regex>)>> = LazyLock::new(|| {
    let label = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
    let subdomain = format!("{label}(\\.{label})*");
    let part = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";
    let forms = [
        ("dns1123Label", 63, label.to_owned()),
        ("dns1123Subdomain", 253, subdomain.clone()),
        ("dns1035Label", 63, "[a-z]([-a-z0-9]*[a-z0-9])?".to_owned()),
        ("qualifiedName", 317, format!("({subdomain}/)?({part})")),
        ("dns1123LabelPrefix", 63, format!("{label}-?")),
        ("dns1123SubdomainPrefix", 253, format!("{subdomain}-?")),
        ("dns1035LabelPrefix", 63, "[a-z]([-a-z0-9]*[a-z0-9])?-?".to_owned()),
        ("labelValue", 63, format!("({part})?")),
        ("uuid", 36, "(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}".to_owned()),
        ("byte", usize::MAX, "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?".to_owned()),
        ("date", 10, "[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])".to_owned()),
        (
            "datetime",
            64,
            "[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})"
                .to_owned(),
        ),
    ];
    let mut forms: Vec<_> = forms
        .into_iter()
        .map(|(name, most, pattern)| (name, most, Regex::new(&format!("^(?:{pattern})$")).ok()))
        .collect();
    forms.push(("uri", usize::MAX, None));
    forms
});

pub(super) fn add(env: &mut Env) -> Result<(), DeclarationError> {
    env.add_overload("format.named", "format.named", vec![cel::common::types::STRING_TYPE], named)?;
    let makers: [(&str, cel::common::functions::Function); 13] = [
        ("dns1123Label", |_| made("dns1123Label")),
        ("dns1123Subdomain", |_| made("dns1123Subdomain")),
        ("dns1035Label", |_| made("dns1035Label")),
        ("qualifiedName", |_| made("qualifiedName")),
        ("dns1123LabelPrefix", |_| made("dns1123LabelPrefix")),
        ("dns1123SubdomainPrefix", |_| made("dns1123SubdomainPrefix")),
        ("dns1035LabelPrefix", |_| made("dns1035LabelPrefix")),
        ("labelValue", |_| made("labelValue")),
        ("uri", |_| made("uri")),
        ("uuid", |_| made("uuid")),
        ("byte", |_| made("byte")),
        ("date", |_| made("date")),
        ("datetime", |_| made("datetime")),
    ];
    for (name, maker) in makers {
        let name = format!("format.{name}");
        env.add_overload(&name, &name, vec![], maker)?;
    }
    add_member_overload!(env, fn validate: (Named, CelString) -> CelOptional)
}

fn made<'b, 'v>(name: &'static str) -> Result<CowVal<'b, 'v>, ExecutionError> {
    Ok(CowVal::owned(Own(Format(name))))
}

fn named<'b, 'v>(args: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let name = args.first().and_then(|name| name.downcast_ref::<CelString>());
    let known = FORMS.iter().find(|(known, ..)| name.is_some_and(|name| name.inner() == *known));
    let known = known.map(|(name, ..)| Box::new(Own(Format(name))) as Box<dyn Val + 'v>);
    Ok(CowVal::owned(known.map_or_else(CelOptional::none, CelOptional::of)))
}

fn validate(format: &Named, text: &CelString<'_>) -> CelOptional<'static> {
    let (name, text) = (format.0.0, text.inner());
    let form = FORMS.iter().find(|(known, ..)| *known == name);
    let fits = form.is_some_and(|(_, most, pattern)| match pattern {
        Some(pattern) => text.len() <= *most && pattern.is_match(text),
        None => url::is_address(text),
    });
    if fits {
        return CelOptional::none();
    }
    let wrong: Box<dyn Val> = Box::new(CelString::from(format!("must be a {name}")));
    CelOptional::of(Box::new(CelList::from(vec![wrong])))
}
