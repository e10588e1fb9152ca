// Push-to-talk as people press it: held under a finger or a key, or tapped once to open the line and once
// more to close it, for whoever cannot hold.

/** A press shorter than this is a tap. */
const TAP_MS_MAX = 350;

/** @typedef {ReturnType<typeof createTalkKey>} TalkKey */

/**
 * @param {object} parts
 * @param {() => void} parts.onDown
 * @param {() => void} parts.onUp
 * @param {() => number} parts.nowMs
 */
export function createTalkKey({ onDown, onUp, nowMs }) {
  let isDown = false;
  let isLatched = false;
  let pressedAtMs = 0;

  const hold = () => {
    isDown = true;
    onDown();
  };
  /** It is not down any more, and nobody need be told. */
  const letGo = () => {
    isDown = false;
    isLatched = false;
  };
  const release = () => {
    letGo();
    onUp();
  };

  return {
    hold,
    release,
    letGo,
    press() {
      pressedAtMs = nowMs();
      if (!isLatched) hold();
    },
    lift() {
      const wasTap = nowMs() - pressedAtMs < TAP_MS_MAX;
      // What ended meanwhile is not kept open.
      if (wasTap && isDown && !isLatched) isLatched = true;
      else release();
    },
    tap() {
      if (isLatched) {
        release();
      } else {
        isLatched = true;
        hold();
      }
    },
    get isDown() {
      return isDown;
    },
  };
}
