//! Somebody who types a brief on a socket, talks back, has runs made, cancels some, and takes failed ones up again.

use std::time::Duration;

use greenroom_protocol::{ClientMessage, Locale, RunId, SessionId};

use super::device::{Device, RunState};
use super::{Person, Setback};
use crate::provider::Chance;

/// A brief that fills every slot in one turn, without any model.
pub(super) const BRIEF: &str = "제품명은 런치부스터, 카테고리는 스킨케어, 특징은 저자극, 빠른흡수, 비건, 가격은 29000원, \
                                타겟은 20대 여성, 이유는 트러블 진정, 채널은 인스타와 네이버, 목표는 구매, 영상 길이는 10초";
/// How long somebody waits for a run before they lose their patience, if they are of that kind.
const PATIENCE: Duration = Duration::from_secs(4);
/// How often somebody takes one run up again.
const RETRIES: usize = 3;

/// Writes until all is over.
pub(super) async fn write(person: &Person) -> anyhow::Result<()> {
    person
        .session_by_session(Locale::Ko, |session, chance| async move {
            let mut writer = Writer {
                device: Device::open(person, session).await?,
                person,
                session,
                chance,
                sent: 0,
            };
            let lived = writer.session().await;
            writer.device.close().await;
            lived
        })
        .await
}

struct Writer<'a> {
    person: &'a Person,
    session: SessionId,
    device: Device<'a>,
    chance: Chance,
    /// Messages sent, so that no two have the same id or words.
    sent: usize,
}

impl Writer<'_> {
    async fn session(&mut self) -> Result<(), Setback> {
        self.chat("안녕하세요, 새 제품을 알리고 싶어요").await?;
        if Person::is_drawn(self.chance, "small talk", 40) {
            self.chat("무엇부터 말하면 될까요?").await?;
        }
        if Person::is_drawn(self.chance, "draft", 15) {
            return self.run(true).await;
        }
        self.say(BRIEF.to_owned()).await?;
        if Person::is_drawn(self.chance, "never starts", 15) {
            return self.interrupt().await;
        }
        self.run(false).await?;
        if Person::is_drawn(self.chance, "second run", 35) && !self.person.commons.is_over() {
            self.edit().await?;
            self.run(false).await?;
        }
        self.chat("고마워요, 다음에 또 올게요").await
    }

    /// Says something that nobody in this session has said yet, and waits for the end of its turn.
    async fn chat(&mut self, text: &str) -> Result<(), Setback> {
        let text = format!("{text} ({})", self.sent + 1);
        self.say(text).await
    }

    async fn say(&mut self, text: String) -> Result<(), Setback> {
        self.person.does("waits for the end of a turn");
        let turn = self.begin_turn(text).await?;
        self.device.until(|seen| seen.turns_ended.contains(&turn)).await
    }

    async fn begin_turn(&mut self, text: String) -> Result<greenroom_protocol::TurnId, Setback> {
        self.person.said(self.session, &text, false);
        let message = ClientMessage::UserMessage { text: text.clone() };
        let accepted = self.ask(&message).await?;
        self.person.said(self.session, &text, true);
        let turn = accepted.turn_id;
        turn.ok_or_else(|| Setback::Wrong(anyhow::anyhow!("a message was accepted without a turn")))
    }

    /// Speaks again before the reply has ended, or cancels it.
    async fn interrupt(&mut self) -> Result<(), Setback> {
        self.person.does("interrupts a reply");
        let first = self
            .begin_turn(format!("잠깐만요, 어떤 순서로 하나요? ({})", self.sent + 1))
            .await?;
        self.device
            .until_or(PATIENCE, |seen| {
                seen.has_text_of_reply || seen.turns_ended.contains(&first)
            })
            .await?;
        if Person::is_drawn(self.chance, "cancel", 50) {
            match self.ask(&ClientMessage::ResponseCancel {}).await {
                Ok(_) | Err(Setback::Refused(_)) => {}
                Err(setback) => return Err(setback),
            }
        } else {
            self.chat("아니에요, 됐어요").await?;
        }
        self.device.until(|seen| seen.turns_ended.contains(&first)).await
    }

    async fn edit(&mut self) -> Result<(), Setback> {
        self.person.does("edits a slot");
        let path = "product.name"
            .parse()
            .map_err(|_| Setback::Wrong(anyhow::anyhow!("a path of the playbook is no path")))?;
        let message = ClientMessage::SlotSet {
            path,
            value: format!("런치부스터 {}", self.sent).into(),
        };
        self.ask(&message).await.map(drop)
    }

    /// Has a run made, and waits for its end; or does not wait for it.
    async fn run(&mut self, draft: bool) -> Result<(), Setback> {
        self.person.does("has a run made");
        let accepted = self.ask(&ClientMessage::RunGenerate { draft }).await?;
        let run = accepted
            .run_id
            .ok_or_else(|| Setback::Wrong(anyhow::anyhow!("a run was accepted without an id")))?;
        self.person.promised_run(self.session, run);
        self.person.runs(self.session, true);
        let chance = self.chance.at(&format!("run-{}", self.sent));
        if Person::is_drawn(chance, "talks", 30) {
            self.chat("얼마나 더 걸릴까요?").await?;
        }
        if Person::is_drawn(chance, "leaves", 10) {
            // It goes on without anybody who looks.
            return Ok(());
        }
        let ended =
            |seen: &super::device::Seen| seen.runs.get(&run).is_some_and(|state| *state != RunState::Open);
        self.person.does("waits for the end of a run");
        if Person::is_drawn(chance, "impatient", 15) && !self.device.until_or(PATIENCE, ended).await? {
            match self.ask(&ClientMessage::RunCancel {}).await {
                // It may have ended in the same moment.
                Ok(_) | Err(Setback::Refused(_)) => {}
                Err(setback) => return Err(setback),
            }
        }
        for _ in 0..RETRIES {
            self.device.until(ended).await?;
            if !self.is_failed(run) || Person::is_drawn(chance, "lets it fail", 30) {
                break;
            }
            self.person.does("takes a run up again");
            match self.ask(&ClientMessage::RunRetry {}).await {
                // Events may not have told yet that it goes on.
                Ok(_) => {
                    self.device
                        .until(|seen| seen.runs.get(&run) != Some(&RunState::Failed))
                        .await?;
                }
                Err(Setback::Refused(_)) => break,
                Err(setback) => return Err(setback),
            }
        }
        self.device.until(ended).await?;
        self.person.runs(self.session, false);
        Ok(())
    }

    fn is_failed(&self, run: RunId) -> bool {
        self.device.seen.runs.get(&run) == Some(&RunState::Failed)
    }

    async fn ask(&mut self, message: &ClientMessage) -> Result<super::device::Accepted, Setback> {
        self.sent += 1;
        let id = format!("w{}-{}", self.person.number, self.sent);
        self.device.ask(message, &id).await
    }
}
