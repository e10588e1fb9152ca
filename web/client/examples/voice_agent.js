import { GreenroomClient } from "../src/index.js";

const talk = /** @type {HTMLButtonElement} */ (document.getElementById("talk"));
const said = /** @type {HTMLElement} */ (document.getElementById("said"));

const client = new GreenroomClient({ userKey: "somebody" });
const { session_id } = await client.createSession({ locale: "en" });
const session = client.openSession(session_id);

session.subscribe(({ timeline, reply }) => {
  const lines = timeline.flatMap((item) => (item.kind === "message" ? [`${item.role}: ${item.text}`] : []));
  said.textContent = [...lines, reply?.text ?? ""].join("\n");
});

talk.onclick = async () => {
  const call = await session.startCall({ mode: "hands_free" });
  call.subscribe(({ status, partial }) => {
    talk.textContent = `${status} ${partial}`;
  });
};
