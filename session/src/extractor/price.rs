//! Amounts of money in a text, and the band that the playbook's table gives them.

use super::number::{Numeral, Style, numerals};
use super::text::{Span, Text, ends_with_any, is_hangul, is_one_of, phrase_at, starts_with_any};
use super::word_set::WordSet;
use crate::playbook::{CurrencyBands, PriceTable};

/// Below this share of the lowest bound a number without a mark is no price in that currency: `25` is no price in won.
const PLAUSIBLE_SHARE: f64 = 0.05;

/// Things that people count and that are no money, after a number.
#[rustfmt::skip]
static COUNTED: WordSet<24> = WordSet::new([
    "초", "분", "시간", "명", "개", "살", "세", "년", "월", "일", "번", "퍼", "대 ", "%", "second", "sec", "minute",
    "hour", "people", "year", "day", "percent", "times", "x",
]);

/// What may follow a number in the same word when it is a price without a mark.
#[rustfmt::skip]
static AFTER_BARE: WordSet<14> = WordSet::new([
    "이", "예", "에", "입", "정도", "쯤", "요", "으로", "로", "은", "는", "대", "만", "선",
]);

/// How an amount bounds the price.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Bound {
    /// It is the price.
    Exact,
    /// The price is lower.
    Below,
    /// `2만원대`: the price lies between this and the next number as round.
    Round,
}

/// A price that the user said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Amount {
    /// The number with its mark.
    pub span: Span,
    /// Whether a currency's mark stands beside it.
    pub marked: bool,
    /// The amount in the currency's own unit.
    pub value: f64,
    numeral: Numeral,
    currency: usize,
    bound: Bound,
}

/// The amounts of a range; when some carry a mark, the others are no prices.
pub(crate) fn amounts(text: &Text<'_>, span: Span, table: &PriceTable) -> Vec<Amount> {
    let mut found: Vec<Amount> = numerals(text, span)
        .into_iter()
        .filter_map(|numeral| amount(text, span, table, numeral))
        .collect();
    for at in (1..found.len()).rev() {
        let after = found[at];
        let between = text.at(Span::new(found[at - 1].span.end, after.span.start));
        let is_range = between
            .iter()
            .all(|char| char.is_whitespace() || matches!(char, '~' | '-' | '–'));
        let before = &mut found[at - 1];
        if is_range && !before.marked && before.value < after.value {
            // `2~3만원` means 20,000 to 30,000.
            before.marked = after.marked;
            before.currency = after.currency;
            before.value *= if before.numeral.scale > 1.0 {
                1.0
            } else {
                after.numeral.scale
            };
        }
    }
    if found.iter().any(|amount| amount.marked) {
        found.retain(|amount| amount.marked);
    }
    found
}

/// Whether a text is nothing but an amount or a number: no name, no kind of product, nobody.
pub(crate) fn is_measure_without_letters(text: &Text<'_>, table: Option<&PriceTable>) -> bool {
    let whole = text.trim(text.span());
    let priced = table.is_some_and(|table| {
        matches!(amounts(text, whole, table).as_slice(), [amount] if amount.marked && amount.span == whole)
    });
    priced || !text.chars().iter().any(|char| char.is_alphabetic())
}

/// Whether a range says nothing but an amount, by itself or for one piece: `한 봉지에 만이천원`, `개당 3천원`, `$24 each`.
pub(crate) fn is_whole(text: &Text<'_>, amount: Span, span: Span) -> bool {
    const PIECE_WORDS_MAX: usize = 2;
    let before: Vec<&[char]> = words(text, Span::new(span.start, amount.start));
    let after: Vec<&[char]> = words(text, Span::new(amount.end, span.end));
    let for_piece = before.len() <= PIECE_WORDS_MAX
        && before
            .last()
            .is_none_or(|word| word.len() > 1 && ends_with_any(word, &["에", "당"]));
    let piece = match after.as_slice() {
        [] => true,
        [word] => is_one_of(word, &["each", "apiece"]),
        [article, _] => is_one_of(article, &["a", "an", "per"]),
        [_, _, _, ..] => false,
    };
    for_piece && piece
}

fn words<'t>(text: &'t Text<'_>, span: Span) -> Vec<&'t [char]> {
    text.words(span).map(|word| text.at(word)).collect()
}

/// The band of all these amounts; none if there is no amount, or they lie in different bands.
pub(crate) fn common_band<'t>(table: &'t PriceTable, amounts: &[Amount]) -> Option<&'t str> {
    let mut bands = amounts.iter().map(|amount| band(table, amount));
    let first = bands.next()??;
    bands.all(|band| band == Some(first)).then_some(first)
}

/// The band of an amount; none when the number cannot be a price in that currency.
fn band<'t>(table: &'t PriceTable, amount: &Amount) -> Option<&'t str> {
    let currency = table.currencies.get(amount.currency)?;
    let lowest = currency
        .bands
        .first()
        .and_then(|(_, below)| *below)
        .unwrap_or(0.0);
    if amount.value <= 0.0 || (!amount.marked && amount.value < lowest * PLAUSIBLE_SHARE) {
        return None;
    }
    match amount.bound {
        Bound::Exact => band_of(currency, amount.value, false),
        Bound::Below => band_of(currency, amount.value, true),
        Bound::Round => {
            let top = amount.value + last_place(amount.value);
            let (low, high) = (
                band_of(currency, amount.value, false)?,
                band_of(currency, top, true)?,
            );
            (low == high).then_some(low)
        }
    }
}

/// The place of the last digit that is not zero: 10,000 in `2만`, 1,000 in `2만5천`.
fn last_place(value: f64) -> f64 {
    let mut place = 1.0;
    while value % (place * 10.0) == 0.0 && place < value {
        place *= 10.0;
    }
    place
}

fn band_of(currency: &CurrencyBands, value: f64, below: bool) -> Option<&str> {
    let lies_under = |bound: f64| if below { value <= bound } else { value < bound };
    currency
        .bands
        .iter()
        .find(|(_, bound)| bound.is_none_or(lies_under))
        .map(|(band, _)| band.as_str())
}

fn amount(text: &Text<'_>, within: Span, table: &PriceTable, numeral: Numeral) -> Option<Amount> {
    let before = mark_before(text, within, table, numeral.span);
    let after = mark_after(text, within, table, numeral.span);
    let marked = before.or(after);
    let (currency, span) = match marked {
        Some((currency, at)) => (
            currency,
            Span::new(numeral.span.start.min(at.start), numeral.span.end.max(at.end)),
        ),
        None if is_bare_price(text, within, &numeral) => {
            let default = table
                .currencies
                .iter()
                .position(|currency| currency.code == table.default_currency)?;
            (default, numeral.span)
        }
        None => return None,
    };
    let bound = bound(text, within, span);
    Some(Amount {
        span,
        marked: marked.is_some(),
        value: numeral.value,
        numeral,
        currency,
        bound,
    })
}

fn mark_before(text: &Text<'_>, within: Span, table: &PriceTable, number: Span) -> Option<(usize, Span)> {
    marks(table).find_map(|(currency, mark)| {
        let length = mark.chars().count();
        let blank = usize::from(number.start > within.start && text.get(number.start - 1) == Some(' '));
        let end = number.start - blank;
        let start = end.checked_sub(length).filter(|start| *start >= within.start)?;
        let alone = !is_word(mark) || text.is_word_start(start);
        // A Korean mark stands after its number; before one it belongs to the number before.
        let before = mark.chars().all(is_hangul);
        (!before && alone && phrase_at(text.chars(), start, mark).is_some())
            .then(|| (currency, Span::new(start, end)))
    })
}

fn mark_after(text: &Text<'_>, within: Span, table: &PriceTable, number: Span) -> Option<(usize, Span)> {
    let blank = usize::from(text.get(number.end) == Some(' '));
    let start = number.end + blank;
    if start >= within.end {
        return None;
    }
    marks(table)
        .filter(|(_, mark)| *mark != "$" || blank == 0)
        .filter_map(|(currency, mark)| {
            let end = phrase_at(text.chars(), start, mark).filter(|end| *end <= within.end)?;
            Some((currency, Span::new(start, end)))
        })
        .max_by_key(|(_, span)| span.end)
}

fn marks(table: &PriceTable) -> impl Iterator<Item = (usize, &str)> {
    table
        .currencies
        .iter()
        .enumerate()
        .flat_map(|(at, currency)| currency.marks.iter().map(move |mark| (at, mark.as_str())))
}

fn is_word(mark: &str) -> bool {
    mark.starts_with(char::is_alphanumeric)
}

/// Whether a number without a mark can be a price: nothing counted follows it.
fn is_bare_price(text: &Text<'_>, within: Span, numeral: &Numeral) -> bool {
    if numeral.style != Style::Digits && numeral.scale <= 1.0 {
        return false;
    }
    let rest = text.at(Span::new(numeral.span.end, within.end));
    let joined = !rest
        .first()
        .is_none_or(|next| next.is_whitespace() || next.is_ascii_punctuation());
    if joined {
        let age = starts_with_any(rest, &["대"]) && numeral.value < 1_000.0;
        return AFTER_BARE.begins(rest) && !age;
    }
    let next: usize = rest
        .iter()
        .take_while(|char| char.is_whitespace() || **char == '-')
        .count();
    !COUNTED.begins(&rest[next..])
}

fn bound(text: &Text<'_>, within: Span, span: Span) -> Bound {
    let rest = text.at(Span::new(span.end, within.end));
    if starts_with_any(rest, &["대"]) {
        return Bound::Round;
    }
    let blanks = rest.iter().take_while(|char| char.is_whitespace()).count();
    let below_after = [
        "이하",
        "미만",
        "이내",
        "안쪽",
        "아래",
        "보다 싸",
        "or less",
        "or under",
        "or below",
    ];
    let before = text.at(Span::new(within.start, span.start));
    let before_end = before
        .iter()
        .rposition(|char| !char.is_whitespace())
        .map_or(0, |last| last + 1);
    let below_before = ["under", "below", "less than", "cheaper than", "at most", "up to"];
    let below =
        starts_with_any(&rest[blanks..], &below_after) || ends_with_any(&before[..before_end], &below_before);
    if below { Bound::Below } else { Bound::Exact }
}
