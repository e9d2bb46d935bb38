//! Exports the diagram for other programs.

pub mod json;
pub mod mermaid;
pub mod shiviz;
