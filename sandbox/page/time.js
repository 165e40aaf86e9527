/** Moments, as people read them in their own locale. */

const DISCORD_EPOCH = 1420070400000n; // milliseconds; a snowflake counts from the first moment of 2015
const UNITS = [
  ["year", 31536000],
  ["month", 2592000],
  ["day", 86400],
  ["hour", 3600],
  ["minute", 60],
  ["second", 1],
];
const STYLES = {
  t: { timeStyle: "short" },
  T: { timeStyle: "medium" },
  d: { dateStyle: "short" },
  D: { dateStyle: "long" },
  f: { dateStyle: "long", timeStyle: "short" },
  F: { dateStyle: "full", timeStyle: "short" },
};

/** The moment a snowflake was made. */
export function snowflakeDate(id) {
  return new Date(Number((BigInt(id) >> 22n) + DISCORD_EPOCH));
}

/** A date in one of Discord's `<t:…:style>` styles; `R` is relative to now. */
export function formatStyle(date, style, locale) {
  if (style === "R") return relative(date, locale);
  return new Intl.DateTimeFormat(locale, STYLES[style] ?? STYLES.f).format(date);
}

/** When a message was written: the time alone today, with the date before today. */
export function messageTime(date, locale) {
  const today = date.toDateString() === new Date().toDateString();
  return new Intl.DateTimeFormat(
    locale,
    today ? { timeStyle: "short" } : { dateStyle: "short", timeStyle: "short" },
  ).format(date);
}

export function fullTime(date, locale) {
  return formatStyle(date, "F", locale);
}

function relative(date, locale) {
  const seconds = Math.round((date - Date.now()) / 1000);
  const [unit, size] = UNITS.find(([, size]) => Math.abs(seconds) >= size) ?? UNITS.at(-1);
  return new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(Math.round(seconds / size), unit);
}

/** Bring every relative `<time>` under `root` up to date. */
export function refreshRelativeTimes(root, locale) {
  for (const node of root.querySelectorAll("time[data-relative]")) {
    node.textContent = relative(new Date(node.dateTime), locale);
  }
}
