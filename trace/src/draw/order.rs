//! Merges the steps of all processes into one order that has every cause before its effects.

use std::collections::HashMap;

use super::DiagramNode;
use crate::chat::{StepRef, TraceIndex};

/// Merges the columns. A node is ready if its sending is placed. Of those that are ready, receptions
/// of what was just sent come first, then the earliest by the wall clocks. While a request was on its
/// way, others may have sent theirs: these come before its receipt, so that the drawing shows what
/// crossed. All runs of the server count as one process.
///
/// Broken logs may have no such order: then a reception can come before its sending.
pub(super) fn merge(
    index: &TraceIndex<'_>,
    columns: Vec<Vec<DiagramNode>>,
    sources: &HashMap<StepRef, StepRef>,
) -> Vec<DiagramNode> {
    let all = columns.iter().map(Vec::len).sum();
    let drawn: std::collections::HashSet<StepRef> =
        columns.iter().flatten().map(|node| node.at).collect();
    let mut places: HashMap<StepRef, usize> = HashMap::with_capacity(all);
    let mut waiting: Vec<_> = columns
        .into_iter()
        .map(|nodes| nodes.into_iter().peekable())
        .collect();
    let mut merged: Vec<DiagramNode> = Vec::with_capacity(all);
    let mut sent = None;
    while merged.len() < all {
        // The wall time of the earliest request that is not placed yet.
        let others = waiting.iter_mut().filter_map(|nodes| {
            let node = nodes.peek()?;
            let root = !sources.contains_key(&node.at) && !index.run(node.at.run).server;
            root.then(|| index.step(node.at).wall)
        });
        let earliest = others.min().unwrap_or(u64::MAX);
        let mut server_goes_on = false;
        let heads = waiting
            .iter_mut()
            .enumerate()
            .filter_map(|(column, nodes)| {
                let node = nodes.peek()?;
                let server = index.run(node.at.run).server;
                // Only the first of the server's runs that has nodes left takes part: its runs come
                // one after the other, whatever their wall clocks say.
                if server && std::mem::replace(&mut server_goes_on, true) {
                    return None;
                }
                let source = sources
                    .get(&node.at)
                    .filter(|source| drawn.contains(*source));
                let ready = source.is_none_or(|source| places.contains_key(source));
                let wall = index.step(node.at).wall;
                let after = source.is_some_and(|source| {
                    let broadcast = index.run(source.run).server;
                    Some(*source) == sent && (broadcast || wall <= earliest)
                });
                // The least key is next: ready before not ready, receptions of what was just sent
                // before others, then by wall clock. The column only makes the order total.
                Some((!ready, !after, wall, column))
            });
        let Some((.., column)) = heads.min() else {
            break;
        };
        let Some(mut node) = waiting[column].next() else {
            break;
        };
        let source = sources.get(&node.at);
        node.source = source.and_then(|source| places.get(source)).copied();
        if node.source.is_none() {
            sent = Some(node.at);
        }
        places.insert(node.at, merged.len());
        merged.push(node);
    }
    merged
}
