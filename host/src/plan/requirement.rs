//! What the layers of one (deployment, environment) require together, key by key.

use super::LayerName;
use crate::{id::VariableName, model::ValueType};

/// One layer's word on one key.
#[derive(Clone, Copy)]
pub(crate) struct Requirement<'a> {
    pub(crate) name: &'a VariableName,
    pub(crate) layer: LayerName,
    pub(crate) expected: Option<&'a ValueType>,
}

/// Two layers that cannot both be met.
pub(crate) struct Contradiction<'a> {
    pub(crate) earlier: Requirement<'a>,
    pub(crate) later: Requirement<'a>,
}

/// The form that `layers`, all about one key and in their order, ask for together; nothing for any
/// text.
pub(crate) fn together<'a>(layers: &[Requirement<'a>]) -> Result<Option<ValueType>, Contradiction<'a>> {
    let mut expected: Option<(ValueType, Requirement<'a>)> = None;
    for &later in layers {
        let Some(own) = later.expected else { continue };
        expected = match expected {
            None => Some((own.clone(), later)),
            Some((so_far, earlier)) => match so_far.narrowed_by(own) {
                Some(narrowed) => Some((narrowed, later)),
                None => return Err(Contradiction { earlier, later }),
            },
        };
    }
    Ok(expected.map(|(expected, _)| expected))
}
