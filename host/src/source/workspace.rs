use super::{
    FORMAT,
    reader::{Reader, SourceFile},
    value,
};
use crate::{
    id::{Uid, WorkspaceId},
    model::{InputValue, Layer},
    validate::Path,
};

/// `workspace.toml`:
/// ```toml
/// format = 1
/// required = ["LOG_LEVEL"]
/// [workspace]
/// name = "acme"
/// id = "00112233445566778899aabbccddeeff"
/// [variables]
/// LOG_LEVEL = "info"
/// ```
pub(super) fn read(
    file: &SourceFile<'_>,
    reader: &mut Reader,
) -> Option<(WorkspaceId, Uid, Layer<InputValue>)> {
    let root = file.root();
    reader.is_table(&root, &["format", "workspace", "variables", "required"]);
    if let Some(format) = reader.needed(&root, "format", "`format = 1`")
        && let Some(number) = reader.number::<u64>(&format)
        && number != FORMAT
    {
        reader.problem(&format, format_args!("format {number} is unknown; this version reads {FORMAT}"));
    }
    let layer = value::layer(&root, &Path::of("base"), reader);
    let table = reader.needed(&root, "workspace", "a table with `name` and `id`")?;
    reader.place(Path::of("workspace"), &table);
    reader.is_table(&table, &["name", "id"]);
    let name = reader.needed(&table, "name", "the workspace's name");
    let name = name.and_then(|node| reader.parse(&node));
    let id = reader.needed(&table, "id", "32 random hex digits");
    let id = id.and_then(|node| reader.parse(&node));
    Some((name?, id?, layer))
}
