// The week's plan as days: a board of seven columns, or a list on a narrow screen.

import { listOf, numberOf, recordOf, textOf } from "./partial.js";

/**
 * @typedef {object} PlanDay
 * @property {number} day             1 to 7; 0 holds what has no day yet
 * @property {{ key: string, action: string }[]} actions
 */

const DAYS_OF_WEEK = 7;

/**
 * Sorts the plan's actions into days. Days without an action are kept, so that the board does not jump
 * while it fills.
 * What names no day of the week (it has not arrived yet, or is none) stands under day 0, last, and only
 * if there is any.
 * @param {unknown} weeklyPlan
 * @returns {PlanDay[]}
 */
export function weekOf(weeklyPlan) {
  /** @type {PlanDay[]} */
  const days = Array.from({ length: DAYS_OF_WEEK }, (_, index) => ({ day: index + 1, actions: [] }));
  /** @type {PlanDay} */
  const undated = { day: 0, actions: [] };
  listOf(weeklyPlan).forEach((item, index) => {
    const fields = recordOf(item);
    const action = textOf(fields.action);
    const day = dayOf(fields.day);
    if (action === "" && day === 0) return;
    (days[day - 1] ?? undated).actions.push({ key: `${index}`, action });
  });
  return undated.actions.length > 0 ? [...days, undated] : days;
}

/** @param {unknown} value */
function dayOf(value) {
  const day = numberOf(value);
  return day !== null && Number.isInteger(day) && day >= 1 && day <= DAYS_OF_WEEK ? day : 0;
}
