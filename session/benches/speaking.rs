//! What the rules of speaking and listening cost: a reply of 500 characters cut as it streams, token by token; what was
//! heard of it; whether a sound is a listener's.
//!
//! `cargo bench -p greenroom-session --bench speaking`

use std::hint::black_box;
use std::time::{Duration, Instant};

use greenroom_protocol::Millis;
use greenroom_session::speaking::{
    Sentence, SentenceCutter, SpokenPart, heard_prefix, is_backchannel, is_surely_a_turn,
};

/// A measurement takes this long at least; its best round counts.
const MEASURED_MIN: Duration = Duration::from_millis(600);
/// Characters of a reply.
const REPLY_CHARS: usize = 500;
/// Characters of a model's token.
const TOKEN_CHARS: usize = 3;

const KOREAN: &str = "네, 좋아요. 가격은 39,000원이군요. 말씀하신 것처럼 아침에 바쁜 분들이 타깃이라면 세안하고 바로 바를 수 있다는 점을 \
    앞세우는 것이 좋고, 저녁에 쓰는 분들이라면 하루를 마무리하는 시간을 보여 주는 것이 좋아요. 어느 쪽이 더 가까우세요? ";
const ENGLISH: &str = "That's a lovely idea. I'd start with one channel, because a small team that posts on four of them \
    every day will soon run out of things to say. It costs $25.00, e.g. for the first week. Which one is it? ";

fn best_us(mut round: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    let started = Instant::now();
    while started.elapsed() < MEASURED_MIN || best == Duration::MAX {
        let began = Instant::now();
        round();
        best = best.min(began.elapsed());
    }
    best.as_secs_f64() * 1e6
}

fn cut(tokens: &[String]) -> Vec<Sentence> {
    let mut cutter = SentenceCutter::default();
    let mut sentences = Vec::new();
    for token in tokens {
        cutter.push(token, &mut sentences);
    }
    cutter.finish(&mut sentences);
    sentences
}

fn main() {
    for (language, manner) in [("Korean", KOREAN), ("English", ENGLISH)] {
        let reply: Vec<char> = manner.chars().cycle().take(REPLY_CHARS).collect();
        let tokens: Vec<String> = reply
            .chunks(TOKEN_CHARS)
            .map(|token| token.iter().collect())
            .collect();
        let sentences = cut(&tokens);
        let cutting_us = best_us(|| {
            black_box(cut(black_box(&tokens)));
        });
        let duration = Millis(4_000);

        let part = |text| SpokenPart { text, duration };
        let parts: Vec<SpokenPart<'_>> = sentences
            .iter()
            .map(|sentence| part(sentence.text.as_str()))
            .collect();
        let played = Millis(duration.0 * parts.len() as u64 * 3 / 4);
        let heard_us = best_us(|| {
            black_box(heard_prefix(black_box(&parts), played));
        });
        println!(
            "{language}: {REPLY_CHARS} characters in {} pieces: cut in {cutting_us:.1} us, heard prefix in {heard_us:.1} us",
            sentences.len()
        );
    }
    for words in ["아 네네", "mm-hmm, yeah yeah", "네 그런데 가격이 조금 달라요"] {
        let listening_us = best_us(|| {
            black_box(is_backchannel(black_box(words)));
            black_box(is_surely_a_turn(black_box(words)));
        });
        println!("{words}: listener or turn in {listening_us:.1} us");
    }
}
