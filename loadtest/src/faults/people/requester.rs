//! Somebody without a socket: every step is a request, and asked again under its key until it is answered.

use std::time::Duration;

use bytes::Bytes;
use greenroom_protocol::{JobId, Locale, RunId, SessionId};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::writer::BRIEF;
use super::{Person, Setback};
use crate::client::{SlotEdit, VoiceTurnOptions};
use crate::provider::Chance;
use crate::voice::utterances::shipped;

/// How often somebody looks how a job stands.
const LOOK_EVERY: Duration = Duration::from_millis(400);
/// After how many looks they cancel its run, if they are of that kind.
const LOOKS_UNTIL_CANCELLED: usize = 6;

/// Asks until all is over.
pub(super) async fn request(person: &Person) -> anyhow::Result<()> {
    person
        .session_by_session(Locale::Ko, |session, chance| async move {
            let requester = Requester {
                person,
                session,
                chance,
            };
            requester.session().await
        })
        .await
}

struct Requester<'a> {
    person: &'a Person,
    session: SessionId,
    chance: Chance,
}

impl Requester<'_> {
    async fn session(&self) -> Result<(), Setback> {
        if Person::is_drawn(self.chance, "speaks", 20) {
            self.speak().await?;
        }
        self.say("brief", BRIEF).await?;
        if Person::is_drawn(self.chance, "edits", 30) {
            self.edit().await?;
        }
        if Person::is_drawn(self.chance, "job", 50) {
            self.job().await?;
        } else {
            self.generate().await?;
        }
        self.say("thanks", "고마워요, 잘 받았어요").await
    }

    async fn say(&self, key: &str, text: &str) -> Result<(), Setback> {
        self.person.does("says something by a request");
        self.person.said(self.session, text, false);
        let (client, session) = (&self.person.client, self.session);
        self.person
            .insist(move || client.message(session, text, Some(key)))
            .await?;
        self.person.said(self.session, text, true);
        Ok(())
    }

    /// Uploads a recording.
    async fn speak(&self) -> Result<(), Setback> {
        self.person.does("uploads a recording");
        let utterances = shipped();
        let utterance = &utterances[self.chance.at("utterance").below(utterances.len())];
        let options = &VoiceTurnOptions {
            locale: Some(utterance.locale),
            voice_preset: None,
            key: Some("spoken".to_owned()),
        };
        let (client, session) = (&self.person.client, self.session);
        let recording = utterance.flac();
        let spoken = self
            .person
            .insist(move || client.voice_turn(session, Bytes::from_static(recording), options))
            .await;
        match spoken {
            // A provider that fails now may have nothing to do with what comes next.
            Ok(_) | Err(Setback::Refused(_)) => Ok(()),
            Err(setback) => Err(setback),
        }
    }

    async fn edit(&self) -> Result<(), Setback> {
        self.person.does("edits a slot by a request");
        let path = "product.name"
            .parse()
            .map_err(|_| Setback::Wrong(anyhow::anyhow!("a path of the playbook is no path")))?;
        let edits = &[SlotEdit {
            path,
            value: json!("런치부스터 라이트"),
        }];
        let (client, session) = (&self.person.client, self.session);
        self.person
            .insist(move || client.set_slots(session, edits))
            .await
            .map(drop)
    }

    /// Has a run made and waits for its end in one request.
    async fn generate(&self) -> Result<(), Setback> {
        self.person.does("waits for a run in one request");
        self.person.runs(self.session, true);
        let (client, session) = (&self.person.client, self.session);
        let made = self
            .person
            .insist(move || client.generate(session, false, Some("run")))
            .await;
        self.person.runs(self.session, false);
        match made {
            Ok(receipt) => {
                self.person.promised_run(self.session, receipt.run_id);
                self.take(receipt.run_id).await
            }
            // The run failed, which is told by what it failed of.
            Err(Setback::Refused(_)) => Ok(()),
            Err(setback) => Err(setback),
        }
    }

    /// Has a run made in the background, and looks how it stands until it has ended.
    async fn job(&self) -> Result<(), Setback> {
        self.person.does("waits for a job");
        let (client, session) = (&self.person.client, self.session);
        let receipt = self
            .person
            .insist(move || client.generate_async(session, false, Some("job")))
            .await?;
        self.person.runs(self.session, true);
        let is_impatient = Person::is_drawn(self.chance, "impatient", 20);
        for look in 0.. {
            let job = self.look(receipt.job_id).await?;
            let run: Option<RunId> = job["run_id"].as_str().and_then(|run| run.parse().ok());
            if let Some(run) = run
                && look == 0
            {
                self.person.promised_run(self.session, run);
            }
            match (job["status"].as_str(), run) {
                (Some("completed"), Some(run)) => return self.take(run).await,
                (Some("failed"), _) => break,
                (Some("queued" | "running"), Some(run)) if is_impatient && look == LOOKS_UNTIL_CANCELLED => {
                    self.cancel(run).await?;
                }
                (Some("queued" | "running"), _) => {}
                _ => return Err(Setback::Wrong(anyhow::anyhow!("a job stands as none may: {job}"))),
            }
            sleep(LOOK_EVERY).await;
        }
        self.person.runs(self.session, false);
        Ok(())
    }

    async fn look(&self, job: JobId) -> Result<Value, Setback> {
        let client = &self.person.client;
        self.person.insist(move || client.job(job)).await
    }

    async fn cancel(&self, run: RunId) -> Result<(), Setback> {
        let client = &self.person.client;
        match self.person.insist(move || client.cancel(run)).await {
            // It may have ended in the same moment.
            Ok(_) | Err(Setback::Refused(_)) => Ok(()),
            Err(setback) => Err(setback),
        }
    }

    /// Takes the package of a run that is done.
    async fn take(&self, run: RunId) -> Result<(), Setback> {
        self.person.does("takes a package");
        self.person.runs(self.session, false);
        let client = &self.person.client;
        let package = self.person.insist(move || client.export(run)).await?;
        if package.is_empty() {
            return Err(Setback::Wrong(anyhow::anyhow!("the package of {run} is empty")));
        }
        Ok(())
    }
}
