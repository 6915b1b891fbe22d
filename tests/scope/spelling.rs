//! How a name can be spelt: as everybody does, and in ways that only look like it, or that something
//! careless would make the same of.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// What stands in a path as it is.
const IN_PATHS: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// A name, as a URL and as a body spell it.
#[derive(Clone, Debug)]
pub(super) struct Spelling {
    pub(super) url: String,
    pub(super) text: String,
}

impl Spelling {
    /// As everybody spells it.
    pub(super) fn of(text: &str) -> Self {
        Self { url: utf8_percent_encode(text, IN_PATHS).to_string(), text: text.to_owned() }
    }

    /// With a URL's own spelling.
    fn in_url(url: String) -> Self {
        Self { text: url.clone(), url }
    }
}

/// Spellings that are `name` to nobody.
pub(super) fn hostile(name: &str) -> Vec<Spelling> {
    let replaced = |pairs: &[(char, char)]| {
        let found = name.char_indices().find_map(|(at, char)| {
            pairs.iter().find(|(plain, _)| *plain == char.to_ascii_lowercase()).map(|(_, alike)| (at, *alike))
        });
        found.map(|(at, alike)| format!("{}{alike}{}", &name[..at], &name[at + 1..]))
    };
    let wide = |char: char| if char.is_ascii_alphanumeric() { wider(char) } else { char };
    let (first, rest) = name.split_at(1);
    let alike = [
        // Another case, and letters that only become these when their case is changed.
        Some(name.to_uppercase()),
        Some(name.to_lowercase()),
        Some(first.to_uppercase() + rest),
        replaced(&[('s', 'ſ'), ('k', '\u{212a}'), ('i', 'ı')]),
        // Full width; compatibility forms; other alphabets.
        Some(name.chars().map(wide).collect()),
        Some(first.chars().map(wide).collect::<String>() + rest),
        replaced(&[('a', 'ª'), ('o', 'º'), ('1', '¹'), ('2', '²'), ('3', '³')]),
        replaced(&[('a', 'а'), ('c', 'с'), ('e', 'е'), ('o', 'о'), ('p', 'р'), ('x', 'х')]),
        replaced(&[('o', 'ο'), ('v', 'ν'), ('e', 'é'), ('c', 'ç'), ('-', '‐'), ('/', '∕')]),
        replaced(&[('/', '\\')]),
        replaced(&[('/', '／')]),
    ];
    let around = [
        format!("{first}\u{301}{rest}"), // combining marks
        format!("{name}\u{308}"),
        format!("{first}\u{200b}{rest}"), // zero width
        format!("{name}\u{200d}"),
        format!("\u{feff}{name}"),
        format!("{name}\u{2060}"),
        format!("{first}\u{ad}{rest}"),
        format!("\u{202e}{name}"), // right to left from here
        format!(" {name}"),
        format!("{name} "),
        format!("{name}+"),
        format!("{name}\u{a0}"),
        format!("{name}\n"),
        format!("{name}\0"),
        format!("{name}\0.x"),
        format!("./{name}"),
        format!("{name}/."),
        format!("{name}/.."),
        format!("x/../{name}"),
        format!("../{name}"),
        format!("/{name}"),
        format!("{name}/"),
        format!(".{name}"),
        format!("{name}."),
        format!("{name};x=1"),
        format!("{name}?"),
        format!("{name}#"),
        format!("{name},{name}"),
        format!("{name}*"),
        format!("\"{name}\""),
        "*".to_owned(),
        ".".to_owned(),
        "..".to_owned(),
        String::new(),
    ];
    let (encoded, plain) = (every_byte(name), Spelling::of(name).url);
    let byte = name.as_bytes()[0];
    let raw = [
        format!("./{plain}"),
        format!("x/../{plain}"),
        format!("%2e/{plain}"),
        format!("x/%2E%2e/{plain}"),
        format!("{plain}/"),
        format!("{plain}%"),
        format!("{plain}%2"),
        format!("{plain}%zz"),
        format!("{plain}%ff"),
        format!("%{:02x}%{:02x}{rest}", 0xc0 | (byte >> 6), 0x80 | (byte & 0x3f)), // overlong UTF-8
        format!("%u{byte:04x}{rest}"),
    ];
    let mut spellings: Vec<_> =
        alike.into_iter().flatten().chain(around).map(|text| Spelling::of(&text)).collect();
    spellings.push(Spelling::of(&encoded)); // encoded twice
    spellings.extend(raw.map(Spelling::in_url));
    spellings.retain(|spelling| spelling.text != name);
    spellings
}

fn wider(char: char) -> char {
    char::from_u32(u32::from(char) + 0xfee0).unwrap()
}

pub(super) fn every_byte(name: &str) -> String {
    name.bytes().map(|byte| format!("%{byte:02x}")).collect()
}

/// Other spellings of a route itself, where it names nothing.
pub(super) fn beside(route: &str) -> Vec<String> {
    let (before, last) = route.rsplit_once('/').unwrap();
    let (first, rest) = last.split_at(1);
    let encoded = format!("%{:02x}{rest}", first.as_bytes()[0]);
    [
        format!("{before}/{encoded}"),
        format!("{before}/{}", last.to_uppercase()),
        format!("{before}/{}{rest}", first.to_uppercase()),
        format!("{before}//{last}"),
        format!("{before}/./{last}"),
        format!("{before}/x/../{last}"),
        format!("{before}/x/%2e%2e/{last}"),
        format!("{before}%2f{last}"),
        format!("{route}%2f"),
        format!("{route}%00"),
        format!("{route};x"),
        format!("/.{route}"),
    ]
    .into_iter()
    .filter(|path| path.starts_with('/') && !path.starts_with("//")) // others name a host
    .collect()
}
