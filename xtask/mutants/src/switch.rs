//! Writes a file anew with all of its mutants in it, each behind a switch.
//!
//! The number of the mutant that a run is to have comes from the environment, so that one build
//! serves all of them. In the literature this is a mutant schema (Untch, Offutt, Harrold:
//! "Mutation Analysis Using Mutant Schemata", ISSTA 1993).

use std::{collections::HashMap, fmt::Write as _, ops::Range};

use color_eyre::eyre::{Result, WrapErr as _};
use proc_macro2::Span;
use syn::{
    BinOp, Block, Expr, ReturnType, Signature,
    spanned::Spanned as _,
    visit::{self, Visit},
};

use crate::list::{Genre, Mutant, Place};

/// What is appended to the crate's root: `__mutant(n)` says whether this run has mutant `n`, and
/// writes down that it was asked.
pub(crate) const ROOT: &str = include_str!("root.rs.txt");

/// A file with switches.
pub(crate) struct Switched {
    /// Its text.
    pub(crate) text: String,
    /// Which bytes of it belong to which mutants: what does not compile there is their fault.
    pub(crate) regions: Vec<(Range<usize>, Vec<usize>)>,
    /// Those for which there is no switch, because they are where the compiler computes, or in a
    /// function whose type is known from its body alone.
    pub(crate) apart: Vec<usize>,
    /// Those that cannot compile, whatever is around them.
    pub(crate) unviable: Vec<usize>,
}

/// Switches between the code and its mutants, which are numbered.
pub(crate) fn switch(source: &str, mutants: &[(usize, &Mutant)]) -> Result<Switched> {
    let file = syn::parse_file(source).wrap_err("a file cannot be parsed")?;
    let mut places: HashMap<_, Vec<_>> = HashMap::new();
    for (number, mutant) in mutants {
        let place = (mutant.genre, mutant.span.start, mutant.span.end);
        places.entry(place).or_default().push((*number, *mutant));
    }
    let mut finder = Finder {
        places,
        source,
        edits: Vec::new(),
        unviable: Vec::new(),
        computed: 0,
    };
    finder.visit_file(&file);
    let Finder {
        places,
        mut edits,
        unviable,
        ..
    } = finder;
    let apart = places.into_values().flatten().map(|(number, _)| number);
    let apart = apart.collect();
    edits.sort_by_key(|edit| {
        // Of those that start at the same place the outer one is first, and what is put before both.
        let length = edit.range.len();
        (edit.range.start, length != 0, usize::MAX - length)
    });
    let mut writer = Writer {
        source,
        text: String::new(),
        regions: Vec::new(),
    };
    writer.write(0..source.len(), &edits);
    Ok(Switched {
        text: writer.text,
        regions: writer.regions,
        apart,
        unviable,
    })
}

/// A change of a range of the source.
struct Edit {
    range: Range<usize>,
    change: Change,
}

enum Change {
    /// Any of these mutants puts a text in the place of an expression.
    Instead(Vec<(usize, String)>),
    /// A function returns a value at once.
    Return(Vec<(usize, String)>),
    /// A match arm is passed over.
    PassOver(usize),
    /// Nothing is in its place: `const`, since switches are no constants.
    Delete,
}

type Key = (Genre, Place, Place);

struct Finder<'a> {
    /// Those that were not found yet.
    places: HashMap<Key, Vec<(usize, &'a Mutant)>>,
    source: &'a str,
    edits: Vec<Edit>,
    unviable: Vec<usize>,
    /// How deep this is in what the compiler computes.
    computed: usize,
}

impl Finder<'_> {
    fn take(&mut self, genre: Genre, start: Span, end: Span) -> Vec<(usize, String)> {
        if self.computed > 0 {
            return Vec::new();
        }
        let key = (genre, Place::from(start.start()), Place::from(end.end()));
        let found = self.places.remove(&key).unwrap_or_default();
        let with_text = found
            .into_iter()
            .map(|(number, mutant)| (number, mutant.replacement.clone()));
        with_text.collect()
    }

    fn edit(&mut self, range: Range<usize>, change: Change) {
        self.edits.push(Edit { range, change });
    }

    fn text(&self, of: Span) -> &str {
        &self.source[of.byte_range()]
    }

    fn function(&mut self, signature: &Signature, block: &Block) {
        let (Some(first), Some(last)) = (block.stmts.first(), block.stmts.last()) else {
            return;
        };
        if !returns_impl(&signature.output) {
            let values = self.take(Genre::FnValue, first.span(), last.span());
            if !values.is_empty() {
                let start = first.span().byte_range().start;
                self.edit(start..start, Change::Return(values));
            }
        }
        if let Some(constant) = signature.constness {
            self.edit(constant.span.byte_range(), Change::Delete);
        }
    }

    fn computed(&mut self, walk: impl FnOnce(&mut Self)) {
        self.computed += 1;
        walk(self);
        self.computed -= 1;
    }
}

/// Whether a body alone says what type it has: a value in its stead has another.
fn returns_impl(output: &ReturnType) -> bool {
    struct Looker(bool);
    impl Visit<'_> for Looker {
        fn visit_type_impl_trait(&mut self, _: &syn::TypeImplTrait) {
            self.0 = true;
        }
    }
    let mut looker = Looker(false);
    looker.visit_return_type(output);
    looker.0
}

/// Whether names are bound here that hold to the end of a chain: it cannot be put in parentheses,
/// nor can its `&&` become `||`.
fn binds(expression: &Expr) -> bool {
    match expression {
        Expr::Let(_) => true,
        Expr::Binary(chain) if matches!(chain.op, BinOp::And(_)) => {
            binds(&chain.left) || binds(&chain.right)
        }
        _ => false,
    }
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, &item.block);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_trait_item_fn(&mut self, item: &'ast syn::TraitItemFn) {
        if let Some(block) = &item.default {
            self.function(&item.sig, block);
        }
        visit::visit_trait_item_fn(self, item);
    }

    fn visit_item_const(&mut self, item: &'ast syn::ItemConst) {
        self.computed(|finder| visit::visit_item_const(finder, item));
    }

    fn visit_impl_item_const(&mut self, item: &'ast syn::ImplItemConst) {
        self.computed(|finder| visit::visit_impl_item_const(finder, item));
    }

    fn visit_item_static(&mut self, item: &'ast syn::ItemStatic) {
        self.computed(|finder| visit::visit_item_static(finder, item));
    }

    fn visit_type(&mut self, item: &'ast syn::Type) {
        self.computed(|finder| visit::visit_type(finder, item));
    }

    fn visit_variant(&mut self, item: &'ast syn::Variant) {
        self.computed(|finder| visit::visit_variant(finder, item));
    }

    fn visit_expr_repeat(&mut self, item: &'ast syn::ExprRepeat) {
        self.visit_expr(&item.expr);
        self.computed(|finder| finder.visit_expr(&item.len));
    }

    fn visit_expr_binary(&mut self, item: &'ast syn::ExprBinary) {
        let operator = item.op.span();
        let mutants = self.take(Genre::BinaryOperator, operator, operator);
        if matches!(item.op, BinOp::And(_)) && (binds(&item.left) || binds(&item.right)) {
            let numbers = mutants.into_iter().map(|(number, _)| number);
            self.unviable.extend(numbers);
        } else if !mutants.is_empty() {
            let left = self.text(item.left.span()).to_owned();
            let right = self.text(item.right.span()).to_owned();
            let mutants = mutants.into_iter().map(|(number, operator)| {
                // Parentheses: the operator changes, and not what it is applied to.
                (number, format!("({left}) {operator} ({right})"))
            });
            let change = Change::Instead(mutants.collect());
            self.edit(item.span().byte_range(), change);
        }
        visit::visit_expr_binary(self, item);
    }

    fn visit_expr_unary(&mut self, item: &'ast syn::ExprUnary) {
        let operator = item.op.span();
        let mutants = self.take(Genre::UnaryOperator, operator, operator);
        if !mutants.is_empty() {
            let operand = self.text(item.expr.span()).to_owned();
            let mutants = mutants
                .into_iter()
                .map(|(number, _)| (number, operand.clone()));
            let change = Change::Instead(mutants.collect());
            self.edit(item.span().byte_range(), change);
        }
        visit::visit_expr_unary(self, item);
    }

    fn visit_arm(&mut self, item: &'ast syn::Arm) {
        if let Some((_, guard)) = &item.guard {
            // One that binds names stays whole.
            self.computed += usize::from(binds(guard));
            let mutants = self.take(Genre::MatchArmGuard, guard.span(), guard.span());
            if !mutants.is_empty() {
                self.edit(guard.span().byte_range(), Change::Instead(mutants));
            }
            self.computed -= usize::from(binds(guard));
        } else {
            let mutants = self.take(Genre::MatchArm, item.span(), item.span());
            let end = item.pat.span().byte_range().end;
            for (number, _) in mutants {
                self.edit(end..end, Change::PassOver(number));
            }
        }
        visit::visit_arm(self, item);
    }
}

struct Writer<'a> {
    source: &'a str,
    text: String,
    regions: Vec<(Range<usize>, Vec<usize>)>,
}

impl Writer<'_> {
    /// Writes a range of the source with the edits that are in it, in their order.
    fn write(&mut self, range: Range<usize>, edits: &[Edit]) {
        let mut at = range.start;
        let mut rest = edits;
        while let Some((edit, after)) = rest.split_first() {
            self.text.push_str(&self.source[at..edit.range.start]);
            let is_inside =
                |inner: &&Edit| !edit.range.is_empty() && inner.range.end <= edit.range.end;
            let inside = after.iter().take_while(is_inside).count();
            let (inner, outer) = after.split_at(inside);
            self.change(edit, inner);
            at = edit.range.end;
            rest = outer;
        }
        self.text.push_str(&self.source[at..range.end]);
    }

    fn change(&mut self, edit: &Edit, inner: &[Edit]) {
        let start = self.text.len();
        match &edit.change {
            Change::Instead(mutants) => {
                self.text.push('(');
                for (number, text) in mutants {
                    self.switch_on(*number);
                    self.own(*number, text);
                    self.text.push_str(" } else ");
                }
                self.text.push_str("{ ");
                self.write(edit.range.clone(), inner);
                self.text.push_str(" })");
                let numbers = mutants.iter().map(|(number, _)| *number).collect();
                self.regions.push((start..self.text.len(), numbers));
            }
            Change::Return(mutants) => {
                for (number, text) in mutants {
                    self.switch_on(*number);
                    self.own(*number, &format!("return {text};"));
                    self.text.push_str(" } ");
                }
            }
            Change::PassOver(number) => {
                let _ = write!(self.text, " if !crate::__mutant({number})");
                self.regions.push((start..self.text.len(), vec![*number]));
            }
            Change::Delete => {}
        }
    }

    fn switch_on(&mut self, number: usize) {
        let _ = write!(self.text, "if crate::__mutant({number}) {{ ");
    }

    /// What is this mutant's alone.
    fn own(&mut self, number: usize, text: &str) {
        let start = self.text.len();
        self.text.push_str(text);
        self.regions.push((start..self.text.len(), vec![number]));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::list::Extent;

    /// A mutant of the only place in the source at which this text is.
    fn mutant(source: &str, genre: Genre, at: &str, replacement: &str) -> Mutant {
        let start = source.find(at).expect("it is there");
        assert_eq!(source.matches(at).count(), 1, "{at:?} is there once");
        let place = |byte| {
            let before = &source[..byte];
            Place {
                line: before.matches('\n').count() + 1,
                column: before.chars().rev().take_while(|c| *c != '\n').count() + 1,
            }
        };
        Mutant {
            name: String::new(),
            file: String::new(),
            genre,
            span: Extent {
                start: place(start),
                end: place(start + at.len()),
            },
            replacement: replacement.to_owned(),
            part: None,
        }
    }

    fn switched(source: &str, mutants: &[(Genre, &str, &str)]) -> Switched {
        let mutants: Vec<_> = mutants
            .iter()
            .map(|(genre, at, replacement)| mutant(source, *genre, at, replacement))
            .collect();
        let numbered: Vec<_> = mutants.iter().enumerate().collect();
        switch(source, &numbered).expect("it can be parsed")
    }

    #[test]
    fn a_function_returns_at_once_and_is_no_constant() {
        let source = "const fn two() -> u8 { 1 + 1 }";
        let switched = switched(
            source,
            &[
                (Genre::FnValue, "1 + 1", "0"),
                (Genre::FnValue, "1 + 1", "1"),
                (Genre::BinaryOperator, "+", "-"),
            ],
        );
        assert_eq!(
            switched.text,
            " fn two() -> u8 { if crate::__mutant(0) { return 0; } \
             if crate::__mutant(1) { return 1; } \
             (if crate::__mutant(2) { (1) - (1) } else { 1 + 1 }) }"
        );
        let (region, numbers) = &switched.regions[0];
        assert_eq!(
            (&switched.text[region.clone()], &numbers[..]),
            ("return 0;", &[0][..])
        );
    }

    #[test]
    fn a_mutant_in_a_mutant_is_switched_off_with_it() {
        let source = "fn f(a: bool, b: bool, c: bool) -> bool { a && !(b || c) }";
        let switched = switched(
            source,
            &[
                (Genre::BinaryOperator, "&&", "||"),
                (Genre::BinaryOperator, "||", "&&"),
                (Genre::UnaryOperator, "!", ""),
            ],
        );
        assert_eq!(
            switched.text,
            "fn f(a: bool, b: bool, c: bool) -> bool { \
             (if crate::__mutant(0) { (a) || (!(b || c)) } else { a && \
             (if crate::__mutant(2) { (b || c) } else { !(\
             (if crate::__mutant(1) { (b) && (c) } else { b || c })) }) }) }"
        );
    }

    #[test]
    fn an_arm_is_passed_over_and_a_guard_is_fixed() {
        let source = "fn f(a: u8) -> u8 { match a { 0 => 1, n if n > 7 => 2, _ => 3 } }";
        let switched = switched(
            source,
            &[
                (Genre::MatchArm, "0 => 1,", ""),
                (Genre::MatchArmGuard, "n > 7", "true"),
            ],
        );
        assert_eq!(
            switched.text,
            "fn f(a: u8) -> u8 { match a { 0 if !crate::__mutant(0) => 1, \
             n if (if crate::__mutant(1) { true } else { n > 7 }) => 2, _ => 3 } }"
        );
    }

    #[test]
    fn what_cannot_be_switched_is_told() {
        let source = "const N: u8 = 1 + 1; fn f(a: Option<u8>) { if let Some(_) = a && N < 3 {} } \
                      fn g() -> impl Sized { 7 }";
        let switched = switched(
            source,
            &[
                (Genre::BinaryOperator, "+", "-"),
                (Genre::BinaryOperator, "&&", "||"),
                (Genre::FnValue, "7", "()"),
            ],
        );
        assert_eq!(switched.text, source);
        assert_eq!(switched.unviable, [1]);
        let mut apart = switched.apart;
        apart.sort_unstable();
        assert_eq!(apart, [0, 2]);
    }
}
