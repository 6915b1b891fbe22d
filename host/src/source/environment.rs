use super::{
    reader::{Reader, SourceFile},
    value,
};
use crate::{
    id::EnvironmentName,
    model::{Environment, EnvironmentType, InputValue, Layer},
    validate::Path,
};

/// `environments/<name>.toml`; production environments are protected unless they say otherwise:
/// ```toml
/// type = "pre-production"
/// id = "00112233445566778899aabbccddeeff"
/// promotes-to = "production"
/// trigger = "manual"
/// protected = false
/// deprecated = false
/// expires = 2026-12-24T12:00:00Z
/// labels = { team = "payments" }
/// required = ["SENTRY_DSN"]
/// [variables]
/// LOG_LEVEL = "debug"
/// ```
pub(super) fn read(
    file: &SourceFile<'_>,
    name: &EnvironmentName,
    reader: &mut Reader,
) -> Option<(Environment, Layer<InputValue>)> {
    let root = file.root();
    let path = Path::of("environments").at(name);
    reader.place(path.clone(), &root);
    let fields = ["type", "id", "promotes-to", "trigger", "protected", "deprecated", "expires", "labels"];
    let known: Vec<&str> = fields.into_iter().chain(["required", "variables"]).collect();
    reader.is_table(&root, &known);
    let layer = value::layer(&root, &path, reader);
    let kind = reader.needed(&root, "type", "development, test, pre-production or production");
    let kind: Option<EnvironmentType> = kind.and_then(|node| reader.parse(&node));
    let uid = reader.needed(&root, "id", "32 random hex digits").and_then(|node| reader.parse(&node));
    let protected = root.child("protected").and_then(|node| reader.flag(&node));
    let deprecated = root.child("deprecated").and_then(|node| reader.flag(&node));
    let expires = root.child("expires").and_then(|node| reader.time(&node));
    let promotes_to = root.child("promotes-to").and_then(|node| {
        reader.place(path.clone().at("promotes-to"), &node);
        reader.parse(&node)
    });
    let trigger = root.child("trigger").and_then(|node| reader.parse(&node));
    let labels = reader.texts(root.child("labels"));
    let (kind, uid) = (kind?, uid?);
    let environment = Environment {
        name: name.clone(),
        uid,
        kind,
        protected: protected.unwrap_or(kind == EnvironmentType::Production),
        deprecated: deprecated.unwrap_or(false),
        expires,
        promotes_to,
        trigger,
        labels,
    };
    Some((environment, layer))
}
