//! The kernel's own names for gfp bits, from the `print fmt` of a tracepoint that prints them.
//!
//! The bits move between kernels and depend on the configuration; the format of `kmem:mm_page_alloc` spells out the table that
//! this kernel's own `%pGg` uses, as C expressions such as
//! `{( unsigned long)(((( gfp_t)(0x400u|0x800u)) | (( gfp_t)0x40u)), "GFP_KERNEL"}`.

use std::path::Path;

use super::tracefs;
use crate::model::session::GfpFlag;

/// The table, in the kernel's order; empty when it cannot be had (masks are then shown as numbers).
#[must_use]
pub fn table(tracefs: &Path) -> Vec<GfpFlag> {
    tracefs::format(tracefs, "kmem", "mm_page_alloc").map(|format| parse(&format)).unwrap_or_default()
}

/// Picks the entries `{expression, "NAME"}` out of a format.
fn parse(format: &str) -> Vec<GfpFlag> {
    let Some(print) = format.find("__print_flags").map(|at| &format[at..]) else { return Vec::new() };
    print
        .split('{')
        .skip(1)
        .filter_map(|entry| {
            let (expression, rest) = entry.split_once('"')?;
            let (name, _) = rest.split_once('"')?;
            let bits = evaluate(expression.trim_end().trim_end_matches(','))?;
            (bits != 0).then(|| GfpFlag { bits, name: name.to_owned() })
        })
        .collect()
}

/// Evaluates a C expression of integers, `|`, `&`, `<<`, `~`, casts and parentheses.
fn evaluate(expression: &str) -> Option<u32> {
    let mut parser = Parser { tokens: tokens(expression)?, at: 0 };
    let value = parser.or()?;
    (parser.at == parser.tokens.len()).then_some(value as u32)
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(u64),
    /// A type's name, only ever in a cast.
    Word,
    Shift,
    Symbol(char),
}

fn tokens(expression: &str) -> Option<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let len = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let (token, len) = if first.is_ascii_digit() {
            let digits = rest[..len].trim_end_matches(['u', 'U', 'l', 'L']);
            let number = match digits.strip_prefix("0x") {
                Some(hex) => u64::from_str_radix(hex, 16),
                None => digits.parse(),
            };
            (Token::Number(number.ok()?), len)
        } else if len > 0 {
            (Token::Word, len)
        } else if rest.starts_with("<<") {
            (Token::Shift, 2)
        } else if "()|&~".contains(first) {
            (Token::Symbol(first), 1)
        } else {
            return None;
        };
        tokens.push(token);
        rest = rest[len..].trim_start();
    }
    Some(tokens)
}

/// Recursive descent by C's precedence: `|`, then `&`, then `<<`, then unary.
struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    fn take(&mut self, token: &Token) -> bool {
        let there = self.tokens.get(self.at) == Some(token);
        self.at += usize::from(there);
        there
    }

    fn or(&mut self) -> Option<u64> {
        let mut value = self.and()?;
        while self.take(&Token::Symbol('|')) {
            value |= self.and()?;
        }
        Some(value)
    }

    fn and(&mut self) -> Option<u64> {
        let mut value = self.shift()?;
        while self.take(&Token::Symbol('&')) {
            value &= self.shift()?;
        }
        Some(value)
    }

    fn shift(&mut self) -> Option<u64> {
        let mut value = self.unary()?;
        while self.take(&Token::Shift) {
            value = value.checked_shl(u32::try_from(self.unary()?).ok()?)?;
        }
        Some(value)
    }

    fn unary(&mut self) -> Option<u64> {
        if self.take(&Token::Symbol('~')) {
            return self.unary().map(|value| !value);
        }
        if self.take(&Token::Symbol('(')) {
            if self.take(&Token::Word) {
                while self.take(&Token::Word) {}
                return if self.take(&Token::Symbol(')')) { self.unary() } else { None };
            }
            let value = self.or()?;
            return self.take(&Token::Symbol(')')).then_some(value);
        }
        match self.tokens.get(self.at) {
            Some(&Token::Number(value)) => {
                self.at += 1;
                Some(value)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{evaluate, parse};

    /// Shapes of 5.10, of 6.12 (bits from an enum), and of names without bits on a configuration.
    const FORMAT: &str = r#"print fmt: "page=%p gfp_flags=%s", REC->pfn, (REC->gfp_flags) ? __print_flags(REC->gfp_flags, "|", {(unsigned long)(((((((( gfp_t)(0x400u|0x800u)) | (( gfp_t)0x40u) | (( gfp_t)0x80u)) | (( gfp_t)0x100000u)) | (( gfp_t)0x02u)) | (( gfp_t)0x08u)) | (( gfp_t)0)) & ~(( gfp_t)0x800u)), "GFP_TEST"}, {( unsigned long)((( gfp_t)(0x400u|0x800u)) | (( gfp_t)0x40u) | (( gfp_t)0x80u)), "GFP_KERNEL"}, {(unsigned long)((gfp_t)((((1UL))) << (22))), "__GFP_ACCOUNT"}, {( unsigned long)(( gfp_t)0), "__GFP_NOLOCKDEP"} ) : "none""#;

    #[test]
    fn the_kernels_expressions_are_evaluated() {
        let table = parse(FORMAT);
        let table: Vec<(&str, u32)> = table.iter().map(|flag| (flag.name.as_str(), flag.bits)).collect();
        assert_eq!(table, [("GFP_TEST", 0x10_04ca), ("GFP_KERNEL", 0xcc0), ("__GFP_ACCOUNT", 1 << 22)]);
    }

    #[test]
    fn what_is_not_an_expression_is_left_out() {
        for text in ["", "(", "1 <<", "1 << 99", "(gfp_t", "((1))|", "name", "1 2", "0xzz"] {
            assert_eq!(evaluate(text), None, "{text}");
        }
        assert_eq!(evaluate("~(0x1u|2u) & 7"), Some(4));
    }
}
