//! Where inputs come from: a seed, of which every choice follows.

use fastrand::Rng;

/// Choices out of one seed.
pub struct Source {
    rng: Rng,
}

/// What parsers stumble over, whatever they parse.
const PIECES: [&str; 40] = [
    "\"",
    "'",
    "\\",
    "{",
    "}",
    "[",
    "]",
    "[[",
    "]]",
    "=",
    ":",
    ",",
    "#",
    "\n",
    "\r\n",
    "\r",
    "\t",
    " ",
    "\0",
    "\u{feff}",
    "\u{7f}",
    "\u{2028}",
    "ü",
    "🦀",
    "null",
    "true",
    "NaN",
    "+Inf",
    "-0",
    "1e999",
    "9223372036854775808",
    "0x1F",
    "- ",
    "&a",
    "*a",
    "!!",
    "...",
    "---",
    "\"\"\"",
    "\\u0000",
];

impl Source {
    pub fn new(seed: u64) -> Self {
        Self { rng: Rng::with_seed(seed) }
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: usize) -> bool {
        self.rng.usize(..times) == 0
    }

    /// A number below this one.
    pub fn below(&mut self, bound: usize) -> usize {
        self.rng.usize(..bound.max(1))
    }

    pub fn pick<'a, T: ?Sized>(&mut self, choices: &[&'a T]) -> &'a T {
        choices[self.below(choices.len())]
    }

    /// Any number, and often one at a limit.
    pub fn int(&mut self) -> i64 {
        match self.below(4) {
            0 => self.rng.i64(-3..=101),
            1 => [i64::MIN, i64::MAX, i64::from(i32::MAX), i64::from(i32::MIN), 0, -1][self.below(6)],
            _ => self.rng.i64(..) >> self.below(63),
        }
    }

    /// A finite number.
    pub fn float(&mut self) -> f64 {
        match self.below(3) {
            0 => [0.0, -0.0, f64::MAX, f64::MIN_POSITIVE, 5e-324, 0.1, 1e21, -1e-7][self.below(8)],
            1 => self.rng.f64() * 1000.0,
            _ => Some(f64::from_bits(self.rng.u64(..))).filter(|float| float.is_finite()).unwrap_or(0.5),
        }
    }

    /// A short text of any characters.
    pub fn text(&mut self) -> String {
        let length = self.below(8);
        (0..length)
            .map(|_| match self.below(3) {
                0 => self.pick(&PIECES).to_owned(),
                1 => char::from(self.rng.u8(b' '..=b'~')).to_string(),
                _ => self.rng.alphanumeric().to_string(),
            })
            .collect()
    }

    /// A few bytes changed, doubled, moved or taken away, and what is valid text of the result.
    pub fn damage(&mut self, text: &str) -> String {
        let mut bytes = text.as_bytes().to_vec();
        for _ in 0..=self.below(4) {
            self.damage_once(&mut bytes);
        }
        String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    }

    fn damage_once(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len() + 1);
        let end = (at + self.below(24)).min(bytes.len());
        match self.below(7) {
            0 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            1 => drop(bytes.drain(at..end)),
            2 => bytes.truncate(at),
            3 => {
                let doubled = bytes[at..end].repeat(1 + self.below(3));
                bytes.splice(at..at, doubled);
            }
            4 => {
                let moved: Vec<u8> = bytes.drain(at..end).collect();
                let to = self.below(bytes.len() + 1);
                bytes.splice(to..to, moved);
            }
            5 => {
                let nested = self.pick(&["{\"a\":", "[", "a.", "- ", "\"", "{a="]).repeat(self.below(300));
                bytes.splice(at..at, nested.into_bytes());
            }
            _ => {
                let piece = self.pick(&PIECES);
                bytes.splice(at..at, piece.bytes());
            }
        }
    }
}
