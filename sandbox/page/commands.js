/** The application's commands as a person finds them: subcommands side by side, searched by what was typed. */

export const CHAT_INPUT = 1;
export const USER = 2;
export const MESSAGE = 3;

const SUBCOMMAND = 1;
const SUBCOMMAND_GROUP = 2;

/** A command's, option's or choice's name in the person's language, else the original. */
export function nameOf(thing) {
  return thing.name_localized ?? thing.name;
}

export function descriptionOf(thing) {
  return thing.description_localized ?? thing.description;
}

/**
 * Every command that can be typed, groups flattened: `{command, path, name, title, description, options}`, where `path`
 * holds the subcommand's options from the outside in, `name` reads like "gan sample" and `title` is that translated.
 */
export function typedCommands(commands) {
  return commands.filter((command) => command.type === CHAT_INPUT).flatMap((command) => leaves(command, [], command));
}

function leaves(node, path, command) {
  const options = node.options ?? [];
  const inner = options.filter(({ type }) => type === SUBCOMMAND || type === SUBCOMMAND_GROUP);
  if (inner.length) return inner.flatMap((option) => leaves(option, [...path, option], command));
  const steps = [command, ...path];
  return [
    {
      command,
      path,
      options,
      name: steps.map((step) => step.name).join(" "),
      title: steps.map((step) => nameOf(step)).join(" "),
      description: descriptionOf(node),
    },
  ];
}

/**
 * The entries that fit what was typed, whatever its case and accents, best first: names that begin so, names that
 * contain it, descriptions.
 */
export function search(entries, typed) {
  const wanted = plain(typed.trim());
  const rank = (entry) => {
    const names = [entry.title, entry.name].map(plain);
    if (names.some((name) => name.startsWith(wanted))) return 0;
    if (names.some((name) => name.includes(wanted))) return 1;
    return plain(entry.description).includes(wanted) ? 2 : 3;
  };
  return entries.filter((entry) => rank(entry) < 3).sort((a, b) => rank(a) - rank(b) || a.title.localeCompare(b.title));
}

/** `text` in small letters without their accents. */
function plain(text) {
  return text.toLowerCase().normalize("NFD").replace(/\p{M}/gu, "");
}

/**
 * What was typed for a command's `options`, taken apart where `name:value` calls one of them (a colon before a space is a
 * text's own): `texts` by option name, and the `last` that was called. What stands before all names belongs to the option `first`.
 */
export function takeApart(typed, first, options) {
  const called = new Map(options.flatMap((option) => [option.name, nameOf(option)].map((name) => [name, option.name])));
  const [before, ...rest] = typed.split(new RegExp(`(?:^|\\s)(${[...called.keys()].join("|")}):(?=\\S)`));
  const texts = { [first]: before };
  let last = first;
  for (let at = 0; at < rest.length; at += 2) {
    last = called.get(rest[at]);
    texts[last] = [texts[last], rest[at + 1]].filter(Boolean).join(" ");
  }
  return { texts, last };
}

/** An interaction's data for a typed command with its leaf `options`, nested as Discord nests them. */
export function commandData(entry, options) {
  const nested = entry.path.reduceRight((inner, { name, type }) => [{ name, type, options: inner }], options);
  return { id: entry.command.id, name: entry.command.name, type: CHAT_INPUT, options: nested };
}

/** An interaction's data for a command on a message or a user. */
export function targetData(command, target) {
  return { id: command.id, name: command.name, type: command.type, target_id: target };
}
