/** What a command's options accept: their kinds in words, their candidates, and how typed text becomes a value. */

import { nameOf } from "./commands.js";

export const STRING = 3;
export const INTEGER = 4;
export const BOOLEAN = 5;
export const USER = 6;
export const CHANNEL = 7;
export const ROLE = 8;
export const MENTIONABLE = 9;
export const NUMBER = 10;
export const ATTACHMENT = 11;

const KINDS = {
  [STRING]: "text",
  [INTEGER]: "whole number",
  [BOOLEAN]: "true or false",
  [USER]: "person",
  [CHANNEL]: "channel",
  [ROLE]: "role",
  [MENTIONABLE]: "person or role",
  [NUMBER]: "number",
  [ATTACHMENT]: "file",
};

/** What was typed does not fit the option; the message is a sentence that says what to do. */
export class OptionError extends Error {}

/** The option's kind and limits in a few words: `whole number, 1 to 2000`. */
export function kindOf(option) {
  const { type, min_value: min, max_value: max, min_length: shortest, max_length: longest } = option;
  if (option.choices?.length) return `one of ${option.choices.length}`;
  const limits = type === STRING ? lengthLimits(shortest, longest) : valueLimits(min, max);
  return limits ? `${KINDS[type]}, ${limits}` : KINDS[type];
}

function valueLimits(min, max) {
  if (min != null && max != null) return `${min} to ${max}`;
  if (min != null) return `${min} or more`;
  return max != null ? `${max} or less` : "";
}

function lengthLimits(shortest, longest) {
  if (shortest != null && longest != null) return `${shortest} to ${longest} characters`;
  if (longest != null) return `up to ${longest} characters`;
  return shortest ? `at least ${shortest} characters` : "";
}

/** Everything that may be chosen for the option, `{name, value}`, or null where one types freely. */
export function candidates(option, session) {
  if (option.choices?.length) return option.choices.map((choice) => ({ name: nameOf(choice), value: choice.value }));
  switch (option.type) {
    case BOOLEAN:
      return [
        { name: "True", value: true },
        { name: "False", value: false },
      ];
    case USER:
      return session.candidates("user");
    case ROLE:
      return session.candidates("role");
    case MENTIONABLE:
      return session.candidates("mentionable");
    case CHANNEL:
      return session.candidates("channel", option.channel_types);
    default:
      return null;
  }
}

/** The value that the typed `text` stands for; `name` is what the option is called. Throws OptionError. */
export function readText(option, name, text) {
  if (option.type === STRING) return readString(option, name, text);
  const pattern = option.type === INTEGER ? /^[+-]?\d+$/ : /^[+-]?(\d+[.,]?\d*|[.,]\d+)$/;
  const value = Number(text.trim().replace(",", ".")); // decimal keypads in some languages have nothing else
  if (!pattern.test(text.trim())) {
    throw new OptionError(
      option.type === INTEGER ? `${name} takes a whole number, such as 7.` : `${name} takes a number, such as 0.8.`,
    );
  }
  const min = option.min_value ?? -Number.MAX_SAFE_INTEGER;
  const max = option.max_value ?? Number.MAX_SAFE_INTEGER;
  if (value < min || value > max) {
    const sentence = valueLimits(option.min_value, option.max_value) || `${min} to ${max}`;
    throw new OptionError(`${name} takes a ${KINDS[option.type]}, ${sentence}; ${text.trim()} lies outside.`);
  }
  return value;
}

function readString(option, name, text) {
  const { min_length: shortest = 0, max_length: longest = 6000 } = option; // 6000: Discord's own limit
  if (text.length >= shortest && text.length <= longest) return text;
  throw new OptionError(`${name} takes ${lengthLimits(option.min_length, longest)}; this has ${text.length}.`);
}

/** The value of the candidate that the typed `text` names. Throws OptionError when there is none. */
export function readCandidate(offered, name, text) {
  const wanted = text.trim().toLowerCase();
  const found = offered.find((candidate) => candidate.name.toLowerCase() === wanted);
  if (found) return found.value;
  const sample = offered.slice(0, 3).map((candidate) => candidate.name);
  throw new OptionError(
    `Choose one of the list for ${name}${sample.length ? `, such as ${sample.join(" or ")}` : ""}.`,
  );
}
