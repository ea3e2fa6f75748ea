//! Tokens become a tree: a parser by binding powers.

use std::sync::Arc;

use super::super::error::Error;
use super::ast::{Kind, Lambda, Node, Operator, Term, Transform};
use super::signature::Signature;
use super::token::{Token, Tokens};

/// Parts inside each other that an expression may have.
const DEEPEST: usize = 500;

struct Parser {
    tokens: Tokens,
    token: Token,
    at: usize,
    depth: usize,
}

pub(super) fn parse(text: &str) -> Result<Node, Error> {
    let mut parser = Parser {
        tokens: Tokens::of(text),
        token: Token::End,
        at: 0,
        depth: 0,
    };
    parser.advance(true)?;
    let node = parser.expression(0)?;
    match parser.token {
        Token::End => Ok(node),
        _ => Err(parser.unexpected()),
    }
}

/// How strongly a token binds what is before it.
fn power(token: &Token) -> u32 {
    let Token::Operator(text) = token else {
        return 0;
    };
    match *text {
        "[" | "(" | "@" | "#" => 80,
        "." => 75,
        "{" => 70,
        "*" | "/" | "%" => 60,
        "+" | "-" | "&" => 50,
        "=" | "<" | ">" | "!=" | "<=" | ">=" | "~>" | "^" | "in" | "?:" | "??" => 40,
        "and" => 30,
        "or" => 25,
        "?" => 20,
        ":=" => 10,
        _ => 0,
    }
}

impl Parser {
    fn advance(&mut self, operand: bool) -> Result<(Token, usize), Error> {
        let (token, at) = self.tokens.next(operand)?;
        let before = (std::mem::replace(&mut self.token, token), self.at);
        self.at = at;
        Ok(before)
    }

    fn is(&self, operator: &str) -> bool {
        matches!(&self.token, Token::Operator(text) if *text == operator)
    }

    /// Takes an operator that must come here.
    fn expect(&mut self, operator: &str, operand: bool) -> Result<(), Error> {
        if self.is(operator) {
            return self.advance(operand).map(drop);
        }
        Err(match &self.token {
            Token::End => Error::at(
                "S0203",
                self.at,
                format!("Expected {operator} before end of expression"),
            ),
            other => Error::at(
                "S0202",
                self.at,
                format!("Expected {operator}, got {}", other.shown()),
            ),
        })
    }

    fn unexpected(&self) -> Error {
        match &self.token {
            Token::End => Error::at("S0207", self.at, "Unexpected end of expression"),
            other => Error::at("S0201", self.at, format!("Syntax error: {}", other.shown())),
        }
    }

    fn deeper(&mut self) -> Result<(), Error> {
        self.depth += 1;
        if self.depth > DEEPEST {
            let message = format!("Syntax error: more than {DEEPEST} parts inside each other");
            return Err(Error::at("S0201", self.at, message));
        }
        Ok(())
    }

    fn expression(&mut self, power_right: u32) -> Result<Node, Error> {
        let depth = self.depth;
        self.deeper()?;
        let node = stacker::maybe_grow(64 << 10, 1 << 20, || {
            let mut left = self.prefix()?;
            while power_right < power(&self.token) {
                self.deeper()?;
                left = self.infix(left)?;
            }
            Ok(left)
        });
        self.depth = depth;
        node
    }

    fn prefix(&mut self) -> Result<Node, Error> {
        // After a value an operator comes, after an operator a value.
        let is_value = !matches!(self.token, Token::Operator(_))
            || self.is("*")
            || self.is("**")
            || self.is("%")
            || self.is("and")
            || self.is("or")
            || self.is("in");
        let (token, at) = self.advance(!is_value)?;
        let kind = match token {
            Token::End => return Err(Error::at("S0207", at, "Unexpected end of expression")),
            Token::Name(name) => Kind::Name(name.into()),
            Token::Variable(name) => Kind::Variable(name.into()),
            Token::Text(text) => Kind::Text(text.into()),
            Token::Number(value) => Kind::Number(value),
            Token::Bool(value) => Kind::Bool(value),
            Token::Null => Kind::Null,
            Token::Regex(pattern) => Kind::Regex(pattern),
            Token::Operator(text) => match text {
                "and" | "or" | "in" => Kind::Name(text.into()),
                "*" => Kind::Wildcard,
                "**" => Kind::Descendants,
                "%" => Kind::Parent(usize::MAX),
                "-" => Kind::Negate(Box::new(self.expression(70)?)),
                "(" => self.block()?,
                "[" => self.array()?,
                "{" => Kind::Object(self.pairs()?),
                "|" => self.transform()?,
                other => {
                    let message = format!("The symbol {other} cannot be used as a unary operator");
                    return Err(Error::at("S0211", at, message));
                }
            },
        };
        Ok(Node::new(kind, at))
    }

    fn block(&mut self) -> Result<Kind, Error> {
        let mut parts = Vec::new();
        while !self.is(")") {
            parts.push(self.expression(0)?);
            if !self.is(";") {
                break;
            }
            self.advance(true)?;
        }
        self.expect(")", false)?;
        Ok(Kind::Block(parts))
    }

    fn array(&mut self) -> Result<Kind, Error> {
        let mut items = Vec::new();
        if !self.is("]") {
            loop {
                let mut item = self.expression(0)?;
                if self.is("..") {
                    let at = self.at;
                    self.advance(true)?;
                    let end = self.expression(0)?;
                    item = Node::new(
                        Kind::Binary(Operator::Range, Box::new(item), Box::new(end)),
                        at,
                    );
                }
                items.push(item);
                if !self.is(",") {
                    break;
                }
                self.advance(true)?;
            }
        }
        self.expect("]", false)?;
        Ok(Kind::Array(items))
    }

    /// What stands between `{` and `}`.
    fn pairs(&mut self) -> Result<Vec<(Node, Node)>, Error> {
        let mut pairs = Vec::new();
        if !self.is("}") {
            loop {
                let name = self.expression(0)?;
                self.expect(":", true)?;
                pairs.push((name, self.expression(0)?));
                if !self.is(",") {
                    break;
                }
                self.advance(true)?;
            }
        }
        self.expect("}", false)?;
        Ok(pairs)
    }

    fn transform(&mut self) -> Result<Kind, Error> {
        let pattern = self.expression(0)?;
        self.expect("|", true)?;
        let update = self.expression(0)?;
        let mut delete = None;
        if self.is(",") {
            self.advance(true)?;
            delete = Some(self.expression(0)?);
        }
        self.expect("|", false)?;
        Ok(Kind::Transform(Arc::new(Transform {
            pattern,
            update,
            delete,
        })))
    }

    fn infix(&mut self, left: Node) -> Result<Node, Error> {
        let (token, at) = self.advance(true)?;
        let Token::Operator(text) = token else {
            return Err(self.unexpected());
        };
        let left = Box::new(left);
        let kind = match text {
            "." => Kind::Dot(left, Box::new(self.expression(75)?)),
            "[" => return self.predicate(*left, at),
            "(" => return self.call(*left, at),
            "{" => Kind::Grouped(left, self.pairs()?),
            "^" => Kind::Ordered(left, self.terms()?),
            ":=" => {
                let Kind::Variable(name) = &left.kind else {
                    let message = "The left side of := must be a variable name (start with $)";
                    return Err(Error::at("S0212", at, message));
                };
                let name = Arc::clone(name);
                Kind::Bind(name, Box::new(self.expression(9)?))
            }
            "@" | "#" => {
                let right = self.expression(80)?;
                let Kind::Variable(name) = right.kind else {
                    let message =
                        format!("The right side of {text} must be a variable name (start with $)");
                    return Err(Error::at("S0214", at, message));
                };
                if text == "@" {
                    Kind::Focus(left, name)
                } else {
                    Kind::Index(left, name)
                }
            }
            "?" => {
                let then = Box::new(self.expression(0)?);
                let mut otherwise = None;
                if self.is(":") {
                    self.advance(true)?;
                    otherwise = Some(Box::new(self.expression(0)?));
                }
                Kind::Condition(left, then, otherwise)
            }
            "~>" => Kind::Apply(left, Box::new(self.expression(40)?)),
            other => {
                let operator = Operator::of(other)
                    .ok_or_else(|| Error::at("S0204", at, format!("Unknown operator: {other}")))?;
                let power = power(&Token::Operator(other));
                Kind::Binary(operator, left, Box::new(self.expression(power)?))
            }
        };
        Ok(Node::new(kind, at))
    }

    fn predicate(&mut self, mut left: Node, at: usize) -> Result<Node, Error> {
        if self.is("]") {
            self.advance(false)?;
            // It belongs to what the predicates before it are about.
            let mut step = &mut left;
            while let Kind::Predicate(inner, _) = &mut step.kind {
                step = inner;
            }
            step.keep_array = true;
            return Ok(left);
        }
        let condition = self.expression(0)?;
        self.expect("]", false)?;
        Ok(Node::new(
            Kind::Predicate(Box::new(left), Box::new(condition)),
            at,
        ))
    }

    fn terms(&mut self) -> Result<Vec<Term>, Error> {
        self.expect("(", true)?;
        let mut terms = Vec::new();
        loop {
            let descending = self.is(">");
            if descending || self.is("<") {
                self.advance(true)?;
            }
            let by = self.expression(0)?;
            terms.push(Term { descending, by });
            if !self.is(",") {
                break;
            }
            self.advance(true)?;
        }
        self.expect(")", false)?;
        Ok(terms)
    }

    /// A call, or the definition of a function.
    fn call(&mut self, procedure: Node, at: usize) -> Result<Node, Error> {
        let mut arguments = Vec::new();
        let mut partial = false;
        if !self.is(")") {
            loop {
                if self.is("?") {
                    partial = true;
                    let (_, at) = self.advance(false)?;
                    arguments.push(Node::new(Kind::Placeholder, at));
                } else {
                    arguments.push(self.expression(0)?);
                }
                if !self.is(",") {
                    break;
                }
                self.advance(true)?;
            }
        }
        self.expect(")", false)?;
        if matches!(&procedure.kind, Kind::Name(name) if matches!(&**name, "function" | "λ")) {
            return self.lambda(arguments, at);
        }
        let procedure = Box::new(procedure);
        let kind = if partial {
            Kind::Partial {
                procedure,
                arguments,
            }
        } else {
            Kind::Call {
                procedure,
                arguments,
            }
        };
        Ok(Node::new(kind, at))
    }

    fn lambda(&mut self, arguments: Vec<Node>, at: usize) -> Result<Node, Error> {
        let mut parameters = Vec::with_capacity(arguments.len());
        for (index, argument) in arguments.into_iter().enumerate() {
            let Kind::Variable(name) = argument.kind else {
                let message = format!(
                    "Parameter {} of function definition must be a variable name (start with $)",
                    index + 1
                );
                return Err(Error::at("S0208", argument.at, message));
            };
            parameters.push(name);
        }
        let mut signature = None;
        if self.is("<") {
            let (mut depth, mut text) = (1, "<".to_owned());
            while depth > 0 && !self.is("{") && !matches!(self.token, Token::End) {
                self.advance(false)?;
                match &self.token {
                    Token::Operator(">") => depth -= 1,
                    Token::Operator("<") => depth += 1,
                    _ => {}
                }
                text.push_str(&self.token.shown());
            }
            self.expect(">", false)?;
            signature = Some(Signature::parse(&text).map_err(|e| Error { at: Some(at), ..e })?);
        }
        self.expect("{", true)?;
        let body = self.expression(0)?;
        self.expect("}", false)?;
        let lambda = Lambda {
            parameters,
            signature,
            body,
        };
        Ok(Node::new(Kind::Lambda(Arc::new(lambda)), at))
    }
}
