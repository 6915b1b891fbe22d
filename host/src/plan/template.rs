//! What templates refer to, through other templates if need be: found once for a plan, so that
//! filling one in at boot can neither loop nor grow without bound.

use crate::{
    id::VariableName,
    model::{Piece, Template},
};

/// Templates within templates.
pub(crate) const MAX_DEPTH: u32 = 8;
/// Pieces of a template once those it refers to are written out.
pub(crate) const MAX_EXPANDED_PIECES: u32 = 1_024;

/// Why a template cannot be filled in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// It refers to a name that nothing sets.
    #[error("the template refers to {0}, which nothing sets")]
    Unknown(VariableName),
    /// It refers to itself, through the one named here.
    #[error("the template refers to itself through {0}")]
    Cycle(VariableName),
    /// Too many templates within templates.
    #[error("the template is nested more than {MAX_DEPTH} deep")]
    TooDeep,
    /// Too many pieces, once written out.
    #[error("the template has more than {MAX_EXPANDED_PIECES} pieces once written out")]
    TooLarge,
}

/// The variables of a plan, as far as templates care; in name order.
pub(crate) struct References {
    targets: Vec<Vec<usize>>,
    /// By index of the variable that holds the template.
    pub(crate) faults: Vec<(usize, Fault)>,
    /// Templates after everything that they refer to.
    pub(crate) order: Vec<usize>,
}

impl References {
    /// Follows the templates of `variables`, which are in name order.
    pub(crate) fn of(variables: &[(VariableName, Option<&Template>)]) -> Self {
        let mut references =
            Self { targets: Vec::with_capacity(variables.len()), faults: Vec::new(), order: Vec::new() };
        for (index, (_, template)) in variables.iter().enumerate() {
            let targets = template.map(|template| references.look_up(index, template, variables));
            references.targets.push(targets.unwrap_or_default());
        }
        let mut walk = Walk { variables, marks: vec![Mark::New; variables.len()] };
        for (index, (_, template)) in variables.iter().enumerate() {
            if template.is_some() {
                walk.visit(index, &mut references, 0);
            }
        }
        references
    }

    /// What the variable's template refers to, by index.
    pub(crate) fn targets(&self, variable: usize) -> &[usize] {
        self.targets.get(variable).map_or(&[], Vec::as_slice)
    }

    fn look_up(
        &mut self,
        holder: usize,
        template: &Template,
        variables: &[(VariableName, Option<&Template>)],
    ) -> Vec<usize> {
        let mut targets = Vec::new();
        for piece in &template.0 {
            let Piece::Reference { name, .. } = piece else { continue };
            match variables.binary_search_by(|(other, _)| other.cmp(name)) {
                Ok(target) => targets.push(target),
                Err(_) => self.faults.push((holder, Fault::Unknown(name.clone()))),
            }
        }
        targets
    }
}

#[derive(Clone, Copy)]
enum Mark {
    New,
    Open,
    Done { pieces: u32, height: u32 },
}

struct Walk<'a> {
    variables: &'a [(VariableName, Option<&'a Template>)],
    marks: Vec<Mark>,
}

impl Walk<'_> {
    /// Pieces and height of the variable once written out; recursion ends at [`MAX_DEPTH`].
    fn visit(&mut self, index: usize, references: &mut References, depth: u32) -> (u32, u32) {
        let Some(template) = self.variables[index].1 else { return (1, 0) };
        if let Mark::Done { pieces, height } = self.marks[index] {
            return (pieces, height);
        }
        if depth > MAX_DEPTH {
            references.faults.push((index, Fault::TooDeep));
            return (1, 0);
        }
        self.marks[index] = Mark::Open;
        let mut pieces = template.0.len() as u32;
        let mut height = 0;
        for at in 0..references.targets(index).len() {
            let target = references.targets[index][at];
            if matches!(self.marks[target], Mark::Open) {
                references.faults.push((index, Fault::Cycle(self.variables[target].0.clone())));
                continue;
            }
            let (more, below) = self.visit(target, references, depth + 1);
            pieces = pieces.saturating_add(more);
            height = height.max(below);
        }
        height += 1;
        if pieces > MAX_EXPANDED_PIECES {
            references.faults.push((index, Fault::TooLarge));
            pieces = 1;
        }
        if height > MAX_DEPTH {
            references.faults.push((index, Fault::TooDeep));
            height = 0;
        }
        self.marks[index] = Mark::Done { pieces, height };
        references.order.push(index);
        (pieces, height)
    }
}
